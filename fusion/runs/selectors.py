"""Reads shaped for a page, an export or the executor; every look-up for a person starts at `visible_to`."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

from django.db.models import Prefetch, Q
from django.utils import timezone

from fusion.catalogue.available import models_of
from fusion.engine import events as ev
from fusion.engine.types import Answer as EngineAnswer
from fusion.engine.types import AnswerState, Failure, Final, FinalKind, Mode, Role, RunState, Sight, Span, Usage
from fusion.live.folding import mark_out_of_date, put_answer
from fusion.live.record import (
    AnswerRecord,
    Attempted,
    CallRecord,
    EndpointFacts,
    FinalMark,
    FinalRecord,
    ImageFacts,
    RunRecord,
)
from fusion.live.runs import LIVE
from fusion.models import (
    Answer,
    Call,
    FinalAnswer,
    Pool,
    PoolVersion,
    PromptImage,
    Run,
    RunEvent,
    RunExecution,
    Team,
    User,
)
from fusion.models.pool import PoolMember, PoolQuerySet
from fusion.models.run import RunQuerySet
from fusion.runs.ending import NOT_STORED
from fusion.runs.replay import REPLAYED, Stages, replay, sort_calls, stages_of

NOTICEABLE = timedelta(seconds=3)


def visible_pools(user: User) -> PoolQuerySet:
    """The pools a person may ask, with their current rules and members."""
    return (
        Pool.objects.visible_to(user)
        .select_related("current", "team", "author")
        .prefetch_related("current__members")
        .exclude(current=None)
    )


def pools_that_use(user: User, team: Team, ref: str) -> list[Pool]:
    """The team's pools, as far as the person sees them, that name a model now: as member, judge or writer."""
    pools = Pool.objects.visible_to(user).filter(team=team).exclude(current=None)
    named = pools.select_related("current").prefetch_related("current__members").order_by("name", "pk")
    return [pool for pool in named if pool.current is not None and ref in refs_of(pool.current)]


def search_runs(
    user: User, *, team: Team | None, query: str = "", pool: Pool | None = None, mode: str = "", state: str = ""
) -> RunQuerySet:
    """Runs of a team that the person may read, newest first; `query` is looked for in prompt, answers and final.

    `team` is None for somebody who is in none, and may read none.
    """
    runs = Run.objects.visible_to(user).filter(team=team)
    if query:
        in_answers = Answer.objects.filter(is_current=True, text__icontains=query).values("run")
        in_finals = FinalAnswer.objects.filter(is_current=True, text__icontains=query).values("run")
        runs = runs.filter(Q(prompt__icontains=query) | Q(pk__in=in_answers) | Q(pk__in=in_finals))
    if pool is not None:
        runs = runs.filter(pool_version__pool=pool)
    if mode:
        runs = runs.filter(mode=mode)
    if state:
        runs = runs.filter(state=state)
    return runs.select_related("pool_version__pool", "author", "team")


def current_record(run: Run) -> RunRecord:
    """The run as it is now: a copy of the live record when this process executes it, else from the rows."""
    live = LIVE.get(str(run.public_id))
    if live is None:
        return load_record(run)
    with live.lock:
        # An ended one may be an earlier execution; the rows know. Unless they could not be written.
        if live.record.is_final and (live.record.failure is None or live.record.failure.code != NOT_STORED.code):
            return load_record(run)
        return deepcopy(live.record)


def load_record(run: Run, *, final: int | None = None) -> RunRecord:
    """The run as it is stored. After a run has ended this equals the live record, but for times of the execution.

    `final`: the number of the final that is looked at, instead of the one that the run is to show now.
    """
    return record_of(run_with_rows(run.pk), final=final)


def final_records(run: Run) -> list[RunRecord]:
    """The run once for each of its finals: the final first, then the others, newest first."""
    run = run_with_rows(run.pk)
    rows = sorted(run.finals.all(), key=lambda row: (not row.is_current, -row.number))
    return [record_of(run, final=row.number) for row in rows]


def attempts_of(run: Run) -> dict[str, list[AnswerRecord]]:
    """What members answered before they were asked anew, by letter, oldest first."""
    rows = run.answers.filter(is_current=False).order_by("letter", "attempt")
    found: dict[str, list[AnswerRecord]] = {}
    for row in rows:
        found.setdefault(row.letter, []).append(_answer_record(row, []))
    return found


def record_of(run: Run, *, final: int | None = None) -> RunRecord:
    """`load_record` of a run that comes from `run_with_rows`; a final that does not exist is not looked at."""
    pending = pending_execution(run)
    is_remaking = pending is not None and pending.kind != RunExecution.Kind.ANSWERS
    # One that is being made may be there already: only late answers are waited for.
    shown = _final_of(run, pending) if pending is not None and is_remaking else current_final(run)
    asked = next((row for row in run.finals.all() if row.number == final), None)
    if asked is not None and asked is not shown:
        return _looked_at(run, asked)
    return _record(run, shown, execution=pending) if is_remaking else standing_record(run)


def _looked_at(run: Run, row: FinalAnswer) -> RunRecord:
    """The run with a final that is not what its page shows by itself; it ended as that final's execution did."""
    execution = _execution(run, row.execution)
    record = _record(run, row, execution=execution)
    made_by = None if row.picked_by_id else execution
    record.state, record.failure = RunState.DONE, None
    if made_by is not None and made_by.state:
        record.state = RunState(made_by.state)
        record.failure = _failure(made_by.failure_code, made_by.failure_message)
    record.attempted, record.elsewhere = None, run.is_in_flight
    return record


def standing_record(run: Run) -> RunRecord:
    """The run with the final, or without one as its last execution left it, whatever is under way."""
    row = current_final(run)
    execution = _last_begun(run) if row is None else _execution(run, row.execution)
    return _record(run, row, execution=execution)


def current_final(run: Run) -> FinalAnswer | None:
    """*The* final of a run that comes from `run_with_rows`."""
    return next((row for row in run.finals.all() if row.is_current), None)


def _final_of(run: Run, execution: RunExecution) -> FinalAnswer | None:
    return next((row for row in run.finals.all() if row.execution == execution.number and not row.picked_by_id), None)


def last_execution(run: Run) -> RunExecution | None:
    """The newest execution of a run that comes from `run_with_rows`."""
    return max(run.executions.all(), key=lambda row: row.number, default=None)


def pending_execution(run: Run) -> RunExecution | None:
    return last_execution(run) if run.is_in_flight else None


def taken_up_record(run: Run, execution: RunExecution) -> RunRecord | None:
    """The run as the execution that `execution` goes on from left it; None when it begins anew."""
    if execution.continues is None:
        return None
    return _record(run, None, execution=_execution(run, execution.continues))


def _execution(run: Run, number: int) -> RunExecution | None:
    return next((row for row in run.executions.all() if row.number == number), None)


def _last_begun(run: Run) -> RunExecution | None:
    """The newest execution that has stages to tell; one that only asks answers anew has none."""
    pending = pending_execution(run)
    told = [row for row in run.executions.all() if row is not pending and row.kind != RunExecution.Kind.ANSWERS]
    return max(told, key=lambda row: row.number, default=None)


def _record(run: Run, row: FinalAnswer | None, *, execution: RunExecution | None) -> RunRecord:
    """The run with the stages of `execution` and with the final `row`."""
    version = run.pool_version
    calls = list(run.calls.all())
    record = RunRecord(
        public_id=str(run.public_id),
        prompt=run.prompt,
        mode=Mode(execution.mode if execution else run.mode),
        pool_name=version.pool.name,
        pool_public_id=str(version.pool.public_id),
        pool_version=version.number,
        rubric=execution.rubric if execution else version.rubric,
        author=run.author.get_short_name(),
        created_at=run.created_at,
        endpoints={**models_of(run.team).facts_of([*refs_of(version), *_judges_asked(run)]), **_endpoints(run)},
        answers={answer.letter: _answer_record(answer, calls) for answer in run.answers.all() if answer.is_current},
        images=tuple(image_facts(image) for image in run.images.all()),
        anchor=PoolMember.LETTERS[version.anchor],
        judge_refs=judge_refs(version, execution.judge if execution else ""),
        calls={call.call_id: _call_record(call) for call in calls},
        failure=None if run.is_in_flight else _failure(run.failure_code, run.failure_message),
        finished_at=None if run.is_in_flight else run.finished_at,
    )
    events = list(run.events.all())
    stages = stages_of(events, list(run.verdicts.all()))
    replay(record, stages, _told_in(execution, stages))
    sort_calls(record, events)
    record.state = RunState(run.state)
    record.queue_ahead = _queue_ahead(run)
    record.finals = tuple(_mark(record, final) for final in run.finals.all())
    _put_final(record, row)
    mark_out_of_date(record)
    _put_times(record, run, row)
    record.attempted = None if run.is_in_flight else _attempted(run, record)
    return record


def _told_in(execution: RunExecution | None, stages: dict[int, Stages]) -> int:
    """Where the stages of an execution are told; one that has not begun stands where it goes on from."""
    if execution is None:
        return max(stages, default=0)
    return execution.number if execution.number in stages else execution.continues or 0


def _attempted(run: Run, record: RunRecord) -> Attempted | None:
    last = last_execution(run)
    if last is None or not last.keeps_final or last.kind == RunExecution.Kind.ANSWERS or not last.state:
        return None
    if any(row.execution == last.number for row in run.finals.all()):
        return None
    failure = _failure(last.failure_code, last.failure_message)
    return attempted_by(last, record, RunState(last.state), failure)


def attempted_by(execution: RunExecution, record: RunRecord, state: RunState, failure: Failure | None) -> Attempted:
    """How an execution that was to give a final, and gave none, is told."""
    judge = record.facts(execution.judge) if execution.judge else None
    return Attempted(execution.kind == RunExecution.Kind.REJUDGE, judge, state, failure)


def judge_refs(version: PoolVersion, chosen: str = "") -> tuple[str, ...]:
    """Who judges: the one that a person chose, alone, else the pool's judge and its fallbacks."""
    return (chosen,) if chosen else tuple(ref for ref in (version.judge, *version.fallback_judges) if ref)


def _judges_asked(run: Run) -> list[str]:
    return [row.judge for row in run.executions.all() if row.judge]


def refs_of(version: PoolVersion) -> list[str]:
    """Every model that a version names: members, judges, writer."""
    seats = [seat.ref for seat in version.members.all()]
    return [ref for ref in (*seats, version.judge, *version.fallback_judges, version.writer) if ref]


def run_with_rows(run_pk: int) -> Run:
    """A run with all that a record is made of, in a fixed number of queries."""
    return (
        Run.objects.select_related("pool_version__pool", "author")
        .prefetch_related(
            "pool_version__members",
            "images",
            "answers",
            "calls",
            Prefetch("finals", queryset=FinalAnswer.objects.select_related("verdict", "picked_by")),
            "verdicts",
            "executions",
            Prefetch("events", queryset=RunEvent.objects.filter(kind__in=REPLAYED)),
        )
        .get(pk=run_pk)
    )


def _endpoints(run: Run) -> dict[str, EndpointFacts]:
    stored = [row.endpoint for row in run.answers.all()]
    stored += [row.endpoint for row in run.calls.all()]
    stored += [row.endpoint for row in run.verdicts.all()]
    return {facts["ref"]: EndpointFacts(**facts) for facts in stored if facts}


def _failure(code: str, message: str) -> Failure | None:
    return Failure(code, message) if code else None


def _usage(row: Answer | Call) -> Usage | None:
    if row.input_tokens is None and row.output_tokens is None:
        return None
    return Usage(
        input_tokens=row.input_tokens or 0,
        output_tokens=row.output_tokens or 0,
        cached_input_tokens=(row.cached_input_tokens or 0) if isinstance(row, Call) else 0,
        reasoning_tokens=row.reasoning_tokens or 0,
        estimated=row.usage_estimated,
    )


def engine_answer(row: Answer) -> EngineAnswer:
    """A stored answer as the engine's value."""
    return EngineAnswer(
        letter=row.letter,
        state=AnswerState(row.state),
        text=row.text,
        reasoning_chars=row.reasoning_chars,
        usage=_usage(row),
        ttft_ms=row.ttft_ms,
        total_ms=row.total_ms,
        failure=_failure(row.failure_code, row.failure_message),
        late=row.late,
        sight=Sight(row.sight) if row.sight else None,
    )


def image_facts(row: PromptImage) -> ImageFacts:
    return ImageFacts(str(row.public_id), row.media_type, row.width, row.height, row.bytes)


def _answer_record(row: Answer, calls: list[Call]) -> AnswerRecord:
    record = AnswerRecord(row.letter, EndpointFacts(**row.endpoint), row.attempt)
    put_answer(record, engine_answer(row))
    # The call knows more about what was consumed than the answer's row has room for.
    usages = [_call_usage(call) for call in calls if call.role == Role.PANEL and call.letter == row.letter]
    if record.usage is not None and usages and _same_tokens(record.usage, usages[-1]):
        record.usage = usages[-1]
    return record


def _same_tokens(one: Usage, other: Usage | None) -> bool:
    return other is not None and (one.input_tokens, one.output_tokens) == (other.input_tokens, other.output_tokens)


def _call_usage(row: Call) -> Usage | None:
    usage = _usage(row)
    return replace(usage, cost_nanos=row.cost_nanos) if usage is not None and row.cost_source == "upstream" else usage


def _call_record(row: Call) -> CallRecord:
    letter = row.letter or None
    begun = ev.CallStarted(row.call_id, Role(row.role), row.ref, row.attempt, letter)
    ended = ev.CallEnded(
        call_id=row.call_id,
        role=Role(row.role),
        ref=row.ref,
        attempt=row.attempt,
        letter=letter,
        status=row.status,  # type: ignore[arg-type]  # written from the same catalogue
        usage=_call_usage(row),
        ttft_ms=row.ttft_ms,
        total_ms=row.total_ms,
        failure=_failure(row.failure_code, row.failure_message),
        upstream_model=row.upstream_model or None,
        upstream_id=row.upstream_id or None,
        cost_nanos=row.cost_nanos,
    )
    return CallRecord(begun, _call_facts(row), ended, row.cost_source)


def _call_facts(row: Call) -> EndpointFacts:
    """A call that a dead process left under way may have none stored."""
    model_id = row.ref.partition(":")[2]
    return EndpointFacts(**row.endpoint) if row.endpoint else EndpointFacts(row.ref, model_id, model_id, "")


def _queue_ahead(run: Run) -> int | None:
    """None for a run that is not queued, or only just: it is taken up at once where a process serves."""
    asked_at = max((row.created_at for row in run.executions.all()), default=run.created_at)
    if run.state != Run.State.QUEUED or timezone.now() - asked_at < NOTICEABLE:
        return None
    return Run.objects.filter(state=Run.State.QUEUED, pk__lt=run.pk, deleted_at=None).count()


def _put_times(record: RunRecord, run: Run, row: FinalAnswer | None) -> None:
    if row is not None:
        record.final.ready_at_ms = row.ready_ms
    if run.started_at is not None and run.finished_at is not None:
        record.now_ms = _ms_between(run.started_at, run.finished_at)


def _ms_between(start: object, end: object) -> int:
    return max(0, int((end - start).total_seconds() * 1000))  # type: ignore[operator]


def _put_final(record: RunRecord, row: FinalAnswer | None) -> None:
    if row is None:
        record.final = FinalRecord() if record.is_final else record.final
        return
    final = Final(
        kind=FinalKind(row.kind),
        text=row.text,
        letter=row.letter or None,
        spans=tuple(
            Span(s["start"], s["end"], s["source"], tuple(s["letters"]), tuple(s["claim_ids"]), s["check"])
            for s in row.spans
        ),
        writer=row.writer or None,
        truncated=row.truncated,
    )
    shown = record.final
    shown.number, shown.picked_by = row.number, _picker(row)
    shown.final, shown.text, shown.base_letter = final, final.text, final.letter
    shown.endpoint = record.facts(final.writer) if final.writer else None


def _mark(record: RunRecord, row: FinalAnswer) -> FinalMark:
    facts = row.verdict.endpoint if row.verdict is not None else None
    return FinalMark(
        number=row.number,
        kind=FinalKind(row.kind),
        mode=Mode(row.mode),
        rubric=row.rubric,
        judge=EndpointFacts(**facts) if facts else record.facts(row.verdict.judge) if row.verdict else None,
        letter=row.letter or None,
        known=row.known,
        picked_by=_picker(row),
        is_current=row.is_current,
    )


def _picker(row: FinalAnswer) -> str:
    return row.picked_by.get_short_name() if row.picked_by is not None else ""
