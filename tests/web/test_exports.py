"""Files to take away: exact bytes, safe headers, and nothing for strangers."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from fusion.models import Answer, FinalAnswer, Run, User
from tests.factories import client_of, make_pool, make_run

RAW = "# A\r\n<script>alert(1)</script>\tü\u2028 \n"


def _export(user: User, run: Run, extension: str = "md", **query: str) -> Any:
    path = f"/r/{run.public_id}/export.{extension}"
    return client_of(user).get(path, query)


@pytest.fixture
def run(alice: User) -> Run:
    made = make_run(alice, prompt="Why?", pool=make_pool(alice, name='Evil"\r\nSet-Cookie: a=b'.replace("\r\n", " ")))
    Answer.objects.filter(run=made, letter="B").update(text=RAW, state="done")
    FinalAnswer.objects.create(run=made, kind="verbatim", letter="B", text=RAW)
    return made


@pytest.mark.parametrize(
    ("extension", "query"), [("md", {}), ("json", {}), ("md", {"answer": "B"}), ("md", {"final": "1"})]
)
def test_to_a_stranger_the_run_does_not_exist(charlie: User, run: Run, extension: str, query: dict[str, str]) -> None:
    assert _export(charlie, run, extension, **query).status_code == 404


def test_somebody_who_is_not_signed_in_is_asked_to(run: Run) -> None:
    response = Client().get(f"/r/{run.public_id}/export.md")
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))


def test_a_private_run_of_a_colleague_does_not_exist_either(bob: User, run: Run) -> None:
    assert _export(bob, run).status_code == 200
    Run.objects.filter(pk=run.pk).update(is_private=True)
    assert _export(bob, run).status_code == 404


def test_an_answer_comes_out_byte_for_byte_as_plain_text(bob: User, run: Run) -> None:
    response = _export(bob, run, answer="B")
    assert response.content == RAW.encode()
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]


def test_the_final_comes_out_byte_for_byte(alice: User, run: Run) -> None:
    assert _export(alice, run, final="1").content == RAW.encode()


@pytest.mark.parametrize("letter", ["Z", "", "b", "\0", '"; x=y', "B" * 5000])
def test_an_answer_that_is_not_there_is_a_404(alice: User, run: Run, letter: str) -> None:
    assert _export(alice, run, answer=letter).status_code == 404


def test_a_final_that_is_not_there_is_a_404(alice: User) -> None:
    assert _export(alice, make_run(alice), final="1").status_code == 404


def test_an_unknown_format_and_an_unknown_run_are_404s(alice: User, run: Run) -> None:
    assert _export(alice, run, "exe").status_code == 404
    assert client_of(alice).get(f"/r/{uuid4()}/export.md").status_code == 404


def test_the_json_is_the_run(alice: User, run: Run) -> None:
    response = _export(alice, run, "json")
    document = json.loads(response.content)
    assert response["Content-Type"] == "application/json"
    assert document["run"] == str(run.public_id)
    assert document["prompt"] == "Why?"
    assert document["final"]["text"] == RAW
    assert next(answer for answer in document["answers"] if answer["letter"] == "B")["text"] == RAW


def test_the_report_is_a_file_whose_name_nobody_chose(alice: User, run: Run) -> None:
    response = _export(alice, run, "md")
    assert response["Content-Type"] == "text/markdown; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="fusion-run-{str(run.public_id)[:8]}.md"'
    assert "## Final" in response.content.decode()


def test_an_export_is_never_kept_by_a_cache(alice: User, run: Run) -> None:
    assert _export(alice, run)["Cache-Control"] == "private, no-store"


def test_a_post_is_refused(alice: User, run: Run) -> None:
    assert client_of(alice).post(f"/r/{run.public_id}/export.md").status_code == 405
