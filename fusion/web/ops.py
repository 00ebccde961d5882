"""What a live document tells its readers, and the htmx out-of-band fragment of each.

A top-level element of a websocket message names its target in `hx-swap-oob`: `true` replaces the element of its id,
`style:selector` puts its *children* there. A wrapper must be an element that HTML allows around those children (rows in
`<table>`, items in `<ul>`), or the parser drops them. `static/js/frames.js` puts it in and takes the attribute off, so
that the page equals a fresh one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Append:
    """A new block at the end."""

    block_index: int
    html: str


@dataclass(frozen=True, slots=True)
class Extend:
    """More children at the end of an open block's container; `selector` is relative to the block (`>ol`, ` code`)."""

    block_index: int
    selector: str
    html: str


@dataclass(frozen=True, slots=True)
class Replace:
    """Another content for one block."""

    block_index: int
    html: str


@dataclass(frozen=True, slots=True)
class Tail:
    """What is shown after the blocks: the text still being written."""

    html: str


@dataclass(frozen=True, slots=True)
class Drop:
    """The last block goes."""

    block_index: int


@dataclass(frozen=True, slots=True)
class Reset:
    """All blocks anew."""

    blocks: tuple[str, ...]


Op = Append | Extend | Replace | Drop | Tail | Reset

_WRAPPERS = {">ul": "ul", ">ol": "ol", " table": "table"}


def block_html(key: str, index: int, html: str) -> str:
    """One block in the wrapper that gives it its id."""
    return f'<div class="blk" id="{key}-b{index}">{html}</div>'


def blocks_html(key: str, blocks: tuple[str, ...]) -> str:
    return "".join(block_html(key, index, html) for index, html in enumerate(blocks))


def page_html(key: str, blocks: tuple[str, ...], tail: str = "") -> str:
    """The two siblings of a document, as a fresh page has them."""
    return f'<div class="md" id="{key}-md">{blocks_html(key, blocks)}</div>{_tail(key, tail)}'


def _tail(key: str, html: str, swap: str = "") -> str:
    return f'<div class="md tail" id="{key}-tail"{swap}>{html}</div>'


def op_html(op: Op, key: str) -> str:
    """The htmx out-of-band fragment that applies `op` to the document `key` of an open page."""
    match op:
        case Append(index, html):
            return f'<div hx-swap-oob="beforeend:#{key}-md">{block_html(key, index, html)}</div>'
        case Extend(index, selector, html):
            wrapper = _WRAPPERS.get(selector, "span")
            return f'<{wrapper} hx-swap-oob="beforeend:#{key}-b{index}{selector}">{html}</{wrapper}>'
        case Replace(index, html):
            # What is in the block, not the block: for another block the browser would style all that follow it anew.
            return f'<div id="{key}-b{index}" hx-swap-oob="innerHTML">{html}</div>'
        case Drop(index):
            return f'<div id="{key}-b{index}" hx-swap-oob="delete"></div>'
        case Tail(html):
            return _tail(key, html, ' hx-swap-oob="innerHTML"')
        case Reset(blocks):
            return f'<div class="md" id="{key}-md" hx-swap-oob="innerHTML">{blocks_html(key, blocks)}</div>'
