"""Which blocks a growing text is made of, step by step within what a tick may cost."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import chain

from markdown_it.token import Token

from fusion.web.growth import code, lists, paragraphs, tables
from fusion.web.growth.ground import Ground, OpenBlock
from fusion.web.growth.lines import decided, is_closed
from fusion.web.markdown import (
    MAX_INLINE_CHARS,
    Block,
    Env,
    clean,
    parse_blocks,
    read_inline,
    render_tokens,
    shown_chars,
    split_level,
)
from fusion.web.portions import (
    BLOCK_CHARS,
    BLOCK_WORK,
    TEXT_BLOCKS,
    TEXT_WORK,
    TICK_HTML,
    TICK_WORK,
    fitted,
    next_portion,
    plain_portion,
    room,
    window,
)


class Growth(Ground):
    """A text that grows: `advance` commits what can be committed of it."""

    def advance(self) -> str:
        """Commit what can be committed of `pending`; return the HTML of what is left, to be shown as the tail."""
        self.work = self.sent = 0
        while (tail := self._step()) is None:
            if self.work > TICK_WORK or self.sent > TICK_HTML:
                break
        self.is_behind = tail is None
        self.total_work += self.work
        return tail or ""

    def _step(self) -> str | None:
        """Commit something and return None, or return the tail."""
        opened = self.open
        if opened and opened.kind == "fence":
            return code.step_fence(self, opened)
        if self.total_work > TEXT_WORK or len(self.blocks) >= TEXT_BLOCKS:
            return self._step_plain()
        near, spent = window(self.pending, 0, BLOCK_WORK)
        near = min(near, room(self.pending, 0, BLOCK_CHARS))
        size, self.near = len(self.pending), self.pending[:near]
        self.work += spent
        tail = self._step_near(opened)
        if tail is None or near == size:
            return tail
        if len(self.pending) == size:
            self._cut()
        return None

    def _step_near(self, opened: OpenBlock | None) -> str | None:
        match opened:
            case None:
                return self._step_blocks()
            case OpenBlock(kind="list"):
                return lists.step_list(self, opened)
            case OpenBlock(kind="table"):
                return tables.step_table(self, opened)
            case _:
                return paragraphs.step_paragraph(self, opened)

    # --- what is too large to wait for its end

    def _cut(self) -> None:
        """Commit the beginning of `pending` although its block has not ended."""
        if self.open and self.open.kind != "paragraph":
            self.close(self.open, "", "")
        if "\n" not in self.near:  # within a line: it goes on as running text that is not read
            text = self.take_chars(min(len(self.near), room(self.near, 0, MAX_INLINE_CHARS)))
            self.extend(paragraphs.paragraph_for(self, shown_chars(text)), clean(escape(text, quote=False)), text)
            return
        if self.open:
            self.close(self.open, "", "")
        env = self.env()
        portion = next_portion(self.pending, 0, "", env)
        for piece in chain.from_iterable(map(fitted, portion.pieces)):
            self.append(render_tokens(read_inline(piece.tokens, env)))
        self.work += portion.work
        self.keep_references(env)
        self.take_chars(portion.end)

    def _step_plain(self) -> str | None:
        """After very much work the rest of the text is shown as it is."""
        if self.open:
            self.close(self.open, "", "")
        portion = plain_portion(self.pending, 0, len(self.pending))
        self.work += portion.work
        html = "".join(render_tokens(piece.tokens) for piece in portion.pieces)
        if portion.end == len(self.pending):
            return html if self.pending else ""
        self.append(html)
        self.take_chars(portion.end)
        return None

    # --- no block open

    def _step_blocks(self) -> str | None:
        text = decided(self.near)
        env = self.env(growing=True)
        blocks = parse_blocks(text, env)
        if not blocks:
            return ""
        *closed, last = blocks
        if not closed and not is_closed(last, text):
            return self._open_block(last, text, env)
        if is_closed(last, text):
            env = self.env()
            closed = blocks = parse_blocks(text, env)
        count = self.append_blocks(closed)
        self.take_lines(blocks[count].start if count < len(blocks) else last.end, env)
        return None

    def _open_block(self, block: Block, text: str, env: Env) -> str | None:
        """Open the only block there is if part of it is settled; else it is the tail."""
        match block.kind:
            case "fence" if text.count("\n") > block.start:
                self.take_lines(block.start, env)
                code.open_fence(self, block.first)
            case "table":
                self.take_lines(block.start, env)
                tables.open_table(self)
            case "bullet_list" | "ordered_list" if len(items := split_level(block.tokens[1:-1])) > 1:
                self.take_lines(block.start, env)
                lists.open_list(self, block, items)
            case "paragraph" if len(block.tokens[1].content) > paragraphs.LONG_PARAGRAPH:
                self.take_lines(block.start, env)
                paragraphs.open_paragraph(self)
        return None if self.open else _shown(block.tokens)


def _shown(tokens: Sequence[Token]) -> str:
    """What stands in the tail: nothing rather than an empty paragraph whose whole text is held back."""
    html = render_tokens(tokens)
    return "" if html == "<p></p>" else html
