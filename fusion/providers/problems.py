"""Problems that a provider can be asked to simulate, so that everybody can see what Fusion does about them.

A real provider simulates none. What a problem is and how it is asked for is known to its provider alone; the other
rooms carry its `key` about and show its `words`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Part = Literal["member", "judge", "writer"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. `words` complete “simulates: …”; `parts`: who in a pool it can befall."""

    key: str
    words: str
    parts: frozenset[Part]
