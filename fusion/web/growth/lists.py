"""A list that is still being written: committed item by item."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from markdown_it.token import Token

from fusion.web.growth.ground import Ground, OpenBlock
from fusion.web.growth.lines import decided, first_lines, work_of
from fusion.web.markdown import Block, parse_blocks, render_tokens, split_level
from fusion.web.portions import BLOCK_CHARS, BLOCK_WORK, line_work


def open_list(ground: Ground, block: Block, items: Sequence[Sequence[Token]]) -> None:
    first, last = block.tokens[0], block.tokens[-1]
    prefix, end, suffix = render_tokens([first, last]).partition("</")
    settled = [render_tokens(item) for item in items[:-1]]
    source = ground.take_chars(first_lines(ground.pending, _line_of(items[-1]) - block.start))
    mark = f"{block.kind}{first.markup}"
    opened = OpenBlock("list", prefix, end + suffix, f">{first.tag}", settled, [source], mark)
    opened.loose = _is_loose(items)
    opened.work = work_of(source)
    ground.begin(opened)


def step_list(ground: Ground, opened: OpenBlock) -> str | None:
    env = ground.env(growing=True)
    text = decided(ground.near)
    blocks = parse_blocks(text, env)
    if not blocks:
        return ""
    first, *others = blocks
    if f"{first.kind}{first.first.markup}" != opened.mark:
        ground.close(opened, "", "")
        return None
    items = split_level(first.tokens[1:-1])
    opened.loose = opened.loose or _is_loose(items)
    if opened.loose:
        _loosen(first.tokens)
    fitting = _fitting(items, text, opened)
    if fitting < len(items) - 1:
        source = ground.take_lines(_line_of(items[fitting]), env)
        ground.close(opened, "".join(map(render_tokens, items[:fitting])), source)
        return None
    if others:
        source = ground.take_lines(others[0].start, env)
        ground.close(opened, "".join(map(render_tokens, items)), source)
        return None
    if len(items) == 1:
        return render_tokens(first.tokens)
    source = ground.take_lines(_line_of(items[-1]), env)
    opened.work += work_of(source)
    ground.extend(opened, "".join(map(render_tokens, items[:-1])), source)
    return None


def _is_loose(items: Sequence[Sequence[Token]]) -> bool:
    return any(t.type == "paragraph_open" and t.level == 2 and not t.hidden for item in items for t in item)


def _line_of(tokens: Sequence[Token]) -> int:
    return tokens[0].map[0] if tokens[0].map else 0


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
