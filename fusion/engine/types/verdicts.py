"""What a judge decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Problem:
    quote: str
    issue: str
    severity: Literal["minor", "major", "fatal"]


@dataclass(frozen=True, slots=True)
class Assessment:
    """The judge's view of one answer. `scores`: criterion name to 1..5. `composite`: 0..100."""

    letter: str
    strengths: tuple[str, ...]
    problems: tuple[Problem, ...]
    fatal_flaw: str | None
    scores: Mapping[str, int]
    composite: float


@dataclass(frozen=True, slots=True)
class Point:
    """A claim that one or more answers make; `quote` is verified to occur in one of them, else empty."""

    id: str
    text: str
    letters: tuple[str, ...]
    quote: str
    standing: Literal["supported", "plausible", "doubtful", "wrong"]


@dataclass(frozen=True, slots=True)
class Stance:
    letters: tuple[str, ...]
    stance: str
    quote: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    id: str
    topic: str
    material: bool
    stances: tuple[Stance, ...]
    resolution: str | None
    resolved_for: tuple[str, ...]
    basis: Literal["checked", "evidence_in_answer", "reasoning", "cannot_tell"]


@dataclass(frozen=True, slots=True)
class IntegrityNote:
    """The judge saw text in an answer that tries to steer it."""

    letter: str
    quote: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge returned, validated, with answers named by their letters (never by the judge's labels)."""

    notes: str
    assessments: tuple[Assessment, ...]
    consensus: tuple[Point, ...]
    partial_coverage: tuple[Point, ...]
    unique: tuple[Point, ...]
    contradictions: tuple[Contradiction, ...]
    blind_spots: tuple[str, ...]
    ranking: tuple[tuple[str, ...], ...]
    verdict: Literal["winner", "tie", "none_acceptable", "cannot_judge"]
    winner: str | None
    margin: Literal["clear", "slight", "none"]
    confidence: int
    rationale: str
    integrity: tuple[IntegrityNote, ...]


@dataclass(frozen=True, slots=True)
class Trim:
    """What the judge did not see of one answer, in estimated tokens."""

    letter: str
    omitted_tokens: int


@dataclass(frozen=True, slots=True)
class Recheck:
    """What became of a chosen answer that tries to steer judges.

    `held`: judged again without that text, it was chosen again. `overturned`: it was not, and `letter` is disqualified.
    Both times the verdict is the second one. `unseen`: the text was hidden and no judge saw it. `failed`: the judge
    gave no second verdict, and the first one stands.
    """

    letter: str
    result: Literal["held", "overturned", "unseen", "failed"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with how it came about and what the engine made of it.

    `judge`: ref of the judge that was obeyed; `attempt` 1 is the pool's judge, 2 and 3 its fallbacks.
    `order`: letters in the order that the judge saw; `labels`: letter to the label that the judge saw.
    `parse_path`: how the reply was read: `clean`, `extracted`, `repaired`, `coerced`, `reasked`, or `winner_only`: the
    judge named a winner, or a tie, and gave no analysis that can be read.
    `chosen`: the letter that best-of ships and merge builds on, after the tie rule (a tie or an inconsistent verdict
    goes to the anchor); None when no answer is acceptable.
    `standing`: how to label it: `clear`, `close`, `could_not_separate`, `none_acceptable`, `cannot_judge`.
    `suspects`: letters whose text tries to steer a judge; `recheck`: what became of a choice among them.
    """

    verdict: Verdict
    judge: str
    attempt: int
    order: tuple[str, ...]
    labels: Mapping[str, str]
    parse_path: str
    chosen: str | None
    standing: Literal["clear", "close", "could_not_separate", "none_acceptable", "cannot_judge"]
    inconsistent: tuple[str, ...] = ()
    quote_misses: int = 0
    suspects: tuple[str, ...] = ()
    trims: tuple[Trim, ...] = ()
    raw: str = ""
    recheck: Recheck | None = None

    @property
    def analysis_missing(self) -> bool:
        return self.parse_path == "winner_only"
