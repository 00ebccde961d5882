"""Find the JSON object in what a judge wrote around it."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

import json_repair

RAW_MAX_CHARS = 400_000
REPAIR_MAX_CHARS = 120_000
BRACES_MAX = 8_000  # of a real verdict on eight answers some five hundred; with more only the end is read
CROWDED_MAX_CHARS = 100_000
PIECES_MAX = 64  # complete objects that are tried, from the last one back
DECISIVE = ("assessments", "ranking", "verdict", "winner")

THINK_RE = re.compile(r"<(think|thinking|reasoning)>", re.IGNORECASE)
_STRUCTURE_RE = re.compile(r'\\.|["{}\[\]]', re.DOTALL)
_START_RE = re.compile(r'\{\s{0,40}["\']?(?:notes|assessments|ranking|verdict|winner)\b')

Found = dict[str, Any]


def whole_object(raw: str) -> Found | None:
    """The reply itself, if it is one JSON object and nothing else."""
    return _load(raw)


def last_object(raw: str) -> Found | None:
    """The last complete top-level object that looks like a verdict: after deliberation, fences and drafts."""
    for piece in _objects(raw):
        found = _load(piece)
        if found is not None and looks_like_verdict(found):
            return found
    return _last_decodable(_readable(raw))


def object_with(raw: str, key: str, *, may_repair: bool) -> tuple[Found | None, str]:
    """The reply's last object with this key, and the rung that gave it: `clean`, `extracted` or `repaired`."""
    if (found := whole_object(raw)) is not None and key in found:
        return found, "clean"
    if (found := last_object_with(raw, key)) is not None:
        return found, "extracted"
    return (_repaired_with(raw, key) if may_repair else None), "repaired"


def last_object_with(raw: str, key: str) -> Found | None:
    """The last complete top-level object of the reply that has this key."""
    return next((found for piece in _objects(raw) if (found := _load(piece)) is not None and key in found), None)


def repaired_object(raw: str) -> Found | None:
    """What json-repair makes of the reply, if every decisive field came out of it with something in it.

    Repair closes what was cut off and turns prose into an empty string, so emptiness is never taken for a decision.
    Only for replies that came to their own end.
    """
    text = without_thinking(raw)
    start = _START_RE.search(text)
    if start is None:
        return None
    try:
        found = json_repair.loads(text[start.start() :][:REPAIR_MAX_CHARS], skip_json_loads=True)
    except (ValueError, RecursionError, IndexError, KeyError, TypeError):
        return None  # the repairer is a heuristic; whatever it stumbles over is not a verdict
    if isinstance(found, list):
        found = next((item for item in reversed(found) if isinstance(item, dict) and looks_like_verdict(item)), None)
    return found if isinstance(found, dict) and _is_decisive(found) else None


def looks_like_verdict(found: Found) -> bool:
    return sum(key in found for key in DECISIVE) >= 2


def without_thinking(raw: str) -> str:
    """The reply without its byte order mark and without deliberation between `<think>` marks."""
    text = raw[-RAW_MAX_CHARS:].lstrip("\ufeff")
    opened = THINK_RE.search(text)
    if opened is None or text.find("{", 0, opened.start()) >= 0:
        return text
    closed = re.compile(f"</{opened[1]}>", re.IGNORECASE).search(text, opened.end())
    return text[closed.end() :] if closed else text


def _repaired_with(raw: str, key: str) -> Found | None:
    """What json-repair makes of the reply from its first brace on, if there is something under the key."""
    text = without_thinking(raw)
    start = text.find("{")
    if start < 0:
        return None
    try:
        found = json_repair.loads(text[start:][:REPAIR_MAX_CHARS], skip_json_loads=True)
    except (ValueError, RecursionError, IndexError, KeyError, TypeError):
        return None
    if isinstance(found, list):
        found = next((item for item in reversed(found) if isinstance(item, dict) and key in item), None)
    return found if isinstance(found, dict) and found.get(key) else None


def _objects(raw: str) -> Iterator[str]:
    """The reply's complete top-level objects, the last one first."""
    return reversed(deque(_top_level_objects(_readable(raw)), maxlen=PIECES_MAX))


def _readable(raw: str) -> str:
    text = without_thinking(raw)
    return text[-CROWDED_MAX_CHARS:] if text.count("{") > BRACES_MAX else text


def _is_decisive(found: Found) -> bool:
    if not all(key in found for key in DECISIVE):
        return False
    if not found["assessments"] or not found["ranking"] or not found["verdict"]:
        return False
    return bool(found["winner"] != "")


def _top_level_objects(text: str) -> Iterator[str]:
    """Balanced `{…}` pieces from left to right; quotes count only inside one, since prose is full of them."""
    start, depth, in_string = 0, 0, False
    for match in _STRUCTURE_RE.finditer(text):
        mark = match[0]
        if mark == '"':
            in_string = not in_string and depth > 0
        elif in_string or mark[0] == "\\":
            continue
        elif mark == "{":
            start = match.start() if depth == 0 else start
            depth += 1
        elif mark == "}" and depth:
            depth -= 1
            if depth == 0:
                yield text[start : match.end()]


def _last_decodable(text: str) -> Found | None:
    """The same where a stray brace upset the counting: decode from each place that starts like a verdict."""
    decoder = json.JSONDecoder()
    for match in reversed(list(_START_RE.finditer(text))[-8:]):
        try:
            found, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and looks_like_verdict(found):
            return found
    return None


def _load(text: str) -> Found | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
