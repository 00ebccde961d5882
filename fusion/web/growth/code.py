"""Code that is still being written: committed character by character, coloured once it has ended."""

from __future__ import annotations

from dataclasses import replace as changed
from html import escape

from markdown_it.token import Token

from fusion.web.growth.ground import Ground, OpenBlock
from fusion.web.growth.lines import closes, first_lines, may_close
from fusion.web.markdown import clean, render_tokens
from fusion.web.portions import CHEAP_CHARS, CODE_CHARS, CODE_LINES, block_end

CODE_STEP_CHARS = 15_000


def open_fence(ground: Ground, fence: Token) -> None:
    line = ground.take_chars(first_lines(ground.pending, 1))
    prefix, end, suffix = render_tokens([changed(fence, content="")]).partition("</code>")
    indent = len(line) - len(line.lstrip(" "))
    opened = OpenBlock("fence", prefix, end + suffix, " code", source=[line], mark=fence.markup, indent=indent)
    ground.begin(opened)


def step_fence(ground: Ground, opened: OpenBlock) -> str | None:
    if opened.chars >= CODE_CHARS or opened.work >= CODE_LINES:
        opened = _go_on_with_code(ground, opened)
    text, position = _next_step(ground, opened), 0
    is_all = len(text) == len(ground.pending)
    shown: list[str] = []
    while position < len(text):
        end = text.find("\n", position) + 1
        line = text[position : end or len(text)]
        if opened.at_line_start:
            if end and closes(line.removesuffix("\n"), opened.mark):
                ground.take_chars(end)
                ground.close(opened, clean(escape("".join(shown), quote=False)), text[:end])
                return None
            if not end and is_all and may_close(line, opened.mark):
                break
            kept = line.lstrip(" ")
            line = line[min(opened.indent, len(line) - len(kept)) :]
        shown.append(line)
        position = end or len(text)
        opened.at_line_start = bool(end)
    ground.extend(opened, clean(escape("".join(shown), quote=False)), ground.take_chars(position))
    opened.work += len(shown)
    ground.work += len(text) // CHEAP_CHARS + len(shown)
    return "" if is_all else None


def _go_on_with_code(ground: Ground, full: OpenBlock) -> OpenBlock:
    """Close a block of code that is full, and open another one like it."""
    opened = changed(full, inner=[], source=[], work=0, is_part=True)
    ground.close(full, "", "")
    ground.begin(opened)
    return opened


def _next_step(ground: Ground, opened: OpenBlock) -> str:
    chars, lines = min(CODE_STEP_CHARS, CODE_CHARS - opened.chars), CODE_LINES - opened.work
    return ground.pending[: block_end(ground.pending, 0, max(1, chars), max(1, lines))]
