"""A Markdown text that is still being written, as small changes to a page: commit + tail.

What is settled is committed once, to blocks with stable ids; what is still open is the tail, sent anew while it grows.
Only text after the last commit is parsed. When the text ends it is rendered once as a whole, and the blocks that differ
are sent again. Each tick does a bounded amount of work: a flood, or a long text that has ended, takes several.
"""

from __future__ import annotations

import re
from collections import deque

from fusion.web.growth import Growth
from fusion.web.markdown import normalise
from fusion.web.ops import Append, Drop, Extend, Op, Replace, Reset, Tail, op_html, page_html
from fusion.web.portions import BLOCK_CHARS, NOT_SHOWN, SHOWN_MAX_CHARS, TICK_HTML, Rendering, Shown, rendered

__all__ = ["Append", "Drop", "Extend", "LiveDocument", "Op", "Replace", "Reset", "Tail", "document_html", "op_html"]

LARGE_TAIL = 1_500  # characters after which an open block waits until an eighth more is there, keeping work linear

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def _valid(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"not usable in an id: {key!r}")
    return key


def document_html(key: str, text: str) -> str:
    """A finished text as a fresh page shows it; equal to what a live document of `key` leaves in an open page."""
    return page_html(_valid(key), tuple(shown.html for shown in rendered(text)))


class LiveDocument:
    """Turns pieces of text into ops; `snapshot()` plus the ops that follow always equals a later `snapshot()`.

    `key` begins the ids of its elements: a plain identifier, unique in the page, else ValueError.
    """

    def __init__(self, key: str) -> None:
        self.key = _valid(key)
        self._pieces: list[str] = []
        self._fresh: list[str] = []  # normalised text that no tick has seen
        self._carry = ""  # a trailing carriage return: the next piece may begin with its line feed
        self._growth = Growth()
        self._tail = ""
        self._rendered_chars = 0
        self._taken_chars = 0
        self.work = 0  # what the last tick cost, here as `portions` counts or in the page as characters of HTML
        self._ending: Rendering | None = None
        self._corrections: deque[Op] | None = None  # what an ended text still has to change in the page
        self._finished = False

    @property
    def text(self) -> str:
        """Everything fed so far, as it came."""
        return "".join(self._pieces)

    @property
    def html(self) -> str:
        """The same as `snapshot()`."""
        return self.snapshot()

    def snapshot(self) -> str:
        """The document's two elements as a page opened now shows them: what the last tick made of the text."""
        return page_html(self.key, self._growth.all_blocks(), self._tail)

    @property
    def is_behind(self) -> bool:
        """Whether the next tick has something to do even if nothing is fed before."""
        return not self._finished and (self._ending is not None or self._growth.is_behind)

    @property
    def blocks(self) -> tuple[Shown, ...]:
        """The blocks of the whole text, once it has ended and been rendered."""
        return (self._ending.blocks or ()) if self._ending is not None else ()

    def feed(self, text_piece: str) -> None:
        """Take in the next piece; cheap, nothing is rendered before `tick`."""
        if not text_piece or self._ending is not None:
            return
        self._pieces.append(text_piece)
        piece = self._carry + text_piece
        self._carry = "\r" if piece.endswith("\r") else ""
        self._take(normalise(piece.removesuffix("\r")))

    def _take(self, text: str) -> None:
        room = SHOWN_MAX_CHARS - self._taken_chars
        self._taken_chars += len(text)
        if room > 0:
            self._fresh.append(text if len(text) <= room else f"{text[:room]}\n\n{NOT_SHOWN}\n\n")

    def tick(self) -> list[Op]:
        """The ops that bring a page from the last tick to the text fed since; empty when there is nothing to send."""
        self.work = 0
        if self._ending is not None:
            self.work = self._ending.advance()
            return self._finish() if self._ending.blocks is not None else []
        growth = self._growth
        if not self._fresh and not growth.is_behind:
            return []
        growth.pending += "".join(self._fresh)
        self._fresh.clear()
        if self._is_too_soon():
            return []
        tail = growth.advance()
        self.work = max(growth.work, growth.sent)
        self._rendered_chars = len(growth.pending)
        ops, growth.ops = growth.ops, []
        return ops + self._set_tail(tail)

    def end(self) -> None:
        """The text is complete: the ticks that follow render it as a whole. Later feeds are ignored."""
        if self._ending is None:
            self._ending = Rendering(self.text)

    def finish(self) -> list[Op]:
        """End the text and tick until nothing is left; the ops that make an open page equal to a fresh one."""
        self.end()
        ops: list[Op] = []
        while self.is_behind:
            ops += self.tick()
        return ops

    def _finish(self) -> list[Op]:
        """Bring the page to the text as it was rendered whole, in changes that a browser draws in a tick."""
        if self._finished:
            return []
        if self._corrections is None:
            self._fresh.clear()
            shown = self._growth.all_blocks()
            self._growth = Growth()
            self._growth.blocks = list(shown)
            self._corrections = deque(_differences(shown, tuple(shown.html for shown in self.blocks)))
        ops = self._next_corrections(self._corrections)
        self._finished = not self._corrections
        return ops + (self._set_tail("") if self._finished else [])

    def _next_corrections(self, left: deque[Op]) -> list[Op]:
        """As many as one tick may send, at least one if there are any."""
        ops, sent = list[Op](), 0
        while left:
            size = len(op_html(left[0], self.key))
            if ops and sent + size > TICK_HTML:
                break
            ops.append(op := left.popleft())
            sent += size
            _apply(op, self._growth.blocks)
        self.work = max(self.work, sent)
        return ops

    def _set_tail(self, html: str) -> list[Op]:
        if html == self._tail:
            return []
        self._tail = html
        return [Tail(html)]

    def _is_too_soon(self) -> bool:
        """Whether a large open block has grown too little since it was last rendered; one that is too large is cut."""
        opened, size = self._growth.open, len(self._growth.pending)
        if self._growth.is_behind:
            return False
        if opened and opened.kind == "fence":
            return False
        return LARGE_TAIL < size <= BLOCK_CHARS and size < self._rendered_chars * 9 // 8


def _differences(shown: tuple[str, ...], final: tuple[str, ...]) -> list[Op]:
    """The fewest ops from one list of blocks to another; all anew when they are few and not the same any more."""
    pairs = enumerate(zip(shown, final, strict=False))
    replaced: list[Op] = [Replace(index, new) for index, (old, new) in pairs if old != new]
    is_other = len(final) < len(shown) or len(replaced) > max(3, len(shown) // 2)
    if is_other and sum(map(len, final)) <= TICK_HTML:
        return [Reset(final)]
    appended = [Append(i, final[i]) for i in range(len(shown), len(final))]
    return replaced + appended + [Drop(i) for i in reversed(range(len(final), len(shown)))]


def _apply(op: Op, blocks: list[str]) -> None:
    """Do to a list of blocks what the page does with one of `_differences`."""
    match op:
        case Replace(index, html):
            blocks[index] = html
        case Append(_, html):
            blocks.append(html)
        case Drop():
            blocks.pop()
        case Reset(final):
            blocks[:] = final
