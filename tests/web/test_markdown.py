"""Rendering: what Markdown becomes, and what hostile Markdown cannot do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.web.portions import render_blocks
from tests.web.markdown_samples import assert_inert, documents, dom


def render(text: str) -> str:
    return "".join(render_blocks(text))


@settings(max_examples=150)
@given(st.one_of(documents, st.text(max_size=200), st.text(alphabet="<>\"'&`*_[]()!|-#\n \\:/ax=", max_size=120)))
def test_any_text_becomes_inert_blocks_of_one_element_each(text: str) -> None:
    for block in render_blocks(text):
        assert_inert(block)
        root = dom(block)
        assert len(root) == 1
        assert not root.text
        assert not root[0].tail


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("a **b** ~~c~~", "<p>a <strong>b</strong> <s>c</s></p>"),
        ("# One", "<h3>One</h3>"),
        ("###### Six", "<h6>Six</h6>"),
        ("3. x\n4. y", '<ol start="3"><li>x</li><li>y</li></ol>'),
        ("- a\n\n- b", "<ul><li><p>a</p></li><li><p>b</p></li></ul>"),
        ("a  \nb\r\nc", "<p>a<br>\nb\nc</p>"),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>"),
        ("[x](javascript:alert(1))", "<p>x</p>"),
        (
            "![a chart](https://img.example/c.png)",
            '<p><span class="image">a chart <bdi class="host">(img.example)</bdi></span></p>',
        ),
        ("![d](data:image/png;base64,AAAA)", '<p><span class="image">d</span></p>'),
    ],
)
def test_markdown_becomes_plain_html(source: str, html: str) -> None:
    assert render_blocks(source) == [html]


@pytest.mark.parametrize(
    ("source", "host"),
    [
        ("[docs](https://example.org/a)", "example.org"),
        ("[https://bank.example](https://evil.example/)", "evil.example"),
        ("[bank.example.evil.example](https://evil.example/)", "evil.example"),
        ("<https://bank.example@evil.example/>", "evil.example"),
        ("[a](https://bank.example@evil.example:8080/)", "evil.example:8080"),
        ("[аpple.com](https://аpple.com)", "xn--pple-43d.com"),
        ("[write](mailto:a@example.org)", "a@example.org"),
    ],
)
def test_a_link_names_its_host_when_its_text_does_not(source: str, host: str) -> None:
    assert f'</a> <bdi class="host">({host})</bdi>' in render(source)


@pytest.mark.parametrize(
    "source", ["<https://example.org/a?b=1>", "[example.org](https://example.org/x)", "<a@example.org>"]
)
def test_a_link_whose_text_tells_its_host_has_no_note(source: str) -> None:
    assert 'class="host"' not in render(source)


def test_code_is_framed_labelled_and_coloured() -> None:
    (html,) = render_blocks("```python title=x\nif x < 1:\n    pass\n```")
    root = dom(html)
    assert root.xpath("string(.//*[@class='code-lang'])") == "python"
    assert root.xpath("string(.//pre/code)") == "if x < 1:\n    pass\n"
    assert root.xpath("count(.//button[@data-copy-code])") == 1
    assert '<span class="k">if</span>' in html


@pytest.mark.parametrize("language", ["nolang", "", "brainfuck"])
def test_code_in_an_unknown_language_is_plain(language: str) -> None:
    assert "<code>x &lt; 1\n</code>" in render(f"```{language}\nx < 1\n```")


def test_code_keeps_every_character_when_coloured() -> None:
    code = "\n\n\tx = '  '  \n\n\n"
    assert dom(render(f"```python\n{code}```")).xpath("string(.//code)") == code


def test_very_long_code_is_left_uncoloured() -> None:
    html = render("```python\n" + "x = 1\n" * 5000 + "```")
    assert '<span class="' not in html.replace('<span class="code-lang">', "")


def test_tables_scroll_in_a_region_and_keep_their_alignment() -> None:
    (html,) = render_blocks("| a | b |\n|:-:|--:|\n| 1 | 2 |")
    assert html.startswith('<div class="table" tabindex="0" role="group" aria-label="Table"><table>')
    assert '<td class="align-right">2</td>' in html
    assert "style" not in html


@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\u200b", "\ufeff", "\U000e0041", "&#x202e;", "&#8203;"])
def test_invisible_and_reordering_characters_are_spelled_out(hidden: str) -> None:
    for source in (f"a{hidden}b", f"`a{hidden}b`", f"```python\na{hidden}b\n```", f"[a{hidden}b](https://example.org)"):
        text = dom(render(source)).text_content()
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\ufeff\U000e0000-\U000e007f]", text)
        assert "⟦U+" in text or "&#" in text


def test_joined_emoji_and_flags_stay_whole() -> None:
    family, england = "👩\u200d👩\u200d👧", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
    assert render(f"{family} {england}") == f"<p>{family} {england}</p>"


def test_control_characters_and_half_surrogates_cannot_break_rendering() -> None:
    assert render("a\x00b\ud800c\x1bd") == "<p>a\ufffdb\ufffdc\ufffdd</p>"


@pytest.mark.parametrize(
    "text", ["> " * 5000 + "x", "[" * 50_000, "- " * 5000 + "x", "*a _b " * 20_000, "`a``" * 20_000]
)
def test_deep_or_endless_markup_is_rendered_all_the_same(text: str) -> None:
    blocks = render_blocks(text)
    assert len(blocks) <= 3 + len(text) // 4_000
    assert "".join(dom(block).xpath("string(.//pre | .//p)") for block in blocks).strip() == text.strip()


def test_every_class_of_coloured_code_is_known_to_the_style_sheet_and_no_colour_is_fixed() -> None:
    css = (Path(__file__).parents[2] / "static/css/highlight.css").read_text()
    rules = css.partition("@layer components")[2]
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgb\(", rules)
    html = render("```python\n# c\n@d\nclass A(B):\n    def f(self): return 'x' + 1.5 if True else None\n```")
    for name in set(re.findall(r'<span class="(\w+)">', html.partition("<pre")[2])):
        assert re.search(rf"\.{name}\b", rules), name
