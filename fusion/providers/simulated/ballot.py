"""What a judge's request allows it to say: labels, criteria with their weights, and the fields of the reply."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fusion.engine.types import CompletionRequest
from fusion.engine.verdict.winner import TIE
from fusion.providers.simulated.appraisal import criterion_score

_WEIGHT = r"\b{name}\b[^\n]{{0,40}}?(?:(?P<percent>\d+(?:\.\d+)?)\s*%|(?P<share>[01]?\.\d+))"


@dataclass(frozen=True, slots=True)
class Ballot:
    """`fields` are the reply's properties in the schema's order; `weights` sum to anything above zero."""

    fields: tuple[str, ...]
    labels: tuple[str, ...]
    criteria: tuple[str, ...]
    weights: Mapping[str, float]


def read_ballot(request: CompletionRequest) -> Ballot:
    """From the request's JSON schema, `$ref`s followed; the weights from the instructions, equal if they name none."""
    schema = request.response_schema or {}
    properties = schema.get("properties", {})
    assessment = _properties(_items(properties.get("assessments"), schema), schema)
    score = _properties(_items(assessment.get("scores"), schema), schema)
    criteria = _choices(score.get("criterion"), schema)
    return Ballot(
        fields=tuple(properties),
        labels=_choices(assessment.get("label"), schema) or _winners(properties, schema),
        criteria=criteria,
        weights=_weights(request, criteria),
    )


def ballot_of(request: CompletionRequest, *, criteria: tuple[str, ...]) -> Ballot:
    """For a request whose schema asks for no scores: these criteria, weighted as its instructions say."""
    return Ballot(fields=(), labels=(), criteria=criteria, weights=_weights(request, criteria))


def _winners(properties: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels of a request that asks for nothing but a winner."""
    return tuple(label for label in _choices(properties.get("winner"), schema) if label != TIE)


def weighted(scores: Mapping[str, int], ballot: Ballot) -> float:
    """0 to 100: the weighted mean of the criteria's scores, or of all dimensions when there are no criteria."""
    if not ballot.criteria:
        return 25.0 * (sum(scores.values()) / len(scores) - 1)
    total = sum(ballot.weights.values())
    gained = sum(ballot.weights[name] * (criterion_score(name, scores) - 1) for name in ballot.criteria)
    return round(25.0 * gained / total, 4)


def _weights(request: CompletionRequest, criteria: tuple[str, ...]) -> Mapping[str, float]:
    told = "\n".join(message.content for message in request.messages if message.role == "system")
    found = {name: _weight(name, told) for name in criteria}
    if all(found.values()):
        return {name: weight for name, weight in found.items() if weight}
    return dict.fromkeys(criteria, 1.0)


def _weight(name: str, told: str) -> float | None:
    match = re.search(_WEIGHT.format(name=re.escape(name)), told, re.IGNORECASE)
    if match is None:
        return None
    return float(match["percent"]) / 100 if match["percent"] else float(match["share"])


def _resolved(node: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The node itself, or what its local `$ref` (`#/$defs/name`) points to; empty for anything else."""
    while isinstance(node, Mapping) and "$ref" in node:
        node = schema.get("$defs", {}).get(str(node["$ref"]).rpartition("/")[2])
    return node if isinstance(node, Mapping) else {}


def _items(node: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return _resolved(_resolved(node, schema).get("items"), schema)


def _properties(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return _resolved(node.get("properties"), schema)


def _choices(node: Any, schema: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_resolved(node, schema).get("enum", ()))
