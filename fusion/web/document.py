"""A Markdown text that is still being written, as small changes to a page: commit + tail.

What is settled is committed once, to blocks with stable ids; what is still open is the tail, sent anew while it grows.
Only text after the last commit is parsed. When the text ends it is rendered once as a whole, and the blocks that differ
are sent again.
"""

from __future__ import annotations

import re

from fusion.web.growth import Growth
from fusion.web.markdown import normalise, render_blocks
from fusion.web.ops import Append, Extend, Op, Replace, Reset, Tail, op_html, page_html

__all__ = ["Append", "Extend", "LiveDocument", "Op", "Replace", "Reset", "Tail", "document_html", "op_html"]

LARGE_TAIL = 1_500  # characters after which an open block waits until an eighth more is there, keeping work linear

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def _valid(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"not usable in an id: {key!r}")
    return key


def document_html(key: str, text: str) -> str:
    """A finished text as a fresh page shows it; equal to what a live document of `key` leaves in an open page."""
    return page_html(_valid(key), tuple(render_blocks(text)))


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

    def feed(self, text_piece: str) -> None:
        """Take in the next piece; cheap, nothing is rendered before `tick`."""
        if not text_piece or self._finished:
            return
        self._pieces.append(text_piece)
        piece = self._carry + text_piece
        self._carry = "\r" if piece.endswith("\r") else ""
        self._fresh.append(normalise(piece.removesuffix("\r")))

    def tick(self) -> list[Op]:
        """The ops that bring a page from the last tick to the text fed since; empty when there is nothing to send."""
        if not self._fresh:
            return []
        growth = self._growth
        growth.pending += "".join(self._fresh)
        self._fresh.clear()
        if self._is_too_soon():
            return []
        tail = growth.advance()
        self._rendered_chars = len(growth.pending)
        ops, growth.ops = growth.ops, []
        return ops + self._set_tail(tail)

    def finish(self) -> list[Op]:
        """Render the whole text once; the ops that make an open page equal to a fresh one. Later feeds are ignored."""
        if self._finished:
            return []
        self._finished = True
        self._fresh.clear()
        shown, final = self._growth.all_blocks(), tuple(render_blocks(self.text))
        self._growth = Growth()
        self._growth.blocks = list(final)
        return _differences(shown, final) + self._set_tail("")

    def _set_tail(self, html: str) -> list[Op]:
        if html == self._tail:
            return []
        self._tail = html
        return [Tail(html)]

    def _is_too_soon(self) -> bool:
        """Whether a large open block has grown too little since it was last rendered."""
        opened, size = self._growth.open, len(self._growth.pending)
        if opened and opened.kind == "fence":
            return False
        return size > LARGE_TAIL and size < self._rendered_chars * 9 // 8


def _differences(shown: tuple[str, ...], final: tuple[str, ...]) -> list[Op]:
    """The fewest ops from one list of blocks to another; all anew when they are not the same blocks any more."""
    pairs = enumerate(zip(shown, final, strict=False))
    replaced: list[Op] = [Replace(index, new) for index, (old, new) in pairs if old != new]
    if len(final) < len(shown) or len(replaced) > max(3, len(shown) // 2):
        return [Reset(final)]
    return replaced + [Append(i, final[i]) for i in range(len(shown), len(final))]
