"""What nobody should have to put up with: a page that jumps, a table to be pushed sideways, a question that is lost."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page

from tests.web.browsing import LOST, Site, connected, over, says, streaming, until

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
WATCH_SHIFTS = """() => {
  window.__shifts = [];
  const name = ({ node }) => node?.id || node?.className || node?.nodeName;
  // A text that is followed to its end moves inside of what scrolls: that is what following means.
  const element = ({ node }) => (node?.nodeType === Node.TEXT_NODE ? node.parentElement : node);
  const follows = (source) => element(source)?.closest("[data-follow]");
  const note = (list) => list.getEntries().filter((one) => !one.hadRecentInput)
    .map((one) => [one.value, one.sources.filter((source) => !follows(source)).map(name).join(" ")])
    .filter(([, what]) => what).forEach((one) => window.__shifts.push(one));
  window.__watch = new PerformanceObserver(note);
  window.__watch.observe({ type: "layout-shift" });
  window.__noted = () => {
    note({ getEntries: () => window.__watch.takeRecords() });
    return window.__shifts;
  };
}"""
# What has moved is known once it is drawn.
SHIFTS = "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))).then(window.__noted)"
PROMPT = "document.getElementById('ask-prompt').value"


def _shifts(page: Page) -> list[tuple[float, str]]:
    """What moved so far, each with its share of the window: 0.01 is a tenth of the window by a tenth of its height."""
    return [(value, what) for value, what in page.evaluate(SHIFTS) if value > 0.003]


@pytest.mark.parametrize("size", [{"width": 1440, "height": 900}, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("mode", ["merge", "debate"])
def test_nothing_jumps_while_answers_come_and_the_judge_is_counted_down_to(
    site: Site, size: dict[str, int], mode: str
) -> None:
    page = site.visit(viewport=size)
    site.ask(page, mode=mode, late=True)
    page.evaluate(WATCH_SHIFTS)
    page.wait_for_selector("#act-judge-now")
    page.wait_for_selector("#run-grace:has-text('Judge starts in')")
    page.evaluate("document.getElementById('act-wait').click()")
    page.wait_for_selector("#run-grace:has-text('Waiting for every answer')")
    assert _shifts(page) == []
    page.evaluate("document.getElementById('act-stop').click()")
    over(page)
    site.ask(page, mode=mode)
    page.evaluate(WATCH_SHIFTS)
    over(page)
    assert _shifts(page) == []
    page.context.close()


def test_a_connection_that_is_lost_and_found_moves_nothing(site: Site) -> None:
    page = site.visit(viewport=PHONE)
    site.ask(page, slow=True)
    streaming(page, at_least=1)
    connected(page)
    page.evaluate(WATCH_SHIFTS)
    page.evaluate("dispatchEvent(new Event('offline'))")
    page.wait_for_selector("[data-live-status]:has-text('You are offline. Your run continues on the server.')")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_selector("[data-live-status]", state="hidden")
    assert [what for _, what in _shifts(page) if what != "live-status"] == [], "more moved than the bar that says it"
    page.evaluate("document.getElementById('act-stop').click()")
    over(page)
    page.context.close()


def test_no_table_of_a_run_is_pushed_sideways_on_a_tablet_or_a_phone(site: Site) -> None:
    page = site.visit(viewport=PHONE)
    site.ask(page, quick=True)
    over(page)
    for width in (768, 390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        for tab in ("why", "receipt"):
            page.click(f"#tab-{tab}")
            assert page.is_visible(f"#panel-{tab} table")
            assert page.evaluate(LOST) == [], f"{tab} at {width} px"
    assert "$?" in page.inner_text("#run-receipt tfoot") and page.inner_text("#run-clock").endswith(" · $?")
    page.context.close()


def test_a_question_survives_a_network_that_is_gone_and_one_that_dies_as_it_is_sent(site: Site) -> None:
    page = site.visit()
    page.fill("#ask-prompt", "What would be lost?")
    page.context.set_offline(True)
    until(page, "!navigator.onLine")
    page.click("[data-send]")
    says(page, "#toast", "You are offline. Nothing was sent")
    assert page.evaluate(PROMPT) == "What would be lost?"
    page.context.set_offline(False)
    until(page, "navigator.onLine")
    page.route("**/runs", lambda route: route.abort("connectionreset"))
    with page.expect_event("requestfailed"):
        page.click("[data-send]", no_wait_after=True)
    page.wait_for_url("chrome-error://**")
    page.unroute("**/runs")
    page.goto(site.ask(other := site.visit(), "Another question"))
    page.goto(site.server.url)
    assert page.evaluate(PROMPT) == "What would be lost?", "the page of another run took it for the one that was sent"
    page.click("[data-send]")
    page.wait_for_url(re.compile("/r/"))
    streaming(page, at_least=1)
    page.goto(site.server.url)
    assert page.evaluate(PROMPT) == "", "what has arrived is no draft any more"
    other.context.close()
    page.context.close()
