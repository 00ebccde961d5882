"""Storing a run while the database fails, comes back, or belongs to somebody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import OperationalError

from fusion.engine.events import AnswerAsked, AnswerEnded
from fusion.engine.types import Answer, AnswerState, RunState
from fusion.models import Run, RunEvent, User, WorkerLease
from fusion.runs import executor, services, storage
from fusion.runs.ending import RunTaken, close_run, hold, recover_runs
from fusion.runs.worker import Worker
from tests import factories
from tests.runs.conftest import ask, pool_of
from tests.runs.steering import PATIENCE_S, db, ended, live_record, live_run, until
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)

QUICK, OTHER, SLOW = "m-b-tokens20", "m-a-tokens30", "m-slow-rate50-tokens5000"


class FailingDatabase:
    """Stands before a function that writes; raises while `fails` is set."""

    def __init__(self, work: Any) -> None:
        self.work = work
        self.fails = True
        self.failures = 0

    def __call__(self, *args: Any) -> Any:
        if self.fails:
            self.failures += 1
            raise OperationalError("database or disk is full")
        return self.work(*args)


async def test_a_database_that_comes_back_in_mid_run_has_lost_nothing(
    worker: Worker, upstream: Upstream, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = FailingDatabase(storage.write_batch)
    monkeypatch.setattr(storage, "write_batch", writes)
    pool = await db(pool_of)(person, QUICK, OTHER, "m-hang")
    run = await db(ask)(person, pool)
    await until(lambda: writes.failures > 2 and (record := live_record(run)) and record.answers["B"].state.is_final)
    writes.fails = False
    await db(services.stop_answer)(run=run, person=person, letter="C")
    record = await ended(run)
    assert record.state is RunState.DONE
    assert record.answers["A"].text and record.answers["B"].text
    assert await db(lambda: list(run.events.values_list("seq", flat=True)))() == list(
        range(await db(run.events.count)())
    )


async def test_a_disk_that_is_full_at_the_end_says_so_and_claims_nothing(
    worker: Worker, upstream: Upstream, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "write_batch", FailingDatabase(storage.write_batch))
    pool = await db(pool_of)(person, QUICK, OTHER)
    run = await db(ask)(person, pool)
    record = await ended(run)
    live = live_run(run).record
    assert (record.state, live.state) == (RunState.FAILED, RunState.FAILED)
    assert record.failure == live.failure and record.failure is not None and record.failure.code == "not_stored"


async def test_a_run_whose_end_could_not_be_written_is_closed_once_the_database_is_back(
    worker: Worker, upstream: Upstream, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing = FailingDatabase(close_run)
    monkeypatch.setattr(executor, "close_run", closing)
    pool = await db(pool_of)(person, QUICK, OTHER)
    run = await db(ask)(person, pool)
    record = await ended(run)
    assert record.state is RunState.RUNNING, "it cannot be otherwise: nothing could be written"
    await until(lambda: not worker._tasks)
    await worker._renew()
    await db(run.refresh_from_db)()
    assert (run.state, run.failure_code) == (Run.State.FAILED, "not_stored")


async def test_a_run_in_flight_is_not_taken_for_a_lost_one(worker: Worker, upstream: Upstream, person: User) -> None:
    pool = await db(pool_of)(person, QUICK, SLOW)
    run = await db(ask)(person, pool)
    await until(lambda: live_record(run))
    await worker._renew()
    await db(run.refresh_from_db)()
    assert run.state == Run.State.RUNNING


async def test_an_answer_asked_anew_is_checkpointed_from_its_first_words(
    worker: Worker, upstream: Upstream, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the earlier attempt brought as many of them."""
    monkeypatch.setattr(storage, "CHECKPOINT_S", 0.02)
    pool = await db(pool_of)(person, "m-held1-held2-tokens30", "m-hang")
    run = await db(ask)(person, pool)

    def stored(attempt: int) -> str:
        return "".join(run.answers.filter(letter="A", attempt=attempt).values_list("text", flat=True))

    async def begun(attempt: int) -> str:
        async with asyncio.timeout(PATIENCE_S):
            while len((text := await db(stored)(attempt)).split()) < 20:
                pass
        return text

    first = await begun(1)
    await db(services.stop_answer)(run=run, person=person, letter="A")
    while await db(lambda: run.answers.get(letter="A").state)() != AnswerState.STOPPED:
        pass  # the row, which the next request looks at, comes a moment after the live record
    await db(services.retry_answer)(run=run, person=person, letter="A")
    await until(lambda: (record := live_record(run)) and record.answers["A"].attempt == 2)
    assert await begun(2) == first
    assert await db(stored)(1) == first, "the earlier attempt's text is left alone"


async def test_a_run_that_another_process_took_is_not_written_to_and_its_calls_end(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, SLOW, SLOW)
    run = await db(ask)(person, pool)
    await until(lambda: (record := live_record(run)) and record.answers["B"].text)
    other = await db(WorkerLease.objects.create)(name="elsewhere:1:1:1", expires_at="2100-01-01T00:00:00Z")
    await db(Run.objects.filter(pk=run.pk).update)(worker=other)
    await until(lambda: upstream.stats.open == 0)
    await until(lambda: (record := live_record(run)) and record.is_final)
    await db(run.refresh_from_db)()
    assert (run.state, run.worker_id) == (Run.State.RUNNING, other.pk)


async def test_a_run_given_up_while_the_machine_slept_ends_here_all_the_same(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, QUICK, OTHER, "m-hang")
    run = await db(ask)(person, pool)
    await until(lambda: (record := live_record(run)) and record.answers["B"].state.is_final)
    await db(WorkerLease.objects.update)(name="elsewhere:1:1:1", expires_at="2000-01-01T00:00:00Z")
    assert await db(recover_runs)() == 1
    await worker._renew()
    assert await db(WorkerLease.objects.filter(pk=worker._lease_pk).exists)()
    worker._controls[str(run.public_id)].stop_member("C")
    record = await ended(run)
    assert (record.state, record.failure) == (RunState.DONE, None)


@pytest.mark.parametrize("state", ["queued", "done", "failed"])
def test_only_a_run_of_ours_is_held(person: User, state: str) -> None:
    lease = WorkerLease.objects.create(name="x", expires_at="2100-01-01T00:00:00Z")
    run = factories.make_run(person, state=state)
    with pytest.raises(RunTaken):
        hold(run.pk, lease.pk)


def test_a_batch_written_twice_is_stored_once(person: User) -> None:
    lease = WorkerLease.objects.create(name="x", expires_at="2100-01-01T00:00:00Z")
    run = factories.make_run(person, state="running", worker=lease)
    run.answers.filter(letter="A").update(state="stopped", text="old words")
    events: tuple[Any, ...] = (
        AnswerAsked("A"),
        AnswerEnded(Answer("A", AnswerState.DONE, "new words")),
    )
    rows = [storage.StageRow(seq, 0, event, storage.event_data(event)) for seq, event in enumerate(events)]
    for _ in range(2):
        storage.write_batch(run.pk, lease.pk, storage.Batch(rows, in_doubt=True))
    assert RunEvent.objects.count() == 2
    assert list(run.answers.filter(letter="A").values_list("attempt", "is_current", "text")) == [
        (1, False, "old words"),
        (2, True, "new words"),
    ]
