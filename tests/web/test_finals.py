"""Several finals on the page: tabs, the form that judges again, picking and choosing, earlier attempts, exports."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from lxml import etree

from fusion.engine import events as ev
from fusion.engine.types import AnswerState, Final, FinalKind, Mode, RunState
from fusion.live.record import Attempted, FinalRecord, JudgeRecord, RunRecord
from fusion.models import Answer, FinalAnswer, Run, RunExecution, User, VerdictRecord
from fusion.models.team import Role
from fusion.web.screen import Screen
from fusion.web.watch import still
from tests.factories import client_of, make_run, make_user
from tests.web.page_dom import PageDom
from tests.web.run_events import JUDGE, TEXTS, answered, judgement, whole_run
from tests.web.test_screen import Show, inner, stored

HTMX = {"HX-Request": "true"}
OTHER_JUDGE = "acme:other"


@pytest.fixture
def run(alice: User) -> Run:
    """A done run with three answers, a judged final and a picked one, which is the final."""
    made = make_run(alice, prompt="Why is <b>the sky</b> blue?")
    for letter in "ABC":
        Answer.objects.filter(run=made, letter=letter).update(state="done", text=f"Text of *{letter}*")
    known = {"A": 1, "B": 1, "C": 1}
    verdict = VerdictRecord.objects.create(run=made, judge="sim:x", data={})
    FinalAnswer.objects.create(
        run=made, verdict=verdict, kind="verbatim", letter="A", text="Text of *A*", known=known, is_current=False
    )
    FinalAnswer.objects.create(
        run=made, number=2, kind="picked", letter="B", text="Text of *B*", known=known, picked_by=alice
    )
    return made


def _get(user: User, run: Run, path: str = "", **options: Any) -> Any:
    return client_of(user).get(f"/r/{run.public_id}{path}", **options)


def _act(user: User, run: Run, **data: str) -> Any:
    return client_of(user).post(f"/r/{run.public_id}/act", data)


def _dom(response: Any) -> PageDom:
    return PageDom(response.content.decode())


# --- tabs ---------------------------------------------------------------------------------------------


def test_each_final_has_a_tab_and_the_final_is_marked(run: Run, bob: User) -> None:
    page = _dom(_get(bob, run))
    tabs = page.root.xpath("//nav[@aria-label='Finals of this run']/a")
    assert [tab.get("href") for tab in tabs] == [f"/r/{run.public_id}?final={number}" for number in (1, 2)]
    assert [tab.get("aria-current") for tab in tabs] == [None, "true"]
    assert "the final" in tabs[1].text_content() and "the final" not in tabs[0].text_content()
    assert "B, picked by Alice" in page.visible() and "not judged" in page.visible()
    assert page.root.xpath("string(//*[@id='doc-final'])").strip() == "Text of B"


def test_a_tab_shows_its_final_and_offers_to_make_it_the_final(run: Run, bob: User) -> None:
    page = _dom(_get(bob, run, "?final=1"))
    assert page.root.xpath("string(//*[@id='doc-final'])").strip() == "Text of A"
    assert "Verbatim from A" in page.visible() and "Another one is the final of this run" in page.visible()
    assert page.root.xpath("//button[@id='act-choose']/@value") == ["1"]
    assert not page.root.xpath("//button[@id='act-choose' and @value='2']")
    assert page.root.xpath("//a[@id='copy-final']/@href")[0].endswith("?final=1")


def test_one_final_alone_needs_no_tab(run: Run, alice: User) -> None:
    FinalAnswer.objects.filter(number=1).delete()
    assert not _dom(_get(alice, run)).root.xpath("//nav[@aria-label='Finals of this run']")


def test_the_tab_of_the_final_is_the_page_itself(run: Run, alice: User) -> None:
    shown = [_dom(_get(alice, run, path)).root.xpath("//*[@id='run']")[0] for path in ("?final=2", "")]
    assert etree.tostring(shown[0]) == etree.tostring(shown[1])


@pytest.mark.parametrize("number", ["3", "0", "x", "-1", "²", "9" * 40, ""])
def test_a_final_that_is_not_there_is_not_found(run: Run, alice: User, number: str) -> None:
    assert _get(alice, run, f"?final={number}").status_code == 404
    assert _get(alice, run, f"/export.md?final={number}").status_code == 404


def test_while_a_new_one_is_made_an_earlier_one_can_be_read_and_says_so(run: Run, alice: User) -> None:
    RunExecution.objects.create(
        run=run,
        number=2,
        kind="rejudge",
        letters="ABC",
        mode="merge",
        rubric="general",
        keeps_final=True,
        state_before="done",
        person=alice,
    )
    Run.objects.filter(pk=run.pk).update(state="running")
    live = _dom(_get(alice, run))
    assert live.root.xpath("//*[@data-socket]") and live.root.xpath("string(//*[@id='doc-final'])").strip() == ""
    names = [
        " ".join(tab.text_content().split()) for tab in live.root.xpath("//nav[@aria-label='Finals of this run']/a")
    ]
    assert names[-1] == "being made" and len(names) == 3
    for number, text in (("1", "Text of A"), ("2", "Text of B")):
        page = _dom(_get(alice, run, f"?final={number}"))
        assert page.root.xpath("string(//*[@id='doc-final'])").strip() == text
        assert "This run is under way" in page.visible()
        assert not page.root.xpath("//*[@data-socket]") and not page.root.xpath("//*[@id='act-choose']")


# --- the law ------------------------------------------------------------------------------------------


def begin_again(record: RunRecord) -> RunRecord:
    """The record as a re-judge starts from it."""
    other = dataclasses.replace(record.endpoints[JUDGE], ref=OTHER_JUDGE, name="Other")
    return dataclasses.replace(
        still(record),
        endpoints={**record.endpoints, OTHER_JUDGE: other},
        state=RunState.RUNNING,
        mode=Mode.BEST_OF,
        judge=JudgeRecord(),
        final=FinalRecord(),
        panel_closed=None,
        degraded=[],
        finished_at=None,
        now_ms=0,
    )


def rejudging() -> list[ev.Event]:
    closed = ev.PanelClosed(("A", "B", "C"), (), "all_ended")
    started = ev.JudgeStarted(OTHER_JUDGE, 1, ("A", "B", "C"), {"A": "K7Q2", "B": "M9XD", "C": "T4ZN"})
    return [ev.RunStarted(Mode.BEST_OF, ("A", "B", "C")), closed, started, ev.JudgeGrew('{"notes": "Hm"')]


def test_a_page_that_watches_a_re_judge_ends_as_a_fresh_one_with_both_finals() -> None:
    show = Show(begin_again(Show().play(whole_run()).record))
    page, token = show.page(), show.screen.token
    assert "being made" in page.visible()
    final = Final(FinalKind.VERBATIM, TEXTS["B"], "B")
    for event in [
        *rejudging(),
        ev.JudgeEnded(judgement(judge=OTHER_JUDGE, chosen="B")),
        ev.FinalEnded(final),
        ev.RunEnded(RunState.DONE),
    ]:
        show.add(event)
        page.apply(show.screen.frames_after(token) or [])
        token = show.screen.token
        assert page.text() == show.page().text(), event
    assert page.text() == PageDom(inner(Screen(stored(show.record)))).text()
    tabs = [" ".join(tab.text_content().split()) for tab in page.root.xpath("//a[contains(@class, 'finals__tab')]")]
    assert tabs == ["Merge · Judge · General", "Best-of · Other · General the final"]


def test_a_page_that_watches_a_re_judge_that_gives_nothing_is_again_as_before_and_says_why() -> None:
    before = Show().play(whole_run()).record
    show = Show(begin_again(before))
    page, token = show.page(), show.screen.token
    show.play(rejudging())
    show.record.mode, show.record.judge, show.record.final = before.mode, before.judge, before.final
    show.record.panel_closed, show.record.degraded = before.panel_closed, before.degraded
    show.record.attempted = Attempted(True, show.record.endpoints[OTHER_JUDGE], RunState.CANCELLED, None)
    show.add(ev.RunEnded(RunState.DONE))
    page.apply(show.screen.frames_or_snapshot(token))
    assert page.text() == PageDom(inner(Screen(stored(show.record)))).text()
    assert "Judging again by Other was stopped The final stands as before." in page.visible()
    assert page.root.xpath("//*[@id='final-head' and @data-kept]")  # so that nobody is told of a new final
    assert "Go on judging" in page.visible() and "So the sky is blue." in page.visible()


# --- what is offered ----------------------------------------------------------------------------------


AT_ONCE = {
    RunState.SHORT: "Judge anyway (2 answers)",
    RunState.CANCELLED: "Judge what we have (2 answers)",
    RunState.INTERRUPTED: "Judge what we have (2 answers)",
}


@pytest.mark.parametrize("state", AT_ONCE, ids=lambda state: state.value)
def test_a_run_without_a_final_offers_to_judge_what_is_there_or_to_pick_one(state: RunState) -> None:
    show = Show().play([ev.RunStarted(Mode.MERGE, ("A", "B", "C"))])
    for letter in "AB":
        show.add(ev.AnswerEnded(answered(letter, "words")))
    assert not show.page().root.xpath("//*[@id='act-judge' or @id='act-rejudge' or @id='pick-A']")
    show.add(ev.RunEnded(state))
    root = show.page().root
    assert [button.text_content() for button in root.xpath("//*[@id='act-judge']")] == [AT_ONCE[state]]
    assert root.xpath("//*[@id='act-rejudge']")
    assert root.xpath("//button[starts-with(@id, 'pick-')]/@value") == ["A", "B"]


def test_beside_a_final_who_gave_nothing_can_be_asked_again(run: Run, alice: User) -> None:
    assert not _dom(_get(alice, run)).root.xpath("//*[@id='act-ask']")
    Answer.objects.filter(run=run, letter="C").update(state="stopped", text="")
    (button,) = _dom(_get(alice, run)).root.xpath("//button[@id='act-ask' and @value='resume']")
    assert button.text_content() == "Ask C again"
    assert _act(alice, run, do="resume").status_code == 302
    asked = run.executions.get(number=2)
    assert (asked.kind, asked.letters, asked.keeps_final) == ("answers", "C", True)


def test_where_every_answer_is_there_judging_is_all_that_is_missing_and_offered_once() -> None:
    show = Show().play([ev.RunStarted(Mode.MERGE, ("A", "B", "C"))])
    for letter in "ABC":
        show.add(ev.AnswerEnded(answered(letter, "words")))
    show.add(ev.RunEnded(RunState.CANCELLED))
    root = show.page().root
    assert root.xpath("string(//*[@id='act-resume'])") == "Judge these answers"
    assert not root.xpath("//*[@id='act-judge']") and root.xpath("//*[@id='act-rejudge']")


def test_what_broke_off_is_named_before_it_is_judged() -> None:
    show = Show().play([ev.RunStarted(Mode.MERGE, ("A", "B", "C")), ev.AnswerEnded(answered("A", "words"))])
    show.add(ev.AnswerEnded(answered("B", "half", state=AnswerState.STOPPED)))
    show.add(ev.RunEnded(RunState.CANCELLED))
    assert "B broke off and would be judged as far as it goes." in show.page().visible()


def test_one_answer_can_be_picked_but_not_judged() -> None:
    show = Show().play([ev.RunStarted(Mode.MERGE, ("A", "B", "C")), ev.AnswerEnded(answered("B", "words"))])
    show.add(ev.RunEnded(RunState.CANCELLED))
    root = show.page().root
    assert not root.xpath("//*[@id='act-judge' or @id='act-rejudge']")
    assert root.xpath("//button[starts-with(@id, 'pick-')]/@value") == ["B"]


def test_a_final_without_a_late_answer_offers_to_judge_again_with_it(run: Run, alice: User) -> None:
    Answer.objects.filter(run=run, letter="C").update(late=True)
    FinalAnswer.objects.filter(run=run).update(known={"A": 1, "B": 1})
    page = _dom(_get(alice, run))
    assert "C came too late for this final." in page.visible() and "Judge again with C" in page.visible()
    assert "out of date" not in page.visible()


def test_a_final_whose_answer_was_asked_anew_is_out_of_date_in_its_tab_and_its_head(run: Run, alice: User) -> None:
    Answer.objects.filter(run=run, letter="A").update(attempt=2)
    page = _dom(_get(alice, run))
    assert page.visible().count("out of date") == 4  # both tabs, the head, the strip of stages
    assert "Judge the new answers" in page.visible()


# --- the form -----------------------------------------------------------------------------------------


def test_the_form_offers_what_stood_before_and_judges_again(run: Run, bob: User) -> None:
    page = _dom(_get(bob, run, "/rejudge"))
    assert page.root.xpath("//input[@name='letters' and @checked]/@value") == ["A", "B", "C"]
    key = page.root.xpath("//input[@name='idempotency_key']/@value")[0]
    data = {"mode": "merge", "rubric": "research", "letters": ["A", "C"], "judge": "", "idempotency_key": key}
    for _ in range(2):
        response = client_of(bob).post(f"/r/{run.public_id}/rejudge", data)
        assert (response.status_code, response["Location"]) == (302, f"/r/{run.public_id}")
    asked = run.executions.get(number=2)
    assert (asked.kind, asked.mode, asked.rubric, asked.letters, asked.judge) == (
        "rejudge",
        "merge",
        "research",
        "AC",
        "",
    )
    assert asked.person == bob and run.executions.count() == 2


def test_a_script_gets_the_form_alone_and_is_sent_to_the_run(run: Run, alice: User) -> None:
    alone = _get(alice, run, "/rejudge", headers=HTMX).content.decode()
    assert "<html" not in alone and 'id="rejudge-form"' in alone
    data = {"mode": "best-of", "rubric": "general", "letters": ["A", "B"]}
    response = client_of(alice).post(f"/r/{run.public_id}/rejudge", data, headers=HTMX)
    assert (response.status_code, response["HX-Redirect"]) == (204, f"/r/{run.public_id}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"letters": ["A"]}, "at least two answers"),
        ({"letters": []}, "at least two answers"),
        ({"letters": ["A", "Z"]}, "Z is not one of the available choices"),
        ({"judge": "gone:model"}, "cannot be asked here"),
        ({"mode": "x"}, "not one of the available choices"),
        ({"rubric": ""}, "required"),
    ],
)
def test_a_wrong_choice_comes_back_with_what_to_change(
    run: Run, alice: User, change: dict[str, Any], words: str
) -> None:
    data = {"mode": "best-of", "rubric": "general", "letters": ["A", "B"], **change}
    response = client_of(alice).post(f"/r/{run.public_id}/rejudge", data)
    assert response.status_code == 422 and words in _dom(response).visible()
    assert run.executions.count() == 1


def test_a_run_under_way_is_not_judged_again(run: Run, alice: User) -> None:
    Run.objects.filter(pk=run.pk).update(state="running")
    data = {"mode": "best-of", "rubric": "general", "letters": ["A", "B"]}
    assert _get(alice, run, "/rejudge").status_code == 409
    assert client_of(alice).post(f"/r/{run.public_id}/rejudge", data).status_code == 409
    assert _act(alice, run, do="judge").status_code == 409
    assert _act(alice, run, do="pick", letter="A").status_code == 409
    assert _act(alice, run, do="choose", final="1").status_code == 409


def test_too_many_runs_keeps_the_form(run: Run, alice: User, settings: Any) -> None:
    settings.FUSION_MAX_RUNS_PER_PERSON = 1
    make_run(alice, state=Run.State.RUNNING)
    data = {"mode": "merge", "rubric": "research", "letters": ["A", "C"]}
    response = client_of(alice).post(f"/r/{run.public_id}/rejudge", data)
    page = _dom(response)
    assert response.status_code == 429 and "which is the limit" in page.visible()
    assert page.root.xpath("//input[@name='letters' and @checked]/@value") == ["A", "C"]


# --- picking, choosing --------------------------------------------------------------------------------


def test_an_answer_is_picked_and_a_final_is_chosen(run: Run, bob: User) -> None:
    assert _act(bob, run, do="pick", letter="C")["Location"] == f"/r/{run.public_id}"
    assert "C, picked by Bob" in _dom(_get(bob, run)).visible()
    assert _act(bob, run, do="choose", final="1").status_code == 302
    assert list(run.finals.values_list("number", "is_current")) == [(1, True), (2, False), (3, False)]


def test_a_script_that_chose_from_a_tab_is_sent_to_the_run_itself(run: Run, alice: User) -> None:
    headers = {**HTMX, "HX-Current-URL": f"http://testserver/r/{run.public_id}?final=1"}
    data = {"do": "choose", "final": "1"}
    response = client_of(alice).post(f"/r/{run.public_id}/act", data, headers=headers)
    assert (response.status_code, response["HX-Redirect"]) == (204, f"/r/{run.public_id}")


@pytest.mark.parametrize("data", [{"do": "pick", "letter": "Z"}, {"do": "choose", "final": "7"}])
def test_what_is_not_there_is_refused(run: Run, alice: User, data: dict[str, str]) -> None:
    assert _act(alice, run, **data).status_code == 422


# --- who ----------------------------------------------------------------------------------------------


def test_to_a_stranger_none_of_it_exists(run: Run, charlie: User) -> None:
    client, base = client_of(charlie), f"/r/{run.public_id}"
    for path in ("?final=1", "/rejudge", "/attempts/A", "/export.json?final=1"):
        assert client.get(base + path).status_code == 404, path
    assert client.post(f"{base}/rejudge", {}).status_code == 404
    for data in ({"do": "judge"}, {"do": "pick", "letter": "A"}, {"do": "choose", "final": "1"}):
        assert client.post(f"{base}/act", data).status_code == 404
    assert client.get(f"/r/{uuid4()}/rejudge").status_code == 404


def test_a_viewer_reads_every_final_and_changes_none(run: Run) -> None:
    vera = make_user("vera", team=run.team, role=Role.VIEWER)
    assert _get(vera, run, "?final=1").status_code == 200
    assert _get(vera, run, "/rejudge").status_code == 403
    assert client_of(vera).post(f"/r/{run.public_id}/rejudge", {}).status_code == 403
    for data in ({"do": "judge"}, {"do": "pick", "letter": "A"}, {"do": "choose", "final": "1"}):
        assert _act(vera, run, **data).status_code == 403
    assert run.finals.get(is_current=True).number == 2


def test_who_is_signed_out_is_asked_to_sign_in(run: Run) -> None:
    assert Client().get(f"/r/{run.public_id}/rejudge").status_code == 302


# --- earlier attempts ---------------------------------------------------------------------------------


@pytest.fixture
def retried(run: Run) -> Run:
    """Answer A was asked twice more."""
    first = Answer.objects.get(run=run, letter="A")
    fields = {"run": run, "letter": "A", "ref": first.ref, "endpoint": first.endpoint}
    Answer.objects.filter(pk=first.pk).update(is_current=False)
    failed = {"failure_code": "provider_rate_limited", "failure_message": "429: <slow> down."}
    Answer.objects.create(**fields, attempt=2, state="failed", is_current=False, **failed)
    Answer.objects.create(**fields, attempt=3, state="done", text="Third time lucky")
    return run


def test_earlier_attempts_are_a_click_away_with_how_they_ended(retried: Run, bob: User) -> None:
    page = _dom(_get(bob, retried))
    assert page.root.xpath("//a[@id='older-A']/@href") == [f"/r/{retried.public_id}/attempts/A"]
    assert not page.root.xpath("//a[@id='older-B']") and "Text of A" not in page.root.xpath("string(//*[@id='doc-A'])")
    older = _dom(_get(bob, retried, "/attempts/A"))
    heads = [" ".join(head.text_content().split()) for head in older.root.xpath("//summary")]
    assert [head for head in heads if head.startswith("Attempt")] == ["Attempt 2 Failed", "Attempt 1 Done"]
    assert "429: <slow> down." in older.visible() and "A person asked this member again" in older.visible()
    assert older.root.xpath("string(//*[@id='older-A1-md'])") == "Text of A"


def test_a_script_gets_the_attempts_alone(retried: Run, bob: User) -> None:
    alone = _get(bob, retried, "/attempts/A", headers=HTMX).content.decode()
    assert "<html" not in alone and 'id="attempts-of-A"' in alone


@pytest.mark.parametrize("letter", ["B", "Z", "AA"])
def test_where_nothing_was_asked_twice_there_is_nothing_to_read(retried: Run, bob: User, letter: str) -> None:
    assert _get(bob, retried, f"/attempts/{letter}").status_code == 404


# --- exports ------------------------------------------------------------------------------------------


def test_exports_hold_every_final_the_final_first_and_every_attempt(retried: Run, bob: User) -> None:
    document = json.loads(_get(bob, retried, "/export.json").content)
    finals = [(one["number"], one["is_the_final"], one["final"]["text"]) for one in document["finals"]]
    assert finals == [(2, True, "Text of *B*"), (1, False, "Text of *A*")]
    assert document["final"]["text"] == "Text of *B*" and document["finals"][0]["picked_by"] == "Alice"
    attempts = [(one["letter"], one["attempt"], one["state"]) for one in document["earlier_attempts"]]
    assert attempts == [("A", 1, "done"), ("A", 2, "failed")]
    report = _get(bob, retried, "/export.md").content.decode()
    for words in (
        "picked by a person, not judged (B)",
        "## Final 1 (kept beside the final): mode best-of, rubric general",
        "#### Earlier: attempt 1",
        "429: \\<slow\\> down.",
        "Text of *A*",
    ):
        assert words in report, words


def test_exports_tell_of_a_judging_that_gave_no_new_final(run: Run, bob: User) -> None:
    assert json.loads(_get(bob, run, "/export.json").content)["attempted"] is None
    RunExecution.objects.create(
        run=run,
        number=9,
        kind="rejudge",
        judge="sim:arbiter",
        mode="best-of",
        rubric="general",
        person=bob,
        keeps_final=True,
        state="unjudged",
        failure_code="no_verdict",
        failure_message="No *judge* came.",
    )
    assert json.loads(_get(bob, run, "/export.json").content)["attempted"] == {
        "rejudged": True,
        "judge": "sim:arbiter",
        "state": "unjudged",
        "failure": {"code": "no_verdict", "message": "No *judge* came."},
    }
    report = _get(bob, run, "/export.md").content.decode()
    assert re.search(r"Judging again by .+ gave no new final\. No \\\*judge\\\* came\. The final stands", report)


def test_each_final_comes_out_byte_for_byte(run: Run, bob: User) -> None:
    assert _get(bob, run, "/export.md?final=1").content == b"Text of *A*"
    assert _get(bob, run, "/export.md?final=2").content == b"Text of *B*"
