"""What of a growing Markdown text can be committed: closed blocks, and the settled part of the block still open.

Lists are committed item by item, tables row by row, code character by character, long paragraphs word by word. A commit
is a guess (a late link definition, or a blank line in a list, changes what stood before): when an open block closes it
is compared with its full rendering and replaced if it differs.

A tick does a bounded amount of work, whatever came: each step looks at no more than can be parsed at once, and what is
left waits for the next tick. Long lists and tables go on as another one where `portions` will cut them, too.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from html import escape
from itertools import chain, pairwise
from typing import Any

from markdown_it.token import Token

from fusion.web.dangling import settled_words
from fusion.web.highlight import MAX_CODE_CHARS
from fusion.web.markdown import (
    MAX_INLINE_CHARS,
    Block,
    Env,
    clean,
    parse_blocks,
    read_inline,
    render_inline,
    render_tokens,
    shown_chars,
    split_level,
)
from fusion.web.ops import Append, Extend, Op, Replace
from fusion.web.portions import (
    BLOCK_CHARS,
    BLOCK_WORK,
    CHEAP_CHARS,
    CODE_CHARS,
    CODE_LINES,
    TEXT_BLOCKS,
    TEXT_WORK,
    TICK_HTML,
    TICK_WORK,
    block_end,
    fitted,
    line_work,
    next_portion,
    plain_portion,
    room,
    window,
)

LONG_PARAGRAPH = 200  # characters after which a paragraph is committed word by word
OP_CHARS = 60  # of HTML around each change
CODE_STEP_CHARS = 15_000
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
    work: int = 0  # what its committed lines cost, for lists and tables; for code, how many there are
    chars: int = 0  # of its committed source
    is_part: bool = False  # whether it goes on from a block of the same code that was full

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


def _work(text: str) -> int:
    return sum(map(line_work, text.split("\n")))


def _fitting(items: Sequence[Sequence[Token]], text: str, opened: OpenBlock) -> int:
    """How many items, the last one aside, may still be added to a list before it is cut."""
    lines = text.split("\n")
    spent, chars = opened.work, opened.chars
    for index, (item, following) in enumerate(pairwise(items)):
        start, end = _line_of(item), _line_of(following)
        spent += sum(map(line_work, lines[start:end]))
        chars += sum(len(line) + 1 for line in lines[start:end])
        if spent + line_work(lines[end]) > BLOCK_WORK or chars + len(lines[end]) > BLOCK_CHARS:
            return index
    return len(items) - 1


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
        self.is_behind = False  # whether `pending` holds more than the last tick could do
        self.sent = 0  # characters of HTML in this tick's changes
        self._references: dict[str, Any] = {}
        self._near = ""  # as much of `pending` as one step looks at
        self.work = 0  # what this tick has cost
        self._total_work = 0

    def all_blocks(self) -> tuple[str, ...]:
        return (*self.blocks, self.open.html) if self.open else tuple(self.blocks)

    def advance(self) -> str:
        """Commit what can be committed of `pending`; return the HTML of what is left, to be shown as the tail."""
        self.work = self.sent = 0
        while (tail := self._step()) is None:
            if self.work > TICK_WORK or self.sent > TICK_HTML:
                break
        self.is_behind = tail is None
        self._total_work += self.work
        return tail or ""

    def _step(self) -> str | None:
        """Commit something and return None, or return the tail."""
        opened = self.open
        if opened and opened.kind == "fence":
            return self._step_fence(opened)
        if self._total_work > TEXT_WORK or len(self.blocks) >= TEXT_BLOCKS:
            return self._step_plain()
        near, spent = window(self.pending, 0, BLOCK_WORK)
        near = min(near, room(self.pending, 0, BLOCK_CHARS))
        size, self._near = len(self.pending), self.pending[:near]
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
                return self._step_list(opened)
            case OpenBlock(kind="table"):
                return self._step_table(opened)
            case _:
                return self._step_paragraph(opened)

    # --- what is too large to wait for its end

    def _cut(self) -> None:
        """Commit the beginning of `pending` although its block has not ended."""
        if self.open and self.open.kind != "paragraph":
            self._close(self.open, "", "")
        if "\n" not in self._near:  # within a line: it goes on as running text that is not read
            text = self._take_chars(min(len(self._near), room(self._near, 0, MAX_INLINE_CHARS)))
            self._extend(self._paragraph(shown_chars(text)), clean(escape(text, quote=False)), text)
            return
        if self.open:
            self._close(self.open, "", "")
        env = self._env()
        portion = next_portion(self.pending, 0, "", env)
        for piece in chain.from_iterable(map(fitted, portion.pieces)):
            self._append(render_tokens(read_inline(piece.tokens, env)))
        self.work += portion.work
        self._keep_references(env)
        self._take_chars(portion.end)

    def _step_plain(self) -> str | None:
        """After very much work the rest of the text is shown as it is."""
        if self.open:
            self._close(self.open, "", "")
        portion = plain_portion(self.pending, 0, len(self.pending))
        self.work += portion.work
        html = "".join(render_tokens(piece.tokens) for piece in portion.pieces)
        if portion.end == len(self.pending):
            return html if self.pending else ""
        self._append(html)
        self._take_chars(portion.end)
        return None

    # --- parsing and taking

    def _env(self, *, growing: bool = False) -> Env:
        return {"references": ChainMap({}, self._references), "growing": growing}

    def _take_chars(self, count: int) -> str:
        taken, self.pending = self.pending[:count], self.pending[count:]
        return taken

    def _take_lines(self, count: int, env: Env) -> str:
        """Consume lines of `pending`, keeping the link definitions that were in them."""
        self._keep_references(env, count)
        return self._take_chars(_first_lines(self.pending, count))

    def _keep_references(self, env: Env, lines: int | None = None) -> None:
        for label, found in env["references"].maps[0].items():
            if lines is None or found["map"][1] <= lines:
                self._references.setdefault(label, found)

    # --- no block open

    def _step_blocks(self) -> str | None:
        text = _decided(self._near)
        env = self._env(growing=True)
        blocks = parse_blocks(text, env)
        if not blocks:
            return ""
        *closed, last = blocks
        if not closed and not _is_closed(last, text):
            return self._open_block(last, text, env)
        if _is_closed(last, text):
            env = self._env()
            closed = blocks = parse_blocks(text, env)
        count = self._append_blocks(closed)
        self._take_lines(blocks[count].start if count < len(blocks) else last.end, env)
        return None

    def _append_blocks(self, closed: Sequence[Block]) -> int:
        """Commit as many as this tick may still send, at least one; say how many."""
        for count, block in enumerate(closed, 1):
            self._append(render_tokens(block.tokens))
            if self.sent > TICK_HTML:
                return count
        return len(closed)

    def _append(self, html: str) -> None:
        self._send(Append(len(self.blocks), html))
        self.blocks.append(html)

    def _send(self, op: Append | Extend | Replace) -> None:
        self.ops.append(op)
        self.sent += len(op.html) + OP_CHARS

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
        opened.chars = sum(map(len, opened.source))
        self._send(Append(len(self.blocks), opened.html))

    def _extend(self, opened: OpenBlock, html: str, source: str) -> None:
        opened.source.append(source)
        opened.chars += shown_chars(source)
        if html:
            opened.inner.append(html)
            self._send(Extend(len(self.blocks), opened.selector, html))

    def _close(self, opened: OpenBlock, html: str, source: str) -> None:
        """End the open block with its last piece, or with its full rendering where that differs from the pieces."""
        opened.source.append(source)
        shown = opened.html
        extended = f"{opened.prefix}{''.join(opened.inner)}{html}{opened.suffix}"
        full = self._rendered_whole(opened) or extended
        if full == extended and html:
            self._send(Extend(len(self.blocks), opened.selector, html))
        elif full != shown:
            self._send(Replace(len(self.blocks), full))
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
        whole = parse_blocks(source, self._env())
        return render_tokens(whole[0].tokens) if len(whole) == 1 else ""

    # --- code

    def _open_fence(self, fence: Token) -> None:
        line = self._take_chars(_first_lines(self.pending, 1))
        prefix, end, suffix = render_tokens([changed(fence, content="")]).partition("</code>")
        indent = len(line) - len(line.lstrip(" "))
        opened = OpenBlock("fence", prefix, end + suffix, " code", source=[line], mark=fence.markup, indent=indent)
        self._begin(opened)

    def _step_fence(self, opened: OpenBlock) -> str | None:
        if opened.chars >= CODE_CHARS or opened.work >= CODE_LINES:
            opened = self._go_on_with_code(opened)
        text, position = self._code_step(opened), 0
        is_all = len(text) == len(self.pending)
        shown: list[str] = []
        while position < len(text):
            end = text.find("\n", position) + 1
            line = text[position : end or len(text)]
            if opened.at_line_start:
                if end and _closes(line.removesuffix("\n"), opened.mark):
                    self._take_chars(end)
                    self._close(opened, clean(escape("".join(shown), quote=False)), text[:end])
                    return None
                if not end and is_all and _may_close(line, opened.mark):
                    break
                kept = line.lstrip(" ")
                line = line[min(opened.indent, len(line) - len(kept)) :]
            shown.append(line)
            position = end or len(text)
            opened.at_line_start = bool(end)
        self._extend(opened, clean(escape("".join(shown), quote=False)), self._take_chars(position))
        opened.work += len(shown)
        self.work += len(text) // CHEAP_CHARS + len(shown)
        return "" if is_all else None

    def _go_on_with_code(self, full: OpenBlock) -> OpenBlock:
        """Close a block of code that is full, and open another one like it."""
        opened = changed(full, inner=[], source=[], work=0, is_part=True)
        self._close(full, "", "")
        self._begin(opened)
        return opened

    def _code_step(self, opened: OpenBlock) -> str:
        chars, lines = min(CODE_STEP_CHARS, CODE_CHARS - opened.chars), CODE_LINES - opened.work
        return self.pending[: block_end(self.pending, 0, max(1, chars), max(1, lines))]

    # --- lists

    def _open_list(self, block: Block, items: Sequence[Sequence[Token]]) -> None:
        first, last = block.tokens[0], block.tokens[-1]
        prefix, end, suffix = render_tokens([first, last]).partition("</")
        settled = [render_tokens(item) for item in items[:-1]]
        source = self._take_chars(_first_lines(self.pending, _line_of(items[-1]) - block.start))
        mark = f"{block.kind}{first.markup}"
        opened = OpenBlock("list", prefix, end + suffix, f">{first.tag}", settled, [source], mark)
        opened.loose = _is_loose(items)
        opened.work = _work(source)
        self._begin(opened)

    def _step_list(self, opened: OpenBlock) -> str | None:
        env = self._env(growing=True)
        text = _decided(self._near)
        blocks = parse_blocks(text, env)
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
        fitting = _fitting(items, text, opened)
        if fitting < len(items) - 1:
            source = self._take_lines(_line_of(items[fitting]), env)
            self._close(opened, "".join(map(render_tokens, items[:fitting])), source)
            return None
        if others:
            source = self._take_lines(others[0].start, env)
            self._close(opened, "".join(map(render_tokens, items)), source)
            return None
        if len(items) == 1:
            return render_tokens(first.tokens)
        source = self._take_lines(_line_of(items[-1]), env)
        opened.work += _work(source)
        self._extend(opened, "".join(map(render_tokens, items[:-1])), source)
        return None

    # --- tables

    def _open_table(self) -> None:
        head = self._take_chars(_first_lines(self.pending, 2))
        self._begin_table(head, _work(head))

    def _begin_table(self, head: str, spent: int) -> None:
        html = render_tokens(parse_blocks(head, self._env())[0].tokens)
        prefix, end, suffix = html.partition("</table>")
        self._begin(OpenBlock("table", prefix, end + suffix, " table", source=[head], mark=head, work=spent))

    def _step_table(self, opened: OpenBlock) -> str | None:
        text = self._near[: self._near.rfind("\n") + 1]
        if not text:
            return ""
        fitting = window(text, 0, BLOCK_WORK - opened.work)[0]
        row = text[: _first_lines(text, 1)]
        has_room = opened.work + line_work(row) <= BLOCK_WORK and opened.chars + len(row) <= BLOCK_CHARS
        fits = has_room or not opened.inner
        table = parse_blocks(opened.mark + text[:fitting], self._env())[0]
        source = text[: _first_lines(text, table.end - 2)]
        if source and not fits:
            self._close(opened, "", "")
            self._begin_table(opened.mark, 0)
            return None
        _, start, rows = render_tokens(table.tokens).partition("<tbody>")
        rows = start + rows.partition("</table>")[0]
        self._take_chars(len(source))
        if len(source) < fitting:
            self._close(opened, rows, source)
            return None
        opened.work += _work(source)
        self._extend(opened, rows, source)
        return "" if fitting == len(text) else None

    # --- long paragraphs

    def _open_paragraph(self) -> None:
        text = self._near.lstrip(" ")
        self._take_chars(len(self._near) - len(text))
        if end := settled_words(text):
            source = self._take_chars(end)
            html = render_inline(source, self._references)
            self._begin(OpenBlock("paragraph", "<p>", "</p>", ">p", [html], [source]))

    def _paragraph(self, chars: int) -> OpenBlock:
        """The open paragraph, or one that goes on in its place where it has no room for so many more."""
        opened = self.open
        if opened and opened.chars + chars > MAX_INLINE_CHARS:
            self._close(opened, "", "")
            opened = None
        if opened is None:
            opened = OpenBlock("paragraph", "<p>", "</p>", ">p")
            self._begin(opened)
        return opened

    def _step_paragraph(self, opened: OpenBlock) -> str | None:
        """`pending` begins within a line: a letter put before it keeps it from being read as a line's start."""
        text = _decided(self._near)
        first, *others = parse_blocks("x" + text, self._env())
        if others or _is_closed(first, "x" + text):
            source = self._take_chars(_first_lines(text, first.end))
            self._close(opened, render_inline(source.rstrip(), self._references), source)
            return None
        if end := settled_words(text):
            source = self._take_chars(end)
            self._extend(self._paragraph(shown_chars(source)), render_inline(source, self._references), source)
        return ""
