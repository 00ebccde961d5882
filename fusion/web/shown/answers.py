"""The columns: what stands in the head, the meter and the note of each answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fusion.engine.types import AnswerState, RunState, Sight
from fusion.live.record import AnswerRecord, RunRecord
from fusion.web.shown.words import ANSWER_WORDS, SILENT, Word, advice, seconds


@dataclass(frozen=True, slots=True)
class ColumnHead:
    """Changes with the answer's state only."""

    run_id: str
    letter: str
    name: str
    model_id: str
    provider: str
    simulated: bool
    problem: str
    state: str
    word: Word
    attempt: int
    has_earlier: bool
    late: bool
    in_final: bool
    has_text: bool
    can_stop: bool
    can_retry: bool
    sight: str


@dataclass(frozen=True, slots=True)
class Meter:
    """Numbers of one answer; `elapsed_ms` is None for one that was never asked. While it runs, at most one a second."""

    letter: str
    running: bool
    ttft_ms: int | None
    elapsed_ms: int | None
    tokens: int | None
    estimated: bool
    reasoning_tokens: int
    per_second: int | None


@dataclass(frozen=True, slots=True)
class ColumnNote:
    """What a reader must know beside the text; `kind` is `pending`, `info`, `warn`, `bad` or `none`.

    `pool_id`: of the pool whose settings the hint speaks of.
    """

    letter: str
    kind: Literal["pending", "info", "warn", "bad", "none"]
    text: str = ""
    hint: str = ""
    retry_s: int | None = None
    pool_id: str = ""


@dataclass(frozen=True, slots=True)
class TabBar:
    """The letters of a narrow screen, each with the state of its answer."""

    tabs: tuple[tuple[str, str, Word], ...]


def column_head(record: RunRecord, column: AnswerRecord) -> ColumnHead:
    facts, final = column.endpoint, record.final.final
    return ColumnHead(
        run_id=record.public_id,
        letter=column.letter,
        name=facts.name,
        model_id=facts.model_id,
        provider=facts.provider,
        simulated=facts.simulated,
        problem=facts.problem,
        state=column.state.value,
        word=_word(column),
        attempt=column.attempt,
        has_earlier=column.attempt > 1,
        late=record.is_unjudged(column.letter),
        in_final=final is not None and final.letter == column.letter,
        has_text=bool(column.text) and column.state.is_final,
        can_stop=not column.state.is_final and record.state is RunState.RUNNING,
        can_retry=_can_retry(record, column),
        sight=sight_words(column.sight, len(record.images)),
    )


def sight_words(sight: Sight | None, images: int) -> str:
    """How somebody got the images of the question, for a badge; empty where there is nothing to say."""
    what = "the image" if images == 1 else "the images"
    told = "an image" if images == 1 else f"{images} images"
    match sight:
        case Sight.SEEN:
            return f"saw {what}"
        case Sight.TOLD:
            return f"was told of {told}"
        case Sight.REFUSED:
            return f"refused {what}, was told of {told}"
    return ""


def _can_retry(record: RunRecord, column: AnswerRecord) -> bool:
    """While a run is under way only what is missing is asked again; afterwards anything may be."""
    if column.state is AnswerState.LEFT_OUT:
        return False
    if not column.state.is_final:
        return column.silent is not None and not record.is_final
    return record.is_final or not column.state.is_usable


def _word(column: AnswerRecord) -> Word:
    return ANSWER_WORDS[column.state] if column.silent is None else SILENT


def tab_bar(record: RunRecord) -> TabBar:
    return TabBar(tuple((letter, column.state.value, _word(column)) for letter, column in record.answers.items()))


def meter(column: AnswerRecord, now_ms: int) -> Meter:
    """The numbers of `column` at `now_ms`, counted from the start of the execution."""
    if column.state.is_final:
        return _ended(column)
    asked = column.asked_at_ms
    first = column.first_text_at_ms
    tokens = int(len(column.text) / column.chars_per_token) if first is not None else None
    seconds = 0.0 if first is None else (now_ms - first) / 1000
    return Meter(
        letter=column.letter,
        running=asked is not None,
        ttft_ms=None if first is None or asked is None else first - asked,
        elapsed_ms=None if asked is None else max(0, now_ms - asked),
        tokens=tokens,
        estimated=True,
        reasoning_tokens=int(column.reasoning_chars / column.chars_per_token),
        per_second=round(tokens / seconds) if tokens is not None and seconds >= 0.5 else None,
    )


def _ended(column: AnswerRecord) -> Meter:
    usage = column.usage
    tokens = None if usage is None else usage.output_tokens
    return Meter(
        letter=column.letter,
        running=False,
        ttft_ms=column.ttft_ms,
        elapsed_ms=column.total_ms,
        tokens=tokens,
        estimated=usage is not None and usage.estimated,
        reasoning_tokens=0 if usage is None else usage.reasoning_tokens,
        per_second=_speed(column, tokens),
    )


def _speed(column: AnswerRecord, tokens: int | None) -> int | None:
    """Tokens per second from the first token to the end; None where that says nothing."""
    if not tokens or column.ttft_ms is None or column.total_ms is None:
        return None
    spent_ms = column.total_ms - column.ttft_ms
    return round(tokens * 1000 / spent_ms) if spent_ms >= 200 else None


def column_note(record: RunRecord, column: AnswerRecord) -> ColumnNote:
    """Why there is no text, or what is wrong with the text that is there."""
    if record.is_unjudged(column.letter):
        return ColumnNote(column.letter, "info", "This answer came too late: the judge did not see it.")
    if column.silent is not None:
        return _silent(column, column.silent.silent_s)
    return _NOTES.get(column.state, _quiet)(record, column)


def _silent(column: AnswerRecord, silent_s: float) -> ColumnNote:
    """Nothing is wrong yet; whoever does not want to wait can do something about it."""
    usual_ms = column.usual_ttft_ms if column.state is AnswerState.ASKED else None
    usual = f" It usually begins after {seconds(usual_ms)}." if usual_ms is not None else ""
    return ColumnNote(
        column.letter,
        "warn",
        f"Silent for more than {seconds(silent_s * 1000)}.{usual}",
        "You can wait, stop it and keep what has come, or ask it again.",
    )


def _quiet(_: RunRecord, column: AnswerRecord) -> ColumnNote:
    return ColumnNote(column.letter, "none")


def _waiting(record: RunRecord, column: AnswerRecord) -> ColumnNote:
    if record.is_final:
        return ColumnNote(column.letter, "pending", "Not asked.")
    when = "in a moment" if record.queue_ahead is None else "once the run starts"
    return ColumnNote(column.letter, "pending", f"Will be asked {when}.")


def _asked(_: RunRecord, column: AnswerRecord) -> ColumnNote:
    usual = f" It usually comes after {seconds(column.usual_ttft_ms)}." if column.usual_ttft_ms is not None else ""
    return ColumnNote(column.letter, "pending", f"Asked. Waiting for the first token.{usual}")


def _thinking(_: RunRecord, column: AnswerRecord) -> ColumnNote:
    return ColumnNote(column.letter, "pending", "Thinking. The visible answer follows.")


def _retrying(_: RunRecord, column: AnswerRecord) -> ColumnNote:
    if column.retry is None:
        return ColumnNote(column.letter, "warn", "Will be asked again.")
    return ColumnNote(column.letter, "warn", column.retry.failure.message, retry_s=max(1, round(column.retry.wait_s)))


def _cut_off(record: RunRecord, column: AnswerRecord) -> ColumnNote:
    usage = column.usage
    counted = usage is not None and usage.output_tokens > 0 and not usage.estimated
    at = f"{usage.output_tokens:,} tokens, its limit" if usage is not None and counted else "its token limit"
    hint = "The text up to there can be judged. The limit is set in the pool."
    return ColumnNote(column.letter, "warn", f"Stopped at {at}.", hint, pool_id=record.pool_public_id)


def _truncated(_: RunRecord, column: AnswerRecord) -> ColumnNote:
    reason = column.failure.message if column.failure else "The answer broke off before its end."
    return ColumnNote(column.letter, "warn", reason, "The text up to there is kept and can be judged.")


def _refused(_: RunRecord, column: AnswerRecord) -> ColumnNote:
    reason = column.failure.message if column.failure else "The provider's filter declined this question."
    return ColumnNote(column.letter, "info", reason, "Rephrase the question, or leave this member out.")


def _empty(_: RunRecord, column: AnswerRecord) -> ColumnNote:
    reason = column.failure.message if column.failure else "The member ended without a single visible word."
    return ColumnNote(column.letter, "warn", reason, "Ask it again, or allow this member more tokens in the pool.")


def _failed(_: RunRecord, column: AnswerRecord) -> ColumnNote:
    reason = column.failure.message if column.failure else "This call failed."
    return ColumnNote(column.letter, "bad", reason, advice(column.failure))


def _stopped(_: RunRecord, column: AnswerRecord) -> ColumnNote:
    kept = "What had come by then is kept." if column.text else "Nothing had come by then."
    return ColumnNote(column.letter, "info", f"Stopped by a person. {kept}")


def _interrupted(_: RunRecord, column: AnswerRecord) -> ColumnNote:
    kept = "Its text up to the last checkpoint is kept." if column.text else "Nothing had come by then."
    return ColumnNote(column.letter, "warn", f"The server stopped in mid-answer. {kept}")


def _left_out(record: RunRecord, column: AnswerRecord) -> ColumnNote:
    reason = f" {column.failure.message}" if column.failure else ""
    what = "the image" if len(record.images) == 1 else f"the {len(record.images)} images"
    return ColumnNote(
        column.letter,
        "info",
        f"Left out: it cannot see {what} of this question.{reason}",
        "To have it answer without seeing, edit the question and choose to tell such members.",
    )


_NOTES = {
    AnswerState.WAITING: _waiting,
    AnswerState.ASKED: _asked,
    AnswerState.THINKING: _thinking,
    AnswerState.RETRYING: _retrying,
    AnswerState.CUT_OFF: _cut_off,
    AnswerState.TRUNCATED: _truncated,
    AnswerState.REFUSED: _refused,
    AnswerState.EMPTY: _empty,
    AnswerState.FAILED: _failed,
    AnswerState.STOPPED: _stopped,
    AnswerState.INTERRUPTED: _interrupted,
    AnswerState.LEFT_OUT: _left_out,
}
