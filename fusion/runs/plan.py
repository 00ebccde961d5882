"""From stored rows to what the engine runs: the plan of one execution and the record it starts from."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from django.conf import settings

from fusion.catalogue.available import TeamModels, models_of
from fusion.catalogue.health import health_of
from fusion.engine.disputes import Round, Ruling, StopReason
from fusion.engine.labels import derive_seed
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
from fusion.live.debate import DebateRecord
from fusion.live.folding import mark_out_of_date
from fusion.live.record import AnswerRecord, EndpointFacts, FinalRecord, JudgeRecord, RulingRecord, RunRecord
from fusion.models import PoolVersion, Run, RunExecution
from fusion.models.pool import PoolMember
from fusion.runs.calibration import chars_per_token
from fusion.runs.images import images_of
from fusion.runs.pools.checking import why_not
from fusion.runs.selectors import (
    engine_answer,
    judge_refs,
    last_execution,
    refs_of,
    run_with_rows,
    standing_record,
    taken_up_record,
)

KEPT_WHEN_RESUMED = USABLE | {AnswerState.REFUSED, AnswerState.LEFT_OUT}
MODES = {mode.value: mode for mode in Mode}
UsualMs = Mapping[str, int | None]  # what a model usually takes to its first token, by ref


@dataclass(frozen=True, slots=True)
class Todo:
    """What an execution does. `asked`: letters to ask; `given`: answers that exist; `judgement`: a verdict that does.

    `answers_only`: a final stands, only answers are asked anew. `keeps_final`: one stands unless a new one comes.
    `chosen`: letters that a person wants judged, None for all that can be. `rounds` and `ruling`: what exists of a
    debate on that verdict; `stop`: why it was over.
    """

    asked: frozenset[str]
    given: Mapping[str, EngineAnswer]
    judgement: Judgement | None
    answers_only: bool
    keeps_final: bool = False
    chosen: frozenset[str] | None = None
    rounds: tuple[Round, ...] = ()
    ruling: Ruling | None = None
    stop: StopReason | None = None

    @property
    def keeps_verdict(self) -> bool:
        return self.answers_only or self.judgement is not None


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


def _require(refs: Iterable[str], version: PoolVersion, models: TeamModels) -> None:
    gone = [(ref, reason) for ref in dict.fromkeys(refs) if (reason := why_not(ref, version, models))]
    if gone:
        named = ", ".join(f"“{ref[:120] or '(no judge)'}”" for ref, _ in gone)
        reasons = " ".join(dict.fromkeys(reason for _, reason in gone))
        raise PoolUnusable(
            f"This pool names what cannot be asked here: {named}. {reasons} Set the provider's key, or edit the pool.",
            field="pool",
        )


def endpoint_facts(version: PoolVersion) -> dict[str, EndpointFacts]:
    """What people see of each model in the version, by ref."""
    return models_of(version.pool.team).facts_of(refs_of(version))


def check_runnable(run: Run) -> None:
    """Raises PoolUnusable unless all that is still missing of `run` can be asked: what exists needs no provider."""
    run = run_with_rows(run.pk)
    execution = _pending(run)
    _check(run, execution, todo_of(run, execution), models_of(run.team))


def prepare(run: Run) -> Execution:
    """Plan the pending execution of a run that comes from `run_with_rows`. Raises PoolUnusable when what it needs
    cannot be asked any more."""
    execution = _pending(run)
    todo = todo_of(run, execution)
    models = models_of(run.team)
    _check(run, execution, todo, models)
    earlier = standing_record(run)
    usual_ms = _usual_ms(run.pool_version, models)
    return Execution(
        row=execution,
        plan=_plan(run, execution, todo, models, usual_ms),
        models=models,
        record=_fresh_record(run, earlier, execution, todo, models, usual_ms),
        earlier=earlier,
        keeps_verdict=todo.keeps_verdict,
        continues=execution.continues if todo.judgement is not None else None,
        judged_anew=frozenset(todo.given) if not todo.keeps_verdict and todo.chosen is None else frozenset(),
    )


def _usual_ms(version: PoolVersion, models: TeamModels) -> UsualMs:
    """What the members usually take to their first token, by ref, from the calls of the last day."""
    entries = (models.entry(seat.ref) for seat in version.members.all())
    return {ref: health.ttft_ms for ref, health in health_of(one for one in entries if one is not None).items()}


def _pending(run: Run) -> RunExecution:
    execution = last_execution(run)
    assert execution is not None, "a run is created with its first execution"
    return execution


def todo_of(run: Run, execution: RunExecution) -> Todo:
    """What `execution` does: the listed letters anew, or whatever lacks an outcome, or a judging of what is there.

    A verdict is taken up again only as long as every answer that it judged is there.
    """
    rows = {row.letter: engine_answer(row) for row in run.answers.all() if row.is_current}
    rejudges = execution.kind == RunExecution.Kind.REJUDGE
    given = _to_judge(rows, execution.letters) if rejudges else _kept(rows, set(execution.letters))
    asked = frozenset() if rejudges else frozenset(rows.keys() - given.keys())
    chosen = frozenset(execution.letters) if rejudges else None
    taken_up = taken_up_record(run, execution)
    judgement = None if taken_up is None else _standing_verdict(taken_up)
    if taken_up is not None and judgement is not None and set(judgement.order) <= given.keys():
        # The judged ones alone: a late answer must not slip into a final that no judge saw it for.
        judged = {letter: given[letter] for letter in judgement.order}
        return Todo(
            asked=frozenset(),
            given=judged,
            judgement=judgement,
            answers_only=False,
            keeps_final=execution.keeps_final,
            chosen=chosen,
            rounds=taken_up.debate.rounds_ended(),
            ruling=taken_up.ruling.ruling,
            stop=taken_up.debate.reason,
        )
    answers_only = execution.kind == RunExecution.Kind.ANSWERS
    if not answers_only:
        given = {letter: replace(answer, late=False) for letter, answer in given.items()}
    return Todo(asked, given, None, answers_only, keeps_final=execution.keeps_final, chosen=chosen)


def _standing_verdict(record: RunRecord) -> Judgement | None:
    """The verdict to go on from; one that chose no answer is none, unless a debate followed on it."""
    judgement = record.judge.judgement
    goes_on = judgement is not None and (judgement.chosen is not None or bool(record.debate.disputes))
    return judgement if goes_on else None


def _kept(rows: Mapping[str, EngineAnswer], anew: set[str]) -> dict[str, EngineAnswer]:
    """The answers that are not asked for: all but the listed ones, else those that have an outcome."""
    if anew:
        return {letter: row for letter, row in rows.items() if letter not in anew and row.state.is_final}
    return {letter: row for letter, row in rows.items() if row.state in KEPT_WHEN_RESUMED}


def _to_judge(rows: Mapping[str, EngineAnswer], letters: str) -> dict[str, EngineAnswer]:
    """The chosen answers, a broken-off one as what it is, and those without a text, which count as missing."""
    return {
        letter: _as_judged(row) if letter in letters else row
        for letter, row in rows.items()
        if letter in letters or not can_be_judged(row)
    }


class HasText(Protocol):
    """An answer, ended or not, in whatever shape."""

    @property
    def state(self) -> AnswerState: ...

    @property
    def text(self) -> str: ...


def can_be_judged(answer: HasText) -> bool:
    """Whether there is a text that a person may have judged, whole or broken off."""
    return answer.state.is_usable or (answer.state.is_final and bool(answer.text.strip()))


def _as_judged(answer: EngineAnswer) -> EngineAnswer:
    """Stopped or interrupted, a text is judged as one that broke off; a refusal stays one, and counts as no answer
    unless all have refused."""
    if answer.state in (AnswerState.STOPPED, AnswerState.INTERRUPTED, AnswerState.FAILED):
        return replace(answer, state=AnswerState.TRUNCATED)
    return answer


def _check(run: Run, execution: RunExecution, todo: Todo, models: TeamModels) -> None:
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


def _plan(run: Run, execution: RunExecution, todo: Todo, models: TeamModels, usual_ms: UsualMs) -> Plan:
    version = run.pool_version
    seats = [seat for seat in version.members.all() if todo.chosen is None or seat.letter in todo.given]
    endpoint = partial(_endpoint, version=version, models=models)
    asks_person = version.on_quorum_missed == "stop" and todo.chosen is None
    return Plan(
        run_id=str(run.public_id),
        prompt=run.prompt,
        mode=MODES[execution.mode],
        members=tuple(
            _member(seat, todo.given.get(seat.letter), endpoint(seat.ref), usual_ms.get(seat.ref)) for seat in seats
        ),
        anchor=PoolMember.LETTERS[version.anchor],
        judges=tuple(endpoint(ref) for ref in judge_refs(version, execution.judge)),
        writer=endpoint(version.writer) if version.writer else None,
        rubric=RUBRICS[execution.rubric],
        seed=_seed(run, execution),
        judge_instructions=version.judge_instructions,
        limits=_limits(version, MODES[execution.mode]),
        on_quorum_missed="stop" if asks_person else "judge",
        on_judge_failure="anchor" if version.on_judge_failure == "anchor" and not todo.keeps_final else "none",
        given_judgement=todo.judgement,
        given_rounds=todo.rounds,
        given_ruling=todo.ruling,
        given_stop=todo.stop,
        answers_only=todo.answers_only,
        images=images_of(run),
        blind_members="leave_out" if run.blind_members == "leave_out" else "tell",
    )


def _seed(run: Run, execution: RunExecution) -> str:
    """A re-judge draws labels and an order of its own: another order is half of what a second look is for."""
    if execution.kind != RunExecution.Kind.REJUDGE:
        return run.seed
    return derive_seed(run.seed, "rejudge", execution.number).hex()


def _member(seat: PoolMember, given: EngineAnswer | None, endpoint: Endpoint, usual_ms: int | None) -> Member:
    return Member(
        letter=seat.letter,
        endpoint=endpoint,
        temperature=None if seat.temperature is None else float(seat.temperature),
        max_tokens=seat.max_tokens or settings.FUSION_MEMBER_MAX_TOKENS,
        system_note=seat.system_note,
        timeout_s=float(seat.timeout_s or panel_s(seat.version)),
        given=given,
        usual_ttft_s=None if usual_ms is None else usual_ms / 1000,
    )


def _endpoint(ref: str, *, version: PoolVersion, models: TeamModels) -> Endpoint:
    known = models.entry(ref)
    if known is not None and not why_not(ref, version, models):
        return models.endpoint(known)
    connection, _, model_id = ref.partition(":")
    return Endpoint(ref, model_id, model_id, connection, GoneProvider())


def _limits(version: PoolVersion, mode: Mode) -> Limits:
    limits = Limits(
        panel_s=panel_s(version),
        judge_s=judge_s(version),
        writer_s=float(settings.FUSION_WRITER_TIMEOUT_S),
        overall_s=overall_s(version, mode),
        silence_s=float(settings.FUSION_SILENCE_S),
        quorum=version.quorum,
        debate_rounds=version.debate_rounds,
        round_s=float(settings.FUSION_ROUND_TIMEOUT_S),
    )
    if version.grace_s is None:
        return limits
    return replace(limits, grace_min_s=float(version.grace_s), grace_max_s=float(version.grace_s))


def overall_s(version: PoolVersion, mode: Mode) -> float:
    """The time of a whole run. What a pool gives its panel and its judges beyond the site's own times comes on top,
    since a deadline of the run that ended them sooner would make those empty words; so do a debate's rounds and ruling.
    """
    judges = 1 + len(version.fallback_judges)
    more_s = max(0.0, panel_s(version) - settings.FUSION_PANEL_TIMEOUT_S)
    more_s += judges * max(0.0, judge_s(version) - settings.FUSION_JUDGE_TIMEOUT_S)
    whole_s = float(settings.FUSION_RUN_TIMEOUT_S) + more_s
    if mode is not Mode.DEBATE:
        return whole_s
    return whole_s + version.debate_rounds * settings.FUSION_ROUND_TIMEOUT_S + judge_s(version)


def panel_s(version: PoolVersion) -> float:
    return float(version.panel_timeout_s or settings.FUSION_PANEL_TIMEOUT_S)


def judge_s(version: PoolVersion) -> float:
    return float(version.judge_timeout_s or settings.FUSION_JUDGE_TIMEOUT_S)


def _fresh_record(
    run: Run, earlier: RunRecord, execution: RunExecution, todo: Todo, models: TeamModels, usual_ms: UsualMs
) -> RunRecord:
    """The record at the start of this execution: what is given stays, what will be asked starts empty."""
    record = replace(
        earlier,
        answers={letter: _fresh_column(column, todo, usual_ms) for letter, column in earlier.answers.items()},
        calls=dict(earlier.calls),
        endpoints=_paid_now(earlier.endpoints, run.pool_version, models),
        attempted=None,
        grace=None,
        waiting_for_all=False,
        failure=None,
        finished_at=None,
        now_ms=0,
    )
    if todo.answers_only:
        record.judge, record.final = replace(earlier.judge), replace(earlier.final)
        record.debate, record.ruling = earlier.debate.taken_up(), earlier.ruling.taken_up()
        record.degraded = list(earlier.degraded)
    else:
        _begin_stages(run, record, execution, todo)
    mark_out_of_date(record)
    return record


def _paid_now(known: Mapping[str, EndpointFacts], version: PoolVersion, models: TeamModels) -> dict[str, EndpointFacts]:
    """What people see of each model, with whose key this execution uses: an earlier one may have used another."""
    now = models.facts_of(ref for ref in known if not why_not(ref, version, models))
    return {
        ref: replace(facts, payer=now[ref].payer, provider=now[ref].provider)
        if ref in now
        else replace(facts, payer="")
        for ref, facts in known.items()
    }


def _begin_stages(run: Run, record: RunRecord, execution: RunExecution, todo: Todo) -> None:
    """The stages as they are before the judge, or, when a verdict is taken up, as it left them."""
    record.mode, record.rubric = MODES[execution.mode], execution.rubric
    record.judge_refs = judge_refs(run.pool_version, execution.judge)
    record.final = FinalRecord()
    taken_up = taken_up_record(run, execution) if todo.judgement is not None else None
    record.judge = taken_up.judge if taken_up is not None else JudgeRecord()
    record.debate = taken_up.debate.taken_up() if taken_up is not None else DebateRecord()
    record.ruling = taken_up.ruling.taken_up() if taken_up is not None else RulingRecord()
    record.panel_closed = taken_up.panel_closed if taken_up is not None else None
    record.degraded = taken_up.degraded if taken_up is not None else []


def _fresh_column(column: AnswerRecord, todo: Todo, usual_ms: UsualMs) -> AnswerRecord:
    if column.letter in todo.asked:
        return AnswerRecord(
            column.letter,
            column.endpoint,
            column.attempt + int(column.state.is_final),
            chars_per_token=chars_per_token(column.endpoint.ref),
            usual_ttft_ms=usual_ms.get(column.endpoint.ref),
        )
    return replace(column, late=column.late and (todo.keeps_verdict or todo.chosen is not None))
