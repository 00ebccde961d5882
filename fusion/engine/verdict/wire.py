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
    label = enum_schema(labels)
    points = list_schema(
        object_schema(
            id=_STRING, text=_STRING, labels=list_schema(label), quote=_STRING, standing=enum_schema(STANDINGS)
        )
    )
    return object_schema(
        notes=_STRING,
        assessments=list_schema(_assessment(label, criteria)),
        consensus=points,
        partial_coverage=points,
        unique=points,
        contradictions=list_schema(_contradiction(label)),
        blind_spots=list_schema(_STRING),
        ranking=list_schema(list_schema(label)),
        verdict=enum_schema(OUTCOMES),
        winner={"type": ["string", "null"], "enum": [*labels, None]},
        margin=enum_schema(MARGINS),
        confidence={"type": "integer"},
        rationale=_STRING,
        integrity=list_schema(object_schema(label=label, quote=_STRING)),
    )


_STRING: dict[str, Any] = {"type": "string"}
_NULLABLE: dict[str, Any] = {"type": ["string", "null"]}


def _assessment(label: dict[str, Any], criteria: Sequence[str]) -> dict[str, Any]:
    return object_schema(
        label=label,
        strengths=list_schema(_STRING),
        problems=list_schema(object_schema(quote=_STRING, issue=_STRING, severity=enum_schema(SEVERITIES))),
        fatal_flaw=_NULLABLE,
        scores=list_schema(object_schema(criterion=enum_schema(criteria), score={"type": "integer"})),
    )


def _contradiction(label: dict[str, Any]) -> dict[str, Any]:
    return object_schema(
        id=_STRING,
        topic=_STRING,
        material={"type": "boolean"},
        stances=list_schema(object_schema(labels=list_schema(label), stance=_STRING, quote=_STRING)),
        resolution=_NULLABLE,
        resolved_for=list_schema(label),
        basis=enum_schema(BASES),
    )


def object_schema(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def list_schema(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def enum_schema(values: Sequence[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}
