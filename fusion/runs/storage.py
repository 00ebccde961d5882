"""What an execution writes: stage events as they come, a checkpoint of growing texts every couple of seconds.

One writer per run, so rows are written in the order in which things happened. A write that fails is tried again with
what came since; only when it fails at the end does the run end as failed, and says so. A run that another process has
taken meanwhile is not written to any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from django.db import transaction
from django.db.models import F, Max

from fusion.engine import events as ev
from fusion.engine.types import Answer as EngineAnswer
from fusion.engine.types import AnswerState, Final, Role, Sight
from fusion.engine.verdict import judgement_to_dict
from fusion.live.record import EndpointFacts
from fusion.live.runs import LiveRun
from fusion.models import Answer, Call, FinalAnswer, Run, RunEvent, VerdictRecord
from fusion.runs.database import in_database
from fusion.runs.ending import RunTaken, hold
from fusion.runs.replay import CONTINUES, EXECUTION

log = logging.getLogger(__name__)

CHECKPOINT_S = 2.0
NOT_STORED_AS_EVENTS = (*ev.DELTAS, ev.RunEnded)


@dataclass(frozen=True, slots=True)
class Partial:
    """The text of an answer that is still growing."""

    letter: str
    attempt: int
    state: AnswerState
    text: str
    reasoning_chars: int


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage event with its place in the run, its time in the execution and its stored form."""

    seq: int
    at_ms: int
    event: ev.Event
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one write takes with it. `endpoints`: facts by ref; `connections`: keys of the stored ones by slug.

    `in_doubt`: nobody saw how the write before ended, so some of the rows may be stored.
    """

    rows: list[StageRow]
    partials: list[Partial] = field(default_factory=list)
    endpoints: dict[str, EndpointFacts] = field(default_factory=dict)
    in_doubt: bool = False
    connections: Mapping[str, int | None] = field(default_factory=dict)


class Storage:
    """Writes one execution of one run. `note` is called on the loop for every event and never waits."""

    def __init__(
        self,
        run_pk: int,
        live: LiveRun,
        *,
        lease_pk: int,
        first_seq: int,
        execution: int,
        continues: int | None,
        connections: Mapping[str, int | None] | None = None,
    ) -> None:
        self._run_pk = run_pk
        self._lease_pk = lease_pk
        self._live = live
        self._next_seq = first_seq
        self._execution = {EXECUTION: execution, CONTINUES: continues}
        self._connections = connections or {}
        self._pending: list[StageRow] = []
        self._stored_chars: dict[tuple[str, int], int] = {}
        self._in_doubt = False
        self._wake = asyncio.Event()
        self._closing = False

    def note(self, event: ev.Event) -> None:
        """Remember a stage event for the next write; deltas are only in the record."""
        if isinstance(event, NOT_STORED_AS_EVENTS):
            return
        data = event_data(event)
        if isinstance(event, ev.RunStarted):
            data |= self._execution
        elif isinstance(event, ev.FinalEnded):
            data |= self._about_final()
        self._pending.append(StageRow(self._next_seq, self._live.at_ms(), event, data))
        self._next_seq += 1
        self._wake.set()

    def _about_final(self) -> dict[str, Any]:
        """What the final's row says of how it was made."""
        mark = self._live.record.finals[-1]
        return {
            "number": mark.number,
            EXECUTION: self._execution[EXECUTION],
            "mode": mark.mode.value,
            "rubric": mark.rubric,
            "known": dict(mark.known),
        }

    async def keep_writing(self, on_taken: Callable[[], object]) -> None:
        """Write what comes until `finish` is called; at least a checkpoint every CHECKPOINT_S.

        `on_taken` is called, and nothing is written any more, once the run turns out to be another process's.
        """
        failing = False
        while not self._closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECKPOINT_S):
                    await self._wake.wait()
            self._wake.clear()
            if self._closing:
                return
            try:
                await self.write()
                failing = False
            except RunTaken:
                log.warning("Run %s was taken over by another process", self._live.record.public_id)
                on_taken()
                return
            except Exception:
                # The database may come back: what was not written is still pending and goes with the next write.
                if not failing:
                    log.exception("Could not store the progress of run %s; trying again", self._live.record.public_id)
                failing = True

    async def write(self) -> None:
        """Write all that is pending in one transaction; what could not be written stays pending. Raises RunTaken."""
        batch = Batch(self._pending, self._partials(), self._live.record.endpoints, self._in_doubt, self._connections)
        if not batch.rows and not batch.partials:
            return
        self._pending, self._in_doubt = [], True
        try:
            await in_database(write_batch, self._run_pk, self._lease_pk, batch)
        except BaseException:
            self._pending = batch.rows + self._pending
            raise
        self._in_doubt = False
        self._stored_chars.update(
            ((part.letter, part.attempt), len(part.text) + part.reasoning_chars) for part in batch.partials
        )

    def finish(self) -> None:
        """Let `keep_writing` return after the write that is under way."""
        self._closing = True
        self._wake.set()

    def _partials(self) -> list[Partial]:
        with self._live.lock:
            return [
                Partial(column.letter, column.attempt, column.state, column.text, column.reasoning_chars)
                for column in self._live.record.answers.values()
                if not column.state.is_final
                and len(column.text) + column.reasoning_chars
                > self._stored_chars.get((column.letter, column.attempt), 0)
            ]


# --- in a database thread ----------------------------------------------------------------------------


@transaction.atomic
def write_batch(run_pk: int, lease_pk: int, batch: Batch) -> None:
    """Write stage events and partial texts of a run that this process holds; repeating a write changes nothing more.

    Raises RunTaken.
    """
    hold(run_pk, lease_pk)
    fresh = _not_stored(run_pk, batch.rows) if batch.in_doubt else batch.rows
    for row in fresh:
        _write_row(run_pk, batch, row)
    RunEvent.objects.bulk_create(
        RunEvent(run_id=run_pk, seq=row.seq, at_ms=row.at_ms, kind=type(row.event).__name__, data=row.data)
        for row in fresh
    )
    # After the events: a member that was asked anew has got its new row by now, and the old text is left alone.
    for part in batch.partials:
        _current(run_pk, part.letter).filter(attempt=part.attempt).update(
            state=part.state, text=part.text, reasoning_chars=part.reasoning_chars
        )


def _not_stored(run_pk: int, rows: list[StageRow]) -> list[StageRow]:
    last = RunEvent.objects.filter(run_id=run_pk).aggregate(last=Max("seq"))["last"]
    return [row for row in rows if last is None or row.seq > last]


def _write_row(run_pk: int, batch: Batch, row: StageRow) -> None:
    writer = _WRITERS.get(type(row.event))
    if writer is not None:
        writer(run_pk, batch, row.event)
    if isinstance(row.event, ev.FinalEnded):
        _write_final(run_pk, row, row.event.final)


def _current(run_pk: int, letter: str) -> Any:
    return Answer.objects.filter(run_id=run_pk, letter=letter, is_current=True)


def _write_asked(run_pk: int, _: Batch, event: ev.AnswerAsked) -> None:
    """A member that already had an outcome gets a new attempt; the old one stays as a version."""
    row = _current(run_pk, event.letter).get()
    if row.state == AnswerState.WAITING:
        _current(run_pk, event.letter).update(state=AnswerState.ASKED, sight=event.sight or "")
    elif AnswerState(row.state).is_final:
        _current(run_pk, event.letter).update(is_current=False)
        Answer.objects.create(
            run_id=run_pk,
            letter=row.letter,
            attempt=row.attempt + 1,
            ref=row.ref,
            endpoint=row.endpoint,
            state=AnswerState.ASKED,
            sight=event.sight or "",
        )


def _write_refused_images(run_pk: int, _: Batch, event: ev.ImagesRefused) -> None:
    if event.role is Role.PANEL and event.letter is not None:
        _current(run_pk, event.letter).update(sight=Sight.REFUSED)


def _write_answer(run_pk: int, _: Batch, event: ev.AnswerEnded) -> None:
    _current(run_pk, event.answer.letter).update(**answer_fields(event.answer))


def answer_fields(answer: EngineAnswer) -> dict[str, Any]:
    """The columns of an ended answer."""
    usage = answer.usage
    return {
        "state": answer.state,
        "text": answer.text,
        "reasoning_chars": answer.reasoning_chars,
        "late": answer.late,
        "sight": answer.sight or "",
        "failure_code": answer.failure.code if answer.failure else "",
        "failure_message": answer.failure.message if answer.failure else "",
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "reasoning_tokens": usage.reasoning_tokens if usage else None,
        "usage_estimated": usage.estimated if usage else False,
        "ttft_ms": answer.ttft_ms,
        "total_ms": answer.total_ms,
    }


def _write_call(run_pk: int, batch: Batch, event: ev.CallEnded) -> None:
    usage, facts = event.usage, batch.endpoints.get(event.ref)
    source = ""
    if event.cost_nanos is not None:
        source = "upstream" if usage is not None and usage.cost_nanos is not None else "price"
    Call.objects.get_or_create(
        run_id=run_pk,
        call_id=event.call_id,
        defaults={
            "role": event.role,
            "letter": event.letter or "",
            "ref": event.ref,
            "endpoint": asdict(facts) if facts is not None else {},
            "connection_id": batch.connections.get(event.ref.partition(":")[0]),
            "payer": facts.payer if facts is not None else "",
            "attempt": event.attempt,
            "status": event.status,
            "input_tokens": usage.input_tokens if usage else None,
            "output_tokens": usage.output_tokens if usage else None,
            "cached_input_tokens": usage.cached_input_tokens if usage else None,
            "reasoning_tokens": usage.reasoning_tokens if usage else None,
            "usage_estimated": usage.estimated if usage else False,
            "cost_nanos": event.cost_nanos,
            "cost_source": source,
            "ttft_ms": event.ttft_ms,
            "total_ms": event.total_ms,
            "failure_code": event.failure.code if event.failure else "",
            "failure_message": event.failure.message if event.failure else "",
            "upstream_model": (event.upstream_model or "")[:255],
            "upstream_id": (event.upstream_id or "")[:255],
        },
    )


def _write_verdict(run_pk: int, batch: Batch, event: ev.JudgeEnded) -> None:
    judge, endpoints = event.judgement.judge, batch.endpoints
    VerdictRecord.objects.create(
        run_id=run_pk,
        judge=judge,
        endpoint=asdict(endpoints[judge]) if judge in endpoints else {},
        data=judgement_to_dict(event.judgement),
    )


def _write_final(run_pk: int, row: StageRow, final: Final) -> None:
    """A new final is *the* final. The run's own times tell of its first one."""
    judged = final.kind in ("verbatim", "merged", "ruled")
    finals = FinalAnswer.objects.filter(run_id=run_pk)
    if not finals.exists():
        ready = F("started_at") + timedelta(milliseconds=row.at_ms)
        Run.objects.filter(pk=run_pk).update(final_ready_at=ready)
    finals.filter(is_current=True).update(is_current=False)
    FinalAnswer.objects.create(
        run_id=run_pk,
        verdict=VerdictRecord.objects.filter(run_id=run_pk).last() if judged else None,
        kind=final.kind,
        text=final.text,
        letter=final.letter or "",
        spans=[asdict(span) for span in final.spans],
        writer=final.writer or "",
        truncated=final.truncated,
        ready_ms=row.at_ms,
        **{name: row.data[name] for name in ("number", EXECUTION, "mode", "rubric", "known")},
    )


_WRITERS: dict[type, Callable[[int, Batch, Any], None]] = {
    ev.ImagesRefused: _write_refused_images,
    ev.AnswerAsked: _write_asked,
    ev.AnswerEnded: _write_answer,
    ev.CallEnded: _write_call,
    ev.JudgeEnded: _write_verdict,
}


def event_data(event: ev.Event) -> dict[str, Any]:
    """A stage event as JSON without long texts: those are in the rows that the event wrote."""
    if isinstance(event, ev.AnswerEnded):
        return {"letter": event.answer.letter, "state": event.answer.state.value, "late": event.answer.late}
    if isinstance(event, ev.JudgeEnded):
        return {"judge": event.judgement.judge, "chosen": event.judgement.chosen, "standing": event.judgement.standing}
    if isinstance(event, ev.FinalEnded):
        return {"kind": event.final.kind.value, "letter": event.final.letter, "chars": len(event.final.text)}
    plain = _plain(event)
    assert isinstance(plain, dict)
    if isinstance(event, ev.RoundEnded):
        del plain["round"]["positions"]  # each was stored when it came
    return plain


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
