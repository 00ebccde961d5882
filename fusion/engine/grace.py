"""How long a panel that has its quorum waits for the members that are still writing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fusion.engine.types import Limits

CLOCK_S = 0.001  # a timer may fire this much early


def quorum_of(members: int, limits: Limits) -> int:
    """How many usable answers are enough: two thirds, but at least two, unless the pool sets a number."""
    wanted = limits.quorum if limits.quorum is not None else max(2, math.ceil(2 * members / 3))
    return max(1, min(wanted, members))


@dataclass(slots=True)
class Grace:
    """A wait in proportion to the time that the quorum took, extended once for a member that is already writing.

    Half of that time keeps nearly all answers and brings the slowest tenth of runs back to about one member's own time.
    Times are loop times.
    """

    limits: Limits
    length_s: float = 0.0
    ends_at: float | None = None
    extended: bool = False

    def start(self, now: float, *, quorum_took_s: float) -> None:
        self.length_s = min(
            max(self.limits.grace_factor * quorum_took_s, self.limits.grace_min_s), self.limits.grace_max_s
        )
        self.ends_at = now + self.length_s

    def extend(self, now: float) -> None:
        self.extended = True
        self.ends_at = now + self.length_s

    def is_over(self, now: float) -> bool:
        return self.ends_at is not None and now >= self.ends_at - CLOCK_S
