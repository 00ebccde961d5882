"""A run as a document to take away: JSON for programs, Markdown for people, single texts byte for byte.

All three are made from a `RunRecord`, so a running run exports what is there so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fusion.engine.disputes import Ruling
from fusion.engine.types import AnswerState, Failure, Final, FinishReason, Judgement, Usage
from fusion.live.debate import CellRecord, RoundRecord
from fusion.live.record import AnswerRecord, Attempted, CallRecord, ImageFacts, RunRecord
from fusion.runs.costs import answer_cost_nanos, run_cost, run_cost_nanos, usd
from fusion.runs.report import record_to_markdown

__all__ = ["answer_bytes", "final_bytes", "record_to_document", "record_to_json", "record_to_markdown"]

Json = dict[str, Any]
Attempts = Mapping[str, Sequence[AnswerRecord]]

_FINISH = {
    AnswerState.DONE: FinishReason.STOP,
    AnswerState.CUT_OFF: FinishReason.LENGTH,
    AnswerState.REFUSED: FinishReason.REFUSED,
}


def record_to_json(record: RunRecord) -> Json:
    """The run as one JSON object, the same for the command line and the web.

    Answers are named by letters throughout. `cost_usd`, of a call, an answer or the whole run, is a decimal string with
    nine places, null where no price is known; times are milliseconds; `final` is null when the run gave none; `finish`
    is null when the model did not end its answer itself; `simulated`: whether any of it comes from the simulation.
    """
    return {
        "run": record.public_id,
        "state": record.state.value,
        "mode": record.mode.value,
        "pool": record.pool_name,
        "final": _final(record.final.final),
        "verdict": _verdict(record.judge.judgement),
        "debate": _debate(record),
        "answers": [_answer(record, answer) for answer in record.answers.values()],
        "calls": [_call(call) for call in record.calls.values()],
        **_cost(record),
        "degraded": [{"code": note.code, "message": note.message} for note in record.degraded],
        "timing": _timing(record),
        "simulated": record.simulated,
    }


def _cost(record: RunRecord) -> Json:
    """The whole run: null while a part is unknown or under way, and then what it cost at least."""
    cost = run_cost(record)
    return {
        "cost_usd": usd(run_cost_nanos(record)),
        "cost_at_least_usd": usd(cost.nanos) if cost.known else None,
        "calls_without_cost": cost.unknown,
    }


def record_to_document(record: RunRecord, finals: Sequence[RunRecord] = (), earlier: Attempts | None = None) -> Json:
    """`record_to_json` with what a reader far from the site lacks: the prompt, who asked, and the pool's version.

    `images` of an answer says how its author got them: `seen`, `told`, `refused`, `left_out`, null without any.
    `finals`: the run once for each of its finals, the final first; `earlier`: what members answered before they were
    asked anew. Both are told in full. `attempted`: how the newest execution ended, if it was to give another final and
    gave none.
    """
    return {
        **record_to_json(record),
        "finals": [_one_of_several(each) for each in finals],
        "attempted": _attempted(record.attempted),
        "earlier_attempts": [_attempt(column) for columns in (earlier or {}).values() for column in columns],
        "prompt": record.prompt,
        "images": [_image(image) for image in record.images],
        "author": record.author,
        "pool_id": record.pool_public_id,
        "pool_version": record.pool_version,
        "rubric": record.rubric,
        "failure": _failure(record.failure),
    }


def _one_of_several(record: RunRecord) -> Json:
    """One final with how it came about."""
    mark = next(mark for mark in record.finals if mark.number == record.final.number)
    return {
        "number": mark.number,
        "is_the_final": mark.is_current,
        "out_of_date": mark.out_of_date,
        "mode": mark.mode.value,
        "rubric": mark.rubric,
        "picked_by": mark.picked_by or None,
        "final": _final(record.final.final),
        "verdict": _verdict(record.judge.judgement) if not mark.picked_by else None,
        "debate": _debate(record) if not mark.picked_by else None,
        "degraded": [{"code": note.code, "message": note.message} for note in record.degraded],
    }


def _image(image: ImageFacts) -> Json:
    """An image is named, not contained: `bytes` is the size of the file as it is kept."""
    return {
        "id": image.public_id,
        "media_type": image.media_type,
        "width": image.width,
        "height": image.height,
        "bytes": image.bytes,
    }


def _attempted(attempted: Attempted | None) -> Json | None:
    if attempted is None:
        return None
    return {
        "rejudged": attempted.rejudged,
        "judge": attempted.judge.ref if attempted.judge is not None else None,
        "state": attempted.state.value,
        "failure": _failure(attempted.failure),
    }


def _attempt(column: AnswerRecord) -> Json:
    """An answer that a later attempt has replaced. Its cost is among the calls."""
    return {
        "letter": column.letter,
        "attempt": column.attempt,
        "model": column.endpoint.ref,
        "state": column.state.value,
        "text": column.text,
        "usage": _usage(column.usage),
        "ttft_ms": column.ttft_ms,
        "total_ms": column.total_ms,
        "error": _failure(column.failure),
    }


def _final(final: Final | None) -> Json | None:
    if final is None:
        return None
    source = {
        "kind": final.kind.value,
        "letter": final.letter,
        "writer": final.writer,
        "truncated": final.truncated,
    }
    return {"text": final.text, "source": source, "spans": [asdict(span) for span in final.spans]}


def _verdict(judgement: Judgement | None) -> Json | None:
    """The verdict with how it came about; the labels that the judge saw and its raw reply stay out."""
    if judgement is None:
        return None
    return {
        "judge": judgement.judge,
        "attempt": judgement.attempt,
        "order": list(judgement.order),
        "standing": judgement.standing,
        "chosen": judgement.chosen,
        "parse_path": judgement.parse_path,
        "analysis_missing": judgement.analysis_missing,
        "inconsistent": list(judgement.inconsistent),
        "suspects": list(judgement.suspects),
        "recheck": asdict(judgement.recheck) if judgement.recheck else None,
        "quote_misses": judgement.quote_misses,
        "trims": [asdict(trim) for trim in judgement.trims],
        **asdict(judgement.verdict),
    }


def _debate(record: RunRecord) -> Json | None:
    """A debate with how it ended, null where none was held; labels and raw replies stay out."""
    debate, ruling = record.debate, record.ruling.ruling
    if not debate.disputes and debate.reason is None:
        return None
    return {
        "disputes": [asdict(dispute) for dispute in debate.disputes or debate.ledger],
        "rounds": [_round(one) for one in debate.rounds],
        "stop": None if debate.reason is None else debate.reason.value,
        "ruling": None if ruling is None else _ruling(ruling),
    }


def _round(one: RoundRecord) -> Json:
    """`disputes`: as they stand after the round; null, like `agreement`, while it is under way."""
    return {
        "number": one.number,
        "positions": [_position(cell) for cell in one.cells],
        "disputes": [asdict(dispute) for dispute in one.disputes] if one.ended else None,
        "agreement": one.agreement,
    }


def _position(cell: CellRecord) -> Json:
    position = cell.position
    return {
        "letter": cell.letter,
        "state": "read" if position is not None else "unread" if cell.ended else "running",
        "moves": [asdict(move) for move in position.moves] if position is not None else [],
        "error": _failure(cell.failure),
    }


def _ruling(ruling: Ruling) -> Json:
    return {
        "judge": ruling.judge,
        "attempt": ruling.attempt,
        "order": list(ruling.order),
        "parse_path": ruling.parse_path,
        "rulings": [asdict(one) for one in ruling.rulings],
        "base": ruling.base,
        "confidence": ruling.confidence,
        "rationale": ruling.rationale,
        "trims": [asdict(trim) for trim in ruling.trims],
    }


def _answer(record: RunRecord, answer: AnswerRecord) -> Json:
    return {
        "letter": answer.letter,
        "model": answer.endpoint.ref,
        "state": answer.state.value,
        "images": answer.sight.value if answer.sight is not None else None,
        "text": answer.text,
        "finish": _FINISH.get(answer.state),
        "usage": _usage(answer.usage),
        "cost_usd": usd(answer_cost_nanos(record, answer.letter)),
        "ttft_ms": answer.ttft_ms,
        "total_ms": answer.total_ms,
        "error": _failure(answer.failure),
    }


def _call(call: CallRecord) -> Json:
    started, ended = call.started, call.ended
    facts: Json = {
        "role": started.role.value,
        "letter": started.letter,
        "model": started.ref,
        "attempt": started.attempt,
        "round": call.round or None,
        "status": "running" if ended is None else ended.status,
    }
    if ended is None:
        return facts
    return facts | {
        "usage": _usage(ended.usage),
        "cost_usd": usd(ended.cost_nanos),
        "cost_source": call.cost_source or None,
        "ttft_ms": ended.ttft_ms,
        "total_ms": ended.total_ms,
        "error": _failure(ended.failure),
        "upstream_model": ended.upstream_model,
        "upstream_id": ended.upstream_id,
    }


def _usage(usage: Usage | None) -> Json | None:
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "estimated": usage.estimated,
    }


def _failure(failure: Failure | None) -> Json | None:
    return None if failure is None else {"code": failure.code, "message": failure.message}


def _timing(record: RunRecord) -> Json:
    return {
        "created_at": record.created_at.isoformat(),
        "finished_at": record.finished_at.isoformat() if record.finished_at else None,
        "total_ms": record.now_ms,
        "judge_started_ms": record.judge.started_at_ms,
        "judge_ended_ms": record.judge.ended_at_ms,
        "final_started_ms": record.final.started_at_ms,
        "final_ready_ms": record.final.ready_at_ms,
    }


# --- single texts ------------------------------------------------------------------------------------


def answer_bytes(record: RunRecord, letter: str) -> bytes | None:
    """One answer exactly as the provider sent it, in UTF-8; None when the run has no such letter."""
    answer = record.answers.get(letter)
    return None if answer is None else answer.text.encode("utf-8", "replace")


def final_bytes(record: RunRecord) -> bytes | None:
    """The final's text in UTF-8; None while there is none."""
    final = record.final.final
    return None if final is None else final.text.encode("utf-8", "replace")
