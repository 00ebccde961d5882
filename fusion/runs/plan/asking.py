"""Whether all that would be asked can be: before a run is made, and before an execution begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fusion.catalogue.available import TeamModels, models_of
from fusion.engine.types import Mode
from fusion.errors import PoolUnusable
from fusion.live.record import EndpointFacts
from fusion.models import PoolVersion, Run, RunExecution
from fusion.runs.plan.todo import Todo, todo_of
from fusion.runs.pools.checking import why_not
from fusion.runs.selectors import last_execution, refs_of, run_with_rows

MODES = {mode.value: mode for mode in Mode}


def check_usable(version: PoolVersion) -> None:
    """Raises PoolUnusable, saying what to change, unless every model of the version can be asked here.

    A fallback judge is only asked when a judge before it fails, and then the next one is: it stops nobody.
    """
    seats = list(version.members.all())
    if not seats:
        raise PoolUnusable("This pool has no members. Edit the pool and add at least one.", field="pool")
    refs = [seat.ref for seat in seats]
    if len(seats) > 1:
        refs += [version.judge, *([version.writer] if version.writer else [])]
    _require(refs, version, models_of(version.pool.team))


def check_somebody_sees(version: PoolVersion) -> None:
    """Raises PoolUnusable when every member is known not to see, so that nobody would be asked."""
    models = models_of(version.pool.team)
    known = [models.entry(seat.ref) for seat in version.members.all()]
    if known and all(found is not None and found.sees is False for found in known):
        raise PoolUnusable(
            "No member of this pool can see images, so all would be left out. Choose to tell them, or another pool.",
            field="blind_members",
        )


def endpoint_facts(version: PoolVersion) -> dict[str, EndpointFacts]:
    """What people see of each model in the version, by ref."""
    return models_of(version.pool.team).facts_of(refs_of(version))


def check_runnable(run: Run) -> None:
    """Raises PoolUnusable unless all that is still missing of `run` can be asked: what exists needs no provider."""
    run = run_with_rows(run.pk)
    execution = pending_of(run)
    check_todo(run, execution, todo_of(run, execution), models_of(run.team))


def check_todo(run: Run, execution: RunExecution, todo: Todo, models: TeamModels) -> None:
    """Raises PoolUnusable unless all that `todo` asks can be asked."""
    version = run.pool_version
    seats = list(version.members.all())
    refs = [seat.ref for seat in seats if seat.letter in todo.asked]
    if len(seats) > 1 and not todo.answers_only:
        refs += _judging_refs(version, todo, judge=execution.judge or version.judge, mode=MODES[execution.mode])
    _require(refs, version, models)


def _judging_refs(version: PoolVersion, todo: Todo, *, judge: str, mode: Mode) -> Iterator[str]:
    """Who is asked once the answers are there. In a debate the members are asked again, and the judge twice."""
    debates = mode is Mode.DEBATE and todo.ruling is None
    if debates and todo.stop is None:
        letters = {letter for letter, answer in todo.given.items() if answer.state.is_usable}
        yield from (seat.ref for seat in version.members.all() if seat.letter in letters)
    if todo.judgement is None or debates:
        yield judge
    if mode is not Mode.BEST_OF:
        judged = todo.ruling or (None if debates else todo.judgement)
        yield version.writer or (judge if judged is None else judged.judge)


def _require(refs: Iterable[str], version: PoolVersion, models: TeamModels) -> None:
    gone = [(ref, reason) for ref in dict.fromkeys(refs) if (reason := why_not(ref, version, models))]
    if gone:
        named = ", ".join(f"“{ref[:120] or '(no judge)'}”" for ref, _ in gone)
        reasons = " ".join(dict.fromkeys(reason for _, reason in gone))
        raise PoolUnusable(
            f"This pool names what cannot be asked here: {named}. {reasons} Set the provider's key, or edit the pool.",
            field="pool",
        )


def pending_of(run: Run) -> RunExecution:
    """The execution that is to begin."""
    execution = last_execution(run)
    assert execution is not None, "a run is created with its first execution"
    return execution
