"""What the simulated models say in a debate on a bundled question; `questions/<slug>/debate.toml` holds the words."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fusion.providers.simulated.questions import (
    QUESTIONS_DIR,
    WrittenContradiction,
    WrittenQuestion,
    normalised,
    written_questions,
)


@dataclass(frozen=True, slots=True)
class WrittenMove:
    """What one model says about one dispute; `error` is the wrong passage and why it is wrong, or nothing."""

    action: str
    reason: str
    wording: str
    evidence_quote: str
    error_quote: str
    error_why: str
    would_change_my_mind: str
    confidence: int


@dataclass(frozen=True, slots=True)
class WrittenDispute:
    """A contradiction, each model's moves by round, what would settle it, and why it is open when it is."""

    contradiction: WrittenContradiction
    moves: Mapping[str, tuple[WrittenMove, ...]]
    test: str
    open: str


@cache
def written_disputes(slug: str) -> Mapping[str, WrittenDispute]:
    """Of one bundled question, by normalised topic; read from disk once per process."""
    written = next(one for one in written_questions() if one.question.slug == slug)
    told = tomllib.loads((QUESTIONS_DIR / slug / "debate.toml").read_text(encoding="utf-8"))
    return {normalised(dispute["topic"]): _dispute(dispute, written) for dispute in told["disputes"]}


def find_dispute(topic: str, written: WrittenQuestion) -> WrittenDispute | None:
    """The written dispute with this topic; None for any other."""
    return written_disputes(written.question.slug).get(normalised(topic))


def _dispute(told: Mapping[str, Any], written: WrittenQuestion) -> WrittenDispute:
    contradiction = next(one for one in written.judgement.contradictions if one.topic == told["topic"])
    moves: dict[str, tuple[WrittenMove, ...]] = {}
    for move in told["moves"]:
        moves[move["model"]] = (*moves.get(move["model"], ()), _move(move))
    return WrittenDispute(contradiction, moves, told["test"], told.get("open", ""))


def _move(told: Mapping[str, Any]) -> WrittenMove:
    error = told.get("error", {})
    return WrittenMove(
        action=told["action"],
        reason=told["reason"],
        wording=told.get("wording", ""),
        evidence_quote=told.get("evidence_quote", ""),
        error_quote=error.get("quote", ""),
        error_why=error.get("why", ""),
        would_change_my_mind=told["would_change_my_mind"],
        confidence=told["confidence"],
    )
