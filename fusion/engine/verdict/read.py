"""From a judge's raw reply to a checked verdict: the ladder, as pure functions.

Rungs, the first that works wins: `clean` (the reply is the object), `extracted` (the last complete object in it),
`repaired` (json-repair, for replies that came to their own end), `coerced` (only one reading is possible). What none of
them can read is a Rejection, whose errors are precise enough to be sent back to the judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from fusion.engine.rubrics import HIGHEST, LOWEST
from fusion.engine.types import FinishReason, Rubric, Verdict
from fusion.engine.verdict.checks import check
from fusion.engine.verdict.coerce import coerce
from fusion.engine.verdict.extract import Found, last_object, repaired_object, whole_object
from fusion.engine.verdict.wire import WireVerdict

ERRORS_MAX = 12


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one judge call was about: labels and texts by letter, and the rubric. `texts` are cleaned but uncut."""

    labels: Mapping[str, str]
    texts: Mapping[str, str]
    rubric: Rubric

    @property
    def label_list(self) -> tuple[str, ...]:
        return tuple(self.labels.values())

    @property
    def criteria(self) -> tuple[str, ...]:
        return tuple(criterion.name for criterion in self.rubric.criteria)


@dataclass(frozen=True, slots=True)
class Reading:
    """A verdict, the rung that gave it, how it contradicts itself, and how many of its quotes are invented."""

    verdict: Verdict
    parse_path: str
    inconsistent: tuple[str, ...]
    quote_misses: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a reply is no verdict. `assessments_missing`: it cannot be mended without reading the answers again."""

    errors: tuple[str, ...]
    assessments_missing: bool


def read_verdict(raw: str, *, finish: FinishReason | None, sheet: Sheet) -> Reading | Rejection:
    """Climb the ladder. `finish` None: the stream was cut; then, as after LENGTH, nothing is repaired."""
    found, path = _find(raw, may_repair=finish is FinishReason.STOP)
    if found is None:
        return Rejection(("There is no complete JSON object in the reply.",), assessments_missing=True)
    wire = _valid(found, sheet)
    if isinstance(wire, WireVerdict):
        return _reading(wire, path, sheet)
    coerced = coerce(found, labels=sheet.label_list, criteria=sheet.criteria)
    wire = _valid(coerced, sheet)
    if isinstance(wire, WireVerdict):
        return _reading(wire, "coerced", sheet)
    return Rejection(wire, assessments_missing=_assessed(coerced) != set(sheet.label_list))


def _find(raw: str, *, may_repair: bool) -> tuple[Found | None, str]:
    if (found := whole_object(raw)) is not None:
        return found, "clean"
    if (found := last_object(raw)) is not None:
        return found, "extracted"
    return (repaired_object(raw) if may_repair else None), "repaired"


def _reading(wire: WireVerdict, path: str, sheet: Sheet) -> Reading:
    checked = check(wire, labels=sheet.labels, texts=sheet.texts, rubric=sheet.rubric)
    return Reading(checked.verdict, path, checked.inconsistent, checked.quote_misses)


def _valid(found: Mapping[str, Any], sheet: Sheet) -> WireVerdict | tuple[str, ...]:
    """The wire verdict, or what is wrong with it."""
    try:
        wire = WireVerdict.model_validate(found)
    except ValidationError as exc:
        return tuple(_sentence(error["loc"], error["msg"]) for error in exc.errors(include_url=False)[:ERRORS_MAX])
    return wire if not (errors := _errors(wire, sheet)) else tuple(errors[:ERRORS_MAX])


def _sentence(place: Sequence[int | str], message: str) -> str:
    return f"`{'.'.join(map(str, place))}`: {message}."


def _errors(wire: WireVerdict, sheet: Sheet) -> list[str]:
    """What the types cannot say: labels, completeness, scores in range, and that outcome and winner agree."""
    known = set(sheet.label_list)
    return [
        *_label_errors(wire, known),
        *_assessment_errors(wire, sheet),
        *_decision_errors(wire),
    ]


def _label_errors(wire: WireVerdict, known: set[str]) -> list[str]:
    points = [*wire.consensus, *wire.partial_coverage, *wire.unique]
    stances = [stance for item in wire.contradictions for stance in item.stances]
    used = [
        *(item.label for item in wire.assessments),
        *(item.label for item in wire.integrity),
        *(label for point in points for label in point.labels),
        *(label for stance in stances for label in stance.labels),
        *(label for item in wire.contradictions for label in item.resolved_for),
        *(label for group in wire.ranking for label in group),
        *([wire.winner] if wire.winner is not None else []),
    ]
    return [f"`{label[:40]}` is not one of the labels." for label in dict.fromkeys(used) if label not in known]


def _assessment_errors(wire: WireVerdict, sheet: Sheet) -> list[str]:
    errors = []
    counts = Counter(item.label for item in wire.assessments)
    for label in sheet.label_list:
        if counts[label] != 1:
            errors.append(f"`assessments` must hold `{label}` once, it holds it {counts[label]} times.")
    for item in wire.assessments:
        scored = Counter(score.criterion for score in item.scores)
        errors.extend(f"`{item.label}` lacks a score for `{name}`." for name in sheet.criteria if not scored[name])
        errors.extend(
            f"`{score.criterion[:40]}` of `{item.label}` must be scored from {LOWEST} to {HIGHEST}, not {score.score}."
            for score in item.scores
            if not LOWEST <= score.score <= HIGHEST
        )
    return errors


def _decision_errors(wire: WireVerdict) -> list[str]:
    errors = []
    if not any(wire.ranking):
        errors.append("`ranking` is empty.")
    if wire.verdict == "winner" and wire.winner is None:
        errors.append('`verdict` is "winner", but `winner` is null.')
    if wire.verdict != "winner" and wire.winner is not None:
        errors.append(f'`verdict` is "{wire.verdict}", but `winner` names an answer.')
    return errors


def _assessed(coerced: Mapping[str, Any]) -> set[str]:
    """The labels that have a scored assessment."""
    return {item["label"] for item in coerced["assessments"] if item["scores"]}
