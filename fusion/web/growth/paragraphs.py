"""A long paragraph that is still being written: committed word by word."""

from __future__ import annotations

from fusion.web.dangling import settled_words
from fusion.web.growth.ground import Ground, OpenBlock
from fusion.web.growth.lines import decided, first_lines, is_closed
from fusion.web.markdown import MAX_INLINE_CHARS, parse_blocks, render_inline, shown_chars

LONG_PARAGRAPH = 200  # characters after which a paragraph is committed word by word


def open_paragraph(ground: Ground) -> None:
    text = ground.near.lstrip(" ")
    ground.take_chars(len(ground.near) - len(text))
    if end := settled_words(text):
        source = ground.take_chars(end)
        html = render_inline(source, ground.references)
        ground.begin(OpenBlock("paragraph", "<p>", "</p>", ">p", [html], [source]))


def paragraph_for(ground: Ground, chars: int) -> OpenBlock:
    """The open paragraph, or one that goes on in its place where it has no room for so many more."""
    opened = ground.open
    if opened and opened.chars + chars > MAX_INLINE_CHARS:
        ground.close(opened, "", "")
        opened = None
    if opened is None:
        opened = OpenBlock("paragraph", "<p>", "</p>", ">p")
        ground.begin(opened)
    return opened


def step_paragraph(ground: Ground, opened: OpenBlock) -> str | None:
    """`pending` begins within a line: a letter put before it keeps it from being read as a line's start."""
    text = decided(ground.near)
    first, *others = parse_blocks("x" + text, ground.env())
    if others or is_closed(first, "x" + text):
        source = ground.take_chars(first_lines(text, first.end))
        ground.close(opened, render_inline(source.rstrip(), ground.references), source)
        return None
    if end := settled_words(text):
        source = ground.take_chars(end)
        ground.extend(paragraph_for(ground, shown_chars(source)), render_inline(source, ground.references), source)
    return ""
