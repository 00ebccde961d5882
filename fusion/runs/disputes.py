"""A debate in plain words, for every place that tells of one: what members did, why it stopped, how it was ruled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fusion.engine.disputes import Basis, Dispute, LedgerStance, Move, StopReason
from fusion.live.debate import DebateRecord, RoundRecord

NO_DISPUTE = "There was no debate: the answers contradict each other in nothing that matters."
_STOPPED: Mapping[StopReason, str] = {
    StopReason.SETTLED: "every dispute is settled: one stance is left, and for a reason",
    StopReason.STABLE: "nobody changed anything in the last round",
    StopReason.OSCILLATION: "a member went back to a stance that it had given up",
    StopReason.AGREEMENT: "the last round brought the members hardly any closer",
    StopReason.ROUNDS: "the pool allows no more rounds",
    StopReason.TOO_FEW: "too few members could take part in it",
    StopReason.ASKED: "a person asked to stop after the round",
    StopReason.OUT_OF_TIME: "the time was up",
}


def stop_words(debate: DebateRecord) -> str:
    """Why there are no more rounds, as a sentence; empty while there may be more."""
    if debate.reason is None:
        return ""
    if debate.reason is StopReason.NO_DISPUTE:
        return NO_DISPUTE
    begun = "The debate ended" if debate.rounds else "No round was held"
    return f"{begun} because {_STOPPED[debate.reason]}."


BASES: Mapping[Basis, str] = {
    "checked": "checked",
    "evidence_in_answer": "on evidence in the answers",
    "reasoning": "by reasoning",
    "cannot_tell": "cannot be told",
}


def stance_name(dispute: Dispute, stance_id: str) -> str:
    """`S1`, `S2`, … by its place in the dispute; empty for one that is not in it."""
    ids = [stance.id for stance in dispute.stances]
    return f"S{ids.index(stance_id) + 1}" if stance_id in ids else ""


def has_moved(move: Move) -> bool:
    """Whether a member left its stance for another; a refinement that became a stance of its own is none."""
    return move.action == "concede" and bool(move.before) and move.before != move.stance


def action_words(move: Move, dispute: Dispute | None) -> str:
    """What a member did about a dispute: `holds S1`, `changed its mind: S2 → S1`, …"""
    before, after = (stance_name(dispute, one) if dispute else "" for one in (move.before, move.stance))
    way = f"{before} → {after}" if before and after and before != after else after or before
    if has_moved(move):
        return f"{'gave in' if move.soft else 'changed its mind'}: {way}"
    if not move.before:
        return f"takes {after}" if after else "stays out"
    return f"{'refines' if move.action == 'refine' else 'holds'} {way}".strip()


def holders(dispute: Dispute) -> str:
    """How the members stand: `2 of 3 hold S1`, the largest side; or that none is larger."""
    sides = [len(stance.letters) for stance in dispute.stances]
    if not sum(sides):
        return "nobody holds a stance any more"
    most = max(sides)
    names = [f"S{place + 1}" for place, count in enumerate(sides) if count == most]
    if len(names) > 1:
        return f"evenly split between {_and(names)}"
    return f"{most} of {sum(sides)} hold{'s' * (most == 1)} {names[0]}"


def who_moved(one: RoundRecord) -> str:
    """Who left a stance for another in a round, for a reason or without one."""
    moves = [(cell.letter, move) for cell in one.cells if cell.position is not None for move in cell.position.moves]
    hard = list(dict.fromkeys(letter for letter, move in moves if has_moved(move) and not move.soft))
    soft = list(dict.fromkeys(letter for letter, move in moves if has_moved(move) and move.soft))
    said = [f"{_and(hard)} changed {'its mind' if len(hard) == 1 else 'their minds'}"] if hard else []
    said += [f"{_and(soft)} gave in without a reason"] if soft else []
    return ", ".join(said) or "Nobody moved"


def stance_state(stance: LedgerStance) -> str:
    """What became of a stance that nobody holds; empty while somebody does."""
    if stance.letters:
        return ""
    return "given up without a reason, so it stays on the table" if stance.alive else "given up"


def disputes_of(debate: DebateRecord, number: int) -> dict[str, Dispute]:
    """The ledger that the moves of a round refer to, by id: the one after it, or the latest before it."""
    known = {dispute.id: dispute for dispute in debate.disputes}
    for one in debate.rounds:
        if one.number <= number and one.ended:
            known.update({dispute.id: dispute for dispute in one.disputes})
    return known


def round_words(debate: DebateRecord, one: RoundRecord) -> Iterator[str]:
    """One sentence on who moved, and one for each dispute on how the members stand after the round."""
    if not one.ended:
        return
    yield f"{who_moved(one)}."
    for number, dispute in enumerate(one.disputes, start=1):
        yield f"Dispute {number}: {holders(dispute)}."


def _and(letters: list[str]) -> str:
    return " and ".join([", ".join(letters[:-1]), letters[-1]]) if len(letters) > 1 else "".join(letters)
