"""What is known of a debate: its disputes, its rounds with one cell per member, why it ended.

Rounds and cells are values; an event replaces the one that it changes, so a copy of a `DebateRecord` stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from fusion.engine import events as ev
from fusion.engine.disputes import Dispute, Position, Round, StopReason
from fusion.engine.types import Failure


@dataclass(frozen=True, slots=True)
class CellRecord:
    """One member in one round. `text` is the raw reply so far: never shown as it is.

    Under way while `ended` is False; then `labels` names the stances (id to label) in what it writes. Ended without a
    position: the member keeps its stances, `failure` says why.
    """

    letter: str
    text: str = ""
    ended: bool = False
    position: Position | None = None
    failure: Failure | None = None
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One round; `disputes` and `agreement` (0..1) are the ledger after it, `agreement` None while it is under way."""

    number: int
    cells: tuple[CellRecord, ...]
    disputes: tuple[Dispute, ...] = ()
    agreement: float | None = None

    @property
    def ended(self) -> bool:
        return self.agreement is not None


@dataclass(slots=True)
class DebateRecord:
    """`disputes` as the debate found them; `outcome` as it left them. `reason` None: not over, or there was none."""

    disputes: tuple[Dispute, ...] = ()
    rounds_max: int = 0
    rounds: tuple[RoundRecord, ...] = ()
    reason: StopReason | None = None
    outcome: tuple[Dispute, ...] = ()

    @property
    def ledger(self) -> tuple[Dispute, ...]:
        """The disputes as they stand now."""
        if self.outcome:
            return self.outcome
        ended = [one.disputes for one in self.rounds if one.ended]
        return ended[-1] if ended else self.disputes

    @property
    def at_round(self) -> int:
        """The number of the latest round that began; 0 before the first."""
        return self.rounds[-1].number if self.rounds else 0

    def rounds_ended(self) -> tuple[Round, ...]:
        """The rounds that ended, as the engine takes them up again."""
        return tuple(
            Round(
                one.number,
                tuple(cell.position for cell in one.cells if cell.position is not None),
                one.disputes,
                one.agreement,
            )
            for one in self.rounds
            if one.agreement is not None
        )

    def taken_up(self) -> DebateRecord:
        """What a later execution goes on from: the rounds that ended. The one that was cut off is asked anew."""
        return replace(self, rounds=tuple(one for one in self.rounds if one.ended))

    def end(self) -> None:
        """The run has ended: half a reply is no text."""
        self.rounds = tuple(_settled(one) for one in self.rounds)


def _settled(one: RoundRecord) -> RoundRecord:
    if one.ended:
        return one
    return replace(one, cells=tuple(cell if cell.ended else CellRecord(cell.letter) for cell in one.cells))


def start_debate(debate: DebateRecord, event: ev.DebateStarted) -> None:
    debate.disputes, debate.rounds_max = event.disputes, event.rounds_max
    debate.reason, debate.outcome = None, ()


def start_round(debate: DebateRecord, event: ev.RoundStarted) -> None:
    """A round that is asked anew takes the place of the one that was cut off."""
    earlier = tuple(one for one in debate.rounds if one.number < event.number)
    cells = tuple(CellRecord(letter, labels=event.labels.get(letter, {})) for letter in event.letters)
    debate.rounds = (*earlier, RoundRecord(event.number, cells))


def grow_position(debate: DebateRecord, event: ev.PositionGrew) -> None:
    _change(debate, event.number, event.letter, lambda cell: replace(cell, text=cell.text + event.text))


def end_position(debate: DebateRecord, event: ev.PositionEnded) -> None:
    ended = CellRecord(event.letter, ended=True, position=event.position, failure=event.failure)
    _change(debate, event.number, event.letter, lambda _: ended)


def _change(debate: DebateRecord, number: int, letter: str, change: Callable[[CellRecord], CellRecord]) -> None:
    debate.rounds = tuple(
        one
        if one.number != number
        else replace(one, cells=tuple(change(cell) if cell.letter == letter else cell for cell in one.cells))
        for one in debate.rounds
    )


def end_round(debate: DebateRecord, event: ev.RoundEnded) -> None:
    ended = event.round
    debate.rounds = tuple(
        replace(one, disputes=ended.disputes, agreement=ended.agreement) if one.number == ended.number else one
        for one in debate.rounds
    )


def end_debate(debate: DebateRecord, event: ev.DebateEnded) -> None:
    debate.reason, debate.outcome = event.reason, event.disputes
