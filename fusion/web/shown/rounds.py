"""The rounds of a debate on the page: a row each, with a cell per member that is read while it is written."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal

from fusion.engine.debate import partial_position
from fusion.engine.disputes import Action, Dispute, Move
from fusion.live.debate import CellRecord, RoundRecord
from fusion.live.record import RunRecord
from fusion.models.pool import DEBATE_ROUNDS_MAX
from fusion.runs.disputes import action_words, disputes_of, has_moved, round_words
from fusion.web.shown.words import Word

READ_EVERY_MS = 250
ROUNDS = range(1, DEBATE_ROUNDS_MAX + 1)


@dataclass(frozen=True, slots=True)
class RoundHead:
    """`title` is empty for a round that never began."""

    number: int
    title: str
    running: bool = False
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MoveView:
    """What one member did about one dispute; `mark` is a word with an icon and a tone."""

    number: int
    mark: Word
    moved: bool
    soft: bool
    text: str
    reason: str
    error_why: str = ""
    error_quote: str = ""
    error_is_own: bool = False
    evidence: str = ""
    would_change: str = ""
    confidence: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One member in one round; `state` is empty where the member does not take part."""

    element: str
    letter: str
    name: str
    state: Literal["", "waiting", "writing", "done", "failed", "left"]
    moves: tuple[MoveView, ...] = ()
    note: str = ""


def round_head(record: RunRecord, number: int) -> RoundHead:
    debate = record.debate
    one = _round(record, number)
    if one is None:
        return RoundHead(number, "")
    title = f"Round {number} of {debate.rounds_max}"
    if one.ended:
        return RoundHead(number, title, sentences=tuple(round_words(debate, one)))
    if record.is_final:
        return RoundHead(number, title, sentences=("This round was cut off.",))
    replied = sum(cell.ended for cell in one.cells)
    return RoundHead(number, title, running=True, sentences=(f"{replied} of {len(one.cells)} have replied",))


def _round(record: RunRecord, number: int) -> RoundRecord | None:
    return next((one for one in record.debate.rounds if one.number == number), None)


def _cell_record(record: RunRecord, number: int, letter: str) -> CellRecord | None:
    one = _round(record, number)
    return next((cell for cell in one.cells if cell.letter == letter), None) if one is not None else None


def cell(record: RunRecord, number: int, letter: str) -> Cell:
    """One member in one round, as far as it came."""
    element, name = f"round-{number}-{letter}", record.answers[letter].endpoint.name
    found = _cell_record(record, number, letter)
    if found is None:
        return Cell(element, letter, name, "")
    if found.position is not None:
        return Cell(element, letter, name, "done", _moves(record, number, found), _steering(found))
    if found.ended:
        why = found.failure.message if found.failure is not None else "Its reply could not be read."
        return Cell(element, letter, name, "failed", note=f"{why} It keeps its stances.")
    if record.is_final:
        return Cell(element, letter, name, "left", note="Its reply was cut off and is not kept.")
    if not found.text:
        return Cell(element, letter, name, "waiting", note="Asked, has not replied yet")
    return Cell(element, letter, name, "writing", _partial_moves(record, number, found), "Writing its reply")


def cell_pace(record: RunRecord, number: int, letter: str) -> Hashable:
    """Reading an unfinished reply costs about a millisecond: at most four times a second, and each at its own time."""
    found = _cell_record(record, number, letter)
    if found is None or found.ended or record.is_final:
        ended = _round(record, number)
        return (found is None, record.is_final, found, ended is not None and ended.ended)
    return (bool(found.text), record.now_ms // READ_EVERY_MS if found.text else None)


def _moves(record: RunRecord, number: int, found: CellRecord) -> tuple[MoveView, ...]:
    known = disputes_of(record.debate, number)
    numbers = {dispute: place for place, dispute in enumerate(known, start=1)}
    moves = found.position.moves if found.position is not None else ()
    return tuple(_move(move, known.get(move.dispute), numbers.get(move.dispute, 0)) for move in moves)


def _move(move: Move, dispute: Dispute | None, number: int) -> MoveView:
    error = move.error
    return MoveView(
        number=number,
        mark=_mark(move, dispute),
        moved=has_moved(move),
        soft=move.soft,
        text=move.text,
        reason=move.reason,
        error_why=error.why if error is not None else "",
        error_quote=error.quote if error is not None else "",
        error_is_own=error is not None and error.stance == move.before,
        evidence=move.evidence_quote,
        would_change=move.would_change_my_mind,
        confidence=move.confidence,
    )


def _mark(move: Move, dispute: Dispute | None) -> Word:
    words = action_words(move, dispute)
    if has_moved(move):
        return Word(words, "warn" if move.soft else "check", "warn" if move.soft else "ok")
    return Word(words, "pen" if move.action == "refine" else "right", "info" if move.action == "refine" else "")


def _partial_moves(record: RunRecord, number: int, found: CellRecord) -> tuple[MoveView, ...]:
    """What can be read of a reply so far; which stance it means is known once it is whole."""
    known = disputes_of(record.debate, number)
    numbers = {dispute: place for place, dispute in enumerate(known, start=1)}
    moves = partial_position(found.text, found.labels, tuple(known.values()))
    return tuple(
        MoveView(
            number=numbers[move.dispute],
            mark=_PARTIAL_MARKS[move.action],
            moved=False,
            soft=False,
            text=move.text,
            reason=move.reason,
        )
        for move in moves
    )


_PARTIAL_MARKS: Mapping[Action | Literal[""], Word] = {
    "": Word("thinking it over", "dots"),
    "hold": Word("holds", "right"),
    "refine": Word("refines", "pen", "info"),
    "concede": Word("concedes", "check", "info"),
}


def _steering(found: CellRecord) -> str:
    """Why a reply counts for nothing; empty for one that keeps to the matter."""
    if found.position is None or not found.position.steering:
        return ""
    passages = "; ".join(f"“{passage}”" for passage in found.position.steering)
    return (
        f"It tries to steer the judge or the others, so it counts as holding and nothing of it is passed on: {passages}"
    )
