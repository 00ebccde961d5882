"""Choosing a default pool from the models that really exist at a connection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fusion.providers.catalogue import ModelInfo
from fusion.providers.presets import PRESETS

SEATS = 3

# What may follow a version and still be the same model: dates, "latest", a preview, a size tag of Ollama's.
_TAIL = r"(?:[-:@](?:latest|preview|exp|instruct|it|\d[\d.\-]*b?|\d+b-instruct))*"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Members of different families where there are such, and a judge; both empty when nothing is served."""

    members: tuple[ModelInfo, ...]
    judge: ModelInfo | None


def recommend(preset_slug: str, models: Sequence[ModelInfo]) -> Recommendation:
    """The preset's recommended models as far as they exist, filled up with others, other families first."""
    preset = PRESETS[preset_slug]
    members = [found for patterns in preset.seats if (found := _newest_of(patterns, models)) is not None]
    members = list(dict.fromkeys(members))[:SEATS]
    for model in (*_of_new_families(members, models), *models):
        if len(members) < SEATS and model not in members:
            members.append(model)
    judge = _newest_of(preset.judges, models) or (members[0] if members else None)
    return Recommendation(tuple(members), judge)


def preferred(preset_slug: str, models: Sequence[ModelInfo]) -> tuple[ModelInfo, ...]:
    """Those of the models that the preset recommends, the judge first; none where it knows none of them."""
    preset = PRESETS[preset_slug]
    found = [_newest_of(patterns, models) for patterns in (preset.judges, *preset.seats)]
    return tuple(dict.fromkeys(model for model in found if model is not None))


def _newest_of(patterns: Iterable[str], models: Sequence[ModelInfo]) -> ModelInfo | None:
    """The newest model that matches the first pattern that any model matches; the shortest id of equal ones."""
    for pattern in patterns:
        shape = re.compile(re.escape(pattern).replace(r"\*", r"(\d[\d.\-]*)", 1) + _TAIL)
        matches = [(found, model) for model in models if (found := shape.fullmatch(model.model_id))]
        if matches:
            return max(matches, key=lambda match: (_version(match[0][1]), -len(match[1].model_id)))[1]
    return None


def _version(text: str) -> tuple[int, ...]:
    """`4-5-20250929`, `4.5-2025-09-29` and `4.5` are all 4.5: neither a date nor a part as long as one is a version."""
    undated = re.sub(r"-20\d\d-[01]\d-[0-3]\d(?!\d)", "", text)
    return tuple(int(part) for part in re.split(r"[.\-]", undated) if part and len(part) < 4)


def _of_new_families(members: Iterable[ModelInfo], models: Iterable[ModelInfo]) -> list[ModelInfo]:
    seen = {member.family for member in members}
    new: dict[str, ModelInfo] = {}
    for model in models:
        if model.family not in seen:
            new.setdefault(model.family, model)
    return list(new.values())
