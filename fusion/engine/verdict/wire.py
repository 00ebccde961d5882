"""The verdict as a judge writes it: with labels instead of letters, as JSON.

The JSON schema keeps to what every provider's strict mode knows: all fields required, nullable instead of optional, no
further properties, enums of the labels and criteria of this very call, no references and no numeric constraints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Severity = Literal["minor", "major", "fatal"]
Standing = Literal["supported", "plausible", "doubtful", "wrong"]
Basis = Literal["checked", "evidence_in_answer", "reasoning", "cannot_tell"]
Outcome = Literal["winner", "tie", "none_acceptable", "cannot_judge"]
Margin = Literal["clear", "slight", "none"]

SEVERITIES = ("minor", "major", "fatal")
STANDINGS = ("supported", "plausible", "doubtful", "wrong")
BASES = ("checked", "evidence_in_answer", "reasoning", "cannot_tell")
OUTCOMES = ("winner", "tie", "none_acceptable", "cannot_judge")
MARGINS = ("clear", "slight", "none")


class Wire(BaseModel):
    """Exact types and all fields, so that whatever passes needed no guess of ours. Unknown fields are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class WireProblem(Wire):
    quote: str
    issue: str
    severity: Severity


class WireScore(Wire):
    criterion: str
    score: int


class WireAssessment(Wire):
    label: str
    strengths: list[str]
    problems: list[WireProblem]
    fatal_flaw: str | None
    scores: list[WireScore]


class WirePoint(Wire):
    id: str
    text: str
    labels: list[str]
    quote: str
    standing: Standing


class WireStance(Wire):
    labels: list[str]
    stance: str
    quote: str


class WireContradiction(Wire):
    id: str
    topic: str
    material: bool
    stances: list[WireStance]
    resolution: str | None
    resolved_for: list[str]
    basis: Basis


class WireIntegrity(Wire):
    label: str
    quote: str


class WireVerdict(Wire):
    notes: str
    assessments: list[WireAssessment]
    consensus: list[WirePoint]
    partial_coverage: list[WirePoint]
    unique: list[WirePoint]
    contradictions: list[WireContradiction]
    blind_spots: list[str]
    ranking: list[list[str]]
    verdict: Outcome
    winner: str | None
    margin: Margin
    confidence: int
    rationale: str
    integrity: list[WireIntegrity]


def verdict_schema(labels: Sequence[str], criteria: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of one call's verdict; its properties stand in the order in which they are to be written."""
    label = _enum(labels)
    points = _list(_object(id=_STRING, text=_STRING, labels=_list(label), quote=_STRING, standing=_enum(STANDINGS)))
    return _object(
        notes=_STRING,
        assessments=_list(_assessment(label, criteria)),
        consensus=points,
        partial_coverage=points,
        unique=points,
        contradictions=_list(_contradiction(label)),
        blind_spots=_list(_STRING),
        ranking=_list(_list(label)),
        verdict=_enum(OUTCOMES),
        winner={"type": ["string", "null"], "enum": [*labels, None]},
        margin=_enum(MARGINS),
        confidence={"type": "integer"},
        rationale=_STRING,
        integrity=_list(_object(label=label, quote=_STRING)),
    )


_STRING: dict[str, Any] = {"type": "string"}
_NULLABLE: dict[str, Any] = {"type": ["string", "null"]}


def _assessment(label: dict[str, Any], criteria: Sequence[str]) -> dict[str, Any]:
    return _object(
        label=label,
        strengths=_list(_STRING),
        problems=_list(_object(quote=_STRING, issue=_STRING, severity=_enum(SEVERITIES))),
        fatal_flaw=_NULLABLE,
        scores=_list(_object(criterion=_enum(criteria), score={"type": "integer"})),
    )


def _contradiction(label: dict[str, Any]) -> dict[str, Any]:
    return _object(
        id=_STRING,
        topic=_STRING,
        material={"type": "boolean"},
        stances=_list(_object(labels=_list(label), stance=_STRING, quote=_STRING)),
        resolution=_NULLABLE,
        resolved_for=_list(label),
        basis=_enum(BASES),
    )


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _enum(values: Sequence[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}
