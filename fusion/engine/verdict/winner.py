"""The last thing that a judge is asked whose verdict cannot be read: only which answer is best."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fusion.engine.types import FinishReason, Verdict
from fusion.engine.verdict.extract import last_object_with, without_thinking
from fusion.engine.verdict.names import Names

TIE = "TIE"
_BARE_RE = re.compile(r"\W{0,20}(?:winner\W{1,5})?(?:answer\W{1,3})?(\w{2,40})\W{0,20}", re.IGNORECASE)


def winner_schema(labels: Sequence[str]) -> Mapping[str, Any]:
    """`{"winner": label or "TIE"}` as a JSON schema."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["winner"],
        "properties": {"winner": {"type": "string", "enum": [*labels, TIE]}},
    }


def read_winner(raw: str, *, finish: FinishReason | None, labels: Mapping[str, str]) -> Verdict | None:
    """A verdict with a winner, or a tie of all, and nothing else; None unless the reply names exactly one of the two.

    `labels`: letter to label. A bare label is read too, prose about one is not: "K7T is not the best" names nobody.
    """
    if finish is FinishReason.LENGTH:
        return None
    bare = _BARE_RE.fullmatch(_said(raw))
    if bare is None:
        return None
    if bare[1].upper() == TIE:
        return _verdict(None, tuple(labels))
    letter = Names(labels).get(bare[1])
    return None if letter is None else _verdict(letter, tuple(labels))


def _said(raw: str) -> str:
    """What stands for `winner` in the last object of the reply that has one, else the reply itself."""
    found = last_object_with(raw, "winner")
    if found is None:
        return without_thinking(raw).strip()
    winner = found["winner"]
    return winner if isinstance(winner, str) else ""


def _verdict(winner: str | None, letters: Sequence[str]) -> Verdict:
    others = tuple(sorted(letter for letter in letters if letter != winner))
    return Verdict(
        notes="",
        assessments=(),
        consensus=(),
        partial_coverage=(),
        unique=(),
        contradictions=(),
        blind_spots=(),
        ranking=((winner,), others) if winner is not None else (others,),
        verdict="winner" if winner is not None else "tie",
        winner=winner,
        margin="none",
        confidence=0,
        rationale="",
        integrity=(),
    )
