"""The two laws of a live document, and what it sends."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.web.document import LiveDocument, document_html, op_html
from fusion.web.ops import Append, Drop, Extend, Op, Replace, Reset, Tail
from tests.web.markdown_samples import Page, cut, documents

KEY = "a-B"
LAWS = settings(max_examples=80)

PROSE = "Plain words **and bold ones** with `code`, one after the other. "
LIST = "".join(f"- item {n} with *some* words\n" for n in range(400))
CODE = "```python\n" + "".join(f"value_{n} = {n}\n" for n in range(600)) + "```\n"
TABLE = "| a | b |\n|---|---|\n" + "".join(f"| {n} | x |\n" for n in range(600))


def stream(text: str, size: int = 40, *, ending: bool = True) -> tuple[LiveDocument, list[Op]]:
    document, ops = LiveDocument(KEY), list[Op]()
    for start in range(0, len(text), size):
        document.feed(text[start : start + size])
        ops += document.tick()
    return document, ops + (document.finish() if ending else [])


def tails(text: str) -> list[str]:
    return [op.html for op in stream(text, 1, ending=False)[1] if isinstance(op, Tail)]


def sent_bytes(text: str) -> int:
    return sum(len(op_html(op, KEY).encode()) for op in stream(text)[1])


@LAWS
@given(documents, st.integers(0, 1000), st.sampled_from([3, 40, 400]))
def test_however_a_text_is_cut_the_open_page_ends_as_a_fresh_one(text: str, seed: int, longest: int) -> None:
    document, page = LiveDocument(KEY), Page.empty(KEY)
    for piece in cut(text, seed, longest):
        document.feed(piece)
        page.apply(document.tick())
    page.apply(document.finish())
    assert document.snapshot() == document_html(KEY, text)
    assert page.html() == Page(KEY, document_html(KEY, text)).html()


@LAWS
@given(documents, st.integers(0, 1000), st.integers(0, 60))
def test_a_reader_who_joins_late_sees_what_the_others_see(text: str, seed: int, join: int) -> None:
    document = LiveDocument(KEY)
    pieces = cut(text, seed, 25)
    for piece in itertools.islice(pieces, join):
        document.feed(piece)
        document.tick()
    late = Page(KEY, document.snapshot())
    for piece in pieces:
        document.feed(piece)
        late.apply(document.tick())
        assert late.html() == Page(KEY, document.snapshot()).html()
    late.apply(document.finish())
    assert late.html() == Page(KEY, document_html(KEY, text)).html()


@pytest.mark.parametrize(
    "text", [PROSE * 60 + "\n\n", LIST + "\n", CODE, TABLE + "\n"], ids=["prose", "list", "code", "table"]
)
def test_one_long_open_block_costs_bytes_in_proportion_to_its_length(text: str) -> None:
    half = text[: len(text) // 2]
    assert sent_bytes(text) < 2.6 * sent_bytes(half)
    assert sent_bytes(text) < 12 * len(text)


def test_a_paragraph_without_a_place_to_cut_costs_bounded_bytes() -> None:
    text = "> " + "quoted words go on " * 2000
    assert sent_bytes(text) < 15 * len(text)


@pytest.mark.parametrize(("columns", "row"), [(300, "|\n"), (60, "|" * 53 + "\n"), (8, "||||\n"), (2, "|\n")])
def test_a_wide_table_header_does_not_blow_up_the_short_rows_below_it(columns: int, row: str) -> None:
    text = "|a" * columns + "|\n" + "|-" * columns + "|\n" + row * 1500
    largest = len(document_html(KEY, text))
    assert largest < 80 * len(text)
    assert sent_bytes(text) < max(3 * largest, 20 * len(text))


def test_a_long_paragraph_is_committed_word_by_word() -> None:
    ops = stream(PROSE * 20 + "\n\nend\n")[1]
    assert sum(isinstance(op, Extend) and op.selector == ">p" for op in ops) > 10
    assert not [op for op in ops if isinstance(op, Replace | Reset)]


def test_open_code_grows_by_its_characters_and_is_coloured_once_when_it_closes() -> None:
    ops = stream("```python\nx = 1\ny = 2\n```\n", 6)[1]
    assert "".join(op.html for op in ops if isinstance(op, Extend)).startswith("x = 1\ny = 2")
    replaced = [op for op in ops if isinstance(op, Replace)]
    assert len(replaced) == 1
    assert '<span class="mi">1</span>' in replaced[0].html


def test_list_items_are_committed_when_the_next_one_begins() -> None:
    ops = stream("- one\n- two\n- three\n- fo", 1, ending=False)[1]
    assert [op.html for op in ops if isinstance(op, Append | Extend)] == [
        "<ul><li>one</li></ul>",
        "<li>two</li>",
        "<li>three</li>",
    ]
    assert ops[-1] == Tail("<ul><li>fo</li></ul>")


def test_a_numbered_list_goes_on_counting_in_the_tail() -> None:
    assert tails("4. a\n5. b")[-1] == '<ol start="5"><li>b</li></ol>'


def test_half_typed_markup_is_never_shown_raw() -> None:
    shown = tails("Say **bold** and `code` and [a link](https://example.org/x) and ![pic](https://e.org/p.png) end")
    assert not [html for html in shown if "**" in html or "`" in html or "[" in html or "](" in html]
    assert "<strong>bo</strong>" in "".join(shown)


@pytest.mark.parametrize("head", ["| a | b |\n|---|---|\n", "a | b\n--|--\n"])
def test_a_table_is_not_shown_as_raw_pipes(head: str) -> None:
    ops = stream(f"Intro\n\n{head}| 1 | 2 |\n| 3 | 4 |\n", 1, ending=False)[1]
    complete = [op.html for op in ops if not isinstance(op, Tail | Reset | Drop)]
    assert not [html for html in complete if "|" in html]
    assert next(op.html for op in ops if isinstance(op, Extend)).startswith("<tbody><tr><td>1</td>")
    if head.startswith("|"):
        assert not [html for html in tails(head) if "|" in html]


def test_a_late_link_definition_changes_only_the_block_that_uses_it() -> None:
    text = "See [ref].\n\nOther.\n\nThird.\n\n[ref]: https://example.org/\n"
    document, ops = stream(text)
    assert [op.block_index for op in ops if isinstance(op, Replace)] == [0]
    assert 'href="https://example.org/"' in document.snapshot()


def test_a_definition_that_changes_most_blocks_sends_them_all_at_once() -> None:
    ops = stream("See [ref].\n\n" * 10 + "[ref]: https://example.org/\n")[1]
    assert [type(op) for op in ops if isinstance(op, Replace | Reset)] == [Reset]


def test_nothing_new_sends_nothing() -> None:
    document, _ = stream("Some words", ending=False)
    document.feed("")
    assert document.tick() == []
    document.finish()
    assert document.finish() == []
    document.feed("late")
    assert document.tick() == []


def test_feeding_renders_nothing_before_the_tick() -> None:
    document = LiveDocument(KEY)
    before = document.snapshot()
    document.feed("# Title\n\ntext")
    assert document.snapshot() == before
    assert document.text == "# Title\n\ntext"


@pytest.mark.parametrize("key", ["", "1a", 'a"b', "a b", "a>b", "a\n"])
def test_a_key_that_could_break_out_of_an_id_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not usable"):
        LiveDocument(key)


@pytest.mark.parametrize(
    ("op", "fragment"),
    [
        (
            Append(3, "<p>x</p>"),
            '<div hx-swap-oob="beforeend:#a-B-md"><div class="blk" id="a-B-b3"><p>x</p></div></div>',
        ),
        (Extend(3, " code", "x\n"), '<span hx-swap-oob="beforeend:#a-B-b3 code">x\n</span>'),
        (Extend(3, ">ol", "<li>x</li>"), '<ol hx-swap-oob="beforeend:#a-B-b3>ol"><li>x</li></ol>'),
        (Replace(0, "<hr>"), '<div id="a-B-b0" hx-swap-oob="innerHTML"><hr></div>'),
        (Drop(2), '<div id="a-B-b2" hx-swap-oob="delete"></div>'),
        (Tail(""), '<div class="md tail" id="a-B-tail" hx-swap-oob="innerHTML"></div>'),
    ],
)
def test_every_op_names_its_target(op: Op, fragment: str) -> None:
    assert op_html(op, KEY) == fragment
