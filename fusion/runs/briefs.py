"""What an execution of a run is to do, and queueing a run that has ended once more."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from fusion.errors import InvalidInput, RunStateConflict, TooManyRuns
from fusion.models import Run, RunExecution, Team, User
from fusion.models.pool import Mode
from fusion.runs.dispatch import dispatch_run
from fusion.runs.ending import pending_of
from fusion.runs.plan import MODES, check_runnable, overall_s
from fusion.teams.rights import require_runner


@dataclass(frozen=True, slots=True)
class Brief:
    """What an execution is to do, as `RunExecution` says it."""

    mode: str
    rubric: str
    kind: str = RunExecution.Kind.COMPLETE
    letters: str = ""
    judge: str = ""
    continues: int | None = None
    idempotency_key: str = ""


def brief_of(execution: RunExecution) -> Brief:
    """The same once more, under no key."""
    return Brief(execution.mode, execution.rubric, execution.kind, execution.letters, execution.judge)


@transaction.atomic
def queue_execution(run: Run, person: User, brief: Brief) -> None:
    """Queue an ended run once more. One with a final keeps it, and its times, until there is another."""
    User.objects.select_for_update().get(pk=run.author_id)
    Team.objects.select_for_update().get(pk=run.team_id)
    require_runner(person, run.team)  # again: the team may have been deleted, or left, a moment ago
    check_in_flight(run.author, asked_by=person)
    keeps_final = run.finals.filter(is_current=True).exists()
    anew = {} if keeps_final else {"started_at": None, "finished_at": None, "failure_code": "", "failure_message": ""}
    moved = Run.objects.filter(pk=run.pk, state=run.state, deleted_at=None).update(
        state=Run.State.QUEUED, worker=None, **anew
    )
    if not moved:
        raise RunStateConflict("Somebody else has just started this run again, or deleted it.")
    RunExecution.objects.create(
        run=run,
        number=pending_of(run).number + 1,
        keeps_final=keeps_final,
        state_before=run.state,
        person=person,
        **asdict(brief),
    )
    run.refresh_from_db()
    check_runnable(run)
    transaction.on_commit(partial(dispatch_run, run.pk))


def check_in_flight(author: User, *, asked_by: User | None = None) -> None:
    """A run counts for who asked it first, whoever takes it up again."""
    limit: int = settings.FUSION_MAX_RUNS_PER_PERSON
    if Run.objects.filter(author=author, deleted_at=None).in_flight().count() < limit:
        return
    who = "You have" if asked_by in (None, author) else f"{author.get_short_name()} has"
    raise TooManyRuns(
        f"{who} {limit} run{'s' * (limit != 1)} in flight, which is the limit. Wait for one to end, or stop one."
        f"{_frees_up(author)}"
    )


def _frees_up(author: User) -> str:
    """When there is room again by itself: no run outlives its time limit. Empty when nothing says it."""
    running = Run.objects.filter(author=author, deleted_at=None, state=Run.State.RUNNING, finished_at=None)
    begun = running.exclude(started_at=None).select_related("pool_version")
    left_s = min((_left_s(run, run.started_at) for run in begun if run.started_at), default=0.0)
    minutes = math.ceil(left_s / 60)
    return f" One ends within {minutes} minute{'s' * (minutes != 1)} by itself." if left_s > 0 else ""


def _left_s(run: Run, started_at: datetime) -> float:
    """How long a run that keeps no earlier final, and with it earlier times, may still go on."""
    limit_s = overall_s(run.pool_version, MODES[pending_of(run).mode])
    return (started_at - timezone.now()).total_seconds() + limit_s


def mode_of(name: str) -> Mode:
    try:
        return Mode(name)
    except ValueError:
        raise InvalidInput("Choose one of the modes.", field="mode") from None
