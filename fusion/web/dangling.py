"""Running text that is still being written: where it is settled, and how to complete what is not.

The same idea as remend of Vercel's Streamdown (github.com/vercel/streamdown): open emphasis and code are closed, links
and images that cannot be read yet are held back. What is completed here is only ever shown in a document's tail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_HELD_CHARS = 300  # text is held back no longer than this: a lone bracket must not hide the rest of a paragraph
MAX_LINK_CHARS = 2_000
MAX_MARKS = 12
MAX_MISSES = 60  # brackets that turned out to begin no link; more are plain characters
MAX_UNSETTLED = 800  # characters of a paragraph that wait for their emphasis or link to end

_INLINE = re.compile(r"\\.|(?P<code>`+)|(?P<mark>\*+|_+|~~)|(?P<hold>!?\[|<(?=[A-Za-z]))", re.DOTALL)
_LINK = re.compile(r"!?\[(?:[^\[\]\\]|\\.|\[[^\[\]]*\])*\](?:\((?:[^()\\]|\\.|\([^()]*\))*\)|\[[^\[\]]*\]|(?=[^(\[]))")
_WORD_END = re.compile(r"(?<=[^\s\\]) (?=[^\s*_`~\[\]()<>!&\\|])")
_AUTOLINK = re.compile(r"<[A-Za-z][^\s<>]*(?:>|(?=[\s<]))")


@dataclass(slots=True)
class _Reading:
    """What is open at the end of a text: emphasis marks with their places, a code span's run, or text held back."""

    stop: int  # text from here on cannot be read yet; len(text) when all can
    marks: list[tuple[str, int]] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)  # emphasis, code and links that are complete
    code: str = ""


def settled_words(text: str) -> int:
    """Length of the whole words at the start of `text` that read the same by themselves; 0 if there are none.

    A text that stays unsettled for too long is cut between any words, as if its open marks were plain characters.
    """
    reading = _read(text)
    settled = min([reading.stop, *(place for _, place in reading.marks)])
    for start, end in reading.spans:  # a cut within emphasis would tear it
        text = f"{text[:start]}{'*' * (end - start)}{text[end:]}" if end <= settled else text
    last = _last_word_end(text, settled)
    return last if last or len(text) <= MAX_UNSETTLED else _last_word_end(text, len(text))


def _last_word_end(text: str, end: int) -> int:
    return max((match.start() for match in _WORD_END.finditer(text, 0, end)), default=0)


def close_dangling(text: str) -> str:
    """Text that is complete as it stands: code and emphasis closed, a half-written link or image left out."""
    reading = _read(text)
    marks = [mark for mark, _ in reading.marks]
    body = text[: reading.stop]
    if reading.code:
        inside = text[reading.stop + len(reading.code) :].rstrip("`")
        if inside.strip():
            return f"{body}{reading.code}{inside}{reading.code}{''.join(reversed(marks))}"
    return _close_marks(body.rstrip(), marks)


def _read(text: str) -> _Reading:
    reading = _Reading(stop=len(text))
    position = 0
    misses = 0
    code_is_open: set[str] = set()  # lengths of runs that nothing closes, so that many of them cost one search each
    while match := _INLINE.search(text, position):
        start, position = match.span()
        if run := match["code"]:
            end = None if run in code_is_open else _end_of_code(text, position, run)
            if end is None and len(text) - start <= MAX_HELD_CHARS:
                reading.stop, reading.code = start, run
                return reading
            if end is None:
                code_is_open.add(run)
            else:
                reading.spans.append((start, end))
                position = end
        elif hold := match["hold"]:
            if misses > MAX_MISSES:
                continue
            complete = (_AUTOLINK if hold == "<" else _LINK).match(text, start, start + MAX_LINK_CHARS)
            if complete is None and len(text) - start <= MAX_HELD_CHARS:
                reading.stop = start
                return reading
            if complete:
                position = complete.end()
                reading.spans.append((start, position))
            else:
                misses += 1
        elif run := match["mark"]:
            opened = reading.marks[0][1] if reading.marks else start
            _mark(reading.marks, run, text, start)
            if not reading.marks and opened != start:
                reading.spans.append((opened, position))
    return reading


def _end_of_code(text: str, position: int, run: str) -> int | None:
    found = re.compile(rf"(?<!`){run}(?!`)").search(text, position)
    return found.end() if found else None


def _mark(marks: list[tuple[str, int]], run: str, text: str, start: int) -> None:
    """Account for one run of emphasis marks: it closes what it can, and opens with the rest."""
    before = text[start - 1 : start]
    after = text[start + len(run) : start + len(run) + 1]
    if run[0] == "_" and before.isalnum() and after.isalnum():
        return
    while run and before.strip() and marks and marks[-1][0][0] == run[0] and len(marks[-1][0]) <= len(run):
        run = run[len(marks.pop()[0]) :]
    if not after or after.strip():
        for size in (2, 1):
            if len(run) >= size and len(marks) < MAX_MARKS:
                marks.append((run[:size], start))
                run = run[size:]


def _close_marks(text: str, marks: list[str]) -> str:
    """Append what closes the open emphasis; marks at the very end have nothing to emphasise yet and go."""
    while marks and text.endswith(marks[-1][0]):
        bare = text.rstrip(marks[-1][0])
        gone = len(text) - len(bare)
        text = bare.rstrip()
        while marks and gone >= len(marks[-1]):
            gone -= len(marks.pop())
        if gone:  # half of a closing run: what is open stays open, and is closed below
            break
    return text + "".join(reversed(marks))
