"""Which answer a run ships, and how sure it may sound about it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rapidfuzz import fuzz

from fusion.engine.types import Assessment, Verdict

Standing = Literal["clear", "close", "could_not_separate", "none_acceptable", "cannot_judge"]
COMPARED_CHARS = 3_000


@dataclass(frozen=True, slots=True)
class Decision:
    chosen: str | None
    standing: Standing


def decide(
    verdict: Verdict,
    *,
    inconsistent: Sequence[str],
    anchor: str,
    texts: Mapping[str, str],
    barred: Collection[str] = (),
) -> Decision:
    """The chosen letter and its standing.

    A winner stands, `clear` or (slight margin, or not alone in its place) `close`. A tie, or a verdict that contradicts
    itself, ships the anchor if it is among the tied, else the best of them, as `could_not_separate`. Never decided by
    position or length.
    An answer that is `barred` is never chosen.
    """
    if verdict.verdict == "none_acceptable":
        return Decision(None, "none_acceptable")
    if verdict.verdict == "cannot_judge":
        return Decision(None, "cannot_judge")
    if verdict.winner is not None and not inconsistent and verdict.winner not in barred:
        return Decision(verdict.winner, "clear" if _is_clear(verdict) else "close")
    tied = _tied(verdict, barred)
    if not tied:
        return Decision(None, "none_acceptable")
    if anchor in tied:
        return Decision(anchor, "could_not_separate")
    return Decision(_best(verdict, tied, texts), "could_not_separate")


def _is_clear(verdict: Verdict) -> bool:
    """The judge says so and does not put another answer beside the winner."""
    return verdict.margin == "clear" and len(verdict.ranking[0]) == 1


def _tied(verdict: Verdict, barred: Collection[str]) -> list[str]:
    """The answers without a fatal flaw that some part of the verdict puts first; for a tie two at least."""
    out = {item.letter for item in verdict.assessments if item.fatal_flaw is not None} | set(barred)
    places = [[letter for letter in place if letter not in out] for place in verdict.ranking]
    places = [place for place in places if place]
    if not places:
        return []
    tied = {*places[0], *_top_scored([item for item in verdict.assessments if item.letter not in out])}
    if verdict.winner is not None and verdict.winner not in out:
        tied.add(verdict.winner)
    if verdict.verdict == "tie" and len(tied) == 1 and len(places) > 1:
        tied.update(places[1])
    return sorted(tied)


def _top_scored(assessments: Collection[Assessment]) -> list[str]:
    """The best by score; nobody where a verdict has no assessments."""
    top = max((item.composite for item in assessments), default=0.0)
    return [item.letter for item in assessments if item.composite == top]


def _best(verdict: Verdict, tied: Sequence[str], texts: Mapping[str, str]) -> str:
    """Best place, then best score, then most like the others; at last a hash of the text, blind to letters."""
    place = {letter: number for number, group in enumerate(verdict.ranking) for letter in group}
    score = {item.letter: item.composite for item in verdict.assessments}
    return min(
        tied,
        key=lambda letter: (
            place[letter],
            -score.get(letter, 0.0),
            -_likeness(letter, texts),
            _digest(texts.get(letter, "")),
        ),
    )


def _likeness(letter: str, texts: Mapping[str, str]) -> float:
    """Mean similarity to the other answers' beginnings, 0 to 100."""
    own = texts.get(letter, "")[:COMPARED_CHARS]
    others = sorted(text[:COMPARED_CHARS] for other, text in texts.items() if other != letter)
    if not others:
        return 0.0
    return round(sum(fuzz.ratio(own, other) for other in others) / len(others), 6)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
