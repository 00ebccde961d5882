"""The values of a simulated judgement, before they become the object that the judge's schema asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DIMENSIONS = ("correctness", "depth", "specificity", "clarity", "usefulness", "originality")

# The first line that has a stem in the criterion's name decides; a rubric may call its criteria what it likes.
_STEMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("depth", ("risk", "secur", "evidence", "cover", "complete", "step", "depth", "thorough")),
    ("specificity", ("specific", "ground", "concrete", "detail")),
    ("originality", ("origin", "novel", "creativ", "surpris")),
    ("clarity", ("clar", "craft", "concis", "structur", "read", "style", "tone")),
    ("usefulness", ("action", "use", "usab", "help", "practical")),
    ("correctness", ("correct", "accura", "conclu", "valid", "fit", "brief", "true", "fact")),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem of one answer; `quote` occurs in it verbatim."""

    quote: str
    issue: str
    severity: str


@dataclass(frozen=True, slots=True)
class Appraisal:
    """One answer under judgement. `scores`: dimension to 1..5; the two sentences are for the rationale."""

    label: str
    text: str
    strengths: tuple[str, ...]
    problems: tuple[Fault, ...]
    fatal_flaw: str | None
    scores: Mapping[str, int]
    merit: str
    shortfall: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim with the labels of the answers that make it; `quote` occurs in the first of them."""

    text: str
    labels: tuple[str, ...]
    quote: str
    standing: str


@dataclass(frozen=True, slots=True)
class Side:
    labels: tuple[str, ...]
    stance: str
    quote: str


@dataclass(frozen=True, slots=True)
class Dispute:
    topic: str
    material: bool
    sides: tuple[Side, ...]
    resolution: str | None
    resolved_for: tuple[str, ...]
    basis: str


@dataclass(frozen=True, slots=True)
class Findings:
    """All a judgement is made of, ranking aside. `sure` is the confidence of a clear win, 0 to 100."""

    notes: str
    appraisals: tuple[Appraisal, ...]
    claims: tuple[Claim, ...]
    disputes: tuple[Dispute, ...]
    blind_spots: tuple[str, ...]
    sure: int


def criterion_score(criterion: str, scores: Mapping[str, int]) -> int:
    """The score on the dimension that a criterion's name points to; the rounded mean when it points to none."""
    name = criterion.casefold()
    for dimension, stems in _STEMS:
        if any(stem in name for stem in stems):
            return scores[dimension]
    return round(sum(scores.values()) / len(scores))
