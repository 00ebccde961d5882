"""Turn what a judge nearly wrote into the wire form, where only one reading is possible.

Numbers in strings, other scales, labels with words around them, lists that are missing: these are read. What decides
(outcome and winner) is never guessed: an outcome or a winner that cannot be read stays as it is and fails validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fusion.engine.verdict.plain import (
    Labels,
    dicts,
    nullable,
    number_of,
    one_of,
    percentage,
    rounded,
    text_of,
    texts,
    word_of,
)
from fusion.engine.verdict.wire import BASES, MARGINS, SEVERITIES, STANDINGS


def coerce(found: Mapping[str, Any], *, labels: Sequence[str], criteria: Sequence[str]) -> dict[str, Any]:
    """The object in wire form, as far as it can be read; the caller validates it."""
    known = Labels(labels)
    assessments = [_assessment(item, known, criteria) for item in dicts(found.get("assessments"))]
    assessments = [item for item in assessments if item["label"]]
    _rescale([score for item in assessments for score in item["scores"]])
    return {
        "notes": text_of(found.get("notes")),
        "assessments": assessments,
        "consensus": _points(found.get("consensus"), known),
        "partial_coverage": _points(found.get("partial_coverage"), known),
        "unique": _points(found.get("unique"), known),
        "contradictions": [_contradiction(item, known) for item in dicts(found.get("contradictions"))],
        "blind_spots": texts(found.get("blind_spots")),
        "ranking": _ranking(found.get("ranking"), known),
        "verdict": word_of(found.get("verdict")),
        "winner": _winner(found.get("winner"), known),
        "margin": one_of(found.get("margin"), MARGINS, otherwise="slight"),
        "confidence": percentage(found.get("confidence")),
        "rationale": text_of(found.get("rationale")),
        "integrity": [
            {"label": label, "quote": text_of(item.get("quote"))}
            for item in dicts(found.get("integrity"))
            if (label := known.read(item.get("label")))
        ],
    }


def _assessment(item: Mapping[str, Any], known: Labels, criteria: Sequence[str]) -> dict[str, Any]:
    return {
        "label": known.read(item.get("label")),
        "strengths": texts(item.get("strengths")),
        "problems": [
            {
                "quote": text_of(problem.get("quote")),
                "issue": text_of(problem.get("issue")),
                "severity": one_of(problem.get("severity"), SEVERITIES, otherwise="major"),
            }
            for problem in dicts(item.get("problems"))
        ],
        "fatal_flaw": nullable(item.get("fatal_flaw")),
        "scores": _scores(item.get("scores"), criteria),
    }


def _contradiction(item: Mapping[str, Any], known: Labels) -> dict[str, Any]:
    return {
        "id": text_of(item.get("id")),
        "topic": text_of(item.get("topic")),
        "material": word_of(item.get("material")) not in ("false", "no"),
        "stances": [
            {
                "labels": known.read_all(stance.get("labels")),
                "stance": text_of(stance.get("stance")),
                "quote": text_of(stance.get("quote")),
            }
            for stance in dicts(item.get("stances"))
        ],
        "resolution": nullable(item.get("resolution")),
        "resolved_for": known.read_all(item.get("resolved_for")),
        "basis": one_of(item.get("basis"), BASES, otherwise="cannot_tell"),
    }


def _points(value: object, known: Labels) -> list[dict[str, Any]]:
    """Points; one whose standing cannot be read counts as doubtful, so that no merge takes it over."""
    return [
        {
            "id": text_of(item.get("id")),
            "text": text_of(item.get("text")),
            "labels": known.read_all(item.get("labels")),
            "quote": text_of(item.get("quote")),
            "standing": one_of(item.get("standing"), STANDINGS, otherwise="doubtful"),
        }
        for item in dicts(value)
    ]


def _ranking(value: object, known: Labels) -> list[list[str]]:
    """Tie groups; a plain list of labels is a ranking without ties."""
    groups = value if isinstance(value, list) else []
    read = (known.read_all(group) for group in groups)
    return [group for group in read if group]


def _winner(value: object, known: Labels) -> str | None:
    """A label; None for the ways to say "nobody". Anything else stays, and fails validation."""
    if value is None or word_of(value) in ("", "null", "none", "tie", "no_winner", "n/a"):
        return None
    label = known.read(value)
    return label if label is not None else str(value)[:40]


# --- scores --------------------------------------------------------------------------------------


def _scores(value: object, criteria: Sequence[str]) -> list[dict[str, Any]]:
    """Scores as written, on whatever scale; a mapping of criterion to score is read too."""
    if isinstance(value, dict):
        value = [{"criterion": name, "score": score} for name, score in value.items()]
    scores = []
    for item in dicts(value):
        name, score = _criterion(item.get("criterion"), criteria), number_of(item.get("score"))
        if name is not None and score is not None:
            scores.append({"criterion": name, "score": score})
    return scores


def _criterion(value: object, criteria: Sequence[str]) -> str | None:
    word = word_of(value)
    return next((name for name in criteria if word_of(name) == word), None)


def _rescale(scores: list[dict[str, Any]]) -> None:
    """Bring all scores of a response to whole numbers from 1 to 5, by the one scale that they share."""
    values = [score["score"] for score in scores]
    to_five = _scale(values)
    for score in scores:
        score["score"] = min(5, max(1, rounded(to_five(score["score"]))))


def _scale(values: list[float]) -> Callable[[float], float]:
    highest = max(values, default=0.0)
    if highest > 10:
        return lambda value: 1 + 4 * value / 100
    if highest > 5:
        return lambda value: 1 + 4 * value / 10
    if highest <= 1 and any(not value.is_integer() for value in values):
        return lambda value: 1 + 4 * value
    return lambda value: value
