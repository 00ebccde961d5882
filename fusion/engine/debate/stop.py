"""When a debate ends: the rules, in the order in which they are looked at after each round."""

from __future__ import annotations

from fusion.engine.debate.ledger import Ledger
from fusion.engine.disputes import Dispute, Move, Round, StopReason

AGREEMENT_STEP = 0.05
DEBATERS_MIN = 2


def reason_to_stop(ledger: Ledger, *, rounds_max: int) -> StopReason | None:
    """The first rule that the ledger's last round meets, None to go on; who asked and what time is left comes after.

    Each further round costs one call per member and, past the first ones, mostly moves members to the majority (Wynn et
    al. 2025, arXiv:2509.05396), so a debate has to earn it: by a change, and by agreement that still rises.
    """
    last = ledger.rounds[-1]
    if all(_is_settled(dispute) for dispute in last.disputes):
        return StopReason.SETTLED
    if len(last.positions) < DEBATERS_MIN:
        return StopReason.TOO_FEW
    if not any(_changed(move) for position in last.positions for move in position.moves):
        return StopReason.STABLE
    if _oscillates(ledger.rounds):
        return StopReason.OSCILLATION
    before, after = ledger.agreements[-2:]
    if after - before < AGREEMENT_STEP - 1e-9:
        return StopReason.AGREEMENT
    return StopReason.ROUNDS if last.number >= rounds_max else None


def _is_settled(dispute: Dispute) -> bool:
    """One live stance: one given up without an error or evidence is alive still, so all others went for a reason."""
    return sum(stance.alive for stance in dispute.stances) == 1


def _changed(move: Move) -> bool:
    return move.action == "refine" or move.before != move.stance


def _left(move: Move) -> bool:
    return bool(move.before) and move.before != move.stance


def _oscillates(rounds: list[Round]) -> bool:
    """In the last round a member took up a stance that it had left in an earlier one."""
    left = {
        (position.letter, move.before)
        for ended in rounds[:-1]
        for position in ended.positions
        for move in position.moves
        if _left(move)
    }
    return any(
        (position.letter, move.stance) in left and move.before != move.stance
        for position in rounds[-1].positions
        for move in position.moves
    )
