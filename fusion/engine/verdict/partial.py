"""What can be shown of a verdict while the judge is still writing it.

The reply so far is cut back to its last complete part and closed, then decoded by the C parser: one pass and a few
milliseconds for 50 kB, often enough for a live page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import json_repair

from fusion.engine.rubrics import HIGHEST, LOWEST
from fusion.engine.types import Problem
from fusion.engine.verdict.extract import THINK_RE, without_thinking
from fusion.engine.verdict.names import Names
from fusion.engine.verdict.wire import SEVERITIES

PARTIAL_MAX_CHARS = 80_000  # from the first brace on: later than that, the page waits for the whole verdict
REPAIR_MAX_CHARS = 12_000  # the tolerant parser is some hundred times slower
DEPTH_MAX = 40

_START_RE = re.compile(r"\{\s{0,40}(?=[\"']|$)")
_TOKEN_RE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|"|[{}\[\],]', re.DOTALL)
_CUT_ESCAPE_RE = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?\Z")
_HALF_PAIR_RE = re.compile(r"(?<!\\)((?:\\\\)*)\\u[dD][89abAB][0-9a-fA-F]{2}\Z")  # of a character beyond U+FFFF
ESCAPE_MAX_CHARS = 6  # of `\ud83d`
_CLOSERS = {"{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class PartialAssessment:
    """As much of an assessment as came; `scores` only those that are whole and from 1 to 5."""

    letter: str
    strengths: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    fatal_flaw: str | None = None
    scores: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartialVerdict:
    notes: str = ""
    assessments: tuple[PartialAssessment, ...] = ()


def partial_verdict(raw_text: str, labels: Mapping[str, str]) -> PartialVerdict:
    """Notes and assessments that can be read from an unfinished reply; empty if nothing can be, whatever the text is.

    `labels`: letter to label. Text holds letters in place of labels and never JSON.
    """
    names = Names(labels)
    found = decode_unfinished(names.without_cut_label(raw_text))
    assessments: dict[str, PartialAssessment] = {}
    for item in _dicts(found.get("assessments")):
        letter = names.get(item.get("label"))
        if letter is not None and letter not in assessments:
            assessments[letter] = _assessment(letter, item, names)
    return PartialVerdict(_text(found.get("notes"), names), tuple(assessments.values()))


def _assessment(letter: str, item: Mapping[str, Any], names: Names) -> PartialAssessment:
    texts = item.get("strengths")
    strengths = (_text(text, names) for text in texts) if isinstance(texts, list) else ()
    problems = (_problem(problem, names) for problem in _dicts(item.get("problems")))
    return PartialAssessment(
        letter=letter,
        strengths=tuple(text for text in strengths if text),
        problems=tuple(problem for problem in problems if problem.issue or problem.quote),
        fatal_flaw=_text(item.get("fatal_flaw"), names) or None,
        scores=dict(_scores(item.get("scores"))),
    )


def _problem(item: Mapping[str, Any], names: Names) -> Problem:
    severity = item.get("severity")
    known = severity if isinstance(severity, str) and severity in SEVERITIES else "minor"
    return Problem(
        _text(item.get("quote"), names),
        _text(item.get("issue"), names),
        cast(Literal["minor", "major", "fatal"], known),
    )


def _scores(value: object) -> Iterable[tuple[str, int]]:
    for item in _dicts(value):
        name, score = item.get("criterion"), item.get("score")
        if isinstance(name, str) and isinstance(score, int) and LOWEST <= score <= HIGHEST:
            yield name, score


def _text(value: object, names: Names) -> str:
    return names.prose(value) if isinstance(value, str) else ""


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


# --- decoding ------------------------------------------------------------------------------------


def decode_unfinished(raw: str) -> Mapping[str, Any]:
    """What can be read of an object that is still being written; empty if nothing can."""
    text = without_thinking(raw)
    start = _START_RE.search(text)
    if start is None or THINK_RE.search(text, 0, start.start()):
        return {}  # nothing yet, or still deliberating
    text = text[start.start() :][:PARTIAL_MAX_CHARS]
    for candidate in _closings(text):
        if isinstance(found := _loads(candidate), dict):
            return found
    return _tolerant(text)


def _closings(text: str) -> list[str]:
    """The text closed where it stands, and closed after its last complete part; in that order of preference."""
    stack = safe_stack = ""
    safe, open_string = 0, -1
    for match in _TOKEN_RE.finditer(text):
        mark = match[0]
        if mark == '"':
            open_string = match.start()
            break
        if mark in "{[":
            stack += mark
            safe, safe_stack = match.end(), stack
        elif mark == ",":
            safe, safe_stack = match.start(), stack
        elif mark in "}]":
            if not stack or _CLOSERS[stack[-1]] != mark:
                return []
            stack = stack[:-1]
            if not stack:
                return [text[: match.end()]]
        if len(stack) > DEPTH_MAX:
            return []
    closers = _closers(stack)
    here = _whole_characters(text) + '"' if open_string >= 0 else text
    return [here + closers, here.rstrip() + "null" + closers, text[:safe] + _closers(safe_stack)]


def _whole_characters(text: str) -> str:
    """The text without an escape at its end that the stream cut in the middle."""
    if "\\" not in text[-ESCAPE_MAX_CHARS:]:
        return text
    return _HALF_PAIR_RE.sub(r"\1", _CUT_ESCAPE_RE.sub(r"\1", text))


def _closers(stack: str) -> str:
    return "".join(_CLOSERS[opened] for opened in reversed(stack))


def _loads(text: str) -> object:
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _tolerant(text: str) -> Mapping[str, Any]:
    """For replies that are not quite JSON (single quotes, comments): slow, so only of a sane length."""
    if len(text) > REPAIR_MAX_CHARS or text.count("{") + text.count("[") > 400:
        return {}
    try:
        found = json_repair.loads(text, stream_stable=True, skip_json_loads=True)
    except (ValueError, RecursionError, IndexError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
