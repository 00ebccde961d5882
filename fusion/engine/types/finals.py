"""What a run gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of the final and where they come from.

    `source`: `base` (the base answer), `patch` (claims taken from `letters`), `added` (the writer's own words).
    `check`: similarity or the polarity and number guard found a mismatch with the source.
    """

    start: int
    end: int
    source: Literal["base", "patch", "added"]
    letters: tuple[str, ...] = ()
    claim_ids: tuple[str, ...] = ()
    check: bool = False


class FinalKind(StrEnum):
    VERBATIM = "verbatim"  # best-of: the chosen answer, byte for byte
    MERGED = "merged"
    RULED = "ruled"  # debate: written from the judge's ruling
    SINGLE = "single"  # only one answer exists; nothing was judged
    ANCHOR = "anchor"  # every judge failed and the pool asked for the anchor's text
    PICKED = "picked"  # a person chose the answer; the engine never gives this one


@dataclass(frozen=True, slots=True)
class Final:
    """The one answer of a run. `letter`: the verbatim source, or the base that a merge was built on."""

    kind: FinalKind
    text: str
    letter: str | None
    spans: tuple[Span, ...] = ()
    writer: str | None = None
    truncated: bool = False


class RunState(StrEnum):
    """Where a run stands. The first two are under way, the others are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"  # a judged final
    SINGLE = "single"  # one answer, not judged
    UNJUDGED = "unjudged"  # answers, but every judge failed, or none was acceptable in a way that gives a final
    SHORT = "short"  # quorum missed and the pool wants a person to decide
    ANSWERED = "answered"  # stopped before judging, or asked for answers only
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def is_final(self) -> bool:
        return self not in (RunState.QUEUED, RunState.RUNNING)
