"""One execution of one run: claim it, let the engine work, store what comes, close it.

A detached task: nobody's page or connection owns it. Whatever happens, the run ends in a state that says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from django.db.models import Max
from django.db.models.functions import Coalesce
from django.utils import timezone

from fusion.accounting.prices import cost_nanos
from fusion.engine import events as ev
from fusion.engine.controls import Controls
from fusion.engine.fuse import fuse
from fusion.engine.types import AnswerState, Failure, RunState
from fusion.errors import FusionError
from fusion.live.folding import mark_out_of_date
from fusion.live.record import RunRecord
from fusion.live.runs import LIVE, LiveRun
from fusion.models import Answer, Run, RunEvent
from fusion.runs.calibration import learn
from fusion.runs.database import in_database
from fusion.runs.doorbell import ring
from fusion.runs.ending import INTERRUPTED, NOT_STORED, Ending, RunTaken, close_run
from fusion.runs.plan import Execution, prepare
from fusion.runs.selectors import attempted_by, run_with_rows
from fusion.runs.storage import Storage

log = logging.getLogger(__name__)

TAKEN = Failure("taken_over", "Another process has taken this run over. Load the page again to see it.")
ENGINE_BUG = Failure("internal_error", "Something went wrong on our side. What was answered is kept; try again.")

Watch = Callable[[LiveRun, Controls], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Begun:
    """A claimed run, loaded. `started` is on the monotonic clock; None for `execution`: it failed at once."""

    started: float
    first_seq: int = 0
    execution: Execution | None = None


async def execute_run(run_pk: int, *, lease_pk: int, on_start: Watch | None = None) -> RunState | None:
    """Execute a run to its end; None when another process has taken it already.

    Cancelled, it stores what came and ends as interrupted; a run that was not begun yet is given back to the queue.
    """
    beginning = asyncio.ensure_future(in_database(_begin, run_pk, lease_pk))
    try:
        begun = await asyncio.shield(beginning)
    except asyncio.CancelledError:
        await asyncio.wait([beginning])
        await in_database(_give_back, run_pk, lease_pk)
        raise
    if begun is None:
        return None
    if begun.execution is None:
        return RunState.FAILED
    return await _Executing(run_pk, lease_pk, begun, begun.execution).run(on_start)


# --- in a database thread ----------------------------------------------------------------------------


def _begin(run_pk: int, lease_pk: int) -> _Begun | None:
    """Claim and load a run; one that cannot be planned is closed as failed."""
    started = time.monotonic()
    if not _claim(run_pk, lease_pk):
        return None
    try:
        return _Begun(started, *_load(run_pk))
    except FusionError as exc:
        close_run(run_pk, lease_pk, RunState.FAILED, Failure(exc.code, exc.message))
    except Exception:
        log.exception("Run %s could not be loaded", run_pk)
        close_run(run_pk, lease_pk, RunState.FAILED, ENGINE_BUG)
    return _Begun(started)


def _claim(run_pk: int, lease_pk: int) -> bool:
    """Take the run by a conditional update: a second delivery finds it taken. A final that stands keeps its times."""
    return bool(
        Run.objects.filter(pk=run_pk, state=Run.State.QUEUED, worker=None).update(
            state=Run.State.RUNNING, worker_id=lease_pk, started_at=Coalesce("started_at", timezone.now())
        )
    )


def _load(run_pk: int) -> tuple[int, Execution]:
    run = run_with_rows(run_pk)
    execution = prepare(run)
    last = RunEvent.objects.filter(run=run).aggregate(last=Max("seq"))["last"]
    Answer.objects.filter(run=run, is_current=True, late=True, letter__in=execution.judged_anew).update(late=False)
    return (0 if last is None else last + 1), execution


def _give_back(run_pk: int, lease_pk: int) -> None:
    """Put a claimed run that was not begun back into the queue."""
    ours = Run.objects.filter(pk=run_pk, state=Run.State.RUNNING, worker_id=lease_pk)
    ours.filter(finished_at=None).update(started_at=None)
    ours.update(state=Run.State.QUEUED, worker=None)


def _stored_ending(run_pk: int) -> Ending:
    """How a run that is not ours any more ended, or that somebody else executes it."""
    run = Run.objects.get(pk=run_pk)
    if run.is_in_flight:
        return Ending(RunState.INTERRUPTED, TAKEN, None)
    failure = Failure(run.failure_code, run.failure_message) if run.failure_code else None
    return Ending(RunState(run.state), failure, run.finished_at)


# --- on the loop -------------------------------------------------------------------------------------


class _Executing:
    """A run that is alive: the engine's events go to the live record and to storage; the end is stored, then told."""

    def __init__(self, run_pk: int, lease_pk: int, begun: _Begun, execution: Execution) -> None:
        self._run_pk = run_pk
        self._lease_pk = lease_pk
        self._execution = execution
        self._live = LIVE.open(execution.record, ring, started=begun.started)
        self._storage = Storage(
            run_pk,
            self._live,
            lease_pk=lease_pk,
            first_seq=begun.first_seq,
            execution=execution.row.number,
            continues=execution.continues,
            connections={slug: source.pk for slug, source in execution.models.sources.items()},
        )
        self._controls = Controls()
        self._end: ev.RunEnded | None = None

    async def run(self, on_start: Watch | None) -> RunState:
        try:
            return await self._run(on_start)
        finally:
            LIVE.close_later(self._live)

    async def _run(self, on_start: Watch | None) -> RunState:
        controls = self._controls
        if on_start is not None:
            on_start(self._live, controls)
        writing = asyncio.create_task(self._storage.keep_writing(controls.stop_all))
        try:
            await fuse(self._execution.plan, emit=self._emit, controls=controls)
        except asyncio.CancelledError:
            # The server is going down. The engine says how far the run came: a final that is there stays one.
            self._end = self._end or ev.RunEnded(RunState.INTERRUPTED, INTERRUPTED)
            await to_the_end(self._close(writing))
            raise
        except Exception:
            log.exception("Run %s failed in the engine", self._execution.plan.run_id)
            self._end = ev.RunEnded(RunState.FAILED, ENGINE_BUG)
        return await to_the_end(self._close(writing))

    def _emit(self, event: ev.Event) -> None:
        """Pass an event on, priced; the end is kept back until everything is stored."""
        if isinstance(event, ev.RunEnded):
            self._end = event
            return
        if isinstance(event, ev.PanelClosed) and self._execution.keeps_verdict:
            return  # who was judged is what the standing verdict says; this panel was not
        if isinstance(event, ev.FinalEnded) and self._is_half(event) and self._execution.row.keeps_final:
            return  # it does not take the place of a whole one
        if isinstance(event, ev.AnswerEnded):
            learn(self._live.record.answers[event.answer.letter].endpoint.ref, event.answer)
        if isinstance(event, ev.CallEnded):
            known = self._execution.models.entry(event.ref)
            event = replace(event, cost_nanos=cost_nanos(event.usage, known.price if known else None))
        self._live.add(event)
        self._storage.note(event)

    def _is_half(self, event: ev.FinalEnded) -> bool:
        return event.final.truncated and self._controls.all_stopped

    async def _close(self, writing: asyncio.Task[None]) -> RunState:
        """Store the end first, then tell it: nothing claims to have been saved that was not."""
        self._storage.finish()
        await writing
        outcome = self._outcome()
        ending = await self._store_end(*outcome)
        self._put_back(*outcome)
        with self._live.lock:
            self._live.record.finished_at = ending.finished_at
        self._live.add(ev.RunEnded(ending.state, ending.failure))
        self._live.flush()
        return ending.state

    def _outcome(self) -> tuple[RunState, Failure | None]:
        end = self._end or ev.RunEnded(RunState.FAILED, ENGINE_BUG)
        return end.state, end.failure

    async def _store_end(self, state: RunState, failure: Failure | None) -> Ending:
        try:
            await self._storage.write()
            return await in_database(close_run, self._run_pk, self._lease_pk, state, failure)
        except RunTaken:
            return await self._ending_elsewhere()
        except Exception:
            log.exception("Could not store the end of run %s", self._execution.plan.run_id)
        try:
            return await in_database(close_run, self._run_pk, self._lease_pk, RunState.FAILED, NOT_STORED)
        except Exception:
            # The worker's next rounds close it, once the database is back.
            return Ending(RunState.FAILED, NOT_STORED, None)

    async def _ending_elsewhere(self) -> Ending:
        try:
            return await in_database(_stored_ending, self._run_pk)
        except Exception:
            log.exception("Could not read how run %s ended", self._execution.plan.run_id)
            return Ending(RunState.INTERRUPTED, TAKEN, None)

    def _put_back(self, state: RunState, failure: Failure | None) -> None:
        """What this execution was to replace, and did not, is there as before: as it is in the rows."""
        earlier = self._execution.earlier
        with self._live.lock:
            record = self._live.record
            for letter, column in record.answers.items():
                if column.state is AnswerState.WAITING and earlier.answers[letter].state.is_final:
                    record.answers[letter] = earlier.answers[letter]
            if record.final.final is None and earlier.final.final is not None:
                _put_stages_back(record, earlier)
                record.attempted = attempted_by(self._execution.row, record, state, failure)
            mark_out_of_date(record)


def _put_stages_back(record: RunRecord, earlier: RunRecord) -> None:
    """The final that stands, with all that tells how it came about."""
    record.mode, record.rubric, record.judge_refs = earlier.mode, earlier.rubric, earlier.judge_refs
    record.panel_closed, record.waiting_for_all = earlier.panel_closed, earlier.waiting_for_all
    record.judge, record.final, record.degraded = earlier.judge, earlier.final, earlier.degraded
    record.debate, record.ruling = earlier.debate, earlier.ruling


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end, also when this task is cancelled meanwhile; the cancellation goes on after it."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
