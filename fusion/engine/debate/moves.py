"""From what a member wrote in a round to its checked position: which stance it means, whether its quotes are real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fusion.engine.debate.ledger import TEXT_MAX, Ledger, stance_held
from fusion.engine.debate.shown import StanceNames, steering_in
from fusion.engine.debate.wire import NEW, Shown, WireMove
from fusion.engine.disputes import Action, Dispute, Move, NamedError, Position
from fusion.engine.verdict.names import storable
from fusion.engine.verdict.quotes import Quotes

REASON_MAX = 1_200
QUOTE_MAX = 400
EVIDENCE_MIN_CHARS = 8  # a shorter quote stands anywhere by chance

_QUESTION, _OWN = "question", "own"


@dataclass(frozen=True, slots=True)
class Debater:
    """A member in a debate: its letter, its answer as it is shown to itself, and the question."""

    letter: str
    answer: str
    question: str


def position_of(
    said: Sequence[WireMove], path: str, *, number: int, debater: Debater, shown: Shown, ledger: Ledger
) -> Position:
    """A move for each dispute. A reply that tries to steer holds everywhere; its words are kept for people to see."""
    steering = steering_in((text for one in said for text in _texts(one)), prompt=debater.question)
    reader = _Reader(debater, shown, ledger, may_move=not steering)
    by_dispute = {one.id: one for one in said}
    moves = tuple(
        reader.move(dispute, by_dispute[dispute.id]) if dispute.id in by_dispute else _silent(dispute, debater.letter)
        for dispute in shown.disputes
    )
    return Position(number, debater.letter, moves, path, steering)


def _texts(said: WireMove) -> tuple[str, ...]:
    """All that is kept of what it wrote; a quote is nearly verbatim, so it may hold some words of its own."""
    error = (said.error.quote[:QUOTE_MAX], said.error.why[:REASON_MAX]) if said.error is not None else ()
    own = (said.wording[:TEXT_MAX], said.reason[:REASON_MAX], said.would_change_my_mind[:TEXT_MAX])
    return *own, said.evidence_quote[:QUOTE_MAX], *error


class _Reader:
    def __init__(self, debater: Debater, shown: Shown, ledger: Ledger, *, may_move: bool) -> None:
        self.debater = debater
        self.shown = shown
        self.ledger = ledger
        self.may_move = may_move
        self.names = StanceNames(shown.labels, shown.disputes)
        self.quotes = Quotes(self._texts())

    def _texts(self) -> dict[str, str]:
        """Whatever a quote may come from: question, own words so far, the case for each stance, each stance whole."""
        own_moves = (move for _, letter, move in self.ledger.moves() if letter == self.debater.letter)
        earlier = [text for move in own_moves for text in (move.text, move.reason)]
        stances = [stance for dispute in self.shown.disputes for stance in dispute.stances]
        return {
            _QUESTION: self.debater.question,
            _OWN: "\n".join([self.debater.answer, *earlier]),
            **{_case(stance.id): f"{stance.quote}\n{stance.argument}" for stance in stances},
            **{stance.id: f"{stance.text}\n{stance.quote}\n{stance.argument}" for stance in stances},
        }

    def move(self, dispute: Dispute, said: WireMove) -> Move:
        before = stance_held(dispute, self.debater.letter)
        error = self._error(dispute, said, before)
        evidence = self._quote(said.evidence_quote, [_QUESTION, _OWN, *(_case(one.id) for one in dispute.stances)])
        target = self._target(dispute, said, before) if self.may_move else before
        names_own_error = error is not None and error.stance == before and bool(error.quote and error.why)
        return Move(
            dispute=dispute.id,
            action=_action(said, before, target) if self.may_move else "hold",
            before=before,
            stance=target,
            text=self._prose(said.wording, TEXT_MAX),
            reason=self._prose(said.reason, REASON_MAX),
            evidence_quote=evidence,
            error=error,
            would_change_my_mind=self._prose(said.would_change_my_mind, TEXT_MAX),
            confidence=min(100, max(0, said.confidence)),
            soft=bool(before) and target != before and not names_own_error and not evidence,
        )

    def _target(self, dispute: Dispute, said: WireMove, before: str) -> str:
        """The stance that it holds from now on.

        The label decides; where it is missing, or says that no stance fits, the wording does. Whoever holds, holds its
        own stance, whatever else it wrote.
        """
        named = self._named(dispute, said.stance)
        wording = self._prose(said.wording, TEXT_MAX)
        if before and said.action == "hold":
            return before
        if named:
            return named
        if said.action == "concede" and wording:
            return self.ledger.place(dispute, wording, besides=before)
        if said.stance == NEW and wording:
            return self.ledger.place(dispute, wording)
        return before

    def _error(self, dispute: Dispute, said: WireMove, before: str) -> NamedError | None:
        """The mistake that it names, with its quote if that is real: of its own text where it is its own stance."""
        if said.error is None or not (said.error.why.strip() or said.error.quote.strip()):
            return None
        stance = self._named(dispute, said.error.stance) or (before if said.action == "concede" else "")
        quote = self._quote(said.error.quote, [_OWN] if stance == before else [stance])
        return NamedError(stance, quote, self._prose(said.error.why, REASON_MAX)) if stance else None

    def _named(self, dispute: Dispute, label: str | None) -> str:
        """The id of the dispute's stance under a label, "" for none."""
        return next((stance.id for stance in dispute.stances if self.shown.labels.get(stance.id) == label), "")

    def _quote(self, quote: str, sources: Sequence[str]) -> str:
        verified = self.quotes.verified(storable(quote[:QUOTE_MAX]), sources)
        return verified if len(verified) >= EVIDENCE_MIN_CHARS else ""

    def _prose(self, text: str, length: int) -> str:
        return self.names.prose(" ".join(text[:length].split()))


def _action(said: WireMove, before: str, target: str) -> Action:
    """What it did, by where it stands: conceding to one's own stance is holding it, leaving one is conceding it."""
    if target == before or not before:
        return "refine" if said.action == "refine" and before and said.wording.strip() else "hold"
    return "refine" if said.action == "refine" and said.stance == NEW else "concede"


def _case(stance: str) -> str:
    return f"{stance}:case"


def _silent(dispute: Dispute, letter: str) -> Move:
    held = stance_held(dispute, letter)
    return Move(dispute.id, "hold", held, held, "", "")
