"""One run: its page, the fallback for sockets, steering, deleting; and who may not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from fusion.engine import events as ev
from fusion.engine.types import RunState
from fusion.errors import RunStateConflict
from fusion.live.folding import apply
from fusion.live.runs import LIVE, LiveRun
from fusion.models import Answer, Call, FinalAnswer, Membership, Run, User
from fusion.models.team import Role
from fusion.runs.selectors import load_record
from fusion.web.watch import caught_up
from tests.factories import client_of, make_run

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _no_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs change their rows, nothing is asked."""
    monkeypatch.setattr("fusion.runs.services.dispatch_run", lambda run_pk: None)
    monkeypatch.setattr("fusion.runs.services.deliver_command", lambda *args: None)


@pytest.fixture
def run(alice: User) -> Run:
    return make_run(alice, state=Run.State.RUNNING, prompt="Why is <b>the sky</b> blue?")


@pytest.fixture
def live(run: Run) -> Iterator[LiveRun]:
    opened = LIVE.open(load_record(run), lambda public_id: None)
    yield opened
    LIVE.forget(opened)


def _grow(live: LiveRun, *events: ev.Event) -> None:
    """What `LiveRun.add` and `flush` do, without an event loop."""
    with live.lock:
        for event in events:
            apply(live.record, event, at_ms=live.record.now_ms + 100)
        live.seq += 1


def _text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def test_a_stranger_meets_404_at_every_address_of_a_run(run: Run, charlie: User) -> None:
    client, base = client_of(charlie), f"/r/{run.public_id}"
    for path in ("", "/live", "/export.md"):
        assert client.get(base + path).status_code == 404, path
    for path in ("/act?do=stop", "/delete", "/restore"):
        assert client.post(base + path).status_code == 404, path
    run.refresh_from_db()
    assert run.state == Run.State.RUNNING and run.deleted_at is None


def test_a_private_run_is_404_for_a_colleague(run: Run, bob: User) -> None:
    Run.objects.filter(pk=run.pk).update(is_private=True)
    assert client_of(bob).get(f"/r/{run.public_id}").status_code == 404
    assert client_of(bob).post(f"/r/{run.public_id}/restore").status_code == 404


def test_an_admin_who_knows_the_address_cannot_bring_a_private_run_of_a_colleague_back(run: Run, bob: User) -> None:
    Membership.objects.filter(user=bob).update(role=Role.ADMIN)
    Run.objects.filter(pk=run.pk).update(deleted_at=run.created_at, is_private=True)
    assert client_of(bob).post(f"/r/{run.public_id}/restore").status_code == 404
    assert client_of(run.author).post(f"/r/{run.public_id}/restore").status_code == 302


def test_somebody_who_is_not_signed_in_is_sent_to_sign_in(run: Run) -> None:
    assert Client().get(f"/r/{run.public_id}")["Location"] == f"/accounts/login/?next=/r/{run.public_id}"


def test_a_page_in_mid_run_shows_what_came_so_far_and_connects(run: Run, live: LiveRun, bob: User) -> None:
    _grow(live, ev.AnswerAsked("A"), ev.AnswerGrew("A", "The sky **scatt"))
    text = _text(client_of(bob).get(f"/r/{run.public_id}"))
    assert "Why is &lt;b&gt;the sky&lt;/b&gt; blue?" in text
    assert "The sky <strong>scatt</strong>" in text
    assert f'data-socket="/ws/r/{run.public_id}"' in text and f'data-seq="{caught_up(live).token}"' in text


def test_a_page_of_an_ended_run_is_complete_and_connects_to_nothing(alice: User) -> None:
    run = make_run(alice, state=Run.State.DONE)
    Answer.objects.filter(run=run).update(state="done", text="Rayleigh")
    FinalAnswer.objects.create(run=run, kind="verbatim", text="Rayleigh it is", letter="A")
    endpoint = run.answers.get(letter="A").endpoint
    Call.objects.create(
        run=run, call_id="p1", role="panel", letter="A", endpoint=endpoint, status="ok", cost_nanos=1_500_000_000
    )
    text = _text(client_of(alice).get(f"/r/{run.public_id}"))
    assert "Rayleigh it is" in text and "Verbatim from A" in text and "$1.50" in text
    assert "data-socket" not in text and '<div id="live"></div>' in text


def test_the_polling_fallback_gives_the_same_frames_and_is_quiet_when_nothing_is_new(
    run: Run, live: LiveRun, alice: User
) -> None:
    client, path = client_of(alice), f"/r/{run.public_id}/live"
    token = caught_up(live).token
    quiet = client.get(path, {"after": token})
    assert quiet.status_code == 204
    assert client.get(path, {"after": token}, headers={"If-None-Match": quiet["ETag"]}).status_code == 304
    _grow(live, ev.AnswerAsked("A"), ev.AnswerGrew("A", "Hello"))
    answer = client.get(path, {"after": token}, headers={"If-None-Match": quiet["ETag"]})
    assert answer.status_code == 200
    assert _text(answer) == "".join(caught_up(live).frames_after(token) or [])
    assert 'id="doc-A"' in _text(client.get(path, {"after": "lost:3"}))


def test_polling_after_the_end_continues_where_the_page_stands(run: Run, live: LiveRun, alice: User) -> None:
    token = caught_up(live).token
    _grow(live, ev.AnswerAsked("A"), ev.AnswerGrew("A", "Hello"))
    _grow(live, ev.RunEnded(RunState.CANCELLED))
    Run.objects.filter(pk=run.pk).update(state=Run.State.CANCELLED)
    text = _text(client_of(alice).get(f"/r/{run.public_id}/live", {"after": token}))
    assert "Hello" in text and 'id="doc-A"' not in text and 'id="live" hx-swap-oob="true"' in text


def test_the_page_of_a_run_elsewhere_is_read_from_its_rows(run: Run, alice: User) -> None:
    client = client_of(alice)
    Answer.objects.filter(run=run, letter="B").update(state="streaming", text="from far")
    assert "from far" in _text(client.get(f"/r/{run.public_id}"))
    Answer.objects.filter(run=run, letter="B").update(text="from far away")
    assert "away" in _text(client.get(f"/r/{run.public_id}/live", {"after": ""}))


@pytest.mark.parametrize(
    ("deed", "letter", "kind"),
    [
        ("stop", "", "stop"),
        ("judge-now", "", "judge-now"),
        ("wait-for-all", "", "wait-for-all"),
        ("stop-answer", "B", "stop-answer"),
    ],
)
def test_steering_a_run_leaves_a_command_and_answers_scripts_with_204(
    run: Run, bob: User, deed: str, letter: str, kind: str
) -> None:
    client, path = client_of(bob), f"/r/{run.public_id}/act"
    assert client.post(f"{path}?do={deed}", {"letter": letter}, headers=HTMX).status_code == 204
    plain = client.post(path, {"do": deed, "letter": letter})
    assert (plain.status_code, plain["Location"]) == (302, f"/r/{run.public_id}")
    commands = run.commands.all()
    assert [(command.kind, command.letter, command.person) for command in commands] == [(kind, letter, bob)] * 2


def test_what_cannot_be_done_is_said_with_the_right_status(run: Run, alice: User) -> None:
    client, path = client_of(alice), f"/r/{run.public_id}/act"
    for data in ({"do": "dance"}, {"do": "stop-answer", "letter": "Z"}, {"do": "stop-answer"}, {}):
        refused = client.post(path, data, headers=HTMX)
        assert refused.status_code == 422 and refused["Content-Type"].startswith("text/plain"), data
    Run.objects.filter(pk=run.pk).update(state=Run.State.DONE)
    late = client.post(path, {"do": "stop"})
    assert late.status_code == 409 and "already ended" in _text(late)
    assert client.get(path).status_code == 405


def test_somebody_who_may_only_read_cannot_steer_and_is_offered_nothing(run: Run, bob: User) -> None:
    Membership.objects.filter(user=bob).update(role=Role.VIEWER)
    client = client_of(bob)
    assert client.post(f"/r/{run.public_id}/act", {"do": "stop"}, headers=HTMX).status_code == 403
    text = _text(client.get(f"/r/{run.public_id}"))
    assert "data-read-only" in text and 'form="run-again"' not in text and "Delete this run" not in text


def test_taking_up_an_interrupted_run_reloads_the_page(alice: User) -> None:
    run = make_run(alice, state=Run.State.INTERRUPTED)
    response = client_of(alice).post(f"/r/{run.public_id}/act", {"do": "resume"}, headers=HTMX)
    assert response.status_code == 204 and response["HX-Refresh"] == "true"
    run.refresh_from_db()
    assert run.state == Run.State.QUEUED


def test_a_deleted_run_is_gone_and_can_be_brought_back(alice: User) -> None:
    run = make_run(alice)
    client, base = client_of(alice), f"/r/{run.public_id}"
    assert client.post(f"{base}/delete")["Location"] == "/history"
    assert client.get(base).status_code == 404
    assert client.post(f"{base}/restore", {"next": "//evil.example"})["Location"] == base
    assert client.get(base).status_code == 200


def test_a_colleague_may_not_delete_the_run(alice: User, bob: User) -> None:
    run = make_run(alice)
    assert client_of(bob).post(f"/r/{run.public_id}/delete").status_code == 403
    assert Run.objects.visible_to(alice).filter(pk=run.pk).exists()


def test_a_refusal_of_a_service_reaches_people_as_a_page(
    run: Run, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise RunStateConflict("Somebody else was <faster>.")

    monkeypatch.setattr("fusion.runs.services.stop_run", refuse)
    response = client_of(alice).post(f"/r/{run.public_id}/act", {"do": "stop"})
    assert response.status_code == 409 and "Somebody else was &lt;faster&gt;." in _text(response)


def test_ask_again_sends_the_same_question_byte_for_byte(alice: User) -> None:
    run = make_run(alice, prompt="\nStarts with a line end & has <tags>\n")
    client = client_of(alice)
    text = _text(client.get(f"/r/{run.public_id}"))
    box = text[text.index('<textarea name="prompt"') : text.index("</textarea>")]
    assert box.endswith(">\n\nStarts with a line end &amp; has &lt;tags&gt;\n")  # HTML drops the first line end


def test_a_run_page_takes_a_bounded_number_of_queries(alice: User, django_assert_max_num_queries: Any) -> None:
    run = make_run(alice)
    client = client_of(alice)
    client.get(f"/r/{run.public_id}")
    with django_assert_max_num_queries(18):
        client.get(f"/r/{run.public_id}")
