"""Markdown texts for the tests of rendering: strategies that make them, and how to cut and apply them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from hypothesis import strategies as st
from lxml import html as lxml_html
from lxml.html import HtmlElement

from fusion.web.ops import Append, Drop, Extend, Op, Replace, Reset, Tail, block_html, page_html

WORDS = [
    "alpha",
    "**bold**",
    "*em*",
    "`code`",
    "[site](https://example.org/a)",
    "[late]",
    "<b>",
    "a_b_c",
    "2 * 3",
    "&amp;",
]
WORDS += [
    "~~gone~~",
    "**two words**",
    "![pic](https://img.example/x.png)",
    "1.",
    "-",
    "|",
    "x\u202ey",
    "<https://e.org>",
]
LANGUAGES = ["", "python", "js", "nolang", 'x" onclick="1']

words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
paragraph = st.one_of(
    words, st.lists(words, min_size=2, max_size=9).map("\n".join), words.map(lambda w: (w + " ") * 12)
)


def _bullets(items: list[str], bullet: str, gap: str) -> str:
    return gap.join(f"{bullet} {item}" for item in items)


def _nest(items: list[str]) -> str:
    return "\n".join(f"- {item}\n  - inner {item}\n\n    more" for item in items)


lists = st.one_of(
    st.builds(
        _bullets, st.lists(words, min_size=1, max_size=5), st.sampled_from(["-", "*", "3.", "1)"]), st.just("\n")
    ),
    st.builds(
        _bullets, st.lists(words, min_size=1, max_size=4), st.sampled_from(["-", "7."]), st.sampled_from(["\n\n"])
    ),
    st.lists(words, min_size=1, max_size=3).map(_nest),
    st.just("- tight\n- also tight\n\n- now loose\n- end"),
)
fences = st.builds(
    lambda language, lines, fence, end: f"{fence}{language}\n" + "\n".join(lines) + f"\n{fence if end else ''}",
    st.sampled_from(LANGUAGES),
    st.lists(st.sampled_from(["x = '<b>'", "", "  indented\t", "``", "~~~ ", "# no", "def f(): return 1"]), max_size=6),
    st.sampled_from(["```", "~~~~", "  ```"]),
    st.booleans(),
)
tables = st.integers(0, 4).map(lambda n: "| a | b |\n|---|--:|\n" + "| **x** | `y` |\n" * n)
others = st.sampled_from(
    [
        "# Title #",
        "Setext\n===",
        "Other\n---",
        "> quoted **text\n> more**",
        "> - a\n> - b",
        "***",
        "    indented\n    code",
        "[late]: https://late.example/x",
        "<div onclick=alert(1)>\nraw\n</div>",
        "* * *",
        "- - -",
        "a | b\n--|--\n1 | 2",
        "-",
    ]
)
block = st.one_of(paragraph, lists, fences, tables, others)
documents = st.lists(
    st.tuples(block, st.sampled_from(["\n\n", "\n", "\r\n\r\n", "\n\n\n"])), min_size=1, max_size=6
).map(lambda parts: "".join(text + gap for text, gap in parts))


def cut(text: str, seed: int, longest: int = 40) -> Iterator[str]:
    """Pieces of random length, the same for the same seed."""
    chance = random.Random(seed)
    while text:
        size = chance.randint(1, longest)
        yield text[:size]
        text = text[size:]


class Page:
    """An open page with one document, changed by ops as a browser would."""

    def __init__(self, key: str, snapshot: str) -> None:
        self.key = key
        self.root: HtmlElement = lxml_html.fragment_fromstring(snapshot, create_parent="main")

    @classmethod
    def empty(cls, key: str) -> Page:
        return cls(key, page_html(key, ()))

    def html(self) -> str:
        return str(lxml_html.tostring(self.root, encoding="unicode"))

    def apply(self, ops: Sequence[Op]) -> None:
        for op in ops:
            self._apply(op)

    def _find(self, name: str) -> HtmlElement:
        return self.root.get_element_by_id(f"{self.key}-{name}")

    def _apply(self, op: Op) -> None:
        match op:
            case Append(index, html):
                assert index == len(self._find("md"))
                self._find("md").append(lxml_html.fragment_fromstring(block_html(self.key, index, html)))
            case Extend(index, selector, html):
                path = {">": "./", " ": ".//"}[selector[0]] + selector[1:]
                (target,) = self._find(f"b{index}").findall(path)
                _fill(target, html)
            case Replace(index, html):
                target = self._find(f"b{index}")
                _clear(target)
                _fill(target, html)
            case Drop(index):
                block = self._find(f"b{index}")
                assert block.getnext() is None
                block.drop_tree()
            case Tail(html):
                _clear(self._find("tail"))
                _fill(self._find("tail"), html)
            case Reset(blocks):
                _clear(self._find("md"))
                _fill(self._find("md"), "".join(block_html(self.key, i, b) for i, b in enumerate(blocks)))


def _clear(target: HtmlElement) -> None:
    for child in list(target):
        target.remove(child)
    target.text = None


def _fill(target: HtmlElement, html: str) -> None:
    """Append parsed HTML; unlike lxml's own fragment parser this keeps text that is all white space."""
    parsed = lxml_html.fromstring(f"<section>{html}</section>")
    if len(target):
        target[-1].tail = (target[-1].tail or "") + (parsed.text or "")
    else:
        target.text = (target.text or "") + (parsed.text or "")
    target.extend(list(parsed))


# --- what rendered Markdown may consist of ------------------------------------------------------------

TAG_NAMES = """
p h3 h4 h5 h6 hr br blockquote ul ol li strong em s code pre a span bdi div button table thead tbody tr th td main
"""
TAGS = set(TAG_NAMES.split())
ATTRIBUTES = {"href", "rel", "class", "start", "type", "data-copy-code", "tabindex", "role", "aria-label"}


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
