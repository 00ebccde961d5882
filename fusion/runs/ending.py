"""How a run's execution is given back: closed by the process that has it, or recovered from one that is gone.

Every write of an execution goes through `hold`, so a process that was given up for dead cannot write over another's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from fusion.engine.types import UNDER_WAY, AnswerState, Failure, FinalKind, RunState
from fusion.models import Answer, Call, Run, RunEvent, RunExecution, WorkerLease
from fusion.runs.leases import keep_lease, leases_gone

INTERRUPTED = Failure("interrupted", "The server stopped while this run was under way. What was answered is kept.")
NOT_STORED = Failure(
    "not_stored", "The database could not be written, so the end of this run is not stored. Ask again once it is back."
)


HELD = ("state", "worker", "created_at", "started_at", "finished_at", "failure_code", "failure_message")


class RunTaken(Exception):
    """The run is not this process's any more: another one executes it, or it was closed."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run stands after an execution, as it is stored."""

    state: RunState
    failure: Failure | None
    finished_at: datetime | None


def pending_of(run: Run) -> RunExecution:
    """The newest execution of a run: the one that is queued or under way, if any is."""
    return run.executions.latest("number")


def hold(run_pk: int, lease_pk: int) -> Run:
    """The run, locked, as this process's own; in a transaction.

    One that others gave up for dead is taken back while nobody has taken it up. Raises RunTaken.
    """
    run = Run.objects.select_for_update().only(*HELD).get(pk=run_pk)
    if run.state == Run.State.RUNNING and run.worker_id == lease_pk:
        return run
    if run.state not in (Run.State.RUNNING, Run.State.INTERRUPTED) or run.worker_id is not None:
        raise RunTaken(f"run {run_pk} is {run.state}")
    keep_lease(lease_pk)
    run.state, run.worker_id, run.finished_at = Run.State.RUNNING, lease_pk, None
    run.failure_code = run.failure_message = ""
    run.save(update_fields=["state", "worker", "finished_at", "failure_code", "failure_message"])
    return run


@transaction.atomic
def close_run(run_pk: int, lease_pk: int, state: RunState, failure: Failure | None) -> Ending:
    """Write how the run ended and give it back. Raises RunTaken."""
    return _write_end(hold(run_pk, lease_pk), state, failure)


def end_queued(run: Run) -> None:
    """Close a locked run that nobody has begun to execute, as stopped."""
    _write_end(run, RunState.CANCELLED, None, left=AnswerState.STOPPED)


def _write_end(
    run: Run, state: RunState, failure: Failure | None, *, left: AnswerState = AnswerState.INTERRUPTED
) -> Ending:
    """Close a locked run. No answer is left under way, no command is left to steer a later execution.

    When a final stood and no new one came, the run is again what it was; how the execution ended is kept with that.
    """
    execution = pending_of(run)
    execution.state, execution.ended_at = state.value, timezone.now()
    execution.failure_code, execution.failure_message = _columns(failure)
    execution.save(update_fields=["state", "ended_at", "failure_code", "failure_message"])
    if execution.keeps_final and not run.finals.filter(execution=execution.number).exists():
        run.state = execution.state_before
    else:
        run.state = state.value
        run.failure_code, run.failure_message = _columns(failure)
    run.worker = None
    run.finished_at = run.finished_at or timezone.now()
    run.save(update_fields=["state", "worker", "finished_at", "failure_code", "failure_message"])
    end_answers(run, left)
    run.commands.filter(handled_at=None).update(handled_at=timezone.now())
    stands = Failure(run.failure_code, run.failure_message) if run.failure_code else None
    return Ending(RunState(run.state), stands, run.finished_at)


def _columns(failure: Failure | None) -> tuple[str, str]:
    return (failure.code, failure.message) if failure else ("", "")


def end_answers(run: Run, state: AnswerState) -> None:
    """Put the answers that are under way into a final state; their text up to the last checkpoint stays."""
    under_way = [one.value for one in UNDER_WAY]
    Answer.objects.filter(run=run, is_current=True, state__in=under_way).update(state=state)


# --- recovery ----------------------------------------------------------------------------------------


def recover_runs() -> int:
    """End the runs of processes that are gone; returns how many there were."""
    abandoned = Run.objects.filter(state=Run.State.RUNNING, worker=None)
    return _recover() if leases_gone() or abandoned.exists() else 0


@transaction.atomic
def _recover() -> int:
    gone = leases_gone()  # once more, now that nobody else writes: one may have been renewed
    left = Run.objects.select_for_update().only(*HELD).filter(state=Run.State.RUNNING)
    runs = list(left.filter(Q(worker=None) | Q(worker_id__in=gone)))
    for run in runs:
        _write_end(run, *_outcome_so_far(run))
        _end_calls(run)
    WorkerLease.objects.filter(pk__in=gone).delete()
    return len(runs)


def _outcome_so_far(run: Run) -> tuple[RunState, Failure | None]:
    """A final that this execution stored is its outcome: only late answers were missing."""
    final = run.finals.filter(execution=pending_of(run).number, picked_by=None).first()
    if final is None or final.kind == FinalKind.ANCHOR:
        return RunState.INTERRUPTED, INTERRUPTED
    if final.kind == FinalKind.SINGLE:
        return RunState.SINGLE, None
    stopped = bool(final.writer) and final.truncated  # what a writer wrote breaks off only when a person stops it
    return (RunState.CANCELLED if stopped else RunState.DONE), None


def _end_calls(run: Run) -> None:
    """Requests that were under way go on the receipt too: what they consumed is unknown, which is not nothing."""
    ended = set(run.calls.values_list("call_id", flat=True))
    begun = RunEvent.objects.filter(run=run, kind="CallStarted").values_list("data", flat=True)
    facts = {answer.ref: answer.endpoint for answer in run.answers.all()}
    Call.objects.bulk_create(
        Call(
            run=run,
            call_id=call["call_id"],
            role=call["role"],
            letter=call["letter"] or "",
            ref=call["ref"],
            endpoint=facts.get(call["ref"], {}),
            attempt=call["attempt"],
            status="stopped",
            failure_code=INTERRUPTED.code,
            failure_message=INTERRUPTED.message,
        )
        for call in begun
        if call["call_id"] not in ended
    )


@transaction.atomic
def close_lost(lease_pk: int, runs: dict[int, int]) -> None:
    """Close runs of ours whose execution ended while the database was away; `runs`: the number of that execution."""
    for run_pk, number in runs.items():
        run = Run.objects.select_for_update().only(*HELD).get(pk=run_pk)
        held = run.state == Run.State.RUNNING and run.worker_id == lease_pk
        if held and pending_of(run).number == number:  # else it ended, and was taken up again since we looked
            _write_end(run, RunState.FAILED, NOT_STORED)


def runs_of(lease_pk: int) -> dict[int, int]:
    """The runs that a lease holds, each with the number of its execution."""
    held = Run.objects.filter(state=Run.State.RUNNING, worker_id=lease_pk).order_by()
    return dict(held.annotate(number=Max("executions__number")).values_list("pk", "number"))
