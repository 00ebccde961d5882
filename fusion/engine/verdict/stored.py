"""Verdicts and judgements as plain JSON values and back, without loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from fusion.engine.types import Judgement, Verdict

_VERDICT = TypeAdapter(Verdict)
_JUDGEMENT = TypeAdapter(Judgement)


def verdict_to_dict(verdict: Verdict) -> dict[str, Any]:
    stored: dict[str, Any] = _VERDICT.dump_python(verdict, mode="json")
    return stored


def verdict_from_dict(stored: Mapping[str, Any]) -> Verdict:
    """Raises pydantic.ValidationError for anything that verdict_to_dict did not make."""
    return _VERDICT.validate_python(stored)


def judgement_to_dict(judgement: Judgement) -> dict[str, Any]:
    stored: dict[str, Any] = _JUDGEMENT.dump_python(judgement, mode="json")
    return stored


def judgement_from_dict(stored: Mapping[str, Any]) -> Judgement:
    """Raises pydantic.ValidationError for anything that judgement_to_dict did not make."""
    return _JUDGEMENT.validate_python(stored)
