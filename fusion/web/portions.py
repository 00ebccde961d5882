"""A finished text as blocks, in portions that each cost little, whatever the text is.

Parsing costs more than the text is long: tables cost their cells, lists their items, and one block must be parsed at
once. So a text is cut where a block has certainly ended, into portions of bounded work, estimated from what stands in
them. An ordinary answer reads the same as parsed in one piece. A list, a table or a quotation too large for one portion
goes on as another one; what cannot be cut is shown as plain text, and so is what comes after very much work. The cuts
depend on the text alone: a page that was open all the time shows what a fresh one does.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from itertools import accumulate, chain

from markdown_it.token import Token

from fusion.web.highlight import MAX_CODE_CHARS
from fusion.web.markdown import (
    MAX_NESTING,
    Env,
    block_tokens,
    normalise,
    plain_token,
    read_inline,
    render_tokens,
    shown_chars,
    split_level,
)

# Work is counted in estimated microseconds of one slow core; ordinary answers take half of what is estimated.
PORTION_WORK = 10_000
BLOCK_WORK = 40_000  # one block may take this much before it is cut, or shown as plain text
TICK_WORK = 25_000  # after which the rest waits for the next tick
TEXT_WORK = 600_000  # after which the rest of a text is plain
# A browser lays a block out as a whole whenever it changes, visits every block of a text, and draws a frame at once: so
# a block is cut at so many characters or lines, too, a text of very many blocks is plain from there on, and a tick
# sends no more than so many characters of HTML, and one block.
BLOCK_CHARS = 20_000
PLAIN_CHARS = 8_000  # of one block of plain text
PLAIN_LINES = 400
CODE_CHARS = 40_000
CODE_LINES = 2_000
TEXT_BLOCKS = 2_000
TICK_HTML = 16_000
SHOWN_MAX_CHARS = 1_000_000
NOT_SHOWN = "This text is longer than a page can show. The export of this run holds all of it."

CHEAP_CHARS = 3  # characters of text that need no parsing, for one unit of work

_LINE_WORK, _PIPE_WORK, _MARK_WORK, _NEST_WORK, _BLOCK_WORK, _LAZY_WORK = 40, 25, 6, 25, 40, 8
_CONTAINERS = re.compile(r"[ \t>*+\d.)-]*")
_FENCE = re.compile(r" {0,3}(?P<mark>`{3,}(?=[^`\n]*(?:\n|\Z))|~{3,})[^\n]*(?:\n|\Z)")
_DEFINITION = "]:"
_BLANK = re.compile(r"(?:[ \t]*\n)+")


def line_work(line: str) -> int:
    """The share of one line: its start may open several blocks, each pipe is a cell, each mark a token.

    What is nested costs a browser its depth for each element.
    """
    if not line.strip():
        return 2
    before = _CONTAINERS.match(line)
    nested = min(MAX_NESTING, sum(map(before.group().count, ">-+*.)"))) if before else 0
    pipes = line.count("|")
    marks = sum(map(line.count, "*_~[]`<&>\\!"))
    return _LINE_WORK + len(line) + _NEST_WORK * nested * (nested + 1) // 2 + _PIPE_WORK * pipes + _MARK_WORK * marks


@dataclass(frozen=True, slots=True)
class Piece:
    """One top-level block: its tokens, and where in the text it stands."""

    tokens: list[Token]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Portion:
    """Some blocks, and the place in the text where the next portion begins.

    `head`: the first lines of a table that goes on there, to be read before its next rows. `work`: what it cost.
    """

    pieces: list[Piece]
    end: int
    work: int
    head: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """One rendered block, and where in the normalised text it stands."""

    html: str
    start: int
    end: int


# --- cutting ----------------------------------------------------------------------------------------


def portions(text: str, env: Env) -> Iterator[Portion]:
    """All portions of a normalised text."""
    at, spent, blocks, head = 0, 0, 0, ""
    while at < len(text):
        is_plain = spent > TEXT_WORK or blocks >= TEXT_BLOCKS
        portion = plain_portion(text, at, len(text)) if is_plain else next_portion(text, at, head, env)
        at, head, spent, blocks = portion.end, portion.head, spent + portion.work, blocks + len(portion.pieces)
        yield portion


def next_portion(text: str, at: int, head: str, env: Env) -> Portion:
    """The portion of a normalised text that begins at `at`; running text in it is unread, definitions go to `env`."""
    if at and text[at - 1] != "\n":
        return plain_portion(text, at, _line_end(text, at))
    if blank := _BLANK.match(text, at):
        at, head = blank.end(), ""
    if fence := _FENCE.match(text, at):
        return _fence(text, fence, env)
    end = at
    for limit in (PORTION_WORK, BLOCK_WORK):
        end, spent = window(text, at, limit)
        if spent <= limit:
            parsed = _Parsed(text, at, end, head, env)
            if portion := parsed.portion(spent, may_cut=limit == BLOCK_WORK):
                return portion
    return plain_portion(text, at, end)


def window(text: str, at: int, limit: int) -> tuple[int, int]:
    """The end of the whole lines that may be parsed together, at least one, and what they cost.

    A line that is too long for a block costs more than `limit`.
    """
    spent, shown, end, lazy = 0, 0, at, 0
    while end < len(text):
        line_end = _line_end(text, end)
        line = text[end : min(line_end, end + limit + 1)]
        chars = shown_chars(line)
        cost = line_work(line) + lazy if chars <= BLOCK_CHARS else limit + 1
        lazy = max(lazy, _LAZY_WORK * line.count(">", 0, 100)) if line.strip() else 0
        if spent and (spent + cost > limit or shown + chars > BLOCK_CHARS):
            break
        spent, shown, end = spent + cost, shown + chars, line_end
    return end, spent


def _line_end(text: str, at: int) -> int:
    return text.find("\n", at) + 1 or len(text)


class _Parsed:
    """The blocks of the lines from `at` to `end`, of which the last one may go on after them."""

    def __init__(self, text: str, at: int, end: int, head: str, env: Env) -> None:
        source = head + text[at:end]
        self._groups = [list(group) for group in split_level(block_tokens(source, env))]
        self._lines = source.split("\n")
        self._starts = [0, *accumulate(len(line) + 1 for line in self._lines)]
        self._at, self._end, self._is_last = at, end, end == len(text)
        self._head = head
        if head and self._groups and _lines(self._groups[0])[1] <= 2:
            del self._groups[0]  # the rows had ended with the portion before

    def portion(self, spent: int, *, may_cut: bool) -> Portion | None:
        """The blocks that have certainly ended; None when there are none, and the only one may not be cut."""
        groups = self._groups
        if self._is_last or not groups:
            return self._made(groups, self._end, spent)
        if len(groups) > 1:
            return self._made(groups[:-1], self._place(_lines(groups[-1])[0]), spent)
        (group,) = groups
        if self._has_ended(group):
            return self._made(groups, self._place(_lines(group)[1]), spent)
        return self._cut(group, spent) if may_cut else None

    def _has_ended(self, group: list[Token]) -> bool:
        kind = group[0].type
        if kind.endswith("list_open") or kind == "code_block":
            return False
        return kind in ("heading_open", "hr") or _lines(group)[1] < len(self._lines) - 1

    def _cut(self, group: list[Token], spent: int) -> Portion | None:
        kind = group[0].type
        if kind.endswith("list_open"):
            *items, last = split_level(group[1:-1])
            kept = [group[0], *(token for item in items for token in item), group[-1]]
            return self._made([kept], self._place(_lines(last)[0]), spent) if items else None
        if kind == "table_open":
            start = _lines(group)[0]
            head = "".join(f"{line}\n" for line in self._lines[start : start + 2])
            return self._made([group], self._end, spent, self._head or head)
        return self._made([group], self._end, spent)

    def _made(self, groups: list[list[Token]], end: int, spent: int, head: str = "") -> Portion:
        places = [max(self._at, self._place(_lines(group)[0])) for group in groups]
        ends = [min(end, self._place(_lines(group)[1])) for group in groups]
        pieces = [Piece(*parts) for parts in zip(groups, places, ends, strict=True)]
        return Portion(pieces, end, spent + _BLOCK_WORK * len(pieces), head)

    def _place(self, line: int) -> int:
        """Where in the text that line begins."""
        return min(self._end, self._at - len(self._head) + self._starts[min(line, len(self._starts) - 1)])


def _lines(group: Sequence[Token]) -> tuple[int, int]:
    start, end = group[0].map or (0, 0)
    return start, end


def _fence(text: str, fence: re.Match[str], env: Env) -> Portion:
    """A block of code is one portion, however long: beyond its first line it needs no parsing."""
    mark = fence["mark"]
    closing = re.compile(rf"^ {{0,3}}{mark[0]}{{{len(mark)},}}[ \t]*$", re.MULTILINE).search(text, fence.end())
    end = _line_end(text, closing.end()) if closing else len(text)
    if end - fence.start() <= MAX_CODE_CHARS:
        tokens = block_tokens(text[fence.start() : end], env)
        return Portion([Piece(tokens[:1], fence.start(), end)], end, work=end - fence.start() + 2 * _BLOCK_WORK)
    opened = block_tokens(fence.group(), env)[0]
    content = text[fence.end() : closing.start() if closing else end]
    if indent := len(fence.group()) - len(fence.group().lstrip(" ")):
        content = re.sub(rf"^ {{1,{indent}}}", "", content, flags=re.MULTILINE)
    whole = Piece([changed(opened, content=content)], fence.start(), end)
    return Portion(list(_cut_code(whole, fence.end())), end, work=(end - fence.start()) // CHEAP_CHARS)


def _cut_code(whole: Piece, inner: int) -> Iterator[Piece]:
    """A block of code as several, where it is too long for one; its content stands at `inner`."""
    (token,), start, at = whole.tokens, whole.start, 0
    token.meta["uncoloured"] = True  # a part may be short enough for colours, but is the same code as the rest
    while (cut := block_end(token.content, at, CODE_CHARS, CODE_LINES)) < len(token.content):
        yield Piece([changed(token, content=token.content[at:cut])], start, inner + cut)
        at, start = cut, inner + cut
    yield Piece([changed(token, content=token.content[at:])], start, whole.end)


def plain_portion(text: str, at: int, end: int) -> Portion:
    """Text as it is, up to `end` or as much of it as fits into one block."""
    end = at + block_end(text[at : min(end, at + PLAIN_CHARS + 1)], 0, PLAIN_CHARS, PLAIN_LINES)
    piece = Piece([plain_token(text[at:end], (0, 0))], at, end)
    return Portion([piece], end, work=(end - at) // CHEAP_CHARS)


def room(text: str, at: int, chars: int) -> int:
    """How many characters from `at` come to so many where they are shown: hidden ones are spelled out there."""
    part = text[at : at + chars]
    return chars if part.isascii() else chars * len(part) // shown_chars(part)


def block_end(text: str, at: int, chars: int, lines: int) -> int:
    """Where a block that begins at `at` is full: after the last line that fits, or word, or character."""
    end, chars = len(text), room(text, at, chars)
    if end - at > chars:
        cuts = (text.rfind(mark, at, at + chars) + 1 for mark in "\n ")
        end = next((cut for cut in cuts if cut), at + chars)
    place = at
    for _ in range(lines):
        place = text.find("\n", place, end) + 1
        if not place:
            return end
    return place


def fitted(piece: Piece) -> Iterator[Piece]:
    """The same block, or several where it is plain text that is too long for one."""
    (token, *rest), start = piece.tokens, piece.start
    if rest or token.type != "plain":
        yield piece
        return
    text, at = token.content, 0
    while at < len(text) or at == 0:
        end = block_end(text, at, PLAIN_CHARS, PLAIN_LINES)
        is_last = end == len(text)
        yield Piece([changed(token, content=text[at:end])], start + at, piece.end if is_last else start + end)
        at = end or 1


# --- rendering --------------------------------------------------------------------------------------


class Rendering:
    """A finished text on its way to HTML: `advance` until `blocks` is there."""

    def __init__(self, text: str) -> None:
        self._text = normalise(text)
        self.blocks = _KEPT.get(self._text)
        self._shown: list[Shown] = []
        self._steps = self._render()

    def advance(self) -> int:
        """Do about as much work as a tick may, and say how much it was."""
        spent = 0
        while self.blocks is None and spent <= TICK_WORK:
            step = next(self._steps, None)
            if step is None:
                self.blocks = tuple(self._shown)
                _KEPT.put(self._text, self.blocks)
            else:
                spent += step
        return spent

    def _render(self) -> Iterator[int]:
        text = self._text[:SHOWN_MAX_CHARS]
        env: Env = {"references": {}}
        if _DEFINITION in text:  # a definition counts for what stands before it, too
            yield from (portion.work // 2 for portion in portions(text, env))
        for portion in portions(text, env):
            for piece in chain.from_iterable(map(fitted, portion.pieces)):
                html = render_tokens(read_inline(piece.tokens, env))
                self._shown.append(Shown(html, piece.start, piece.end))
            yield portion.work
        if len(text) < len(self._text):
            self._shown.append(Shown(f"<p>{NOT_SHOWN}</p>", len(text), len(self._text)))


class _Kept:
    """The rendered texts used last, so that nobody waits for what another reader's page has just shown."""

    def __init__(self, chars: int) -> None:
        self._lock = threading.Lock()
        self._of_text: OrderedDict[str, tuple[Shown, ...]] = OrderedDict()
        self._room = chars

    def get(self, text: str) -> tuple[Shown, ...] | None:
        with self._lock:
            found = self._of_text.get(text)
            if found is not None:
                self._of_text.move_to_end(text)
            return found

    def put(self, text: str, blocks: tuple[Shown, ...]) -> None:
        with self._lock:
            if text in self._of_text:
                return
            self._of_text[text] = blocks
            self._room -= len(text)
            while self._room < 0:
                forgotten, _ = self._of_text.popitem(last=False)
                self._room += len(forgotten)

    def clear(self) -> None:
        with self._lock:
            self._room += sum(map(len, self._of_text))
            self._of_text.clear()


_KEPT = _Kept(chars=2_000_000)


def rendered(text: str) -> tuple[Shown, ...]:
    """A whole untrusted text, at once: one clean HTML element per top-level block, and where the block stands."""
    rendering = Rendering(text)
    while rendering.blocks is None:
        rendering.advance()
    return rendering.blocks


def render_blocks(text: str) -> list[str]:
    """Only the HTML of `rendered`."""
    return [shown.html for shown in rendered(text)]


def forget_rendered() -> None:
    """Render everything anew: for measuring."""
    _KEPT.clear()
