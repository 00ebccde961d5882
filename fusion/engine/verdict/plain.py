"""Plain values out of what a model wrote for them, where only one reading is possible; never an exception."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rapidfuzz import fuzz

FUZZY_LABEL = 90
NUMBER_RE = re.compile(r"-?\d{1,4}(?:\.\d{1,6})?")
_TOKEN_RE = re.compile(r"[0-9A-Z]+")


class Labels:
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


def percentage(value: object) -> int:
    number = number_of(value)
    if number is None:
        return 0
    if 0 < number < 1:
        number *= 100
    return min(100, max(0, rounded(number)))


def number_of(value: object) -> float | None:
    """A finite number, also from a string such as "4", "4/5" or "80 %"."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        match = NUMBER_RE.match(value.strip()[:40])
        value = float(match[0]) if match else None
    if isinstance(value, int | float) and abs(value) < 1e6 and math.isfinite(value):
        return float(value)
    return None


def rounded(number: float) -> int:
    return math.floor(number + 0.5)  # half up: round() would make 2.5 a 2 and 3.5 a 4


def dicts(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [text for item in items if (text := text_of(item))]


def text_of(value: object) -> str:
    """A string; numbers are written out, everything else is nothing."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15 else ""


def nullable(value: object) -> str | None:
    text = text_of(value).strip()
    return None if text.lower() in ("", "null", "none", "n/a", "no") else text


def word_of(value: object) -> str:
    return "_".join(str(value).lower().replace("-", " ").replace("_", " ").split()) if value is not None else ""


def one_of(value: object, allowed: Sequence[str], *, otherwise: str) -> str:
    word = word_of(value)
    return word if word in allowed else otherwise
