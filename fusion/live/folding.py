"""Folding the engine's events into the record of a run, one by one as they happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fusion.engine import events as ev
from fusion.engine.types import (
    Answer,
    AnswerState,
    Final,
    Role,
    RunState,
    Sight,
)
from fusion.live import debate
from fusion.live.record import AnswerRecord, CallRecord, FinalMark, FinalRecord, RunRecord, SittingRecord


def apply(record: RunRecord, event: ev.Event, *, at_ms: int) -> None:
    """Bring `record` up to date with one event that happened `at_ms` after the start of the execution."""
    record.now_ms = max(record.now_ms, at_ms)
    _APPLY[type(event)](record, event, at_ms)


def _run_started(record: RunRecord, _: ev.RunStarted, __: int) -> None:
    record.state = RunState.RUNNING


def _call_started(record: RunRecord, event: ev.CallStarted, _: int) -> None:
    record.calls[event.call_id] = CallRecord(event, record.facts(event.ref), round=round_of(record, event))
    answer = record.answers.get(event.letter or "")
    if answer is not None and answer.state is AnswerState.RETRYING:
        answer.state, answer.retry = AnswerState.ASKED, None


def round_of(record: RunRecord, event: ev.CallStarted) -> int:
    """The round of a debate that a call which starts now belongs to; 0 for none."""
    return record.debate.at_round if event.role is Role.REBUTTAL else 0


def _call_ended(record: RunRecord, event: ev.CallEnded, _: int) -> None:
    begun = record.calls[event.call_id]
    source = ""
    if event.cost_nanos is not None:
        source = "upstream" if event.usage is not None and event.usage.cost_nanos is not None else "price"
    record.calls[event.call_id] = replace(begun, ended=event, cost_source=source)


def _images_refused(record: RunRecord, event: ev.ImagesRefused, _: int) -> None:
    """Rebuttals are told of on the receipt alone: whether an answer's author saw the images stands with the answer."""
    if event.role is Role.PANEL and event.letter in record.answers:
        record.answers[event.letter].sight = Sight.REFUSED
    elif event.role is Role.JUDGE:
        _sitting(record, ruling=record.ruling.endpoint is not None).sight = Sight.REFUSED


def _answer_asked(record: RunRecord, event: ev.AnswerAsked, at_ms: int) -> None:
    old = record.answers[event.letter]
    fresh = old.state in (AnswerState.WAITING, AnswerState.RETRYING)
    if fresh:
        old.state, old.retry, old.sight = AnswerState.ASKED, None, event.sight
        old.asked_at_ms = at_ms if old.asked_at_ms is None else old.asked_at_ms
        return
    record.answers[event.letter] = AnswerRecord(
        old.letter,
        old.endpoint,
        old.attempt + 1,
        AnswerState.ASKED,
        asked_at_ms=at_ms,
        sight=event.sight,
        chars_per_token=old.chars_per_token,
        usual_ttft_ms=old.usual_ttft_ms,
    )
    mark_out_of_date(record)


def _answer_retrying(record: RunRecord, event: ev.AnswerRetrying, _: int) -> None:
    answer = record.answers[event.letter]
    answer.state, answer.retry, answer.silent = AnswerState.RETRYING, event, None


def _answer_silent(record: RunRecord, event: ev.AnswerSilent, _: int) -> None:
    record.answers[event.letter].silent = event


def _reasoning_grew(record: RunRecord, event: ev.ReasoningGrew, _: int) -> None:
    answer = record.answers[event.letter]
    answer.reasoning_chars += len(event.text)
    answer.silent = None
    if answer.state is AnswerState.ASKED:
        answer.state = AnswerState.THINKING


def _grow(part: AnswerRecord | SittingRecord | FinalRecord, piece: str) -> None:
    """Add a piece to a text, at the cost of the piece alone.

    `part.text += piece` would copy the whole text for each; one that only a local name holds is extended in place.
    """
    text, part.text = part.text, ""
    text += piece
    part.text = text


def _answer_grew(record: RunRecord, event: ev.AnswerGrew, at_ms: int) -> None:
    answer = record.answers[event.letter]
    if answer.first_text_at_ms is None:
        answer.first_text_at_ms = at_ms
    answer.state, answer.silent = AnswerState.STREAMING, None
    _grow(answer, event.text)


def _answer_ended(record: RunRecord, event: ev.AnswerEnded, _: int) -> None:
    put_answer(record.answers[event.answer.letter], event.answer)
    mark_out_of_date(record)


def put_answer(column: AnswerRecord, answer: Answer) -> None:
    """Write an ended answer into its column; the text replaces whatever streamed before."""
    column.state, column.text = answer.state, answer.text
    column.reasoning_chars, column.usage = answer.reasoning_chars, answer.usage
    column.ttft_ms, column.total_ms = answer.ttft_ms, answer.total_ms
    column.failure, column.late, column.retry, column.silent = answer.failure, answer.late, None, None
    column.sight = answer.sight


def _grace_started(record: RunRecord, event: ev.GraceStarted, at_ms: int) -> None:
    record.grace, record.grace_at_ms = event, at_ms


def _waiting_for_all(record: RunRecord, _: ev.WaitingForAll, __: int) -> None:
    record.waiting_for_all, record.grace = True, None


def _panel_closed(record: RunRecord, event: ev.PanelClosed, _: int) -> None:
    record.panel_closed, record.grace = event, None


def _degraded(record: RunRecord, event: ev.Degraded, _: int) -> None:
    if event not in record.degraded:
        record.degraded.append(event)


def _sitting(record: RunRecord, *, ruling: bool) -> SittingRecord:
    return record.ruling if ruling else record.judge


def _judge_started(record: RunRecord, event: ev.JudgeStarted, at_ms: int) -> None:
    judge = _sitting(record, ruling=event.ruling)
    judge.endpoint, judge.attempt, judge.reask = record.facts(event.ref), event.attempt, event.reask
    judge.order, judge.labels, judge.trims = event.order, dict(event.labels), event.trims
    judge.text, judge.winner_only, judge.masked = "", event.winner_only, event.masked
    judge.sight = event.sight
    if judge.started_at_ms is None:
        judge.started_at_ms = at_ms


def _judge_grew(record: RunRecord, event: ev.JudgeGrew, _: int) -> None:
    _grow(_sitting(record, ruling=record.ruling.endpoint is not None), event.text)


def _judge_failed(record: RunRecord, event: ev.JudgeFailed, _: int) -> None:
    _sitting(record, ruling=event.ruling).failures.append(event)


def _judge_ended(record: RunRecord, event: ev.JudgeEnded, at_ms: int) -> None:
    judge = record.judge
    judge.judgement, judge.ended_at_ms = event.judgement, at_ms
    judge.endpoint, judge.attempt = record.facts(event.judgement.judge), event.judgement.attempt
    judge.order, judge.labels = event.judgement.order, dict(event.judgement.labels)
    judge.trims, judge.text, judge.reask = event.judgement.trims, "", False
    judge.winner_only, judge.masked = False, ()


def _ruling_ended(record: RunRecord, event: ev.RulingEnded, at_ms: int) -> None:
    ruling = record.ruling
    ruling.ruling, ruling.ended_at_ms = event.ruling, at_ms
    ruling.endpoint, ruling.attempt = record.facts(event.ruling.judge), event.ruling.attempt
    ruling.order, ruling.labels = event.ruling.order, dict(event.ruling.labels)
    ruling.trims, ruling.text, ruling.reask = event.ruling.trims, "", False


def _final_started(record: RunRecord, event: ev.FinalStarted, at_ms: int) -> None:
    record.final = FinalRecord(endpoint=record.facts(event.ref), base_letter=event.letter, started_at_ms=at_ms)


def _final_grew(record: RunRecord, event: ev.FinalGrew, _: int) -> None:
    _grow(record.final, event.text)


def _final_ended(record: RunRecord, event: ev.FinalEnded, at_ms: int) -> None:
    final = record.final
    final.final, final.text, final.base_letter = event.final, event.final.text, event.final.letter
    final.ready_at_ms, final.out_of_date = at_ms, False
    final.endpoint = record.facts(event.final.writer) if event.final.writer else None
    mark = _mark_of(record, event.final)
    final.number = mark.number
    record.finals = (*(replace(earlier, is_current=False) for earlier in record.finals), mark)


def _mark_of(record: RunRecord, final: Final) -> FinalMark:
    judge = record.judge
    return FinalMark(
        number=1 + max((mark.number for mark in record.finals), default=0),
        kind=final.kind,
        mode=record.mode,
        rubric=record.rubric,
        judge=judge.endpoint if judge.judgement is not None else None,
        letter=final.letter,
        known=_known(record, final),
    )


def _known(record: RunRecord, final: Final) -> dict[str, int]:
    """The answers that a final made now can rest on: those with a text, and whatever was judged."""
    judgement = record.judge.judgement
    judged = {*(judgement.order if judgement is not None else ()), final.letter}
    return {
        letter: column.attempt
        for letter, column in record.answers.items()
        if column.state.is_usable or letter in judged
    }


def mark_out_of_date(record: RunRecord) -> None:
    """Say of each final whether the answers are still those that it knew.

    One that came too late for the final does not change what that rests on; one that was asked anew does.
    """
    if not record.finals:
        return
    record.finals = tuple(replace(mark, out_of_date=_is_out_of_date(record, mark)) for mark in record.finals)
    shown = next((mark for mark in record.finals if mark.number == record.final.number), None)
    record.final.out_of_date = shown is not None and shown.out_of_date


def _is_out_of_date(record: RunRecord, mark: FinalMark) -> bool:
    if not mark.known:  # nothing is known of what it knew
        return False
    columns = record.answers
    asked_anew = any(letter in columns and columns[letter].attempt != known for letter, known in mark.known.items())
    return asked_anew or any(
        column.state.is_usable and not column.late and letter not in mark.known for letter, column in columns.items()
    )


def _run_ended(record: RunRecord, event: ev.RunEnded, _: int) -> None:
    """Nothing is under way any more: what was cut off by the process is called so, half a reply or final is no text."""
    record.state, record.failure, record.grace = event.state, event.failure, None
    record.judge.text = record.ruling.text = ""
    record.debate.end()
    if record.final.final is None:
        record.final = FinalRecord()
    for column in record.answers.values():
        if not column.state.is_final:
            column.state, column.retry, column.silent = AnswerState.INTERRUPTED, None, None


_APPLY: dict[type, Callable[[RunRecord, Any, int], None]] = {
    ev.RunStarted: _run_started,
    ev.CallStarted: _call_started,
    ev.CallEnded: _call_ended,
    ev.ImagesRefused: _images_refused,
    ev.AnswerAsked: _answer_asked,
    ev.AnswerRetrying: _answer_retrying,
    ev.AnswerSilent: _answer_silent,
    ev.ReasoningGrew: _reasoning_grew,
    ev.AnswerGrew: _answer_grew,
    ev.AnswerEnded: _answer_ended,
    ev.GraceStarted: _grace_started,
    ev.WaitingForAll: _waiting_for_all,
    ev.PanelClosed: _panel_closed,
    ev.Degraded: _degraded,
    ev.JudgeStarted: _judge_started,
    ev.JudgeGrew: _judge_grew,
    ev.JudgeFailed: _judge_failed,
    ev.JudgeEnded: _judge_ended,
    ev.DebateStarted: lambda record, event, _: debate.start_debate(record.debate, event),
    ev.RoundStarted: lambda record, event, _: debate.start_round(record.debate, event),
    ev.PositionGrew: lambda record, event, _: debate.grow_position(record.debate, event),
    ev.PositionEnded: lambda record, event, _: debate.end_position(record.debate, event),
    ev.RoundEnded: lambda record, event, _: debate.end_round(record.debate, event),
    ev.DebateEnded: lambda record, event, _: debate.end_debate(record.debate, event),
    ev.RulingEnded: _ruling_ended,
    ev.FinalStarted: _final_started,
    ev.FinalGrew: _final_grew,
    ev.FinalEnded: _final_ended,
    ev.RunEnded: _run_ended,
}
