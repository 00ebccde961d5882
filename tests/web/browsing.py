"""A served installation and a browser to look at it with, for the tests of the live pages."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from tests.processes import Served, served, set_up, tell_upstream, upstream_process, upstream_stats

SLOW = "m-ttft100-rate80-tokens420"
MEMBERS = [SLOW, "m-b-ttft200-rate60-tokens300", "m-c-ttft150-rate90-tokens420"]
JUDGE = "judge-rate400"
# Minutes of text: whatever a slow machine takes, these are still being written, and no limit of time ends them.
SLOW_MEMBERS = tuple(f"s{number}-ttft100-rate20-tokens20000" for number in range(3))
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
PATIENCE_MS = 40_000
NO_LIMITS = {f"FUSION_{limit}_TIMEOUT_S": "1800" for limit in ("PANEL", "JUDGE", "WRITER", "ROUND", "RUN")}
# A socket is open once its first word is there: what is done to a page before concerns a way that may not be taken.
COUNT_SOCKETS = (
    "document.addEventListener('fusion:connected', () => { window.__sockets = (window.__sockets ?? 0) + 1; })"
)
FITS = "document.documentElement.scrollWidth <= innerWidth"
# What somebody would miss: controls that stand outside of the window or are too small to hit, and up to a tablet the
# rest of a table.
LOST = """() => {
  const scrolls = ".table-wrap, .tabs__list, .answer-tabs, .columns, pre, .table";
  const told = (word, ones) => ones.map((one) => `${word}: ${one.outerHTML.slice(0, 120)}`);
  const box = (one) => one.getBoundingClientRect();
  const shown = [...document.querySelectorAll("a, button, input, select, textarea, summary, [role=tab]")]
    .filter((one) => one.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }))
    .filter((one) => !one.matches(".skip-link, .visually-hidden") && box(one).width > 1 && box(one).height > 1);
  const cut = shown.filter((one) => !one.closest(scrolls) && (box(one).left < -1 || box(one).right > innerWidth + 1));
  const small = shown.filter((one) => one.matches("button, .btn, select, summary"))
    .filter((one) => box(one).height < 24 || box(one).width < 24);
  const pushed = innerWidth > 896 ? [] : [...document.querySelectorAll(".table-wrap:has(> table)")]
    .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1);
  return [...told("cut", cut), ...told("small", small), ...told("pushed sideways", pushed)];
}"""
LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1280), ("dark", 390))
# Every rule that axe has on by itself, and the one of WCAG 2.2 AA that it has not. Which headings stand inside of an
# answer is up to the model that wrote it.
RUN_AXE = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } });
  const isOurs = ({ target }) => !document.querySelector(target[0])?.closest(".prose, .md");
  const counted = ({ id, nodes }) => (id === "heading-order" ? nodes.filter(isOurs) : nodes);
  const told = (rule) => [rule.id, counted(rule).map((node) => node.html)];
  return found.violations.map(told).filter(([, nodes]) => nodes.length);
}"""


class Site:
    """A served installation with alice signed in and a pool of three members."""

    def __init__(self, server: Served, upstream: str, browser: Browser, session: str, pool: str) -> None:
        self.server = server
        self.upstream = upstream
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
        context.add_init_script(COUNT_SOCKETS)
        return context

    def ask(
        self,
        page: Page,
        question: str = "Why is the sky blue?",
        mode: str = "best-of",
        *,
        slow: bool = False,
        late: bool = False,
        quick: bool = False,
    ) -> str:
        """Ask from the front page, of the pool `Slow`, `Late` or `Quick` if so said; gives the address of the run."""
        page.goto(self.server.url)
        page.fill("textarea[name=prompt]", question)
        name = "Slow" if slow else "Late" if late else "Quick" if quick else ""
        page.select_option(
            "select[name=pool]", label=f"{name} · 3 members" if name else None, value=None if name else self.pool
        )
        page.check(f"input[name=mode][value={mode}]")
        page.click("[data-send]")
        page.wait_for_url(re.compile("/r/"))
        return page.url

    @contextmanager
    def held(self, kind: str) -> Iterator[None]:
        """What passes by stands still meanwhile: every stream of that kind waits after two thirds of its text.

        `kind` is `answer`, `verdict`, `rebuttal` or `ruling`.
        """
        tell_upstream(self.upstream, f"hold/{kind}")
        try:
            yield
        finally:
            tell_upstream(self.upstream, "let-all")

    def let_on(self, page: Page, count: int) -> None:
        """Those that are held go on, once so many are; later ones of their kind are held again."""
        until_so(page, lambda: upstream_stats(self.upstream)["held"] == count, f"{count} streams are held")
        tell_upstream(self.upstream, "let-on")

    def raw(self, url: str, query: str) -> str:
        request = urllib.request.Request(f"{url}/export.md?{query}")
        request.add_header("Cookie", f"fusion_session={self.session}")
        with urllib.request.urlopen(request, timeout=PATIENCE_MS / 1000) as reply:
            text: str = reply.read().decode()
        return text


@contextmanager
def served_site(data_dir: Path, *, variables: Mapping[str, str] | None = None, **pools: Any) -> Iterator[Site]:
    """An installation with models of our own, and a browser; `pools` is what `set_up` takes."""
    with upstream_process() as upstream:
        session, pool = set_up(data_dir, upstream, **pools)
        known = {"FUSION_PROVIDER_URL": upstream, "FUSION_MAX_RUNS_PER_PERSON": "50", **NO_LIMITS, **(variables or {})}
        with served(data_dir, **known) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium",
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            yield Site(server, upstream, browser, session, pool)
            browser.close()


def listen(page: Page) -> None:
    """From now on `said` gives what a screen reader is told, and when."""
    page.evaluate(
        """() => {
          window.__said = [];
          const said = ({ target }) => window.__said.push([performance.now(), target.textContent]);
          const note = (list) => list.forEach(said);
          new MutationObserver(note).observe(document.querySelector("[data-announce]"), { childList: true });
        }"""
    )


def said_until(page: Page, words: str) -> list[tuple[float, str]]:
    """Milliseconds and words of everything that was said, once these words were."""
    until(page, f"window.__said.some(([, said]) => said.includes({json.dumps(words)}))")
    return [(at, said) for at, said in page.evaluate("window.__said")]


def over(page: Page) -> None:
    """Until the run of that page has ended and the page shows it: the mark of a run goes with its last frame."""
    until(page, "document.readyState === 'complete' && document.getElementById('live-seq') === null")


def until(page: Page, condition: str) -> None:
    """Until that expression holds. `wait_for_function` evaluates in the page, where the policy forbids it."""

    def holds() -> bool:
        try:
            return bool(page.evaluate(condition))
        except Error as left:
            if "navigation" not in left.message:
                raise
            return False  # the page is just being left for another one

    until_so(page, holds, condition)


def until_so(page: Page, holds: Callable[[], bool], told: str) -> None:
    """Until that holds; meanwhile what comes from the browser is heard."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not holds():
        assert time.monotonic() < deadline, f"never held: {told}"
        page.wait_for_timeout(50)


def says(page: Page, selector: str, words: str) -> None:
    """Until these words stand there, whatever white space is between them."""
    said = f"document.querySelector({json.dumps(selector)})?.textContent.replace(/\\s+/g, ' ')"
    until(page, f"{said}?.includes({json.dumps(words)})")


def connected(page: Page) -> None:
    """Until a socket has said its first word to this page, if its run is under way."""
    until(page, "window.__sockets > 0 || document.getElementById('live-seq') === null")


def streaming(page: Page, letter: str = "A", at_least: int = 200) -> None:
    """Until that answer has some text."""
    until(page, f"document.getElementById('doc-{letter}')?.innerText.length >= {at_least}")


def tab_to(page: Page, wanted: str, *, most: int = 40) -> None:
    """Press Tab until something that matches has the focus."""
    for _ in range(most + 1):
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reached {wanted} on {page.url}")


def type_to(page: Page, wanted: str) -> None:
    """Press the first letter of an option of the menu that has the focus until it is chosen.

    Letter by letter a browser takes a slow word for several.
    """
    for _ in range(20):
        if page.evaluate("document.activeElement.selectedOptions[0].text").startswith(wanted):
            return
        page.keyboard.press(wanted[0])
    raise AssertionError(f"typing never chose {wanted}")


def shown(page: Page) -> str:
    html: str = page.evaluate("document.getElementById('run').outerHTML")
    return html


def texts(page: Page) -> list[str]:
    return [page.inner_text(f"#doc-{letter}") for letter in "ABC"]


def violations(page: Page) -> list[str]:
    """What axe has against the page as it stands."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE)
    found = page.evaluate(RUN_AXE)
    return [f"{rule}: {[node[:160] for node in nodes[:3]]}" for rule, nodes in found]


def faults(page: Page) -> list[str]:
    """What axe, the width of the window or a control's place have against the page as it stands."""
    found: list[str] = violations(page) + page.evaluate(LOST)
    return found if page.evaluate(FITS) else [*found, "the page is wider than the window"]


def faults_everywhere(page: Page) -> list[str]:
    """`faults` wide in light and on a phone in dark; the page is left as it was."""
    size, found = page.viewport_size, []
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 800})
        found += [f"{scheme}, {width} px: {fault}" for fault in faults(page)]
    page.emulate_media(color_scheme="light")
    if size is not None:
        page.set_viewport_size(size)
    return found
