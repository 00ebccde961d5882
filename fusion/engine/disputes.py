"""The values of a debate: what is disputed, who holds which stance, how each member moved, how the judge ruled.

Members are named by their letters, disputes `d1`, `d2`, …, their stances `d1s1`, `d1s2`, …. What a member or a judge is
shown carries no letters, no head-counts and no confidences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from fusion.engine.types import Trim

Basis = Literal["checked", "evidence_in_answer", "reasoning", "cannot_tell"]
Action = Literal["hold", "refine", "concede"]


class StopReason(StrEnum):
    """Why a debate ended, in the order in which the rules are looked at."""

    NO_DISPUTE = "no_dispute"  # nothing material is disputed: there was no debate
    SETTLED = "settled"  # each dispute has one live stance left, for a reason
    TOO_FEW = "too_few"  # fewer than two replied in the last round, or may take part with different stances
    STABLE = "stable"  # nobody changed anything in the last round
    OSCILLATION = "oscillation"  # a member went back to a stance that it had given up
    AGREEMENT = "agreement"  # agreement rose too little in the last round
    ROUNDS = "rounds"  # as many rounds as the pool allows
    ASKED = "asked"  # a person asked to stop after the round
    OUT_OF_TIME = "out_of_time"


@dataclass(frozen=True, slots=True)
class LedgerStance:
    """One side of a dispute. `letters`: who holds it now. `quote` is verified to occur in a round-0 answer, else empty.

    `argument`: the latest one made for it. `alive`: somebody holds it, or it was given up without a reason.
    """

    id: str
    text: str
    quote: str
    letters: tuple[str, ...]
    argument: str = ""
    alive: bool = True


@dataclass(frozen=True, slots=True)
class Dispute:
    """One material contradiction, as it stands; in the ledger of at most five."""

    id: str
    topic: str
    stances: tuple[LedgerStance, ...]


@dataclass(frozen=True, slots=True)
class NamedError:
    """What is wrong in a stance: `quote` is the wrong passage, `stance` the stance's id."""

    stance: str
    quote: str
    why: str


@dataclass(frozen=True, slots=True)
class Move:
    """What one member did about one dispute in one round.

    `before` and `stance` are stance ids, "" for none: a member whose answer is silent on the dispute may stay out or
    take a stance. They differ after a concession, and after a refinement that became a stance of its own. `text`: the
    member's own wording of its stance now. `error`: the mistake it names, in another's stance, or in its own earlier
    one when it concedes. `soft`: it left its stance without naming an error in its own text or evidence, so that stance
    stays alive. Quotes are verified to occur in what the member was shown, else empty.
    `confidence`: 0..100, kept for people and never shown to a member or a judge.
    """

    dispute: str
    action: Action
    before: str
    stance: str
    text: str
    reason: str
    evidence_quote: str = ""
    error: NamedError | None = None
    would_change_my_mind: str = ""
    confidence: int = 50
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """One member's reply in one round (rounds count from 1), read and checked; a move for each dispute.

    `steering`: passages that speak to a judge or to the others instead of to the matter. A reply that has any counts as
    holding everywhere, and nothing of it is passed on.
    """

    number: int
    letter: str
    moves: tuple[Move, ...]
    parse_path: str = "clean"
    steering: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Round:
    """One round that ended: the positions that came, the ledger after it, the agreement index (0..1) after it.

    `agreement`: the mean over disputes of the largest stance's share of the members that take part.
    """

    number: int
    positions: tuple[Position, ...]
    disputes: tuple[Dispute, ...]
    agreement: float


@dataclass(frozen=True, slots=True)
class DisputeRuling:
    """How the judge ruled on one dispute: `stance` is the id of the stance that holds, None when it cannot be told.

    `test`: what would settle it; of use above all when it is open.
    """

    dispute: str
    stance: str | None
    basis: Basis
    reason: str
    test: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the judge made of a debate, validated. `base`: the letter whose answer the written ruling builds on.

    `order` and `labels` are what the judge saw, as in a Judgement; `labels` also holds the stances' ids with theirs.
    `parse_path` is how the reply was read.
    """

    judge: str
    attempt: int
    order: tuple[str, ...]
    labels: Mapping[str, str]
    parse_path: str
    rulings: tuple[DisputeRuling, ...]
    base: str
    confidence: int
    rationale: str
    trims: tuple[Trim, ...] = ()
    raw: str = ""
