"""The dispute ledger: what the members argue about, who holds which stance, what is still alive. Pure values, no calls.

A ledger instead of free talk keeps every prompt as long as the disputes are, whatever the number of members and rounds,
and keeps what was given up in sight.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from rapidfuzz import fuzz

from fusion.engine.disputes import Dispute, LedgerStance, Move, Position, Round
from fusion.engine.merge.guard import facts_of
from fusion.engine.types import Contradiction, Judgement, Stance

DISPUTES_MAX = 5
SAME_STANCE = 75  # of 100; a wording this near, with the same polarity and numbers, is the same stance
TEXT_MAX = 400
ARGUMENT_MAX = 1_200


def find_disputes(judgement: Judgement, debaters: Collection[str]) -> tuple[tuple[Contradiction, Dispute], ...]:
    """The verdict's material contradictions that at least two debaters take different sides of, at most five.

    In the judge's order, which is the most material first. A side that no debater holds is left out, and so is a quote
    that may come from an answer of somebody else; a debater named on two sides stands on the first.
    """
    found: list[tuple[Contradiction, Dispute]] = []
    for contradiction in judgement.verdict.contradictions:
        dispute = _dispute(contradiction, f"d{len(found) + 1}", debaters)
        if contradiction.material and len(dispute.stances) > 1 and len(found) < DISPUTES_MAX:
            found.append((contradiction, dispute))
    return tuple(found)


def _dispute(contradiction: Contradiction, identity: str, debaters: Collection[str]) -> Dispute:
    taken: set[str] = set()
    sides: list[tuple[Stance, tuple[str, ...]]] = []
    for side in contradiction.stances:
        letters = tuple(letter for letter in side.letters if letter in debaters and letter not in taken)
        taken.update(letters)
        if letters and side.stance.strip():
            sides.append((side, letters))
    stances = (
        LedgerStance(
            f"{identity}s{place}",
            side.stance.strip()[:TEXT_MAX],
            side.quote if set(side.letters) <= set(debaters) else "",
            letters,
        )
        for place, (side, letters) in enumerate(sides, start=1)
    )
    return Dispute(identity, contradiction.topic.strip()[:TEXT_MAX], tuple(stances))


def stance_held(dispute: Dispute, letter: str) -> str:
    """The id of the stance that a member holds in a dispute, "" for none."""
    return next((stance.id for stance in dispute.stances if letter in stance.letters), "")


def stance_named(dispute: Dispute, identity: str) -> LedgerStance | None:
    return next((stance for stance in dispute.stances if stance.id == identity), None)


def agreement_index(disputes: Sequence[Dispute], debaters: Collection[str]) -> float:
    """The mean over disputes of the largest stance's share of the members that take part, 0 to 1.

    The sum over disputes of w · (largest stance's share), with equal weights w. It only steers when to stop, and people
    see it; no member and no judge ever does: debate by itself makes members agree, not be right (Choi et al. 2025,
    arXiv:2508.17536).
    """
    if not disputes or not debaters:
        return 0.0
    largest = (max(len(stance.letters) for stance in dispute.stances) for dispute in disputes)
    return round(sum(largest) / (len(disputes) * len(debaters)), 4)


class Ledger:
    """The disputes of one debate as they stand, and the rounds that ended.

    During a round `place` may open new stances; `close_round` makes the moves of all members count.
    """

    def __init__(self, opened: Sequence[Dispute], debaters: Collection[str], rounds: Sequence[Round] = ()) -> None:
        self.opened = tuple(opened)
        self.debaters = frozenset(debaters)
        self.rounds = list(rounds)
        self._opened_now: dict[str, list[LedgerStance]] = {}

    @property
    def disputes(self) -> tuple[Dispute, ...]:
        return self.rounds[-1].disputes if self.rounds else self.opened

    @property
    def agreements(self) -> tuple[float, ...]:
        """The index before the first round and after each."""
        return (agreement_index(self.opened, self.debaters), *(ended.agreement for ended in self.rounds))

    def moves(self) -> Iterator[tuple[int, str, Move]]:
        """Every move of the rounds that ended: number of the round, letter, move."""
        for ended in self.rounds:
            for position in ended.positions:
                for move in position.moves:
                    yield ended.number, position.letter, move

    def place(self, dispute: Dispute, text: str, *, besides: str = "") -> str:
        """The id of the stance that these words mean: the nearest one, or a stance of its own, opened by this.

        `dispute`: as the member was shown it. `besides`: a stance that is not meant. Stances that others opened in this
        round count too, and so do those that nobody holds any more and nobody was shown.
        """
        opened = self._opened_now.setdefault(dispute.id, [])
        stances = [*(one for known in self.disputes if known.id == dispute.id for one in known.stances), *opened]
        near = nearest_stance(text, [stance for stance in stances if stance.id != besides])
        if near is not None:
            return near.id
        identity = f"{dispute.id}s{max(map(_number, stances), default=0) + 1}"
        opened.append(LedgerStance(identity, text[:TEXT_MAX], "", ()))
        return identity

    def close_round(self, number: int, positions: Sequence[Position]) -> Round:
        """The round with its positions in order of letters, the ledger after it and the agreement after it."""
        positions = tuple(sorted(positions, key=lambda position: position.letter))
        moves = [(position.letter, move) for position in positions for move in position.moves if not position.steering]
        earlier = [move for _, _, move in self.moves()]
        soft = {move.before for move in (*earlier, *(move for _, move in moves)) if move.soft}
        disputes = tuple(self._moved(dispute, moves, soft) for dispute in self.disputes)
        ended = Round(number, positions, disputes, agreement_index(disputes, self.debaters))
        self.rounds.append(ended)
        self._opened_now = {}
        return ended

    def _moved(self, dispute: Dispute, moves: Sequence[tuple[str, Move]], soft: Collection[str]) -> Dispute:
        own = {letter: move for letter, move in moves if move.dispute == dispute.id}
        stances = (
            _after(stance, _holders(stance, own), own, is_kept=stance.id in soft)
            for stance in (*dispute.stances, *self._opened_now.get(dispute.id, ()))
        )
        known = {stance.id for stance in dispute.stances}
        return replace(dispute, stances=tuple(one for one in stances if one.id in known or one.letters))


def _number(stance: LedgerStance) -> int:
    return int(stance.id.rpartition("s")[2])


def _holders(stance: LedgerStance, moves: dict[str, Move]) -> tuple[str, ...]:
    """Who holds it now; a member without a move keeps what it held."""
    stayed = (letter for letter in stance.letters if letter not in moves)
    came = (letter for letter, move in moves.items() if move.stance == stance.id)
    return tuple(sorted({*stayed, *came}))


def _after(stance: LedgerStance, letters: tuple[str, ...], moves: dict[str, Move], *, is_kept: bool) -> LedgerStance:
    """The stance after a round: its holders, the wording of a holder that refined it alone, its latest argument."""
    made = [move for move in moves.values() if move.stance == stance.id and move.action != "concede"]
    refined = [move for move in made if move.action == "refine" and move.before == stance.id and move.text]
    return replace(
        stance,
        text=refined[0].text[:TEXT_MAX] if len(letters) == 1 and refined else stance.text,
        letters=letters,
        argument=_strongest(made) or stance.argument,
        alive=bool(letters) or is_kept,
    )


def _strongest(moves: Sequence[Move]) -> str:
    """Of what was argued for a stance in one round: with evidence first, then with a named error, then by its words.

    One argument, and never chosen by who made it: so prompts grow with the stances and not with the members.
    """
    argued = [move for move in moves if move.reason]
    best = min(argued, key=lambda move: (not move.evidence_quote, move.error is None, move.reason), default=None)
    return "" if best is None else argument_of(best)


def argument_of(move: Move) -> str:
    """A move's case for its stance, in its own words."""
    parts = [move.reason]
    if move.evidence_quote:
        parts.append(f"Evidence: “{move.evidence_quote}”.")
    if move.error is not None and move.error.stance != move.before and move.error.why:
        wrong = f" “{move.error.quote}”" if move.error.quote else ""
        parts.append(f"What it holds to be wrong{wrong}: {move.error.why}")
    return " ".join(parts)[:ARGUMENT_MAX]


def nearest_stance(text: str, stances: Iterable[LedgerStance]) -> LedgerStance | None:
    """The stance that says nearly the same words with the same polarity and the same numbers; None when none does."""
    own = facts_of(text)
    scored = []
    for stance in stances:
        facts = facts_of(stance.text)
        score = fuzz.token_sort_ratio(text.lower(), stance.text.lower())
        if score >= SAME_STANCE and facts.negated == own.negated and facts.numbers == own.numbers:
            scored.append((score, stance))
    return max(scored, key=lambda item: item[0])[1] if scored else None
