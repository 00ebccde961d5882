"""A served installation and a browser to look at it with, for the tests of the live pages."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from pathlib import Path
from typing import Any

import axe_core_python
from playwright.sync_api import Browser, BrowserContext, Page

from tests.processes import Served

SLOW = "m-ttft100-rate80-tokens420"
MEMBERS = [SLOW, "m-b-ttft200-rate60-tokens300", "m-c-ttft150-rate90-tokens420"]
JUDGE = "judge-rate400"
# Minutes of text: whatever a slow machine takes, these are still being written.
SLOW_MEMBERS = tuple(f"s{number}-ttft100-rate20-tokens4000" for number in range(3))
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
PATIENCE_MS = 40_000


class Site:
    """A served installation with alice signed in and a pool of three members."""

    def __init__(self, server: Served, browser: Browser, session: str, pool: str) -> None:
        self.server = server
        self.pool = pool
        self.browser = browser
        self.session = session

    def visit(self, **options: Any) -> Page:
        """A new window of alice's; errors of scripts fail the test that looks at `errors`."""
        context = self.context(**options)
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(self.server.url)
        return page

    def context(self, **options: Any) -> BrowserContext:
        context = self.browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        context.add_cookies([{"name": "fusion_session", "value": self.session, "url": self.server.url}])
        context.set_default_timeout(PATIENCE_MS)
        return context

    def ask(
        self, page: Page, question: str = "Why is the sky blue?", mode: str = "best-of", *, slow: bool = False
    ) -> str:
        """Ask from the front page, of the pool `Slow` if `slow`; gives the address of the run."""
        page.goto(self.server.url)
        page.fill("textarea[name=prompt]", question)
        page.select_option(
            "select[name=pool]", label="Slow · 3 members" if slow else None, value=None if slow else self.pool
        )
        page.check(f"input[name=mode][value={mode}]")
        page.click("[data-send]")
        page.wait_for_url(re.compile("/r/"))
        return page.url

    def raw(self, url: str, query: str) -> str:
        request = urllib.request.Request(f"{url}/export.md?{query}")
        request.add_header("Cookie", f"fusion_session={self.session}")
        with urllib.request.urlopen(request, timeout=10) as reply:
            text: str = reply.read().decode()
        return text


def over(page: Page) -> None:
    page.wait_for_selector("#live-seq", state="detached")
    page.wait_for_timeout(100)


def until(page: Page, condition: str) -> None:
    """Until that expression holds. `wait_for_function` evaluates in the page, where the policy forbids it."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, f"never held: {condition}"
        page.wait_for_timeout(50)


def streaming(page: Page, letter: str = "A", at_least: int = 200) -> None:
    """Until that answer has some text."""
    until(page, f"document.getElementById('doc-{letter}').innerText.length >= {at_least}")


def shown(page: Page) -> str:
    html: str = page.evaluate("document.getElementById('run').outerHTML")
    return html


def texts(page: Page) -> list[str]:
    return [page.inner_text(f"#doc-{letter}") for letter in "ABC"]


def violations(page: Page) -> list[str]:
    page.evaluate(AXE)
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [f"{v['id']}: {json.dumps([n['html'][:160] for n in v['nodes'][:3]])}" for v in found["violations"]]
