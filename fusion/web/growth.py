"""What of a growing Markdown text can be committed: closed blocks, and the settled part of the block still open.

Lists are committed item by item, tables row by row, code character by character, long paragraphs word by word. A commit
is a guess (a late link definition, or a blank line in a list, changes what stood before): when an open block closes it
is compared with its full rendering and replaced if it differs.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from html import escape
from typing import Any

from markdown_it.token import Token

from fusion.web.dangling import settled_words
from fusion.web.markdown import Block, Env, clean, parse_blocks, render_inline, render_tokens, split_level
from fusion.web.ops import Append, Extend, Op, Replace

LONG_PARAGRAPH = 200  # characters after which a paragraph is committed word by word
MAX_TABLE_GROWTH = 40  # bytes of rows per character of text: a wide header fills short rows up with empty cells
MAX_HEADER_CHARS = 400  # a line is taken for a coming table header no longer than this

# A line of which nothing but marks is known yet may become a list item, a heading, a rule, a fence or a table row.
_UNDECIDED = re.compile(r"[-*_=+#>`~|:\s]*|\s{0,12}\d{1,9}[.)]?\s*")


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

    @property
    def html(self) -> str:
        return f"{self.prefix}{''.join(self.inner)}{self.suffix}"


def _first_lines(text: str, count: int) -> int:
    """Length of the first `count` lines."""
    end = 0
    for _ in range(count):
        end = text.find("\n", end) + 1
        if end == 0:
            return len(text)
    return end


def _decided(text: str) -> str:
    """`text` without a last line that may yet become something else, nor a line that may be a table's header."""
    start = text.rfind("\n") + 1
    if _UNDECIDED.fullmatch(text, start):
        text = text[:start]
    start = text.rfind("\n", 0, len(text) - 1) + 1
    last = text[start:]
    is_header = last.lstrip().startswith("|") or (last.endswith("\n") and "|" in last)
    if is_header and len(last) <= MAX_HEADER_CHARS and not _is_rule_of_table(last):
        return text[:start]
    return text


def _is_rule_of_table(line: str) -> bool:
    return not line.strip(" \t\n|:-")


def _is_closed(block: Block, text: str) -> bool:
    """Whether the last block of `text` has ended, whatever comes next."""
    lines = text.count("\n")
    match block.kind:
        case "heading" | "hr":
            return block.end <= lines
        case "paragraph" | "blockquote" | "table":
            return block.end < lines
        case "fence":
            line = text[_first_lines(text, block.end - 1) :].split("\n", 1)[0]
            return block.end - block.start > 1 and block.end <= lines and _closes(line, block.first.markup)
        case _:
            return False


def _closes(line: str, mark: str) -> bool:
    bare = line.strip(" \t")
    return len(bare) >= len(mark) and not bare.strip(mark[0]) and len(line) - len(line.lstrip(" ")) <= 3


def _may_close(line: str, mark: str) -> bool:
    """Whether an unfinished line can still become the fence's end (white space alone may, too)."""
    return not line.strip(" \t").strip(mark[0]) and len(line) < 80


def _is_loose(items: Sequence[Sequence[Token]]) -> bool:
    return any(t.type == "paragraph_open" and t.level == 2 and not t.hidden for item in items for t in item)


def _shown(tokens: Sequence[Token]) -> str:
    """What stands in the tail: nothing rather than an empty paragraph whose whole text is held back."""
    html = render_tokens(tokens)
    return "" if html == "<p></p>" else html


def _line_of(tokens: Sequence[Token]) -> int:
    return tokens[0].map[0] if tokens[0].map else 0


def _loosen(tokens: Sequence[Token]) -> None:
    for token in tokens:
        if token.level == 2 and token.type.startswith("paragraph"):
            token.hidden = False


class Growth:
    """The committed blocks of a text and the rest of it; every change to the blocks is also an op in `ops`."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.open: OpenBlock | None = None
        self.pending = ""
        self.ops: list[Op] = []
        self._references: dict[str, Any] = {}

    def all_blocks(self) -> tuple[str, ...]:
        return (*self.blocks, self.open.html) if self.open else tuple(self.blocks)

    def advance(self) -> str:
        """Commit what can be committed of `pending`; return the HTML of what is left, to be shown as the tail."""
        while (tail := self._step()) is None:
            pass
        return tail

    def _step(self) -> str | None:
        """Commit something and return None, or return the tail."""
        match self.open:
            case OpenBlock(kind="fence"):
                return self._step_fence(self.open)
            case OpenBlock(kind="list"):
                return self._step_list(self.open)
            case OpenBlock(kind="table"):
                return self._step_table(self.open)
            case OpenBlock():
                return self._step_paragraph(self.open)
            case _:
                return self._step_blocks()

    # --- parsing and taking

    def _env(self, *, growing: bool = False) -> Env:
        return {"references": ChainMap({}, self._references), "growing": growing}

    def _take_chars(self, count: int) -> str:
        taken, self.pending = self.pending[:count], self.pending[count:]
        return taken

    def _take_lines(self, count: int, env: Env) -> str:
        """Consume lines of `pending`, keeping the link definitions that were in them."""
        for label, found in env["references"].maps[0].items():
            if found["map"][1] <= count:
                self._references.setdefault(label, found)
        return self._take_chars(_first_lines(self.pending, count))

    # --- no block open

    def _step_blocks(self) -> str | None:
        text = _decided(self.pending)
        env = self._env(growing=True)
        blocks = parse_blocks(text, env)
        if not blocks:
            return ""
        *closed, last = blocks
        if not closed and not _is_closed(last, text):
            return self._open_block(last, text, env)
        if _is_closed(last, text):
            env = self._env()
            closed = parse_blocks(text, env)
        for block in closed:
            self._append(render_tokens(block.tokens))
        self._take_lines(last.end if len(closed) == len(blocks) else last.start, env)
        return None

    def _append(self, html: str) -> None:
        self.ops.append(Append(len(self.blocks), html))
        self.blocks.append(html)

    def _open_block(self, block: Block, text: str, env: Env) -> str | None:
        """Open the only block there is if part of it is settled; else it is the tail."""
        match block.kind:
            case "fence" if text.count("\n") > block.start:
                self._take_lines(block.start, env)
                self._open_fence(block.first)
            case "table":
                self._take_lines(block.start, env)
                self._open_table()
            case "bullet_list" | "ordered_list" if len(items := split_level(block.tokens[1:-1])) > 1:
                self._take_lines(block.start, env)
                self._open_list(block, items)
            case "paragraph" if len(block.tokens[1].content) > LONG_PARAGRAPH:
                self._take_lines(block.start, env)
                self._open_paragraph()
        return None if self.open else _shown(block.tokens)

    def _begin(self, opened: OpenBlock) -> None:
        self.open = opened
        self.ops.append(Append(len(self.blocks), opened.html))

    def _extend(self, opened: OpenBlock, html: str, source: str) -> None:
        opened.source.append(source)
        if html:
            opened.inner.append(html)
            self.ops.append(Extend(len(self.blocks), opened.selector, html))

    def _close(self, opened: OpenBlock, html: str, source: str) -> None:
        """End the open block with its last piece, or with its full rendering where that differs from the pieces."""
        opened.source.append(source)
        shown = opened.html
        extended = f"{opened.prefix}{''.join(opened.inner)}{html}{opened.suffix}"
        whole = parse_blocks("".join(opened.source), self._env())
        full = render_tokens(whole[0].tokens) if len(whole) == 1 else extended
        if full == extended and html:
            self.ops.append(Extend(len(self.blocks), opened.selector, html))
        elif full != shown:
            self.ops.append(Replace(len(self.blocks), full))
        self.blocks.append(full)
        self.open = None

    # --- code

    def _open_fence(self, fence: Token) -> None:
        line = self._take_chars(_first_lines(self.pending, 1))
        prefix, end, suffix = render_tokens([changed(fence, content="")]).partition("</code>")
        indent = len(line) - len(line.lstrip(" "))
        opened = OpenBlock("fence", prefix, end + suffix, " code", source=[line], mark=fence.markup, indent=indent)
        self._begin(opened)

    def _step_fence(self, opened: OpenBlock) -> str | None:
        text, position = self.pending, 0
        shown: list[str] = []
        while position < len(text):
            end = text.find("\n", position) + 1
            line = text[position : end or len(text)]
            if opened.at_line_start:
                if end and _closes(line.removesuffix("\n"), opened.mark):
                    self.pending = text[end:]
                    self._close(opened, clean(escape("".join(shown), quote=False)), text[:end])
                    return None
                if not end and _may_close(line, opened.mark):
                    break
                kept = line.lstrip(" ")
                line = line[min(opened.indent, len(line) - len(kept)) :]
            shown.append(line)
            position = end or len(text)
            opened.at_line_start = bool(end)
        self._extend(opened, clean(escape("".join(shown), quote=False)), self._take_chars(position))
        return ""

    # --- lists

    def _open_list(self, block: Block, items: Sequence[Sequence[Token]]) -> None:
        first, last = block.tokens[0], block.tokens[-1]
        prefix, end, suffix = render_tokens([first, last]).partition("</")
        settled = [render_tokens(item) for item in items[:-1]]
        source = self._take_chars(_first_lines(self.pending, _line_of(items[-1]) - block.start))
        mark = f"{block.kind}{first.markup}"
        opened = OpenBlock("list", prefix, end + suffix, f">{first.tag}", settled, [source], mark)
        opened.loose = _is_loose(items)
        self._begin(opened)

    def _step_list(self, opened: OpenBlock) -> str | None:
        env = self._env(growing=True)
        blocks = parse_blocks(_decided(self.pending), env)
        if not blocks:
            return ""
        first, *others = blocks
        if f"{first.kind}{first.first.markup}" != opened.mark:
            self._close(opened, "", "")
            return None
        items = split_level(first.tokens[1:-1])
        opened.loose = opened.loose or _is_loose(items)
        if opened.loose:
            _loosen(first.tokens)
        if others:
            source = self._take_lines(others[0].start, env)
            self._close(opened, "".join(map(render_tokens, items)), source)
            return None
        if len(items) == 1:
            return render_tokens(first.tokens)
        source = self._take_lines(_line_of(items[-1]), env)
        self._extend(opened, "".join(map(render_tokens, items[:-1])), source)
        return None

    # --- tables

    def _open_table(self) -> None:
        head = self._take_chars(_first_lines(self.pending, 2))
        html = render_tokens(parse_blocks(head, self._env())[0].tokens)
        prefix, end, suffix = html.partition("</table>")
        self._begin(OpenBlock("table", prefix, end + suffix, " table", source=[head], mark=head))

    def _step_table(self, opened: OpenBlock) -> str | None:
        text = self.pending[: self.pending.rfind("\n") + 1]
        if not text:
            return ""
        table = parse_blocks(opened.mark + text, self._env())[0]
        _, start, rows = render_tokens(table.tokens).partition("<tbody>")
        rows = start + rows.partition("</table>")[0]
        source = self._take_chars(_first_lines(text, table.end - 2))
        if len(source) < len(text):
            self._close(opened, rows, source)
            return None
        if len(rows) > MAX_TABLE_GROWTH * len(text):
            self.pending = source + self.pending
            return ""
        self._extend(opened, rows, source)
        return ""

    # --- long paragraphs

    def _open_paragraph(self) -> None:
        self.pending = self.pending.lstrip(" ")
        if end := settled_words(self.pending):
            source = self._take_chars(end)
            html = render_inline(source, self._references)
            self._begin(OpenBlock("paragraph", "<p>", "</p>", ">p", [html], [source]))

    def _step_paragraph(self, opened: OpenBlock) -> str | None:
        """`pending` begins within a line: a letter put before it keeps it from being read as a line's start."""
        text = _decided(self.pending)
        first, *others = parse_blocks("x" + text, self._env())
        if others or _is_closed(first, "x" + text):
            source = self._take_chars(_first_lines(text, first.end))
            self._close(opened, render_inline(source.rstrip(), self._references), source)
            return None
        if end := settled_words(text):
            source = self._take_chars(end)
            self._extend(opened, render_inline(source, self._references), source)
        return ""
