"""Forms sent by somebody who is signed out, with an old token or in the wrong way: a sentence, and nothing lost."""

from __future__ import annotations

import html
import uuid
from typing import Any

import pytest
from django.test import Client

from fusion.models import Pool, Run, User
from tests.factories import client_of, make_pool, make_run

OWN = {"Origin": "http://testserver"}
QUESTION = 'Why is <b>"this"</b>\nlost?'


@pytest.fixture(autouse=True)
def _no_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusion.runs.services.dispatch_run", lambda run_pk: None)


@pytest.fixture
def pool(alice: User) -> Pool:
    return make_pool(alice)


def _typed(chosen: Pool, **changes: str) -> dict[str, str]:
    return {"prompt": QUESTION, "pool": str(chosen.public_id), "mode": "merge", "idempotency_key": "k1", **changes}


def _text(response: Any) -> str:
    return html.unescape(response.content.decode())


def test_a_question_sent_after_the_session_ended_is_kept_in_a_form_that_can_be_sent_again(pool: Pool) -> None:
    response = Client().post("/runs", _typed(pool), headers=OWN)
    assert response.status_code == 401
    page = _text(response)
    assert "You were signed out, and nothing was sent" in page and QUESTION in page
    assert f'name="pool" value="{pool.public_id}"' in page and 'name="mode" value="merge"' in page
    assert not Run.objects.exists()


def test_a_pool_form_sent_after_the_session_ended_is_kept(alice: User, pool: Pool) -> None:
    for path in ("/pools/new", f"/pools/{pool.public_id}/edit"):
        page = _text(Client().post(path, {"name": "Nine lives", "members-0-system_note": "a\nb"}, headers=OWN))
        assert 'value="Nine lives"' in page and 'value="a\nb"' in page and f'action="{path}"' in page


def test_a_question_with_the_token_of_an_earlier_session_can_be_sent_once_more(alice: User, pool: Pool) -> None:
    client = client_of(alice, enforce_csrf_checks=True)
    response = client.post("/runs", _typed(pool, csrfmiddlewaretoken="x" * 64), headers=OWN)
    assert response.status_code == 403
    assert "send it once more" in _text(response) and QUESTION in _text(response)
    token = client.cookies["fusion_csrf"].value
    again = client.post("/runs", _typed(pool, csrfmiddlewaretoken=token), headers=OWN)
    assert again.status_code == 302
    assert Run.objects.get().prompt == QUESTION


def test_a_form_of_another_site_is_not_offered_for_sending(alice: User, pool: Pool) -> None:
    client = client_of(alice, enforce_csrf_checks=True)
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {}):
        response = client.post("/runs", _typed(pool), headers=headers)
        assert response.status_code == 403
        assert QUESTION not in _text(response) and "Send it again" not in _text(response)


def test_after_signing_in_a_button_leads_back_to_its_page_and_not_to_nothing(alice: User, pool: Pool) -> None:
    run = make_run(alice)
    for path, page in (
        (f"/r/{run.public_id}/act", f"/r/{run.public_id}"),
        (f"/r/{run.public_id}/delete", f"/r/{run.public_id}"),
        (f"/pools/{pool.public_id}/duplicate", f"/pools/{pool.public_id}"),
    ):
        assert Client().post(path, headers=OWN)["Location"] == f"/accounts/login/?next={page}", path


def test_a_script_of_somebody_signed_out_gets_a_sentence_at_401(alice: User) -> None:
    run = make_run(alice)
    for response in (
        Client().get(f"/r/{run.public_id}/live"),
        Client().post(f"/r/{run.public_id}/act", {"do": "stop"}, headers={"HX-Request": "true"}),
        Client().get("/history?q=x", headers={"HX-Request": "true"}),
    ):
        assert response.status_code == 401
        assert "Sign in again" in _text(response)


def test_a_wrong_method_is_refused_with_a_sentence(alice: User, pool: Pool) -> None:
    run, client = make_run(alice), client_of(alice)
    for path in ("/runs", f"/r/{run.public_id}/act", f"/r/{run.public_id}/restore", "/theme", "/pools/preview"):
        response = client.get(path)
        assert (response.status_code, response["Allow"]) == (405, "POST"), path
        assert "only takes forms" in _text(response)
    for path in ("/", "/history", "/pools", f"/r/{run.public_id}", f"/r/{run.public_id}/live"):
        response = client.put(path)
        assert (response.status_code, response["Allow"]) == (405, "GET, HEAD"), path
        assert "only be read" in _text(response)


@pytest.mark.parametrize("junk", ["nope", "\0", "ÿ", "00000000-0000-4000-8000-000000000000", "9" * 5000])
def test_a_pool_that_is_none_is_said_to_be_gone(alice: User, pool: Pool, junk: str) -> None:
    response = client_of(alice).post("/runs", _typed(pool, pool=junk))
    assert response.status_code == 422
    assert "not there any more. Choose another one" in _text(response) and QUESTION in _text(response)


def test_a_mode_that_is_none_is_named_as_such(alice: User, pool: Pool) -> None:
    response = client_of(alice).post("/runs", _typed(pool, mode="\0"))
    assert response.status_code == 422
    assert "Choose one of the modes." in _text(response) and QUESTION in _text(response)


@pytest.mark.parametrize("junk", ["a\0b", "k" * 1000, "", "ÿ"])
def test_a_key_that_is_none_does_not_stand_in_the_way_of_a_question(alice: User, pool: Pool, junk: str) -> None:
    assert client_of(alice).post("/runs", _typed(pool, idempotency_key=junk)).status_code == 302
    assert Run.objects.get().prompt == QUESTION


def test_a_form_sent_after_signing_out_leads_back_to_the_page_that_it_was_about(client: Client, alice: User) -> None:
    run, team = uuid.uuid4(), uuid.uuid4()
    for sent, page in (
        (f"/r/{run}/attempts/A", f"/r/{run}"),
        (f"/team/{team}/members", f"/team/{team}/members"),
        ("/team/new", "/"),
    ):
        assert client.post(sent)["Location"] == f"/accounts/login/?next={page}"
