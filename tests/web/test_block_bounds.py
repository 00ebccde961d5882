"""How much a browser has to lay out at once: no block is large, and no tick brings much, whatever the text is."""

from __future__ import annotations

from html import unescape

import pytest

from fusion.web.document import LiveDocument, document_html, op_html
from fusion.web.ops import Drop, Op
from fusion.web.portions import (
    BLOCK_CHARS,
    CODE_CHARS,
    CODE_LINES,
    TEXT_BLOCKS,
    TICK_HTML,
    forget_rendered,
    rendered,
)
from tests.web.hostile_text import long
from tests.web.markdown_samples import Page, dom

KEY = "a-B"
BLOCK_HTML = 40_000  # what one block of the corpus may come to


@pytest.mark.parametrize("pieces", [1, 20], ids=["at once", "streamed"])
@pytest.mark.parametrize("kind", long(10))
def test_no_tick_brings_a_browser_much_to_draw_whatever_the_text_is(kind: str, pieces: int) -> None:
    for text in long(45_000)[kind]:
        forget_rendered()
        document = LiveDocument(KEY)
        for start in range(0, len(text), step := -(-len(text) // pieces)):
            document.feed(text[start : start + step])
            drawable(document.tick())
        while document.is_behind:
            drawable(document.tick())
        blocks_are_bounded(document.snapshot())
        document.end()
        while document.is_behind:
            drawable(document.tick())
        blocks_are_bounded(document.snapshot())


def drawable(ops: list[Op]) -> None:
    assert sum(len(unescape(op_html(op, KEY))) for op in ops) < TICK_HTML + BLOCK_HTML, [
        type(op).__name__ for op in ops
    ]


def blocks_are_bounded(html: str) -> None:
    blocks = dom(html).get_element_by_id(f"{KEY}-md")
    assert len(blocks) < TEXT_BLOCKS + 500
    for block in blocks:
        text = block.text_content()
        assert len(text) < (CODE_CHARS if block.find("div/pre") is not None else BLOCK_CHARS) + 500, text[:80]
        assert text.count("\n") < CODE_LINES + 5, text[:80]


def test_code_that_is_too_long_for_one_block_goes_on_as_another_one_without_colours() -> None:
    lines = [f"x = {n}\n" for n in range(9_000)]
    blocks = rendered("```python\n" + "".join(lines) + "```\n\nafter\n")
    *parts, after = blocks
    assert 3 <= len(parts) <= 5 and after.html == "<p>after</p>"
    shown = [dom(part.html).find(".//code").text_content() for part in parts]
    assert "".join(shown) == "".join(lines)
    assert all(part.html.count("<span") == 1 and ">python</span>" in part.html for part in parts)
    assert [part.start for part in blocks[1:]] == [part.end if part is not parts[-1] else after.start for part in parts]


def test_a_block_of_code_below_the_bound_is_one_block_with_its_colours() -> None:
    code = "x = 1\n" * 900
    document = LiveDocument(KEY)
    for start in range(0, len(source := f"```python\n{code}```\n"), 40):
        document.feed(source[start : start + 40])
        document.tick()
    assert len(dom(document.snapshot())[0]) == 1 and '<span class="mi">' in document.snapshot()


def test_what_differs_at_the_end_of_a_long_text_comes_in_parts_and_a_late_reader_sees_the_same() -> None:
    text = "See [ref] and **some** words.\n\n" * 1_500 + "[ref]: https://example.org/\n"
    document = LiveDocument(KEY)
    document.feed(text)
    while not document.blocks:
        document.tick()
        if not document.is_behind:
            document.end()
    page, frames = Page(KEY, document.snapshot()), 0
    while document.is_behind:
        page.apply(document.tick())
        assert page.html() == Page(KEY, document.snapshot()).html()
        frames += 1
    assert frames > 5
    assert page.html() == Page(KEY, document_html(KEY, text)).html()


def test_blocks_that_are_too_many_at_the_end_are_taken_away() -> None:
    text = "1. x\n" * 12_000
    document, page, ops = LiveDocument(KEY), Page.empty(KEY), list[Op]()
    for start in range(0, len(text), 1_200):
        document.feed(text[start : start + 1_200])
        ops += document.tick()
    ops += document.finish()
    page.apply(ops)
    assert any(isinstance(op, Drop) for op in ops)
    assert page.html() == Page(KEY, document_html(KEY, text)).html()


@pytest.mark.parametrize("row", [19_990, 19_998, 20_050, 41_000])
def test_a_row_as_long_as_a_block_is_shown_and_so_is_what_follows_it(row: int) -> None:
    text = "|a|\n|-|\n" + f"|{'x' * row}|\n" * 3 + "\nat the bottom\n"
    document = LiveDocument(KEY)
    for start in range(0, len(text), 5_000):
        document.feed(text[start : start + 5_000])
        document.tick()
    while document.is_behind:
        document.tick()
    assert "at the bottom" in document.snapshot()
    document.finish()
    assert document.snapshot() == document_html(KEY, text) and "at the bottom" in document.snapshot()
