"""Several finals of one run: judged again, picked, chosen; each keeps its own story, and what stands, stands."""

from __future__ import annotations

from typing import Any

import pytest

from fusion.engine import events as ev
from fusion.engine.controls import Controls
from fusion.engine.types import AnswerState, Final, FinalKind, Mode, Plan, RunState
from fusion.errors import InvalidInput, NotAllowed, RunStateConflict, TooManyRuns
from fusion.live.record import RunRecord
from fusion.models import FinalAnswer, Run, RunExecution, User
from fusion.models.team import Role
from fusion.runs import services
from fusion.runs.ending import recover_runs
from fusion.runs.finals import choose_final, judgeable_in, pick_final, rejudge_run
from fusion.runs.selectors import final_records, load_record
from fusion.runs.worker import Worker
from tests import factories
from tests.runs.conftest import ask, pool_of
from tests.runs.steering import db, ended, live_record, live_run, until
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)

QUICK, OTHER, THIRD = "m-b-tokens20", "m-a-tokens30", "m-c-tokens25"
SLOW = "m-slow-rate50-tokens5000"
UNIQUE, DOWN, NONE = "custom:judge-unique-tokens5", "custom:judge-status401", "custom:judge-none-tokens5"
HELD_JUDGE = "custom:judge-held1-tokens5"


async def judged(person: User, *models: str, mode: str = "best-of", **rules: Any) -> Run:
    """A run that has ended with what its own judge gave."""
    pool = await db(pool_of)(person, *models, **rules)
    run = await db(ask)(person, pool, mode=mode)
    await ended(run)
    return run


async def again(run: Run, person: User, **wishes: Any) -> RunRecord:
    """Judge once more and wait for the end; what is stored is what was live."""
    first = live_run(run)
    await db(rejudge_run)(run=run, person=person, **wishes)
    return await ended(run, after=first)


async def test_another_judge_gives_a_second_final_and_asks_no_member_again(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    run = await judged(person, QUICK, OTHER)
    record = await again(run, person, judge=UNIQUE, mode="merge", rubric="code-review")
    assert dict(upstream.stats.asked) == {QUICK: 1, OTHER: 1, "judge-tokens5": 1, "judge-unique-tokens5": 2}
    assert record.state is RunState.DONE and record.final.number == 2
    assert record.final.final is not None and record.final.final.kind is FinalKind.MERGED
    assert (record.mode, record.rubric) == (Mode.MERGE, "code-review")
    marks = [(mark.number, mark.mode, mark.rubric, mark.is_current, mark.out_of_date) for mark in record.finals]
    assert marks == [(1, Mode.BEST_OF, "general", False, False), (2, Mode.MERGE, "code-review", True, False)]
    assert [mark.judge.model_id for mark in record.finals if mark.judge] == ["judge-tokens5", "judge-unique-tokens5"]
    assert len(record.calls) == 5


async def test_each_final_keeps_its_verdict_its_labels_and_its_order(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    run = await judged(person, QUICK, OTHER, THIRD)
    first = await db(load_record)(run)
    second = await again(run, person, judge=UNIQUE)
    earlier = await db(load_record)(run, final=1)
    assert earlier.judge.judgement == first.judge.judgement != second.judge.judgement
    assert (earlier.judge.order, earlier.judge.labels) == (first.judge.order, first.judge.labels)
    assert earlier.judge.labels != second.judge.labels
    assert earlier.final.final == first.final.final and earlier.state is RunState.DONE
    assert [record.final.number for record in await db(final_records)(run)] == [2, 1]


async def test_what_a_reader_must_know_of_one_final_is_not_said_of_another(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    run = await judged(person, QUICK, OTHER, judge="judge-status401", fallback_judges=("custom:judge-tokens5",))
    assert [note.code for note in (await db(load_record)(run)).degraded] == ["judge_fallback"]
    record = await again(run, person, judge=UNIQUE)
    assert record.degraded == [] and record.judge.failures == []
    earlier = await db(load_record)(run, final=1)
    assert [note.code for note in earlier.degraded] == ["judge_fallback"] and earlier.judge.failures


@pytest.mark.parametrize("judge", [DOWN, NONE])
async def test_a_re_judge_that_gives_no_final_leaves_the_one_that_stands(
    judge: str, worker: Worker, upstream: Upstream, person: User
) -> None:
    run = await judged(person, QUICK, OTHER)
    before = await db(load_record)(run)
    after = await again(run, person, judge=judge)
    assert (after.state, after.failure, after.finished_at) == (RunState.DONE, None, before.finished_at)
    assert (after.final.final, after.judge.judgement) == (before.final.final, before.judge.judgement)
    assert after.attempted is not None and after.attempted.state is RunState.UNJUDGED
    assert after.attempted.judge is not None and after.attempted.judge.ref == judge
    assert after.attempted.failure is not None and after.attempted.failure.message
    assert len(after.calls) == len(before.calls) + 1
    assert live_run(run).record.attempted == after.attempted
    assert live_run(run).record.judge == after.judge


async def test_a_debate_and_its_ruling_come_back_with_the_final_that_they_led_to(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    run = await judged(person, QUICK, OTHER, mode="debate", judge="judge-disputes-tokens5")
    before = await db(load_record)(run)
    assert before.final.final is not None and before.final.final.kind is FinalKind.RULED
    after = await again(run, person, judge=DOWN, mode="best-of")
    live = live_run(run).record
    assert (live.debate, live.ruling.ruling) == (after.debate, after.ruling.ruling)
    assert (after.debate, after.ruling.ruling) == (before.debate, before.ruling.ruling)
    assert (live.mode, live.final.final) == (Mode.DEBATE, before.final.final)


async def test_stored_answers_are_debated_without_asking_for_answers(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    run = await judged(person, QUICK, OTHER)
    record = await again(run, person, judge="custom:judge-disputes-tokens5", mode="debate")
    assert [mark.kind for mark in record.finals] == [FinalKind.VERBATIM, FinalKind.RULED]
    assert record.finals[1].judge is not None and record.finals[1].judge.model_id == "judge-disputes-tokens5"
    assert [answer.attempt for answer in record.answers.values()] == [1, 1]
    assert not (await db(load_record)(run, final=1)).debate.rounds and record.debate.rounds


async def test_what_the_next_re_judge_gives_is_told_alone(worker: Worker, upstream: Upstream, person: User) -> None:
    run = await judged(person, QUICK, OTHER)
    await again(run, person, judge=DOWN)
    record = await again(run, person)
    assert record.attempted is None and record.final.number == 2


async def test_stopped_while_it_judges_the_final_stands(worker: Worker, upstream: Upstream, person: User) -> None:
    run = await judged(person, QUICK, OTHER)
    before, first = await db(load_record)(run), live_run(run)
    await db(rejudge_run)(run=run, person=person, judge=HELD_JUDGE)
    await until(lambda: live_run(run) is not first and live_run(run).record.judge.text)
    assert live_run(run).record.final.final is None
    await db(services.stop_run)(run=run, person=person)
    after = await ended(run, after=first)
    assert (after.state, after.final.final) == (RunState.DONE, before.final.final)
    assert after.attempted is not None and after.attempted.state is RunState.CANCELLED


async def test_stopped_while_it_writes_half_a_text_does_not_replace_a_whole_one(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    run = await judged(person, QUICK, OTHER, judge="judge-unique-tokens5", writer="custom:m-w-rate50-tokens5000")
    before, first = await db(load_record)(run), live_run(run)
    await db(rejudge_run)(run=run, person=person, mode="merge")
    await until(lambda: live_run(run) is not first and live_run(run).record.final.text)
    await db(services.stop_run)(run=run, person=person)
    after = await ended(run, after=first)
    assert (after.state, after.final.final, after.mode) == (RunState.DONE, before.final.final, Mode.BEST_OF)
    assert await db(run.finals.count)() == 1
    assert live_run(run).record.final == after.final


async def test_a_text_that_was_whole_when_the_stop_came_is_the_new_final(
    worker: Worker, upstream: Upstream, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await judged(person, QUICK, OTHER)

    async def stopped_after_the_last_word(plan: Plan, *, emit: ev.Emit, controls: Controls) -> RunState:
        emit(ev.RunStarted(plan.mode, ("A", "B")))
        controls.stop_all()
        emit(ev.FinalEnded(Final(FinalKind.MERGED, "All of it.", "B", writer="custom:m-w")))
        emit(ev.RunEnded(RunState.DONE, None))
        return RunState.DONE

    monkeypatch.setattr("fusion.runs.executor.fuse", stopped_after_the_last_word)
    record = await again(run, person, mode="merge")
    assert (record.state, record.final.number, record.final.text) == (RunState.DONE, 2, "All of it.")
    assert record.attempted is None


async def test_a_stopped_re_judge_is_taken_up_again_with_its_verdict(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    run = await judged(person, QUICK, OTHER, writer="custom:m-w-held1-tokens60")
    first = live_run(run)
    await db(rejudge_run)(run=run, person=person, mode="merge", judge=UNIQUE, rubric="research")
    await until(lambda: live_run(run) is not first and live_run(run).record.final.text)
    await worker.stop()
    cut = await db(load_record)(run)
    assert (cut.state, cut.final.number) == (RunState.DONE, 1)
    assert cut.attempted is not None and cut.attempted.state is RunState.INTERRUPTED
    await worker.start()
    second = live_run(run)
    await db(services.resume_run)(run=run, person=person)
    record = await ended(run, after=second)
    assert record.final.number == 2 and record.final.final is not None
    assert (record.mode, record.rubric) == (Mode.MERGE, "research")
    assert upstream.stats.asked["judge-unique-tokens5"] == 1 and upstream.stats.asked[QUICK] == 1
    assert record.judge.judgement is not None and record.judge.judgement.judge == UNIQUE
    assert (record.judge, record.panel_closed) == (live_run(run).record.judge, live_run(run).record.panel_closed)


async def test_a_re_judge_cut_off_by_kill_9_leaves_the_final(worker: Worker, upstream: Upstream, person: User) -> None:
    run = await judged(person, QUICK, OTHER)
    before = await db(load_record)(run)
    await worker.stop()
    await db(rejudge_run)(run=run, person=person)
    await db(Run.objects.filter(pk=run.pk).update)(state=Run.State.RUNNING)
    assert await db(recover_runs)() == 1
    after = await db(load_record)(run)
    assert (after.state, after.final.final) == (RunState.DONE, before.final.final)
    assert after.attempted is not None and after.attempted.state is RunState.INTERRUPTED


def test_a_final_is_shown_from_the_rows_while_late_answers_are_waited_for(person: User) -> None:
    """As where another process executes the run; so it is of a re-judge, whose final is not an earlier one."""
    run = factories.make_run(person, state=Run.State.RUNNING)
    run.answers.filter(letter="A").update(state="done", text="Answer A")
    run.answers.filter(letter="B").update(state="streaming", text="half")
    FinalAnswer.objects.create(run=run, kind="verbatim", letter="A", text="Answer A", known={"A": 1})
    for record in (load_record(run), load_record(run, final=1), *final_records(run)):
        assert (record.state, record.final.number, record.final.text) == (RunState.RUNNING, 1, "Answer A")
        assert not record.elsewhere
    RunExecution.objects.create(run=run, number=2, kind="rejudge", mode="best-of", rubric="general", person=person)
    assert load_record(run).final.final is None and load_record(run, final=1).elsewhere


async def test_stopped_in_the_queue_nothing_has_happened(worker: Worker, upstream: Upstream, person: User) -> None:
    run = await judged(person, QUICK, OTHER)
    await worker.stop()
    await db(rejudge_run)(run=run, person=person)
    assert run.state == Run.State.QUEUED
    await db(services.stop_run)(run=run, person=person)
    after = await db(load_record)(run)
    assert after.state is RunState.DONE and after.attempted is not None


async def test_a_re_judge_without_a_final_before_it_is_how_the_run_ends(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    run = await judged(person, QUICK, OTHER, judge="judge-status401")
    none = await again(run, person, judge=NONE)
    assert none.state is RunState.UNJUDGED and none.attempted is None
    assert none.judge.judgement is not None and none.judge.judgement.standing == "none_acceptable"
    assert none.failure is not None and none.failure.code == "none_acceptable"
    assert none.degraded == []
    done = await again(run, person, judge=UNIQUE)
    assert (done.state, done.failure, done.final.number) == (RunState.DONE, None, 1)


# --- what is judged ------------------------------------------------------------------------------------


async def late_run(person: User, upstream: Upstream) -> Run:
    """A done run whose third answer came too late."""
    pool = await db(pool_of)(person, QUICK, OTHER, "m-c-held1-tokens60", grace_s=60)
    run = await db(ask)(person, pool)
    await until(lambda: (record := live_record(run)) and record.answers["B"].state.is_final)
    await db(services.judge_now)(run=run, person=person)
    await until(lambda: live_run(run).record.final.final and upstream.gate.standing)
    upstream.gate.let_on()
    assert (await ended(run)).answers["C"].late
    return run


async def test_late_answers_are_judged_too_when_they_are_chosen(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    run = await late_run(person, upstream)
    assert not (await db(load_record)(run)).final.out_of_date
    record = await again(run, person)
    assert record.judge.judgement is not None and sorted(record.judge.judgement.order) == ["A", "B", "C"]
    assert not record.finals[0].out_of_date and not record.finals[1].out_of_date


async def test_an_answer_that_is_not_chosen_is_left_out(worker: Worker, upstream: Upstream, person: User) -> None:
    run = await late_run(person, upstream)
    record = await again(run, person, letters="AB")
    assert record.judge.judgement is not None and sorted(record.judge.judgement.order) == ["A", "B"]
    assert record.answers["C"].late and not record.final.out_of_date


async def test_a_short_run_is_judged_anyway(worker: Worker, upstream: Upstream, person: User) -> None:
    run = await judged(person, QUICK, OTHER, "m-mute", quorum=3, on_quorum_missed="stop")
    assert (await db(load_record)(run)).state is RunState.SHORT
    record = await again(run, person)
    assert record.state is RunState.DONE and upstream.stats.asked["m-mute"] == 1
    assert [note.code for note in record.degraded] == ["quorum_missed"]


async def test_what_a_cancelled_run_has_is_judged_even_where_it_broke_off(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, QUICK, SLOW)
    run = await db(ask)(person, pool)
    await until(lambda: (record := live_record(run)) and record.answers["B"].text)
    await db(services.stop_run)(run=run, person=person)
    assert (await ended(run)).state is RunState.CANCELLED
    assert await db(judgeable_in)(run) == {"A": True, "B": True}
    record = await again(run, person)
    assert record.state is RunState.DONE and record.answers["B"].state is AnswerState.STOPPED
    assert record.judge.judgement is not None and sorted(record.judge.judgement.order) == ["A", "B"]


async def test_one_answer_alone_cannot_be_compared(worker: Worker, upstream: Upstream, person: User) -> None:
    run = await judged(person, QUICK, "m-mute")
    with pytest.raises(InvalidInput, match="at least two"):
        await db(rejudge_run)(run=run, person=person)
    await db(run.refresh_from_db)()
    assert run.state == Run.State.SINGLE


# --- running what is missing -----------------------------------------------------------------------------


async def test_in_a_done_run_only_who_failed_is_asked_and_the_final_is_out_of_date_if_that_gives_something(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    run = await judged(person, QUICK, OTHER, "m-mute", quorum=2)
    first = live_run(run)
    await db(services.resume_run)(run=run, person=person)
    record = await ended(run, after=first)
    assert dict(upstream.stats.asked) == {QUICK: 1, OTHER: 1, "m-mute": 2, "judge-tokens5": 1}
    assert record.state is RunState.DONE and not record.final.out_of_date  # it was as mute as before
    await db(run.answers.filter(letter="C", is_current=True).update)(state="done", text="Words at last.")
    record = await db(load_record)(run)
    assert record.final.out_of_date and record.finals[0].out_of_date


async def test_a_single_answer_becomes_a_judged_final_once_the_others_are_there(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, QUICK, SLOW, grace_s=60)
    run = await db(ask)(person, pool)
    await until(lambda: (record := live_record(run)) and record.answers["B"].text)
    await db(services.stop_answer)(run=run, person=person, letter="B")
    assert (await ended(run)).state is RunState.SINGLE
    first = live_run(run)
    version = pool.current
    assert version is not None
    await db(version.members.filter(position=1).update)(ref=f"custom:{OTHER}")
    await db(services.resume_run)(run=run, person=person)
    record = await ended(run, after=first)
    assert (record.state, record.final.number) == (RunState.DONE, 2)
    assert upstream.stats.asked[QUICK] == 1
    kinds = [(mark.kind, mark.out_of_date) for mark in record.finals]
    assert kinds == [(FinalKind.SINGLE, True), (FinalKind.VERBATIM, False)]


async def test_every_final_that_knew_an_answer_is_out_of_date_once_it_is_asked_anew(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    run = await judged(person, QUICK, OTHER)
    await again(run, person, judge=UNIQUE)
    first = live_run(run)
    await db(services.retry_answer)(run=run, person=person, letter="A")
    record = await ended(run, after=first)
    assert [mark.out_of_date for mark in record.finals] == [True, True] and record.final.out_of_date
    assert record.final.number == 2 and record.state is RunState.DONE
    record = await again(run, person)
    assert [mark.out_of_date for mark in record.finals] == [True, True, False]


# --- who may, and how often ----------------------------------------------------------------------------------


@pytest.fixture
def asked(person: User, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A done run with two answers that is executed by nobody."""
    monkeypatch.setattr("fusion.runs.briefs.dispatch_run", lambda run_pk: None)
    run = factories.make_run(person)
    run.answers.update(state="done")
    for letter in "ABC":
        run.answers.filter(letter=letter).update(text=f"Answer {letter}")
    FinalAnswer.objects.create(run=run, kind="verbatim", letter="A", text="Answer A", known={"A": 1, "B": 1, "C": 1})
    return run


def test_the_same_form_sent_twice_judges_once(asked: Run, person: User) -> None:
    for _ in range(2):
        rejudge_run(run=asked, person=person, idempotency_key="k")
    assert asked.executions.count() == 2
    asked.refresh_from_db()
    assert asked.state == Run.State.QUEUED


def test_the_same_form_sent_twice_at_the_same_time_judges_once(
    asked: Run, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Run.objects.get(pk=asked.pk)
    rejudge_run(run=other, person=person, idempotency_key="k")
    answers = iter([False, True])
    monkeypatch.setattr("fusion.runs.finals._is_asked", lambda run, key: next(answers))
    monkeypatch.setattr(asked, "refresh_from_db", lambda **_: None)
    rejudge_run(run=asked, person=person, idempotency_key="k")
    assert asked.executions.count() == 2


def test_the_same_form_sent_twice_judges_once_even_when_the_first_has_ended_meanwhile(
    asked: Run, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    rejudge_run(run=Run.objects.get(pk=asked.pk), person=person, idempotency_key="k")
    Run.objects.filter(pk=asked.pk).update(state=Run.State.DONE)
    answers = iter([False, True])
    monkeypatch.setattr("fusion.runs.finals._is_asked", lambda run, key: next(answers))
    rejudge_run(run=asked, person=person, idempotency_key="k")
    asked.refresh_from_db()
    assert asked.executions.count() == 2 and asked.state == Run.State.DONE


def test_a_run_that_is_under_way_is_not_judged_again_nor_is_its_final_chosen(asked: Run, person: User) -> None:
    rejudge_run(run=asked, person=person)
    with pytest.raises(RunStateConflict, match="under way"):
        rejudge_run(run=asked, person=person)
    with pytest.raises(RunStateConflict, match="under way"):
        pick_final(run=asked, person=person, letter="A")
    with pytest.raises(RunStateConflict, match="under way"):
        choose_final(run=asked, person=person, number=1)


def test_judging_again_counts_as_a_run_in_flight(asked: Run, person: User, settings: Any) -> None:
    settings.FUSION_MAX_RUNS_PER_PERSON = 1
    factories.make_run(person, state=Run.State.RUNNING)
    with pytest.raises(TooManyRuns):
        rejudge_run(run=asked, person=person)
    assert asked.executions.count() == 1


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"judge": "gone:model"}, "judge"),
        ({"rubric": "x"}, "rubric"),
        ({"mode": "x"}, "mode"),
        ({"letters": "AZ"}, "letters"),
        ({"letters": "A"}, "letters"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(asked: Run, person: User, wish: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rejudge_run(run=asked, person=person, **wish)
    assert refused.value.field == field
    asked.refresh_from_db()
    assert asked.state == Run.State.DONE


def test_who_may_only_read_changes_no_final(asked: Run, person: User) -> None:
    viewer = factories.make_user("vera", team=asked.team, role=Role.VIEWER)
    with pytest.raises(NotAllowed):
        rejudge_run(run=asked, person=viewer)
    with pytest.raises(NotAllowed):
        pick_final(run=asked, person=viewer, letter="A")
    with pytest.raises(NotAllowed):
        choose_final(run=asked, person=viewer, number=1)


def test_the_pools_own_judge_keeps_its_fallbacks_another_one_is_asked_alone(asked: Run, person: User) -> None:
    rejudge_run(run=asked, person=person, judge=asked.pool_version.judge)
    assert asked.executions.latest("number").judge == ""


# --- picking and choosing --------------------------------------------------------------------------------------


def test_a_picked_answer_is_the_final_word_for_word_and_says_who_picked_it(asked: Run, person: User) -> None:
    bob = factories.make_user("bob", team=asked.team, role=Role.MEMBER)
    for _ in range(2):
        pick_final(run=asked, person=bob, letter="C")
    record = load_record(asked)
    assert (record.final.text, record.final.base_letter, record.final.picked_by) == ("Answer C", "C", "Bob")
    assert record.final.final is not None and record.final.final.kind is FinalKind.PICKED
    assert [mark.is_current for mark in record.finals] == [False, True] and not record.final.out_of_date
    asked.answers.filter(letter="B").update(attempt=2)
    assert load_record(asked).final.out_of_date


def test_picking_ends_the_question_of_an_unjudged_run(asked: Run, person: User) -> None:
    FinalAnswer.objects.all().delete()
    Run.objects.filter(pk=asked.pk).update(state="unjudged", failure_code="no_verdict", failure_message="No judge.")
    pick_final(run=asked, person=person, letter="B")
    record = load_record(asked)
    assert (record.state, record.failure, record.final.number) == (RunState.DONE, None, 1)


@pytest.mark.parametrize("letter", ["", "Z", "AB", "D"])
def test_nothing_cannot_be_picked(asked: Run, person: User, letter: str) -> None:
    with pytest.raises(InvalidInput, match="no text"):
        pick_final(run=asked, person=person, letter=letter)


def test_another_final_is_made_the_final_and_the_run_stands_as_that_one_ended(asked: Run, person: User) -> None:
    RunExecution.objects.filter(run=asked).update(state="unjudged", failure_code="no_verdict", failure_message="None.")
    pick_final(run=asked, person=person, letter="C")
    for _ in range(2):
        choose_final(run=asked, person=person, number=1)
    record = load_record(asked)
    assert (record.state, record.final.number) == (RunState.UNJUDGED, 1)
    assert record.failure is not None and record.failure.message == "None."
    choose_final(run=asked, person=person, number=2)
    asked.refresh_from_db()
    assert (asked.state, asked.failure_code) == (Run.State.DONE, "")
    with pytest.raises(InvalidInput, match="no final 9"):
        choose_final(run=asked, person=person, number=9)
