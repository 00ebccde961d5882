"""What growing texts of every kind stand on: the committed blocks, the one still open, and the text that is left."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fusion.web.growth.lines import first_lines
from fusion.web.highlight import MAX_CODE_CHARS
from fusion.web.markdown import Block, Env, parse_blocks, render_tokens, shown_chars
from fusion.web.ops import Append, Extend, Op, Replace
from fusion.web.portions import BLOCK_WORK, TICK_HTML, window

OP_CHARS = 60  # of HTML around each change


@dataclass(slots=True)
class OpenBlock:
    """The last block while it can still grow: its HTML is prefix, inner pieces, suffix."""

    kind: str  # list, fence, table or paragraph
    prefix: str
    suffix: str
    selector: str
    inner: list[str] = field(default_factory=list)
    source: list[str] = field(default_factory=list)
    mark: str = ""  # a fence's opening run, a list's type and bullet, a table's first two lines
    indent: int = 0
    at_line_start: bool = True
    loose: bool = False
    work: int = 0  # what its committed lines cost, for lists and tables; for code, how many there are
    chars: int = 0  # of its committed source
    is_part: bool = False  # whether it goes on from a block of the same code that was full

    @property
    def html(self) -> str:
        return f"{self.prefix}{''.join(self.inner)}{self.suffix}"


class Ground:
    """The committed blocks of a text and the rest of it; every change to the blocks is also an op in `ops`."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.open: OpenBlock | None = None
        self.pending = ""
        self.ops: list[Op] = []
        self.is_behind = False  # whether `pending` holds more than the last tick could do
        self.sent = 0  # characters of HTML in this tick's changes
        self.references: dict[str, Any] = {}
        self.near = ""  # as much of `pending` as one step looks at
        self.work = 0  # what this tick has cost
        self.total_work = 0

    def all_blocks(self) -> tuple[str, ...]:
        return (*self.blocks, self.open.html) if self.open else tuple(self.blocks)

    # --- parsing and taking

    def env(self, *, growing: bool = False) -> Env:
        return {"references": ChainMap({}, self.references), "growing": growing}

    def take_chars(self, count: int) -> str:
        taken, self.pending = self.pending[:count], self.pending[count:]
        return taken

    def take_lines(self, count: int, env: Env) -> str:
        """Consume lines of `pending`, keeping the link definitions that were in them."""
        self.keep_references(env, count)
        return self.take_chars(first_lines(self.pending, count))

    def keep_references(self, env: Env, lines: int | None = None) -> None:
        for label, found in env["references"].maps[0].items():
            if lines is None or found["map"][1] <= lines:
                self.references.setdefault(label, found)

    # --- committing

    def append_blocks(self, closed: Sequence[Block]) -> int:
        """Commit as many as this tick may still send, at least one; say how many."""
        for count, block in enumerate(closed, 1):
            self.append(render_tokens(block.tokens))
            if self.sent > TICK_HTML:
                return count
        return len(closed)

    def append(self, html: str) -> None:
        self.send(Append(len(self.blocks), html))
        self.blocks.append(html)

    def send(self, op: Append | Extend | Replace) -> None:
        self.ops.append(op)
        self.sent += len(op.html) + OP_CHARS

    def begin(self, opened: OpenBlock) -> None:
        self.open = opened
        opened.chars = sum(map(len, opened.source))
        self.send(Append(len(self.blocks), opened.html))

    def extend(self, opened: OpenBlock, html: str, source: str) -> None:
        opened.source.append(source)
        opened.chars += shown_chars(source)
        if html:
            opened.inner.append(html)
            self.send(Extend(len(self.blocks), opened.selector, html))

    def close(self, opened: OpenBlock, html: str, source: str) -> None:
        """End the open block with its last piece, or with its full rendering where that differs from the pieces."""
        opened.source.append(source)
        shown = opened.html
        extended = f"{opened.prefix}{''.join(opened.inner)}{html}{opened.suffix}"
        full = self._rendered_whole(opened) or extended
        if full == extended and html:
            self.send(Extend(len(self.blocks), opened.selector, html))
        elif full != shown:
            self.send(Replace(len(self.blocks), full))
        self.blocks.append(full)
        self.open = None

    def _rendered_whole(self, opened: OpenBlock) -> str:
        """The block parsed as one; empty when it is not one, or too long to be parsed once more."""
        source = "".join(opened.source)
        if opened.is_part:
            return ""
        if opened.kind == "fence":
            end, spent = min(len(source), MAX_CODE_CHARS), len(source)
        else:
            end, spent = window(source, 0, BLOCK_WORK)
        if end < len(source):
            return ""
        self.work += spent
        whole = parse_blocks(source, self.env())
        return render_tokens(whole[0].tokens) if len(whole) == 1 else ""
