"""A page as a tree, and what htmx does to it with an out-of-band frame: enough of it to test the law of the screen."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable

from lxml import html
from lxml.html import HtmlElement


class PageDom:
    """The inside of a page; `apply` swaps a frame into it as htmx does, `text` gives it back in one normal form."""

    def __init__(self, inner: str) -> None:
        self.root: HtmlElement = html.fragment_fromstring(inner, create_parent="main")

    def apply(self, frames: Iterable[str]) -> None:
        for frame in frames:
            for element in html.fragments_fromstring(frame):
                assert isinstance(element, HtmlElement), f"text between fragments: {element!r}"
                self._swap(element)

    def _swap(self, element: HtmlElement) -> None:
        how = element.attrib.pop("hx-swap-oob")
        style, _, selector = how.partition(":")
        selector = selector or f"#{element.attrib['id']}"
        target = self._find(selector)
        if style == "true":
            element.tail = target.tail
            target.getparent().replace(target, element)
        elif style == "innerHTML":
            for child in list(target):
                target.remove(child)
            target.text = None
            _append_children(element, target)
        else:
            assert style == "beforeend", how
            _append_children(element, target)

    def _find(self, selector: str) -> HtmlElement:
        """`#id`, `#id>ul` (a child) or `#id code` (the first descendant)."""
        matched = re.fullmatch(r"#([\w-]+)(?:([> ])(\w+))?", selector)
        assert matched is not None, selector
        name, axis, tag = matched.groups()
        step = "" if tag is None else f"/{tag}" if axis == ">" else f"//{tag}"
        found = self.root.xpath(f"//*[@id='{name}']{step}")
        assert len(found) == 1, f"{len(found)} elements match {selector}"
        element: HtmlElement = found[0]
        return element

    def text(self) -> str:
        """The tree in one form, whatever way it was built."""
        tree = copy.deepcopy(self.root)
        for element in tree.iter():
            attributes = sorted(element.attrib.items())
            element.attrib.clear()
            element.attrib.update(attributes)
        rendered: str = html.tostring(tree, encoding="unicode")
        return rendered

    def visible(self) -> str:
        """What a reader sees, without markup."""
        return " ".join(" ".join(self.root.itertext()).split())


def _append_children(source: HtmlElement, target: HtmlElement) -> None:
    if source.text:
        if len(target):
            target[-1].tail = (target[-1].tail or "") + source.text
        else:
            target.text = (target.text or "") + source.text
    for child in list(source):
        target.append(child)
