"""The ops in a real browser: put in as the page of a run puts frames in, they leave what a fresh page shows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import django_htmx
import pytest
from playwright.sync_api import Page, sync_playwright

from fusion.web.document import LiveDocument, document_html, op_html
from tests.web.markdown_samples import cut

HTMX = Path(django_htmx.__file__).parent / "static" / "django_htmx"
FRAMES = Path(__file__).parents[2] / "static" / "js" / "frames.js"
KEY = "a-B"
BLOCKS = [
    "# A title with `code`",
    "Words **bold** and *more*, [a link](https://example.org/x), ![pic](https://img.example/i.png). " * 5,
    "- one\n- two **b**\n  - nested\n    1. deep\n- three",
    "1. loose\n\n2. items\n\n3. here",
    "- tight\n- then\n\n- loose",
    "```python\n\ndef f(x: int) -> str:\n\n    return '<b>&amp;'\n```",
    "~~~\n<head><title>x</title></head>\n\n\tplain\n~~~",
    "| a | b |\n|---|--:|\n| 1 | **2** |\n| 3 | `4` |\n| 5 | |",
    "> quote\n> - with list\n>\n> end",
    "See [late] and <script>alert(1)</script> <b hx-get='/x' hx-trigger='load'>b</b>",
    "[late]: https://late.example/",
    "    indented\n    code",
    "Setext\n======",
    "***",
]

# What a socket brings. A page that nobody sees takes it in at once.
APPLY = "(message) => document.dispatchEvent(new CustomEvent('fusion:receive', { detail: message }))"
HIDDEN = "Object.defineProperty(document, 'hidden', { value: true })"
MISSED = "window.missed = 0; document.addEventListener('fusion:resync', () => { missed += 1 })"


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page()
        page.set_content("<!doctype html><html><body><button data-pause><i data-pause-word></i></button></body></html>")
        page.add_script_tag(path=HTMX / "htmx-2.js")
        page.evaluate("htmx.config.allowScriptTags = false; htmx.config.allowEval = false")
        page.evaluate(HIDDEN)
        page.evaluate(MISSED)
        page.add_script_tag(path=FRAMES)
        yield page
        browser.close()


def _show(page: Page, html: str) -> str:
    page.evaluate("(html) => { document.body.innerHTML = html }", html)
    return page.evaluate("document.body.innerHTML")  # type: ignore[no-any-return]


@pytest.mark.browser
@pytest.mark.parametrize("seed", range(12))
def test_frames_that_are_put_in_leave_the_page_that_a_fresh_load_would_show(browser_page: Page, seed: int) -> None:
    chance = random.Random(seed)
    text = "\n\n".join(chance.sample(BLOCKS, len(BLOCKS)))
    document, joined = LiveDocument(KEY), chance.randint(0, 20)
    _show(browser_page, document.snapshot())
    for number, piece in enumerate(cut(text, seed, chance.choice([5, 30, 90]))):
        document.feed(piece)
        ops = document.tick()
        if number == joined:
            _show(browser_page, document.snapshot())
        elif ops:
            browser_page.evaluate(APPLY, "".join(op_html(op, KEY) for op in ops))
        if number % 9 == 0:
            shown = browser_page.evaluate("document.body.innerHTML")
            assert shown == _show(browser_page, document.snapshot())
    browser_page.evaluate(APPLY, "".join(op_html(op, KEY) for op in document.finish()))
    shown = browser_page.evaluate("document.body.innerHTML")
    assert browser_page.evaluate("missed") == 0
    assert "hx-swap-oob=" not in shown
    assert shown == _show(browser_page, document_html(KEY, text))
