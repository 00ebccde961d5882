"""Running what is missing: nothing that exists is asked for again, and nothing old passes for new."""

from __future__ import annotations

from typing import Any

import pytest

from fusion.catalogue import available
from fusion.engine.types import AnswerState, RunState
from fusion.errors import PoolUnusable, RunStateConflict
from fusion.models import Call, Run, RunCommand, RunEvent, RunExecution, User, VerdictRecord
from fusion.runs import services
from fusion.runs.briefs import Brief, queue_execution
from fusion.runs.costs import run_cost_nanos
from fusion.runs.ending import recover_runs
from fusion.runs.plan import todo_of
from fusion.runs.selectors import load_record, run_with_rows
from fusion.runs.worker import Worker
from tests import factories
from tests.runs.conftest import ask, pool_of
from tests.runs.steering import db, ended, live_record, live_run, until
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)

QUICK, OTHER, SLOW = "m-b-tokens20", "m-a-tokens30", "m-slow-rate50-tokens5000"
UNIQUE = "judge-unique-tokens5"
ENDPOINT = {"ref": "sim:x", "model_id": "x", "name": "X", "provider": "P"}


async def interrupted(worker: Worker) -> None:
    await worker.stop()
    await worker.start()


async def test_interrupted_in_writing_only_the_writer_is_asked_again(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    writer = "m-w-rate50-tokens5000"
    pool = await db(pool_of)(person, QUICK, OTHER, judge=UNIQUE, writer=f"custom:{writer}")
    run = await db(ask)(person, pool, mode="merge")
    await until(lambda: (record := live_record(run)) and record.final.text)
    first = live_run(run)
    await interrupted(worker)
    await db(services.resume_run)(run=run, person=person)
    await until(lambda: live_run(run) is not first and live_run(run).record.final.text)
    await db(services.stop_run)(run=run, person=person)
    record = await ended(run, after=first)
    assert dict(upstream.stats.asked) == {QUICK: 1, OTHER: 1, UNIQUE: 1, writer: 2}
    assert await db(VerdictRecord.objects.count)() == 1
    assert record.judge.judgement is not None


async def test_a_late_answer_does_not_slip_into_a_final_that_no_judge_saw_it_for(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(
        person, QUICK, OTHER, "m-c-hang", judge=UNIQUE, writer="custom:m-w-rate50-tokens5000", grace_s=60
    )
    run = await db(ask)(person, pool, mode="merge")
    await until(lambda: (record := live_record(run)) and record.answers["B"].state.is_final)
    await db(services.judge_now)(run=run, person=person)
    await until(lambda: (record := live_record(run)) and record.final.text)
    first = live_run(run)
    await interrupted(worker)
    await db(run.answers.filter(letter="C").update)(state="done", text="Late words.", late=True)
    taking_up = RunExecution(number=2, kind="complete", continues=1)
    todo = await db(lambda: todo_of(run_with_rows(run.pk), taking_up))()
    assert (sorted(todo.given), todo.asked) == (["A", "B"], frozenset())
    await db(services.resume_run)(run=run, person=person)
    await until(lambda: live_run(run) is not first and live_run(run).record.final.text)
    assert live_run(run).record.answers["C"].late
    assert live_run(run).record.panel_closed == first.record.panel_closed
    await db(services.stop_run)(run=run, person=person)
    record = await ended(run, after=first)
    assert record.answers["C"].late and upstream.stats.asked["m-c-hang"] == 1


async def test_what_exists_needs_no_provider(worker: Worker, upstream: Upstream, person: User, settings: Any) -> None:
    pool = await db(pool_of)(person, QUICK, OTHER, judge="judge-status401")
    run = await db(ask)(person, pool)
    assert (await ended(run)).state is RunState.UNJUDGED
    first = live_run(run)
    version = pool.current
    assert version is not None
    await db(version.members.filter(position=0).update)(ref="gone:model")
    version.judge = "custom:judge-tokens5"
    await db(version.save)()
    await db(services.resume_run)(run=run, person=person)
    assert (await ended(run, after=first)).state is RunState.DONE
    settings.FUSION_PROVIDER_ENV = {}
    available.reset()


async def test_what_is_missing_and_cannot_be_asked_is_refused_and_changes_nothing(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, QUICK, OTHER, judge="judge-status401")
    run = await db(ask)(person, pool)
    await ended(run)
    assert pool.current is not None
    pool.current.judge = "gone:judge"
    await db(pool.current.save)()
    with pytest.raises(PoolUnusable, match="gone:judge"):
        await db(services.resume_run)(run=run, person=person)
    await db(run.refresh_from_db)()
    assert run.state == Run.State.UNJUDGED and run.finished_at is not None


async def test_what_was_said_about_an_earlier_judging_is_not_said_of_the_new_one(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, QUICK, OTHER, judge="judge-status401")
    run = await db(ask)(person, pool)
    assert (await ended(run)).degraded
    first = live_run(run)
    assert pool.current is not None
    pool.current.judge = "custom:judge-tokens5"
    await db(pool.current.save)()
    await db(services.resume_run)(run=run, person=person)
    record = await ended(run, after=first)
    assert (record.state, record.degraded, record.judge.failures) == (RunState.DONE, [], [])


async def test_an_old_command_does_not_steer_a_later_execution(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, QUICK, OTHER, "m-hang")
    run = await db(ask)(person, pool)
    await until(lambda: (record := live_record(run)) and record.answers["B"].state.is_final)
    await db(RunCommand.objects.create)(run=run, kind="stop", person=person)
    await db(services.stop_answer)(run=run, person=person, letter="C")
    await ended(run)
    assert not await db(RunCommand.objects.filter(handled_at=None).exists)()


async def test_a_single_final_comes_back_when_what_was_to_replace_it_is_stopped(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, QUICK, SLOW, grace_s=60)
    run = await db(ask)(person, pool)
    await until(lambda: (record := live_record(run)) and record.answers["B"].text)
    await db(services.stop_answer)(run=run, person=person, letter="B")
    single = await ended(run)
    first = live_run(run)
    await db(services.retry_answer)(run=run, person=person, letter="B")
    await until(lambda: live_run(run) is not first and live_run(run).record.answers["B"].text)
    assert live_run(run).record.final.final is None
    await db(services.stop_run)(run=run, person=person)
    stored = await ended(run, after=first)
    assert stored.state is RunState.SINGLE
    assert stored.attempted is not None and stored.attempted.state is RunState.CANCELLED
    assert stored.final.final == live_run(run).record.final.final == single.final.final is not None


@pytest.fixture
async def done(worker: Worker, upstream: Upstream, person: User) -> Run:
    """A done run; nobody executes anything any more."""
    pool = await db(pool_of)(person, QUICK, OTHER)
    run = await db(ask)(person, pool)
    await ended(run)
    await worker.stop()
    await db(run.refresh_from_db)()
    return run


async def test_stopping_a_queued_retry_leaves_the_run_done_with_its_times(done: Run, person: User) -> None:
    times = (done.started_at, done.final_ready_at, done.finished_at)
    await db(services.retry_answer)(run=done, person=person, letter="A")
    assert done.state == Run.State.QUEUED
    await db(services.stop_run)(run=done, person=person)
    await db(done.refresh_from_db)()
    assert done.state == Run.State.DONE
    assert (done.started_at, done.final_ready_at, done.finished_at) == times


async def test_a_retry_cut_off_by_kill_9_leaves_the_run_done(done: Run, person: User) -> None:
    await db(services.retry_answer)(run=done, person=person, letter="A")
    await db(Run.objects.filter(pk=done.pk).update)(state=Run.State.RUNNING)
    await db(done.answers.filter(letter="A").update)(is_current=False)
    await db(done.answers.create)(letter="A", attempt=2, ref="custom:x", endpoint=ENDPOINT, state="streaming")
    assert await db(recover_runs)() == 1
    record = await db(load_record)(done)
    assert record.state is RunState.DONE and record.final.out_of_date and record.failure is None


async def test_a_retry_that_never_came_to_ask_leaves_the_final_up_to_date(done: Run, person: User) -> None:
    await db(services.retry_answer)(run=done, person=person, letter="A")
    await db(Run.objects.filter(pk=done.pk).update)(state=Run.State.RUNNING)
    assert await db(recover_runs)() == 1
    record = await db(load_record)(done)
    assert record.state is RunState.DONE and not record.final.out_of_date


async def test_kill_9_after_the_final_while_a_late_answer_ran_leaves_the_run_done(done: Run, person: User) -> None:
    await db(Run.objects.filter(pk=done.pk).update)(state=Run.State.RUNNING, finished_at=None)
    await db(done.answers.filter(letter="B").update)(state="streaming", text="half")
    await db(recover_runs)()
    record = await db(load_record)(done)
    assert record.state is RunState.DONE
    assert (record.answers["B"].state, record.answers["B"].text) == (AnswerState.INTERRUPTED, "half")


@pytest.mark.parametrize(("writer", "state"), [("", Run.State.DONE), ("custom:m-w", Run.State.CANCELLED)])
async def test_kill_9_tells_a_text_that_a_stop_cut_off_from_an_answer_that_is_not_complete(
    done: Run, writer: str, state: str
) -> None:
    await db(done.finals.update)(kind="merged", truncated=True, writer=writer)
    await db(Run.objects.filter(pk=done.pk).update)(state=Run.State.RUNNING, finished_at=None)
    await db(recover_runs)()
    await db(done.refresh_from_db)()
    assert done.state == state


async def test_two_people_who_resume_at_once_start_it_once(done: Run, person: User) -> None:
    await db(Run.objects.filter(pk=done.pk).update)(state=Run.State.INTERRUPTED)
    mine, other, stale = [await db(Run.objects.get)(pk=done.pk) for _ in range(3)]
    await db(services.resume_run)(run=mine, person=person)
    with pytest.raises(RunStateConflict):
        await db(services.resume_run)(run=other, person=person)
    with pytest.raises(RunStateConflict):
        await db(queue_execution)(stale, person, Brief(mode="best-of", rubric="general"))


def test_a_call_cut_off_by_kill_9_is_on_the_receipt_with_an_unknown_cost(person: User) -> None:
    run = factories.make_run(person, state=Run.State.RUNNING)
    for number, call_id in enumerate(("one", "two")):
        data = {"call_id": call_id, "role": "panel", "ref": "sim:x", "attempt": 1, "letter": "AB"[number]}
        RunEvent.objects.create(run=run, seq=number, at_ms=0, kind="CallStarted", data=data)
    Call.objects.create(run=run, call_id="one", role="panel", letter="A", ref="sim:x", status="ok", cost_nanos=5)
    run.calls.update(endpoint=ENDPOINT)
    run.answers.filter(letter="B").update(ref="sim:x", endpoint=ENDPOINT)
    assert recover_runs() == 1
    record = load_record(run)
    assert list(record.calls) == ["one", "two"]
    assert run_cost_nanos(record) is None
