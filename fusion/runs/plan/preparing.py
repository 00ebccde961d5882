"""The one way from the rows of a run to its next execution."""

from __future__ import annotations

from dataclasses import dataclass

from fusion.catalogue.available import TeamModels, models_of
from fusion.catalogue.health import health_of
from fusion.engine.types import Plan
from fusion.live.record import RunRecord
from fusion.models import PoolVersion, Run, RunExecution
from fusion.runs.plan.asking import check_todo, pending_of
from fusion.runs.plan.fresh import fresh_record
from fusion.runs.plan.making import UsualMs, plan_of
from fusion.runs.plan.todo import todo_of
from fusion.runs.selectors import standing_record


@dataclass(frozen=True, slots=True)
class Execution:
    """What one execution of a run does: the engine's plan and the record that the page starts from.

    `row`: what was asked for. `models`: what could be asked when it began, with the prices that hold for it.
    `earlier` is the record as it stood before: what is not replaced by the end comes back. `continues`: the execution
    whose verdict is taken up. `judged_anew`: the given answers that now count as in time.
    """

    row: RunExecution
    plan: Plan
    models: TeamModels
    record: RunRecord
    earlier: RunRecord
    keeps_verdict: bool
    continues: int | None
    judged_anew: frozenset[str]


def prepare(run: Run) -> Execution:
    """Plan the pending execution of a run that comes from `run_with_rows`. Raises PoolUnusable when what it needs
    cannot be asked any more."""
    execution = pending_of(run)
    todo = todo_of(run, execution)
    models = models_of(run.team)
    check_todo(run, execution, todo, models)
    earlier = standing_record(run)
    usual_ms = _usual_ms(run.pool_version, models)
    return Execution(
        row=execution,
        plan=plan_of(run, execution, todo, models, usual_ms),
        models=models,
        record=fresh_record(run, earlier, execution, todo, models, usual_ms),
        earlier=earlier,
        keeps_verdict=todo.keeps_verdict,
        continues=execution.continues if todo.judgement is not None else None,
        judged_anew=frozenset(todo.given) if not todo.keeps_verdict and todo.chosen is None else frozenset(),
    )


def _usual_ms(version: PoolVersion, models: TeamModels) -> UsualMs:
    """What the members usually take to their first token, by ref, from the calls of the last day."""
    entries = (models.entry(seat.ref) for seat in version.members.all())
    return {ref: health.ttft_ms for ref, health in health_of(one for one in entries if one is not None).items()}
