"""Every hostile text through the renderer: nothing acts, nothing is lost, and no tick does much work."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from pygments.lexer import Lexer

from fusion.web import markdown
from fusion.web.document import LiveDocument, document_html
from fusion.web.highlight import highlight
from fusion.web.portions import SHOWN_MAX_CHARS, forget_rendered, rendered
from tests.web.hostile_text import HOSTILE, SHORT, long, noise
from tests.web.markdown_samples import Page, assert_inert, cut, dom

KEY = "a-B"
LONG = [
    pytest.param(payload, id=f"{kind}-{number}")
    for kind, payloads in long(4_000).items()
    for number, payload in enumerate(payloads)
]
# What a tick may hand to the parser. A tick of ordinary text stays far below; without bounds these payloads make one
# tick as large as the whole text, and several times that in tokens.
TICK_TOKENS = 12_000
TICK_INLINE_CHARS = 90_000


def inert(html: str) -> None:
    assert_inert(re.sub(r' id="a-B-[a-z0-9]+"', "", html))


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert len(set(HOSTILE)) >= 200
    assert len(LONG) >= 100


@pytest.mark.parametrize("kind", SHORT)
def test_hostile_markdown_is_inert_finished_and_while_it_streams(kind: str) -> None:
    for seed, payload in enumerate(SHORT[kind]):
        for text in (
            payload,
            f"para {payload} para",
            f"- item {payload}\n- next",
            f"**{payload}",
            f"| a |\n|---|\n| {payload} |\n",
            f"```html\n{payload}\n```",
        ):
            document, page = LiveDocument(KEY), Page.empty(KEY)
            for piece in cut(text, seed, 9):
                document.feed(piece)
                page.apply(document.tick())
                inert(document.snapshot())
            page.apply(document.finish())
            fresh = document_html(KEY, text)
            inert(fresh)
            assert document.snapshot() == fresh, text
            assert page.html() == Page(KEY, fresh).html(), text


@pytest.mark.parametrize("text", LONG)
def test_a_long_hostile_text_is_inert_and_the_open_page_ends_as_a_fresh_one(text: str) -> None:
    document, page = LiveDocument(KEY), Page.empty(KEY)
    for piece in cut(text, 5, 300):
        document.feed(piece)
        page.apply(document.tick())
    inert(document.snapshot())
    page.apply(document.finish())
    fresh = document_html(KEY, text)
    inert(fresh)
    assert page.html() == Page(KEY, fresh).html()


# --- work -------------------------------------------------------------------------------------------


class Meter:
    """Counts what the parser and the lexers are given to do."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.tokens = self.inline_chars = 0
        push_block, push_inline, get_tokens = StateBlock.push, StateInline.push, Lexer.get_tokens
        parse_inline = markdown._MD.inline.parse

        def counted_block(state: StateBlock, ttype: str, tag: str, nesting: int) -> Token:
            self.tokens += 1
            return push_block(state, ttype, tag, nesting)  # type: ignore[arg-type]

        def counted_inline(state: StateInline, ttype: str, tag: str, nesting: int) -> Token:
            self.tokens += 1
            return push_inline(state, ttype, tag, nesting)  # type: ignore[arg-type]

        def counted_parse(src: str, *rest: object) -> object:
            self.inline_chars += len(src)
            return parse_inline(src, *rest)  # type: ignore[arg-type]

        def counted_lexing(lexer: Lexer, text: str) -> Iterator[object]:
            for token in get_tokens(lexer, text):
                self.tokens += 1
                yield token

        patch.setattr(StateBlock, "push", counted_block)
        patch.setattr(StateInline, "push", counted_inline)
        patch.setattr(markdown._MD.inline, "parse", counted_parse)
        patch.setattr(Lexer, "get_tokens", counted_lexing)

    def check(self) -> None:
        assert self.tokens <= TICK_TOKENS
        assert self.inline_chars <= TICK_INLINE_CHARS
        self.tokens = self.inline_chars = 0


@pytest.mark.parametrize("pieces", [1, 60], ids=["at once", "streamed"])
@pytest.mark.parametrize("kind", long(10))
def test_no_tick_does_much_work_whatever_the_text_is(kind: str, pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in long(40_000)[kind]:
        forget_rendered()
        highlight.cache_clear()
        with monkeypatch.context() as patch:
            meter = Meter(patch)
            document = LiveDocument(KEY)
            for start in range(0, len(text), step := -(-len(text) // pieces)):
                document.feed(text[start : start + step])
                document.tick()
                meter.check()
            document.end()
            while document.is_behind:
                document.tick()
                meter.check()
        assert document.snapshot() == document_html(KEY, text)


def words(html: str) -> str:
    root = dom(html)
    for bar in root.find_class("code-bar"):
        bar.drop_tree()
    return "".join(root.text_content().split())


@pytest.mark.parametrize(
    "text",
    [
        "> " * 60 + "at the bottom",
        "- " * 60 + "at the bottom",
        "|a" * 1000 + "|\n" + "|-" * 1000 + "|\n" + "|at the bottom\n",
        "x " * 30_000 + "at the bottom",
        "- x\n" * 9_000 + "- at the bottom",
        "|a|b|\n|-|-|\n" + "|x|y|\n" * 5_000 + "|at the|bottom|",
        "[" * 400 + "at the bottom",
        "> quoted\n" * 5_000 + "> at the bottom",
        "- one\n\n" + "  a paragraph of it\n\n" * 5_000 + "  at the bottom",
        "```\n" + "code\n" * 50_000 + "at the bottom\n```",
        "a\n\n" * 50_000 + "at the bottom",
    ],
    ids=range(11),
)
def test_what_is_too_much_to_format_is_still_there_to_read(text: str) -> None:
    assert "atthebottom" in words(document_html(KEY, text))


def test_a_long_list_and_a_long_table_go_on_as_another_one() -> None:
    items = rendered("".join(f"{n}. item\n" for n in range(1, 2001)))
    starts = [int(dom(block.html)[0].get("start", "1")) for block in items]
    assert len(items) > 1 and sum(len(dom(block.html)[0]) for block in items) == 2000
    assert starts == [1, *(sum(len(dom(b.html)[0]) for b in items[:n]) + 1 for n in range(1, len(items)))]
    rows = rendered("|a|b|\n|-|-|\n" + "|x|y|\n" * 2000)
    assert len(rows) > 1 and sum(block.html.count("<tr><td>") for block in rows) == 2000
    assert all(block.html.count("<th>") == 2 for block in rows)


def test_an_ordinary_long_answer_reads_as_parsed_in_one_piece() -> None:
    chance = random.Random(8)
    parts = [
        "## A heading\n\n",
        "A paragraph with **bold**, *em*, `code` and [a link](https://e.org/), see [late].\n\n",
        "- item\n  - nested `x`\n- other\n\n  more of it\n\n",
        "1. one\n2. two\n   ```python\n   x = 1\n   ```\n\n",
        "```python\ndef f(x):\n    return x\n\n\n# done\n```\n\n",
        "| a | b |\n|---|--:|\n| 1 | 2 |\n| 3 | 4 |\n\n",
        "> quoted\n> text\n\n",
        "    indented\n\n    code\n\n",
        "---\n\n",
        "Setext\n======\n\n",
    ]
    text = "".join(chance.choices(parts, k=1100)) + "\n[late]: https://late.example/\n"
    whole = [markdown.render_tokens(block.tokens) for block in markdown.parse_blocks(text, {})]
    assert len(text) > 30_000
    assert [block.html for block in rendered(text)] == whole


def test_a_text_longer_than_a_page_can_show_says_so() -> None:
    text = "a word or two\n\n" * (SHOWN_MAX_CHARS // 15 + 5_000)
    document = LiveDocument(KEY)
    for start in range(0, len(text), 200_000):
        document.feed(text[start : start + 200_000])
        document.tick()
    document.finish()
    assert document.snapshot() == document_html(KEY, text)
    assert "longer than a page can show" in document.snapshot()
    assert document.text == text


def test_noise_is_shown_alike_however_it_came() -> None:
    for seed in range(25):
        text = noise(seed + 100, 1_500)
        document, page = LiveDocument(KEY), Page.empty(KEY)
        for number, piece in enumerate(cut(text, seed, 60)):
            document.feed(piece)
            page.apply(document.tick())
            if number % 9 == 0:
                assert page.html() == Page(KEY, document.snapshot()).html()
        page.apply(document.finish())
        inert(document.snapshot())
        assert page.html() == Page(KEY, document_html(KEY, text)).html()
