"""Every state that a person can meet: reached through a simulated problem, said in words, with an action that works.

A worker executes the runs for real; pages are read and buttons pressed as a browser without scripts would.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.utils import timezone
from lxml import html
from lxml.etree import _Element
from lxml.html import HtmlElement

from fusion.catalogue import available
from fusion.catalogue.available import models_of_environment
from fusion.catalogue.health import Failing, failing
from fusion.engine.events import AnswerSilent
from fusion.engine.types import AnswerState, RunState
from fusion.live.record import RunRecord
from fusion.models import Pool, Run, RunExecution, User
from fusion.providers.simulated import SimulatedProvider
from fusion.runs.database import close_database_threads, in_database
from fusion.runs.pools import MemberSpec
from fusion.runs.services import start_run
from fusion.runs.worker import Worker
from fusion.web.shown.answers import column_note
from tests.factories import client_of, make_pool, make_run, make_user
from tests.providers.simulated_calls import bundled
from tests.runs.steering import ended, live_record, live_run, until
from tests.web.run_events import new_record

db = sync_to_async
QUESTION = bundled("research").prompt


def _words(element: _Element) -> str:
    """What a reader sees of it."""
    return " ".join(" ".join(str(text) for text in element.itertext()).split())


class Page:
    """One page as a reader without scripts has it."""

    def __init__(self, response: Any) -> None:
        self.status: int = response.status_code
        self.root: HtmlElement = html.document_fromstring(response.content.decode())
        main = self.root.find(".//main")
        assert main is not None
        self.text = _words(main)

    def button(self, identity: str) -> HtmlElement | None:
        found = self.root.xpath(f"//*[@id='{identity}']")
        return found[0] if found else None

    def notice(self, title: str) -> str:
        """The words of the notice of that title, with its tone in front."""
        for notice in self.root.xpath("//*[@id='run-notices']/*[contains(@class, 'notice--')]"):
            words = _words(notice)
            if words.startswith(title):
                tone = re.search(r"notice--(\w+)", notice.get("class", ""))
                return f"{tone[1] if tone else ''}: {words}"
        raise AssertionError(f"no notice {title!r} in {self.text[:1500]}")


class Desk:
    """A person who asks a simulated panel, looks at the page and presses its buttons."""

    def __init__(self, person: User, worker: Worker, client: Client) -> None:
        self.person, self.worker, self._client = person, worker, client

    async def ask(self, *members: str | MemberSpec, prompt: str = QUESTION, mode: str = "best-of", **rules: Any) -> Run:
        """Ask the members `careful`, `bold!cut`, …; the run is under way when this returns."""
        rules.setdefault("fallback_judges", ())
        for part in ("judge", "writer"):
            if part in rules:
                rules[part] = f"sim:{rules[part]}"
        specs = tuple(one if isinstance(one, MemberSpec) else MemberSpec(f"sim:{one}") for one in members)
        pool = await db(make_pool)(self.person, members=specs, **rules)
        return await self.ask_pool(pool, prompt=prompt, mode=mode)

    async def ask_pool(self, pool: Pool, *, prompt: str = QUESTION, mode: str = "best-of") -> Run:
        run: Run = await db(start_run)(
            author=self.person, pool=pool, prompt=prompt, mode=mode, idempotency_key=f"key-{timezone.now().timestamp()}"
        )
        return run

    async def see(self, run: Run) -> Page:
        return Page(await db(self._client.get)(f"/r/{run.public_id}"))

    async def ended(self, *members: str | MemberSpec, **rules: Any) -> tuple[Run, RunRecord, Page]:
        """Ask, and look once it is over."""
        run = await self.ask(*members, **rules)
        record = await ended(run)
        return run, record, await self.see(run)

    async def press(self, run: Run, identity: str) -> Any:
        """Send what the button of that id sends, from the page as it is now."""
        page = await self.see(run)
        button = page.button(identity)
        assert button is not None, f"no {identity} in {page.text[:1500]}"
        form = page.root.xpath(f"//form[@id='{button.get('form')}']")[0]
        sent = {button.get("name"): button.get("value")} if button.get("name") else {}
        return await db(self._client.post)(button.get("formaction") or form.get("action"), sent)

    async def reached(self, run: Run, condition: Callable[[RunRecord], object]) -> None:
        await until(lambda: (record := live_record(run)) is not None and condition(record))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Simulated models answer so many times as fast as real ones, and nobody waits long to ask again."""

    def at(speed: float) -> None:
        monkeypatch.setattr("fusion.providers.registry.SimulatedProvider", partial(SimulatedProvider, speed=speed))
        available.reset()

    monkeypatch.setattr("fusion.engine.retry.RETRY_WAIT_S", (0.01, 0.02))
    monkeypatch.setattr("fusion.providers.simulated.faults.RATE_LIMIT_WAIT_S", 0.01)
    at(200)
    return at


@pytest.fixture
async def desk(transactional_db: None, quick: object) -> AsyncIterator[Desk]:
    person = await db(make_user)("alice")
    worker = Worker(picks_up=False)
    await worker.start()
    yield Desk(person, worker, await db(client_of)(person))
    await worker.stop()
    await db(close_database_threads)()


# --- under way ---------------------------------------------------------------------------------------


async def test_thinking_counts_the_tokens_of_the_reasoning_and_can_be_stopped(
    desk: Desk, quick: Callable[[float], None]
) -> None:
    quick(1)
    run = await desk.ask("terse", "careful!thinking")
    await desk.reached(run, lambda record: record.answers["B"].reasoning_chars > 30)
    page = await desk.see(run)
    assert "Thinking. The visible answer follows." in page.text
    assert re.search(r"Reasoning ~\d+", page.text) and page.button("stop-B") is not None
    await desk.press(run, "act-stop")
    assert (await ended(run)).state is RunState.CANCELLED


def is_silent_in_mid_text(record: RunRecord) -> bool:
    return record.answers["B"].silent is not None and record.answers["B"].text != ""


async def test_a_silent_member_is_named_calmly_and_can_be_asked_again(desk: Desk, settings: Any) -> None:
    settings.FUSION_SILENCE_S = 0.1
    run = await desk.ask("careful", "bold!stall")
    await desk.reached(run, lambda record: record.answers["A"].state.is_final and is_silent_in_mid_text(record))
    page = await desk.see(run)
    assert "Silent for more than 0.1 s. You can wait, stop it and keep what has come, or ask it again." in page.text
    assert page.button("stop-B") is not None and page.button("retry-A") is None
    await desk.press(run, "retry-B")
    await desk.reached(run, lambda record: record.answers["B"].attempt == 2 and is_silent_in_mid_text(record))
    await desk.press(run, "stop-B")
    record = await ended(run)
    assert record.answers["B"].state is AnswerState.STOPPED and record.answers["A"].state is AnswerState.DONE
    assert [attempt.text != "" async for attempt in run.answers.filter(letter="B")] == [True, True]


def test_what_a_model_usually_needs_is_said_where_it_is_known() -> None:
    record = new_record()
    column = record.answers["B"]
    column.state, column.usual_ttft_ms = AnswerState.ASKED, 2_400
    assert column_note(record, column).text == "Asked. Waiting for the first token. It usually comes after 2.4 s."
    column.silent = AnswerSilent("B", 30.0)
    assert column_note(record, column).text == "Silent for more than 30 s. It usually begins after 2.4 s."
    column.state, column.text = AnswerState.STREAMING, "so"
    assert column_note(record, column).text == "Silent for more than 30 s."


async def test_stragglers_are_counted_down_and_need_not_be_waited_for(desk: Desk) -> None:
    run = await desk.ask("careful", "terse", "bold!stall", grace_s=60)
    await desk.reached(run, lambda record: record.grace)
    page = await desk.see(run)
    assert re.search(r"Judge starts in \d+ s without C", page.text)
    assert page.button("act-wait") is not None
    await desk.press(run, "act-judge-now")
    await desk.reached(run, lambda record: record.final.final)
    await desk.press(run, "stop-C")
    record = await ended(run)
    page = await desk.see(run)
    assert record.state is RunState.DONE
    assert "without waiting for C (Simulated · Bold)" in page.notice("Judged early")


async def test_one_that_waits_for_all_is_told_so(desk: Desk) -> None:
    run = await desk.ask("careful", "terse", "bold!stall", grace_s=60)
    await desk.reached(run, lambda record: record.grace)
    await desk.press(run, "act-wait")
    await desk.reached(run, lambda record: record.waiting_for_all)
    assert "Waiting for every answer" in (await desk.see(run)).text
    await desk.press(run, "stop-C")
    assert (await ended(run)).state is RunState.DONE


async def test_a_failure_that_passes_is_seen_only_on_the_receipt(desk: Desk) -> None:
    _, record, page = await desk.ended("careful", "terse!overloaded-once", "bold!rate-limited-long")
    assert record.answers["B"].state is AnswerState.DONE
    assert "try 2" in page.text and "overloaded (503)" in page.text
    assert "B:" not in page.notice("2 of 3 answered")


# --- some are missing --------------------------------------------------------------------------------


async def test_who_is_missing_from_a_panel_with_its_quorum_is_said_once_and_calmly_and_can_be_asked_again(
    desk: Desk,
) -> None:
    run, _, page = await desk.ended("careful", "terse", "bold!overloaded-twice")
    notice = page.notice("2 of 3 answered, which is enough")
    assert notice.startswith("info:") and "C: Bold is overloaded (503)" in notice and "Retry C" in notice
    assert page.text.count("2 of 3 answered") == 1
    first = live_run(run)
    await desk.press(run, "notice-retry-C")
    record = await ended(run, after=first)
    page = await desk.see(run)
    assert record.answers["C"].state is AnswerState.DONE
    assert "out of date" in page.text and "2 of 3 answered" not in page.text


async def test_a_missed_quorum_names_what_the_pool_wants_and_asking_again_mends_it(desk: Desk) -> None:
    rules = {"quorum": 3, "on_quorum_missed": "stop"}
    run, record, page = await desk.ended("careful", "terse", "bold!overloaded-twice", **rules)
    assert record.state is RunState.SHORT
    notice = page.notice("Too few answers to judge")
    assert "Only 2 of 3 members answered; this pool wants 3. C (Simulated · Bold): Bold is overloaded" in notice
    assert page.text.count("this pool wants 3") == 1 and page.button("act-elsewhere") is not None
    anyway = page.button("act-judge")
    assert anyway is not None and "Judge anyway (2 answers)" in _words(anyway)
    first = live_run(run)
    await desk.press(run, "act-resume")
    assert (await ended(run, after=first)).state is RunState.DONE


async def test_a_missed_quorum_can_be_judged_anyway(desk: Desk) -> None:
    rules = {"quorum": 3, "on_quorum_missed": "stop"}
    run, _, _ = await desk.ended("careful", "terse", "bold!wrong-key", **rules)
    first = live_run(run)
    await desk.press(run, "act-judge")
    record = await ended(run, after=first)
    assert record.state is RunState.DONE and record.answers["C"].attempt == 1


async def test_who_failed_is_remembered_for_the_next_question(desk: Desk) -> None:
    for _ in range(3):
        await desk.ended("careful", "terse!wrong-key")
    assert await in_database(_failing_of, "sim:terse!wrong-key", "sim:careful") == {
        "sim:terse!wrong-key": Failing(3, 3)
    }


def _failing_of(*refs: str) -> dict[str, Failing]:
    models = models_of_environment()
    return failing(entry for ref in refs if (entry := models.entry(ref)) is not None)


async def test_a_missed_quorum_that_is_judged_all_the_same_is_labelled(desk: Desk) -> None:
    _, record, page = await desk.ended("careful", "terse", "bold!wrong-key", quorum=3)
    assert record.state is RunState.DONE
    assert page.notice("Fewer answers than this pool wants").startswith("warn:")
    assert "which is enough" not in page.text


async def test_a_single_answer_says_that_nothing_was_judged(desk: Desk) -> None:
    _, record, page = await desk.ended("careful", "terse!wrong-key", "bold!no-credit")
    assert record.state is RunState.SINGLE
    assert "C (Simulated · Bold): Bold asks for credit" in page.notice("Single answer, not judged")
    assert "not judged" in page.text


# --- nobody answered -----------------------------------------------------------------------------------

CAUSES = {
    "wrong-key": ("The key was refused", "Only whoever manages this connection"),
    "no-credit": ("No credit left", "Only whoever pays for the account"),
    "overloaded": ("The provider has a problem", "ask this member again in a moment"),
    "rate-limited": ("Rate limited", "Wait a little"),
    "unreachable": ("Not reachable", "Check the network"),
    "gone": ("The model is not there", "Choose another model in the pool."),
    "too-long": ("The question does not fit", "Shorten the question"),
    "malformed": ("Not understood", "does not speak the expected protocol"),
    "defect": ("A defect on our side", "Not your doing."),
    "only-thinking": ("Empty answer", "allow it more tokens"),
    "empty": ("Empty answer", "Ask this member again"),
}


@pytest.mark.parametrize("problem", CAUSES)
async def test_when_all_failed_the_cause_and_who_can_mend_it_are_said(desk: Desk, problem: str) -> None:
    _, record, page = await desk.ended(f"careful!{problem}", f"terse!{problem}")
    title, way_out = CAUSES[problem]
    notice = page.notice(f"{title}: A (Simulated · Careful) and B (Simulated · Terse)")
    assert record.state is RunState.FAILED and notice.startswith("bad:") and way_out in notice
    assert page.button("act-resume") is not None and page.button("act-elsewhere") is not None


async def test_different_causes_are_told_apart_and_another_pool_gets_the_same_question(desk: Desk) -> None:
    run, _, page = await desk.ended("careful!wrong-key", "terse!no-credit", "bold!wrong-key")
    assert "A: Careful refused the key" in page.notice("The key was refused: A (Simulated · Careful) and C")
    assert "B" in page.notice("No credit left: B (Simulated · Terse)")
    link = page.button("act-elsewhere")
    assert link is not None and link.get("href") == f"/?from={run.public_id}"


async def test_out_of_time_says_so(desk: Desk) -> None:
    silent = [MemberSpec(f"sim:{name}!silent", timeout_s=1) for name in ("careful", "terse")]
    _, record, page = await desk.ended(*silent)
    assert record.state is RunState.FAILED
    assert "allow it more time in the pool" in page.notice("Out of time: A (Simulated · Careful) and B")


async def test_a_run_that_all_declined_is_told_in_a_neutral_tone(desk: Desk) -> None:
    _, record, page = await desk.ended("careful!filtered", "terse!filtered")
    assert record.state is RunState.FAILED
    assert page.notice("Refused: A").startswith("info:")
    assert {head.get("data-state") for head in page.root.xpath("//*[contains(@class, 'col__head')]")} == {"refused"}


# --- single answers ------------------------------------------------------------------------------------


async def test_a_refusal_is_neutral_and_says_what_to_do(desk: Desk) -> None:
    _, _, page = await desk.ended("careful", "terse", "bold!refuse")
    badge = page.root.xpath("//*[@id='head-C']//*[@class='col__state']/*[contains(@class, 'badge')]")[0]
    assert badge.text_content().strip() == "Refused" and badge.get("class") == "badge"
    assert "Rephrase the question, or leave this member out." in page.text
    assert page.notice("2 of 3 answered").startswith("info:") and page.button("notice-retry-C") is None


async def test_a_cut_off_answer_names_the_limit_and_leads_to_the_pool(desk: Desk) -> None:
    run, record, page = await desk.ended("careful", "terse", "bold!length")
    usage = record.answers["C"].usage
    assert usage is not None
    assert f"Stopped at {usage.output_tokens:,} tokens, its limit." in page.text
    link = page.root.xpath("//*[@id='note-C']//a")[0]
    assert link.get("href") == f"/pools/{await db(lambda: run.pool_version.pool.public_id)()}"


async def test_a_text_that_broke_off_is_kept_and_judged(desk: Desk) -> None:
    _, record, page = await desk.ended("careful", "terse", "bold!cut")
    assert "The connection to Bold broke in mid-answer." in page.text
    assert "The text up to there is kept and can be judged." in page.text
    judgement = record.judge.judgement
    assert judgement is not None and "C" in judgement.order


# --- stopped -------------------------------------------------------------------------------------------


async def test_a_run_stopped_in_its_answers_keeps_them_and_can_be_taken_up_or_discarded(desk: Desk) -> None:
    run = await desk.ask("careful", "terse", "bold!stall", grace_s=60)
    await desk.reached(run, lambda record: record.grace and record.answers["C"].text)
    await desk.press(run, "act-stop")
    record, page = await ended(run), await desk.see(run)
    assert record.state is RunState.CANCELLED
    assert "2 of 3 answers are complete, and 1 that was begun is kept too." in page.notice("Stopped")
    resume, judge = page.button("act-resume"), page.button("act-judge")
    assert resume is not None and resume.text_content() == "Run what is missing"
    assert judge is not None and "Judge what we have (2 answers)" in _words(judge)
    await desk.press(run, "act-discard")
    assert (await desk.see(run)).status == 404


async def test_a_run_stopped_in_judging_asks_only_for_a_verdict_when_taken_up(desk: Desk) -> None:
    run = await desk.ask("careful", "terse", judge="arbiter!stall")
    await desk.reached(run, lambda record: record.judge.text)
    await desk.press(run, "act-stop")
    await ended(run)
    page = await desk.see(run)
    assert "while the judge was at work. 2 of 2 answers are complete and kept." in page.notice("Stopped")
    resume = page.button("act-resume")
    assert resume is not None and resume.text_content() == "Judge these answers"


async def test_a_final_stopped_in_writing_is_kept_greyed_and_labelled(desk: Desk) -> None:
    run = await desk.ask("careful", "terse", "bold", mode="merge", writer="bold!stall")
    await desk.reached(run, lambda record: record.final.text)
    await desk.press(run, "act-stop")
    record, page = await ended(run), await desk.see(run)
    assert record.final.final is not None and record.final.text
    assert page.root.xpath("//*[@id='final-head' and @data-partial]") and "stopped while it was written" in page.text
    assert page.root.xpath("//*[@id='final-wait' and @data-partial]"), "its text is greyed by what stands before it"
    assert "What was written is kept; it is not complete." in page.notice("Stopped")
    assert [stage.get("data-progress") for stage in page.root.xpath("//*[@id='run-stages']/li")][-2:] == ["bad", "bad"]
    resume = page.button("act-resume")
    assert resume is not None and resume.text_content() == "Write the final anew"


async def test_a_server_that_goes_down_leaves_what_was_answered_and_only_the_rest_is_asked(desk: Desk) -> None:
    run = await desk.ask("careful", "bold!stall", grace_s=60)
    await desk.reached(run, lambda record: record.answers["A"].state.is_final and record.answers["B"].text)
    await desk.worker.stop()
    page = await desk.see(run)
    assert "1 of 2 answers is complete, and 1 that was begun is kept too." in page.notice("Interrupted")
    assert "The server stopped in mid-answer." in page.text
    await desk.worker.start()
    first = live_run(run)
    await desk.press(run, "act-resume")
    await until(lambda: live_run(run) is not first)
    await desk.reached(run, lambda record: record.answers["B"].text)
    await desk.press(run, "act-stop")
    record = await ended(run, after=first)
    assert (record.answers["A"].attempt, record.answers["B"].attempt) == (1, 2)


# --- judges and writers ----------------------------------------------------------------------------------


async def test_a_fallback_judge_is_named_with_the_reason(desk: Desk) -> None:
    _, record, page = await desk.ended("careful", "terse", judge="arbiter!overloaded", fallback_judges=("sim:sceptic",))
    assert record.state is RunState.DONE and "judged by a fallback" in page.text
    notice = page.notice("Judged by a fallback")
    assert "overloaded (503)" in notice and "judged by Simulated · Sceptic" in notice


async def test_without_any_verdict_no_text_pretends_to_be_an_answer(desk: Desk) -> None:
    _, record, page = await desk.ended(
        "careful", "terse", judge="arbiter!garble", fallback_judges=("sim:sceptic!no-credit",)
    )
    assert record.state is RunState.UNJUDGED and record.final.final is None
    notice = page.notice("No verdict")
    assert "did not return a verdict that can be read" in notice and "asks for credit" in notice
    assert "Ask for a verdict again, or read them yourself." in notice
    assert "No answer was chosen, so there is no final." in page.text
    assert page.button("act-resume") is not None and page.button("act-elsewhere") is not None


async def test_the_anchors_answer_is_labelled_when_no_judge_gave_a_verdict(desk: Desk) -> None:
    _, record, page = await desk.ended("careful", "terse", judge="arbiter!wrong-key", on_judge_failure="anchor")
    assert record.state is RunState.UNJUDGED
    assert "The anchor's answer, A no verdict" in page.text and page.notice("No verdict")


async def test_a_verdict_that_was_mended_says_so(desk: Desk) -> None:
    _, record, page = await desk.ended("careful", "terse", judge="arbiter!garble-once")
    assert record.state is RunState.DONE
    assert "The judge's first reply could not be read; it was asked once to mend it." in page.text


@pytest.mark.parametrize(
    ("problem", "title"),
    [
        ("none-acceptable", "The judge finds no answer good enough"),
        ("cannot-judge", "The judge could not decide"),
    ],
)
async def test_a_judge_that_chooses_none_is_believed_and_nothing_is_merged(
    desk: Desk, problem: str, title: str
) -> None:
    _, record, page = await desk.ended("careful", "terse", mode="merge", judge=f"arbiter!{problem}")
    assert record.state is RunState.UNJUDGED and record.final.final is None
    assert "“Why” says what" in page.notice(title)
    assert "Judged by Simulated · Arbiter." in page.text and page.button("act-elsewhere") is not None


async def test_a_tie_goes_to_the_anchor_and_says_so(desk: Desk) -> None:
    _, record, page = await desk.ended("careful", "terse", judge="arbiter!tie")
    assert record.final.final is not None and record.final.final.letter == "A"
    assert "could not separate" in page.text


async def test_a_final_that_could_not_be_written_is_the_answer_it_would_have_been_built_on(desk: Desk) -> None:
    _, record, page = await desk.ended("careful", "terse", "bold", mode="merge", writer="bold!cut")
    assert record.state is RunState.DONE and record.final.final is not None
    assert "The merged answer could not be written" in page.notice("Not merged")


# --- before it runs, and besides --------------------------------------------------------------------------


def test_a_queued_run_says_what_it_waits_for_and_can_be_cancelled(alice: User) -> None:
    asked = timezone.now() - timedelta(minutes=1)
    make_run(alice, state=Run.State.QUEUED, created_at=asked)
    run = make_run(alice, state=Run.State.QUEUED, created_at=asked)
    RunExecution.objects.update(created_at=asked)
    client = client_of(alice)
    page = Page(client.get(f"/r/{run.public_id}"))
    assert "No server process has taken this run up yet. 1 run is before it." in page.notice("Queued")
    stop = page.button("act-stop")
    assert stop is not None and stop.text_content() == "Cancel"
    client.post(f"/r/{run.public_id}/act", {"do": "stop"})
    page = Page(client.get(f"/r/{run.public_id}"))
    assert "A person stopped this run." in page.notice("Stopped") and "Queued" not in page.text


def test_nobody_wonders_about_a_run_that_was_asked_a_moment_ago(alice: User) -> None:
    run = make_run(alice, state=Run.State.QUEUED)
    assert "No server process" not in Page(client_of(alice).get(f"/r/{run.public_id}")).text


def test_too_many_runs_are_refused_with_the_question_kept_and_when_there_is_room(alice: User, settings: Any) -> None:
    settings.FUSION_MAX_RUNS_PER_PERSON, settings.FUSION_RUN_TIMEOUT_S = 2, 420
    pool = make_pool(alice)
    for seconds in (30, 10):
        started = timezone.now() - timedelta(seconds=seconds)
        make_run(alice, pool=pool, state=Run.State.RUNNING, started_at=started)
    sent = {"prompt": "My long question", "pool": str(pool.public_id), "mode": "best-of", "idempotency_key": "k"}
    answer = client_of(alice).post("/runs", sent)
    page = Page(answer)
    assert page.status == 429 and "My long question" in page.text
    assert "You have 2 runs in flight, which is the limit." in page.text
    assert "One ends within 7 minutes by itself." in page.text
    assert len(page.root.xpath("//*[@id='running-title']/following-sibling::ul//a")) == 2
