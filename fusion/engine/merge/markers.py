"""Take the writer's source markers out of a stream, wherever the chunks break.

A marker is `[[b]]`, `[[c1]]` or `[[c1,c3]]`. Text that could be the beginning of one is held back until it is decided,
so that no part of a marker is ever passed on; at the end of the stream what began like one is dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fusion.engine.clean import split_code

MARKER_MAX_CHARS = 210  # more than the longest marker takes
OWN_CHARS = 6  # of the line before it, to tell `np.array([[b]])` of the base from a marker
_ID = r"(?:b|c[0-9]{1,3})"
# Writers also put "[[c1, 3]]" and "[[c1 and c3]]".
_MORE = r"(?: {0,3}[,;/&+|] {0,3}| {1,3}and {1,3}| {1,3})(?:b|c?[0-9]{1,3})"
_MARKER = rf"\[\[ {{0,3}}({_ID}(?:{_MORE}){{0,14}}) {{0,3}}\]\]"
_MARKER_RE = re.compile(_MARKER, re.IGNORECASE)
_BEGUN_RE = re.compile(r"\[\[[bcand0-9,;/&+| ]{0,205}\]?\Z", re.IGNORECASE)
_CUT_RE = re.compile(r"\[\[ {0,3}[bc]", re.IGNORECASE)
_CODE_OR_MARKER_RE = re.compile(rf"(?P<code>`[^`\n]+`)|[ \t]{{0,3}}{_MARKER}", re.IGNORECASE)
_BLANKS = " \t"


@dataclass(frozen=True, slots=True)
class Mark:
    """A marker at character `at` of the text without markers; `ids` as written, lower case, in order."""

    at: int
    ids: tuple[str, ...]


class MarkerParser:
    """Feed it the stream; it gives back the text to show and collects `marks` and the whole `text`.

    `sources`: what the writer was given. Code in there may hold `[[b]]` as its own; where the writer repeats it, it is
    text.
    """

    def __init__(self, sources: str = "") -> None:
        self.marks: list[Mark] = []
        self._sources = sources
        self._pieces: list[str] = []
        self._length = 0
        self._line = ""
        self._held = ""

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def feed(self, chunk: str) -> str:
        """The text that is certain now, possibly empty."""
        return self._advance(self._held + chunk, is_end=False)

    def finish(self, *, is_cut: bool = False) -> str:
        """What was held back and turned out to be text; `is_cut`: the stream was ended in mid-sentence."""
        held = self._held
        if is_cut:
            held = held.split("[")[0].rstrip(_BLANKS)
        elif _CUT_RE.search(held):
            held = _CUT_RE.split(held)[0].rstrip(_BLANKS)
        return self._advance(held, is_end=True)

    def _advance(self, text: str, *, is_end: bool) -> str:
        shown: list[str] = []
        position = 0
        for match in _MARKER_RE.finditer(text):
            before = text[position : match.start()]
            if self._is_own(before, match[0]):
                continue
            shown.append(self._emit(before.rstrip(_BLANKS)))
            self.marks.append(Mark(self._length, _ids(match[1])))
            position = match.end()
        certain = len(text) if is_end else _certain_until(text, position)
        shown.append(self._emit(text[position:certain]))
        self._held = text[certain:]
        return "".join(shown)

    def _is_own(self, before: str, marker: str) -> bool:
        """Whether the sources have the same characters after the same beginning of a line."""
        line = f"{self._line}{before}".rpartition("\n")[2][-OWN_CHARS:]
        return bool(line.strip()) and f"{line}{marker}" in self._sources

    def _emit(self, text: str) -> str:
        if text:
            self._pieces.append(text)
            self._length += len(text)
            self._line = f"{self._line}{text}".rpartition("\n")[2][-OWN_CHARS:]
        return text


def without_markers(text: str) -> str:
    """The text without what looks like a marker in its prose; code, in a block or in backticks, keeps its brackets."""
    parts = (part if is_code else _CODE_OR_MARKER_RE.sub(_only_code, part) for is_code, part in split_code(text))
    return "".join(parts)


def _only_code(match: re.Match[str]) -> str:
    return match["code"] or ""


def _certain_until(text: str, start: int) -> int:
    """Where the part begins that the next chunk may turn into a marker, with the blanks before it."""
    end = len(text)
    opened = text.rfind("[[", max(start, end - MARKER_MAX_CHARS))
    if opened >= 0 and _BEGUN_RE.match(text, opened):
        end = opened
        while end > start and text[end - 1] == "[":
            end -= 1
    elif end > start and text[end - 1] == "[":
        end -= 1
    while end > start and text[end - 1] in _BLANKS:
        end -= 1
    return end


def _ids(inside: str) -> tuple[str, ...]:
    """`b`, `c1`, …: each once, whatever stands between them; "c1, 3" are c1 and c3."""
    found = re.findall(r"\bb\b|[0-9]{1,3}", inside.lower())
    return tuple(dict.fromkeys(one if one == "b" else f"c{one}" for one in found))
