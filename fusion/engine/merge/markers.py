"""Take the writer's source markers out of a stream, wherever the chunks break.

A marker is `[[b]]`, `[[c1]]` or `[[c1,c3]]`. Text that could be the beginning of one is held back until it is decided,
so that no part of a marker is ever passed on; at the end of the stream what began like one is dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MARKER_MAX_CHARS = 120
_ID = r"(?:b|c[0-9]{1,3})"
_MARKER_RE = re.compile(rf"\[\[ {{0,3}}({_ID}(?: {{0,3}}[,;] {{0,3}}{_ID}){{0,14}}) {{0,3}}\]\]", re.IGNORECASE)
_BEGUN_RE = re.compile(r"\[\[[bc0-9,; ]{0,110}\]?\Z", re.IGNORECASE)
_CUT_RE = re.compile(r"\[\[ {0,3}[bc]", re.IGNORECASE)
_BLANKS = " \t"


@dataclass(frozen=True, slots=True)
class Mark:
    """A marker at character `at` of the text without markers; `ids` as written, lower case, in order."""

    at: int
    ids: tuple[str, ...]


class MarkerParser:
    """Feed it the stream; it gives back the text to show and collects `marks` and the whole `text`."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []
        self._pieces: list[str] = []
        self._length = 0
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
            shown.append(self._emit(text[position : match.start()].rstrip(_BLANKS)))
            self.marks.append(Mark(self._length, _ids(match[1])))
            position = match.end()
        certain = len(text) if is_end else _certain_until(text, position)
        shown.append(self._emit(text[position:certain]))
        self._held = text[certain:]
        return "".join(shown)

    def _emit(self, text: str) -> str:
        if text:
            self._pieces.append(text)
            self._length += len(text)
        return text


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
    return tuple(dict.fromkeys(part.strip().lower() for part in re.split("[,;]", inside)))
