"""From stored rows to what the engine runs: the plan of one execution and the record it starts from."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, replace

from django.conf import settings

from fusion.engine.rubrics import RUBRICS
from fusion.engine.types import (
    USABLE,
    AnswerState,
    Chunk,
    CompletionRequest,
    Endpoint,
    Judgement,
    Limits,
    Member,
    Mode,
    Plan,
)
from fusion.engine.types import Answer as EngineAnswer
from fusion.errors import PoolUnusable, ProviderModelUnknown
from fusion.live.record import AnswerRecord, EndpointFacts, FinalRecord, JudgeRecord, RunRecord
from fusion.models import PoolVersion, Run
from fusion.models.pool import PoolMember
from fusion.runs import catalogue
from fusion.runs.calibration import chars_per_token
from fusion.runs.ending import final_stands
from fusion.runs.selectors import engine_answer, record_of, refs_of, run_with_rows

KEPT_WHEN_RESUMED = USABLE | {AnswerState.REFUSED}
MODES = {mode.value: mode for mode in Mode}


@dataclass(frozen=True, slots=True)
class Todo:
    """What is missing of a run. `asked`: letters to ask; `given`: answers that exist; `judgement`: a verdict that does.

    `answers_only`: a final stands, only answers are asked anew.
    """

    asked: frozenset[str]
    given: Mapping[str, EngineAnswer]
    judgement: Judgement | None
    answers_only: bool

    @property
    def keeps_verdict(self) -> bool:
        return self.answers_only or self.judgement is not None


@dataclass(frozen=True, slots=True)
class Execution:
    """What one execution of a run does: the engine's plan and the record that the page starts from.

    `earlier` is the record as the execution before left it: what is not replaced by the end comes back.
    """

    plan: Plan
    record: RunRecord
    earlier: RunRecord
    keeps_verdict: bool


class GoneProvider:
    """Stands in for a connection that is gone: what exists needs none, and who asks is told."""

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        raise ProviderModelUnknown(f"“{request.model_id[:120]}” cannot be asked here any more: its connection is gone.")
        yield  # makes this a generator


def run_seed(public_id: object) -> str:
    """The run's seed (hex): HMAC-SHA256 of its id under the installation's secret, so that nobody can guess labels."""
    return hmac.new(settings.SECRET_KEY.encode(), str(public_id).encode(), hashlib.sha256).hexdigest()


def check_usable(version: PoolVersion) -> None:
    """Raises PoolUnusable, saying what to change, unless every model of the version can be asked here."""
    seats = list(version.members.all())
    if not seats:
        raise PoolUnusable("This pool has no members. Edit the pool and add at least one.", field="pool")
    refs = [seat.ref for seat in seats]
    if len(seats) > 1:
        refs += [version.judge, *version.fallback_judges, *([version.writer] if version.writer else [])]
    _require(refs)


def _require(refs: Iterable[str]) -> None:
    gone = [ref or "(no judge)" for ref in dict.fromkeys(refs) if catalogue.entry(ref) is None]
    if gone:
        named = ", ".join(f"“{ref[:120]}”" for ref in gone)
        raise PoolUnusable(
            f"This pool names what cannot be asked here: {named}. Set the provider's key, or edit the pool.",
            field="pool",
        )


def endpoint_facts(version: PoolVersion) -> dict[str, EndpointFacts]:
    """What people see of each model in the version, by ref."""
    return catalogue.facts_of(refs_of(version))


def check_runnable(run: Run) -> None:
    """Raises PoolUnusable unless all that is still missing of `run` can be asked: what exists needs no provider."""
    run = run_with_rows(run.pk)
    _check(run, todo_of(run, record_of(run)))


def prepare(run: Run) -> Execution:
    """Plan what is still missing of a run that comes from `run_with_rows`. Raises PoolUnusable when that cannot be
    asked any more."""
    earlier = record_of(run)
    todo = todo_of(run, earlier)
    _check(run, todo)
    record = _fresh_record(earlier, todo)
    return Execution(_plan(run, todo), record, earlier, todo.keeps_verdict)


def todo_of(run: Run, record: RunRecord) -> Todo:
    """What an execution of `run` does: with letters to retry those alone; else whatever lacks an outcome.

    A verdict is taken up again only as long as every answer that it judged is there; one that chose none is not.
    """
    retry, answers_only = set(run.retry_letters), final_stands(run)
    rows = {row.letter: engine_answer(row) for row in run.answers.all() if row.is_current}
    given = {letter: answer for letter, answer in rows.items() if _is_kept(answer, retry)}
    judgement = None if retry else record.judge.judgement
    if judgement is not None and judgement.chosen is not None and set(judgement.order) <= given.keys():
        # The judged ones alone: a late answer must not slip into a final that no judge saw it for.
        judged = {letter: given[letter] for letter in judgement.order}
        return Todo(frozenset(), judged, judgement, answers_only=False)
    if not answers_only:
        given = {letter: replace(answer, late=False) for letter, answer in given.items()}
    return Todo(frozenset(rows.keys() - given.keys()), given, None, answers_only)


def _is_kept(answer: EngineAnswer, retry: set[str]) -> bool:
    if retry:
        return answer.letter not in retry and answer.state.is_final
    return answer.state in KEPT_WHEN_RESUMED


def _check(run: Run, todo: Todo) -> None:
    version = run.pool_version
    seats = list(version.members.all())
    refs = [seat.ref for seat in seats if seat.letter in todo.asked]
    if len(seats) > 1 and not todo.answers_only:
        if todo.judgement is None:
            refs.append(version.judge)
        if run.mode == Mode.MERGE:
            refs.append(version.writer or (todo.judgement.judge if todo.judgement else version.judge))
    _require(refs)


def _plan(run: Run, todo: Todo) -> Plan:
    version = run.pool_version
    return Plan(
        run_id=str(run.public_id),
        prompt=run.prompt,
        mode=MODES[run.mode],
        members=tuple(_member(seat, todo.given.get(seat.letter)) for seat in version.members.all()),
        anchor=PoolMember.LETTERS[version.anchor],
        judges=tuple(_endpoint(ref) for ref in (version.judge, *version.fallback_judges) if ref),
        writer=_endpoint(version.writer) if version.writer else None,
        rubric=RUBRICS[version.rubric],
        seed=run.seed,
        judge_instructions=version.judge_instructions,
        limits=_limits(version),
        on_quorum_missed="stop" if version.on_quorum_missed == "stop" else "judge",
        on_judge_failure="anchor" if version.on_judge_failure == "anchor" else "none",
        given_judgement=todo.judgement,
        answers_only=todo.answers_only,
    )


def _member(seat: PoolMember, given: EngineAnswer | None) -> Member:
    return Member(
        letter=seat.letter,
        endpoint=_endpoint(seat.ref),
        temperature=None if seat.temperature is None else float(seat.temperature),
        max_tokens=seat.max_tokens or settings.FUSION_MEMBER_MAX_TOKENS,
        system_note=seat.system_note,
        timeout_s=float(seat.timeout_s or settings.FUSION_PANEL_TIMEOUT_S),
        given=given,
    )


def _endpoint(ref: str) -> Endpoint:
    known = catalogue.entry(ref)
    if known is not None:
        return catalogue.endpoint(known)
    connection, _, model_id = ref.partition(":")
    return Endpoint(ref, model_id, model_id, connection, GoneProvider())


def _limits(version: PoolVersion) -> Limits:
    limits = Limits(
        panel_s=float(version.panel_timeout_s or settings.FUSION_PANEL_TIMEOUT_S),
        judge_s=float(settings.FUSION_JUDGE_TIMEOUT_S),
        writer_s=float(settings.FUSION_WRITER_TIMEOUT_S),
        overall_s=float(settings.FUSION_RUN_TIMEOUT_S),
        quorum=version.quorum,
    )
    if version.grace_s is None:
        return limits
    return replace(limits, grace_min_s=float(version.grace_s), grace_max_s=float(version.grace_s))


def _fresh_record(earlier: RunRecord, todo: Todo) -> RunRecord:
    """The record at the start of this execution: what is given stays, what will be asked starts empty."""
    keeps = todo.keeps_verdict
    return replace(
        earlier,
        answers={letter: _fresh_column(column, todo) for letter, column in earlier.answers.items()},
        judge=replace(earlier.judge) if keeps else JudgeRecord(),
        final=replace(earlier.final, out_of_date=True) if todo.answers_only else FinalRecord(),
        panel_closed=earlier.panel_closed if keeps else None,
        degraded=list(earlier.degraded) if keeps else [],
        calls=dict(earlier.calls),
        grace=None,
        waiting_for_all=False,
        failure=None,
        finished_at=None,
        now_ms=0,
    )


def _fresh_column(column: AnswerRecord, todo: Todo) -> AnswerRecord:
    if column.letter in todo.asked:
        return AnswerRecord(
            column.letter,
            column.endpoint,
            column.attempt + int(column.state.is_final),
            chars_per_token=chars_per_token(column.endpoint.ref),
        )
    return replace(column, late=column.late and todo.keeps_verdict)
