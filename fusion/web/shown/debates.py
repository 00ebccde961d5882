"""The debate on the page: what is disputed, who holds what, how it went, the ruling. Its rounds are in `rounds`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fusion.engine.disputes import Dispute, DisputeRuling, StopReason
from fusion.engine.types import Mode
from fusion.live.debate import RoundRecord
from fusion.live.record import RunRecord
from fusion.runs.disputes import (
    BASES,
    disputes_of,
    has_moved,
    holders,
    stance_name,
    stance_state,
    stop_words,
)
from fusion.web.shown.words import Word, listed, plural


@dataclass(frozen=True, slots=True)
class DebateHead:
    """What stands beside the section's title; `announce` is a milestone, said to screen readers once."""

    word: Word
    text: str
    announce: str = ""


@dataclass(frozen=True, slots=True)
class DebateNote:
    """Where the debate stands, in one sentence. `can_stop`: a person may let this round be the last."""

    text: str
    can_stop: bool = False


@dataclass(frozen=True, slots=True)
class StanceView:
    name: str
    text: str
    quote: str
    letters: tuple[str, ...]
    state: str
    alive: bool
    holds: bool


@dataclass(frozen=True, slots=True)
class FlowCell:
    """Which stance a member held at one time; `moved`: `hard` or `soft` when it came there by giving up another."""

    letter: str
    stance: str
    moved: Literal["", "hard", "soft", "other"] = ""


@dataclass(frozen=True, slots=True)
class RuledView:
    """How one dispute was decided; an open one has no `stance`."""

    stance: str
    basis: str
    reason: str
    test: str


@dataclass(frozen=True, slots=True)
class DisputeView:
    number: int
    topic: str
    stances: tuple[StanceView, ...]
    standing: str
    flow: tuple[tuple[str, tuple[FlowCell, ...]], ...]
    ruled: RuledView | None


@dataclass(frozen=True, slots=True)
class Disputes:
    disputes: tuple[DisputeView, ...]
    letters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RulingView:
    """The ruling as a whole; `text` stands alone while there is none."""

    text: str
    judge: str = ""
    base: str = ""
    rationale: str = ""
    confidence: int = 0
    saw: str = ""
    cautions: tuple[str, ...] = ()


def debates(record: RunRecord) -> bool:
    """Whether this run has a debate section at all."""
    return record.mode is Mode.DEBATE and len(record.answers) > 1


# --- the head --------------------------------------------------------------------------------------


def debate_head(record: RunRecord) -> DebateHead:
    debate = record.debate
    if not debates(record):
        return DebateHead(Word("", "skip"), "")  # a re-judge that gave no final leaves the earlier one, which had none
    if debate.reason is StopReason.NO_DISPUTE:
        return DebateHead(Word("No debate", "skip"), "nothing material is disputed")
    if not debate.ledger:
        is_over = record.is_final or debate.reason is not None
        return DebateHead(Word("Not held", "skip"), "") if is_over else DebateHead(Word("Not yet", "clock"), "")
    disputes = plural(len(debate.ledger), "dispute")
    if debate.reason is not None:
        rounds = sum(one.ended for one in debate.rounds)
        return DebateHead(_over(record), f"{disputes}, {plural(rounds, 'round')}", _announced(record))
    if record.is_final:
        return DebateHead(Word("Cut off", "cut", "warn"), disputes)
    at = f"round {debate.at_round} of {debate.rounds_max}" if debate.at_round else "about to begin"
    return DebateHead(Word("Under way", "pen", "info"), f"{disputes}, {at}", _announced(record))


def _over(record: RunRecord) -> Word:
    ruling = record.ruling.ruling
    if not record.debate.rounds:
        return Word("Not held", "skip", "warn")
    if ruling is None:
        return Word("Not ruled on", "scales", "warn") if record.is_final else Word("Being ruled on", "scales", "info")
    left_open = sum(one.stance is None for one in ruling.rulings)
    return Word(f"{left_open} left open", "scales", "warn") if left_open else Word("Decided", "check", "ok")


def _announced(record: RunRecord) -> str:
    """The latest round that ended, with who changed its mind on what."""
    debate = record.debate
    ended = [one for one in debate.rounds if one.ended]
    if not ended:
        return ""
    last = ended[-1]
    topics: dict[str, list[str]] = {}
    names = disputes_of(debate, last.number)
    for cell in last.cells:
        for move in cell.position.moves if cell.position is not None else ():
            if has_moved(move) and move.dispute in names:
                did = "gave in" if move.soft else "changed its mind"
                topics.setdefault(f"{cell.letter} {did}", []).append(names[move.dispute].topic)
    said = [f"{did} on {listed(on)}" for did, on in topics.items()]
    return f"Round {last.number} of {debate.rounds_max} ended: {'; '.join(said) or 'nobody changed its mind'}."


def debate_note(record: RunRecord) -> DebateNote:
    debate = record.debate
    if not debates(record):
        return DebateNote("")
    if debate.reason is not None:
        return DebateNote(stop_words(debate))
    if record.is_final:
        return DebateNote(
            "The run ended before the debate was over. The rounds that ended are kept."
            if debate.ledger
            else "The run ended before there was anything to debate."
        )
    if not debate.ledger:
        return DebateNote("Once the judge has compared the answers, the members argue about what is in dispute.")
    running = bool(debate.rounds) and not debate.rounds[-1].ended
    return DebateNote(
        "Each member sees the disputes with the best argument for each stance, but not who holds it or how many do.",
        can_stop=running and debate.at_round < debate.rounds_max,
    )


# --- the disputes ----------------------------------------------------------------------------------


def disputes(record: RunRecord) -> Disputes:
    ruling = record.ruling.ruling
    ruled = {one.dispute: one for one in ruling.rulings} if ruling is not None else {}
    views = tuple(
        _dispute(record, number, one, ruled.get(one.id)) for number, one in enumerate(record.debate.ledger, start=1)
    )
    return Disputes(views, _debaters(record))


def _debaters(record: RunRecord) -> tuple[str, ...]:
    """Who takes part: whoever was asked in a round or held a stance to begin with, in the order of the panel."""
    found = {letter for dispute in record.debate.disputes for one in dispute.stances for letter in one.letters}
    found |= {cell.letter for one in record.debate.rounds for cell in one.cells}
    return tuple(letter for letter in record.answers if letter in found)


def _dispute(record: RunRecord, number: int, dispute: Dispute, ruled: DisputeRuling | None) -> DisputeView:
    view = None if ruled is None else _ruled(ruled, dispute)
    stances = tuple(
        StanceView(
            name=stance_name(dispute, stance.id),
            text=stance.text,
            quote=stance.quote,
            letters=stance.letters,
            state=stance_state(stance),
            alive=stance.alive,
            holds=ruled is not None and ruled.stance == stance.id,
        )
        for stance in dispute.stances
    )
    return DisputeView(number, dispute.topic, stances, holders(dispute), _flow(record, dispute), view)


def _ruled(ruled: DisputeRuling, dispute: Dispute) -> RuledView:
    name = stance_name(dispute, ruled.stance) if ruled.stance is not None else ""
    return RuledView(name, BASES[ruled.basis], ruled.reason, ruled.test)


def _flow(record: RunRecord, dispute: Dispute) -> tuple[tuple[str, tuple[FlowCell, ...]], ...]:
    """Who held which stance before the debate and after each round; a row each."""
    letters = _debaters(record)
    begun = next((one for one in record.debate.disputes if one.id == dispute.id), None)
    if begun is None:
        return ()
    rows = [("Before", tuple(FlowCell(x, stance_name(dispute, _held(begun, x))) for x in letters))]
    for one in record.debate.rounds:
        after = next((item for item in one.disputes if item.id == dispute.id), None)
        if after is not None:
            cells = tuple(FlowCell(x, stance_name(dispute, _held(after, x)), _moved(one, dispute, x)) for x in letters)
            rows.append((f"Round {one.number}", cells))
    return tuple(rows)


def _held(dispute: Dispute, letter: str) -> str:
    return next((stance.id for stance in dispute.stances if letter in stance.letters), "")


def _moved(one: RoundRecord, dispute: Dispute, letter: str) -> Literal["", "hard", "soft", "other"]:
    for cell in one.cells:
        for move in cell.position.moves if cell.letter == letter and cell.position is not None else ():
            if move.dispute == dispute.id and move.before != move.stance:
                return ("soft" if move.soft else "hard") if has_moved(move) else "other"
    return ""


# --- the ruling ------------------------------------------------------------------------------------


def ruling(record: RunRecord) -> RulingView:
    found, sitting = record.ruling.ruling, record.ruling
    failures = tuple(f"{record.facts(failed.ref).name}: {failed.failure.message}" for failed in sitting.failures)
    if found is None:
        if sitting.endpoint is not None and not record.is_final:
            return RulingView(f"{sitting.endpoint.name} is ruling on the debate.", cautions=failures)
        no_ruling = bool(sitting.failures) and record.is_final
        return RulingView("No judge gave a ruling on this debate." if no_ruling else "", cautions=failures)
    trims = tuple(f"The judge did not see about {one.omitted_tokens:,} tokens of {one.letter}." for one in found.trims)
    return RulingView(
        text="",
        judge=record.facts(found.judge).name,
        base=found.base,
        rationale=found.rationale,
        confidence=found.confidence,
        saw="The judge saw the first answers and every argument, but not whose they are or how many agreed.",
        cautions=(*failures, *trims),
    )
