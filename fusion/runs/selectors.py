"""Reads shaped for a page, an export or the executor; every look-up for a person starts at `visible_to`."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from django.db.models import Prefetch, Q

from fusion.engine import events as ev
from fusion.engine.types import Answer as EngineAnswer
from fusion.engine.types import AnswerState, Failure, Final, FinalKind, Mode, Role, RunState, Span, Usage
from fusion.live.record import AnswerRecord, CallRecord, EndpointFacts, FinalRecord, RunRecord, put_answer
from fusion.live.runs import LIVE
from fusion.models import Answer, Call, FinalAnswer, Pool, PoolVersion, Run, RunEvent, Team, User
from fusion.models.pool import PoolMember, PoolQuerySet
from fusion.models.run import RunQuerySet
from fusion.runs import catalogue
from fusion.runs.ending import NOT_STORED
from fusion.runs.replay import REPLAYED, replay


def visible_pools(user: User) -> PoolQuerySet:
    """The pools a person may ask, with their current rules and members."""
    return (
        Pool.objects.visible_to(user)
        .select_related("current", "team", "author")
        .prefetch_related("current__members")
        .exclude(current=None)
    )


def current_team(user: User) -> Team:
    """The team that new things belong to: the one the person joined first."""
    membership = user.memberships.filter(left_at=None).select_related("team").order_by("joined_at", "pk").first()
    if membership is None:
        raise Team.DoesNotExist("this person is in no team")
    return membership.team


def recent_runs(user: User, limit: int = 10) -> list[Run]:
    """The newest runs that the person may read."""
    return list(_for_lists(Run.objects.visible_to(user))[:limit])


def search_runs(
    user: User, *, query: str = "", pool: Pool | None = None, mode: str = "", state: str = ""
) -> RunQuerySet:
    """Runs that the person may read, newest first; `query` is looked for in prompt, answers and final."""
    runs = Run.objects.visible_to(user)
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
    return _for_lists(runs)


def _for_lists(runs: RunQuerySet) -> RunQuerySet:
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


def load_record(run: Run) -> RunRecord:
    """The run as it is stored. After a run has ended this equals the live record, but for times of the execution."""
    return record_of(run_with_rows(run.pk))


def record_of(run: Run) -> RunRecord:
    """`load_record` of a run that comes from `run_with_rows`."""
    version = run.pool_version
    calls = list(run.calls.all())
    record = RunRecord(
        public_id=str(run.public_id),
        prompt=run.prompt,
        mode=Mode(run.mode),
        pool_name=version.pool.name,
        pool_public_id=str(version.pool.public_id),
        pool_version=version.number,
        rubric=version.rubric,
        author=run.author.get_short_name(),
        created_at=run.created_at,
        endpoints={**catalogue.facts_of(refs_of(version)), **_endpoints(run)},
        answers={row.letter: _answer_record(row, calls) for row in run.answers.all() if row.is_current},
        anchor=PoolMember.LETTERS[version.anchor],
        judge_refs=tuple(ref for ref in (version.judge, *version.fallback_judges) if ref),
        calls={row.call_id: _call_record(row) for row in calls},
        degraded=[ev.Degraded(note["code"], note["message"]) for note in run.degraded],
        failure=_failure(run.failure_code, run.failure_message),
        finished_at=None if run.is_in_flight else run.finished_at,
    )
    replay(record, run.events.all(), list(run.verdicts.all()))
    record.state = RunState(run.state)
    _put_final(record, run)
    _put_times(record, run)
    return record


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
            "answers",
            "calls",
            Prefetch("finals", queryset=FinalAnswer.objects.filter(is_current=True)),
            "verdicts",
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
    )


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
    return CallRecord(begun, EndpointFacts(**row.endpoint), ended, row.cost_source)


def _put_times(record: RunRecord, run: Run) -> None:
    if run.started_at is None:
        return
    if run.finished_at is not None:
        record.now_ms = _ms_between(run.started_at, run.finished_at)
    if run.final_ready_at is not None and run.final_ready_at >= run.started_at and record.final.final is not None:
        record.final.ready_at_ms = _ms_between(run.started_at, run.final_ready_at)


def _ms_between(start: object, end: object) -> int:
    return max(0, int((end - start).total_seconds() * 1000))  # type: ignore[operator]


def _put_final(record: RunRecord, run: Run) -> None:
    rows: list[FinalAnswer] = list(run.finals.all())
    if not rows:
        record.final = FinalRecord() if record.is_final else record.final
        return
    row = rows[-1]
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
    record.final.final, record.final.text, record.final.base_letter = final, final.text, final.letter
    record.final.out_of_date = row.out_of_date
    record.final.endpoint = record.facts(final.writer) if final.writer else None
