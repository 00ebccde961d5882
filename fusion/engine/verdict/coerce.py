"""Turn what a judge nearly wrote into the wire form, where only one reading is possible.

Numbers in strings, other scales, labels with words around them, lists that are missing: these are read. What decides
(outcome and winner) is never guessed: an outcome or a winner that cannot be read stays as it is and fails validation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rapidfuzz import fuzz

from fusion.engine.verdict.wire import BASES, MARGINS, SEVERITIES, STANDINGS

FUZZY_LABEL = 90
NUMBER_RE = re.compile(r"-?\d{1,4}(?:\.\d{1,6})?")
_TOKEN_RE = re.compile(r"[0-9A-Z]+")


def coerce(found: Mapping[str, Any], *, labels: Sequence[str], criteria: Sequence[str]) -> dict[str, Any]:
    """The object in wire form, as far as it can be read; the caller validates it."""
    known = _Labels(labels)
    assessments = [_assessment(item, known, criteria) for item in _dicts(found.get("assessments"))]
    assessments = [item for item in assessments if item["label"]]
    _rescale([score for item in assessments for score in item["scores"]])
    return {
        "notes": _text(found.get("notes")),
        "assessments": assessments,
        "consensus": _points(found.get("consensus"), known),
        "partial_coverage": _points(found.get("partial_coverage"), known),
        "unique": _points(found.get("unique"), known),
        "contradictions": [_contradiction(item, known) for item in _dicts(found.get("contradictions"))],
        "blind_spots": _texts(found.get("blind_spots")),
        "ranking": _ranking(found.get("ranking"), known),
        "verdict": _word(found.get("verdict")),
        "winner": _winner(found.get("winner"), known),
        "margin": _enum(found.get("margin"), MARGINS, otherwise="slight"),
        "confidence": _confidence(found.get("confidence")),
        "rationale": _text(found.get("rationale")),
        "integrity": [
            {"label": label, "quote": _text(item.get("quote"))}
            for item in _dicts(found.get("integrity"))
            if (label := known.read(item.get("label")))
        ],
    }


class _Labels:
    """The labels of the call, and what a judge may have meant by one."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = tuple(labels)

    def read(self, value: object) -> str | None:
        """The one label that is meant ("k7t", "Answer K7T", "K7T."), or None."""
        if not isinstance(value, str) or len(value) > 200:
            return None
        tokens = set(_TOKEN_RE.findall(value.upper()))
        exact = [label for label in self._labels if label in tokens]
        if exact:
            return exact[0] if len(exact) == 1 else None
        near = [label for label in self._labels if fuzz.ratio(value.upper().strip(), label) >= FUZZY_LABEL]
        return near[0] if len(near) == 1 else None

    def read_all(self, value: object) -> list[str]:
        items: Iterable[object] = value if isinstance(value, list) else [value]
        return list(dict.fromkeys(label for item in items if (label := self.read(item))))


def _assessment(item: Mapping[str, Any], known: _Labels, criteria: Sequence[str]) -> dict[str, Any]:
    return {
        "label": known.read(item.get("label")),
        "strengths": _texts(item.get("strengths")),
        "problems": [
            {
                "quote": _text(problem.get("quote")),
                "issue": _text(problem.get("issue")),
                "severity": _enum(problem.get("severity"), SEVERITIES, otherwise="major"),
            }
            for problem in _dicts(item.get("problems"))
        ],
        "fatal_flaw": _nullable(item.get("fatal_flaw")),
        "scores": _scores(item.get("scores"), criteria),
    }


def _contradiction(item: Mapping[str, Any], known: _Labels) -> dict[str, Any]:
    return {
        "id": _text(item.get("id")),
        "topic": _text(item.get("topic")),
        "material": _word(item.get("material")) not in ("false", "no"),
        "stances": [
            {
                "labels": known.read_all(stance.get("labels")),
                "stance": _text(stance.get("stance")),
                "quote": _text(stance.get("quote")),
            }
            for stance in _dicts(item.get("stances"))
        ],
        "resolution": _nullable(item.get("resolution")),
        "resolved_for": known.read_all(item.get("resolved_for")),
        "basis": _enum(item.get("basis"), BASES, otherwise="cannot_tell"),
    }


def _points(value: object, known: _Labels) -> list[dict[str, Any]]:
    """Points; one whose standing cannot be read counts as doubtful, so that no merge takes it over."""
    return [
        {
            "id": _text(item.get("id")),
            "text": _text(item.get("text")),
            "labels": known.read_all(item.get("labels")),
            "quote": _text(item.get("quote")),
            "standing": _enum(item.get("standing"), STANDINGS, otherwise="doubtful"),
        }
        for item in _dicts(value)
    ]


def _ranking(value: object, known: _Labels) -> list[list[str]]:
    """Tie groups; a plain list of labels is a ranking without ties."""
    groups = value if isinstance(value, list) else []
    read = (known.read_all(group) for group in groups)
    return [group for group in read if group]


def _winner(value: object, known: _Labels) -> str | None:
    """A label; None for the ways to say "nobody". Anything else stays, and fails validation."""
    if value is None or _word(value) in ("", "null", "none", "tie", "no_winner", "n/a"):
        return None
    label = known.read(value)
    return label if label is not None else str(value)[:40]


# --- scores --------------------------------------------------------------------------------------


def _scores(value: object, criteria: Sequence[str]) -> list[dict[str, Any]]:
    """Scores as written, on whatever scale; a mapping of criterion to score is read too."""
    if isinstance(value, dict):
        value = [{"criterion": name, "score": score} for name, score in value.items()]
    scores = []
    for item in _dicts(value):
        name, score = _criterion(item.get("criterion"), criteria), _number(item.get("score"))
        if name is not None and score is not None:
            scores.append({"criterion": name, "score": score})
    return scores


def _criterion(value: object, criteria: Sequence[str]) -> str | None:
    word = _word(value)
    return next((name for name in criteria if _word(name) == word), None)


def _rescale(scores: list[dict[str, Any]]) -> None:
    """Bring all scores of a response to whole numbers from 1 to 5, by the one scale that they share."""
    values = [score["score"] for score in scores]
    to_five = _scale(values)
    for score in scores:
        score["score"] = min(5, max(1, _rounded(to_five(score["score"]))))


def _scale(values: list[float]) -> Callable[[float], float]:
    highest = max(values, default=0.0)
    if highest > 10:
        return lambda value: 1 + 4 * value / 100
    if highest > 5:
        return lambda value: 1 + 4 * value / 10
    if highest <= 1 and any(not value.is_integer() for value in values):
        return lambda value: 1 + 4 * value
    return lambda value: value


def _confidence(value: object) -> int:
    number = _number(value)
    if number is None:
        return 0
    if 0 < number < 1:
        number *= 100
    return min(100, max(0, _rounded(number)))


def _number(value: object) -> float | None:
    """A finite number, also from a string such as "4", "4/5" or "80 %"."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        match = NUMBER_RE.match(value.strip()[:40])
        value = float(match[0]) if match else None
    if isinstance(value, int | float) and abs(value) < 1e6 and math.isfinite(value):
        return float(value)
    return None


def _rounded(number: float) -> int:
    return math.floor(number + 0.5)  # half up: round() would make 2.5 a 2 and 3.5 a 4


# --- plain values --------------------------------------------------------------------------------


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [text for item in items if (text := _text(item))]


def _text(value: object) -> str:
    """A string; numbers are written out, everything else is nothing."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15 else ""


def _nullable(value: object) -> str | None:
    text = _text(value).strip()
    return None if text.lower() in ("", "null", "none", "n/a", "no") else text


def _word(value: object) -> str:
    return "_".join(str(value).lower().replace("-", " ").replace("_", " ").split()) if value is not None else ""


def _enum(value: object, allowed: Sequence[str], *, otherwise: str) -> str:
    word = _word(value)
    return word if word in allowed else otherwise
