"""The pages for everyone: by keyboard alone, without scripts, enlarged, in forced colours, with a screen reader."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.web.browsing import Site, over, shown, streaming, texts, until, violations

pytestmark = pytest.mark.browser

FITS = "document.documentElement.scrollWidth <= innerWidth"
FOCUSED = "document.activeElement.id"
STATIC_PAGES = [
    "/",
    "/history",
    "/history?q=no-such-words",
    "/pools",
    "/pools/new",
    "/pools/{pool}",
    "/pools/{pool}/edit",
    "/pools/{pool}/delete",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/sessions/",
    "/no-such-page",
]
ENTRY_PAGES = ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"]
# What somebody would miss: controls that stand outside of the window, or are too small to hit.
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
  return [...told("cut", cut), ...told("small", small)];
}"""


def _stop(page: Page) -> None:
    """However far the run has come by now, it ends."""
    page.evaluate("document.getElementById('act-stop')?.click()")
    over(page)


def _look(page: Page) -> list[str]:
    """What axe, the width of the window or a control's place have against the page as it stands."""
    found: list[str] = violations(page) + page.evaluate(LOST)
    return found if page.evaluate(FITS) else [*found, "the page is wider than the window"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_passes_axe_wide_and_narrow(site: Site, scheme: Any) -> None:
    page = site.visit(color_scheme=scheme, reduced_motion="reduce")
    stranger = site.browser.new_context(color_scheme=scheme, reduced_motion="reduce").new_page()
    wrong: dict[str, list[str]] = {}
    for paths, tab in ((STATIC_PAGES, page), (ENTRY_PAGES, stranger)):
        for path in paths:
            tab.set_viewport_size({"width": 1280, "height": 800})
            tab.goto(site.server.url + path.format(pool=site.pool))
            wrong[path] = _look(tab)
            tab.set_viewport_size({"width": 390, "height": 800})
            wrong[path] += _look(tab)
    assert {path: found for path, found in wrong.items() if found} == {}
    page.context.close()
    stranger.context.close()


def test_at_320_pixels_and_at_twice_the_text_nothing_is_lost(site: Site) -> None:
    page = site.visit(viewport={"width": 320, "height": 640})
    site.ask(page, slow=True)
    _stop(page)
    run = page.url.removeprefix(site.server.url)
    wrong: dict[str, list[str]] = {}
    for path in [*STATIC_PAGES, run]:
        page.set_viewport_size({"width": 320, "height": 640})
        page.goto(site.server.url + path.format(pool=site.pool))
        wrong[path] = page.evaluate(LOST) if page.evaluate(FITS) else ["320 px: wider than the window"]
        page.set_viewport_size({"width": 1280, "height": 800})
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        wrong[path] += page.evaluate(LOST) if page.evaluate(FITS) else ["200 %: wider than the window"]
    assert {path: found for path, found in wrong.items() if found} == {}
    page.context.close()


def test_a_whole_run_by_keyboard_alone(site: Site) -> None:
    page = site.visit()
    key = page.keyboard
    _tab_to(page, "#ask-prompt")
    key.type("Why is the sky blue? 1 f s ?")
    _tab_to(page, "#ask-pool")
    key.type("Slow")
    _tab_to(page, "input[name=mode]")
    key.press("ArrowUp" if page.input_value("[name=mode]:checked") == "merge" else "ArrowDown")
    page.focus("#ask-prompt")
    key.press("Control+Enter")
    page.wait_for_url(re.compile("/r/"))
    assert page.inner_text("#run-prompt") == "Why is the sky blue? 1 f s ?", "a shortcut took a letter from the field"
    key.press("2")
    assert page.evaluate(FOCUSED) == "body-B"
    key.press("]")
    assert page.evaluate(FOCUSED) == "body-C"
    key.press("[")
    streaming(page, "B", 40)
    key.press("s")
    page.wait_for_selector("#head-B[data-state=stopped]")
    assert page.evaluate(FOCUSED) == "body-B", "the stop moved the focus"
    key.press("Shift+S")
    over(page)
    key.press("f")
    assert page.evaluate(FOCUSED) == "final-body"
    for _ in range(8):
        key.press("Shift+Tab")
        if page.evaluate(FOCUSED) == "tab-answer":
            break
    key.press("ArrowRight")
    key.press("Enter")
    assert page.evaluate(FOCUSED) == "tab-why" and page.is_visible("#panel-why")
    key.press("0")
    assert page.is_visible("#panel-answer"), "the final shows when it is gone to"
    key.press("2")
    key.press("r")
    page.wait_for_selector("#head-B:has-text('attempt 2')")
    key.press("Shift+S")
    over(page)
    page.context.close()


def _tab_to(page: Page, wanted: str) -> None:
    """Press Tab until something that matches has the focus."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"Tab never reached {wanted}")


def test_shortcuts_are_listed_under_a_key_and_can_be_switched_off(site: Site) -> None:
    page = site.visit()
    site.ask(page, slow=True)
    page.click("#run-answers-title")
    page.keyboard.press("?")
    assert page.is_visible("#shortcuts") and violations(page) == []
    page.keyboard.press("s")
    page.uncheck("[data-setting=shortcuts]")
    page.keyboard.press("Escape")
    assert not page.is_visible("#shortcuts") and page.is_visible("#act-stop"), "Escape stops nothing"
    page.reload()
    page.keyboard.press("2")
    page.keyboard.press("?")
    assert page.evaluate(FOCUSED) == "" and not page.is_visible("#shortcuts")
    page.click(".topbar .menu > summary")
    page.click("[data-shortcuts]")
    page.check("[data-setting=shortcuts]")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+2")
    assert not page.evaluate(FOCUSED).startswith("body-"), "keys with Ctrl are the browser's"
    page.keyboard.press("2")
    assert page.evaluate(FOCUSED) == "body-B"
    _stop(page)
    page.context.close()


def test_a_pause_freezes_every_column_and_catches_up_with_nothing_lost(site: Site) -> None:
    page = site.visit()
    url = site.ask(page)
    streaming(page)
    page.click("[data-pause]")
    held = texts(page)
    other = site.visit()
    other.goto(url)
    over(other)
    assert texts(page) == held and page.query_selector("#live-seq") is not None
    page.click("[data-pause]")
    over(page)
    assert shown(page) == shown(other) and not page.is_visible("[data-pause]")
    page.context.close()
    other.context.close()


def test_a_screen_reader_hears_milestones_and_never_the_stream(site: Site) -> None:
    page = site.visit()
    site.ask(page)
    page.evaluate(
        """() => {
          window.__said = [];
          const said = ({ target }) => window.__said.push([performance.now(), target.textContent]);
          const note = (list) => list.forEach(said);
          new MutationObserver(note).observe(document.querySelector("[data-announce]"), { childList: true });
        }"""
    )
    streaming(page)
    live = "[aria-live], [role=status], [role=alert], [role=log]"
    assert page.locator(f":is({live}) .prose, .prose :is({live}), :is({live}).prose, .col :is({live})").count() == 0
    assert page.get_attribute("#body-A", "aria-busy") == "true"
    over(page)
    until(page, "window.__said.some(([, words]) => words.includes('Final ready'))")
    said = page.evaluate("window.__said")
    gaps = [after[0] - before[0] for before, after in pairwise(said)]
    assert all(gap >= 4900 for gap in gaps), said
    assert page.locator("[aria-busy]").count() == 0
    page.context.close()


def test_what_needs_somebody_to_act_is_said_at_once_unless_announcements_are_off(site: Site) -> None:
    for setting, expected in (("", True), ("off", False)):
        page = site.visit()
        page.evaluate("(value) => value && localStorage.setItem('fusion-announcements', value)", setting)
        site.ask(page, slow=True)
        streaming(page, at_least=20)
        page.evaluate(
            """() => {
              const notices = document.getElementById("run-notices").cloneNode();
              notices.innerHTML = '<div class="notice notice--bad"><p class="notice__title">No answer came</p></div>';
              notices.setAttribute("hx-swap-oob", "true");
              document.dispatchEvent(new CustomEvent("fusion:receive", { detail: notices.outerHTML }));
            }"""
        )
        until(page, "document.getElementById('run-notices').innerText.includes('No answer came')")
        assert (page.inner_text("[data-announce-now]") == "No answer came.") is expected
        page.click("#act-stop")
        over(page)
        page.context.close()


def test_in_forced_colours_states_and_the_focus_stay_visible(site: Site) -> None:
    page = site.visit(forced_colors="active", color_scheme="dark")
    site.ask(page, slow=True)
    streaming(page, at_least=20)
    page.keyboard.press("2")
    outline = page.evaluate(
        "(() => { const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth]; })()"
    )
    assert outline == ["solid", "2px"]
    for selector in ("#head-A .badge .icon", "#act-stop", "#head-A .letter"):
        assert page.is_visible(selector)
    border = "getComputedStyle(document.querySelector('#head-A .badge')).borderTopColor"
    assert page.evaluate(border) != page.evaluate("getComputedStyle(document.body).backgroundColor")
    _stop(page)
    page.context.close()


def test_sticky_bars_do_not_hide_what_has_the_focus(site: Site) -> None:
    page = site.visit(viewport={"width": 390, "height": 600})
    site.ask(page, slow=True)
    _stop(page)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    hidden = """() => {
      const box = document.activeElement.getBoundingClientRect();
      const middle = Math.min(box.top + box.height / 2, innerHeight - 1);
      const at = document.elementFromPoint(box.left + box.width / 2, middle);
      return Boolean(at?.closest(".topbar, .answer-tabs")) && !document.activeElement.closest(".topbar, .answer-tabs");
    }"""
    for _ in range(25):
        page.keyboard.press("Shift+Tab")
        assert not page.evaluate(hidden), page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
    page.context.close()


def test_without_scripts_a_pool_is_made_changed_and_deleted_and_a_deleted_run_comes_back(site: Site) -> None:
    page = site.visit(java_script_enabled=False)
    page.goto(f"{site.server.url}/pools/{site.pool}")
    page.click("button:has-text('Duplicate')")
    page.fill("[name=name]", "Made by hand")
    page.click("button:has-text('Add a member')")
    assert page.input_value("[name=name]") == "Made by hand", "adding a member lost what was typed"
    page.click("[aria-label='Remove D']")
    page.click("#pool-form .form-actions .btn--primary")
    assert page.inner_text("h1") == "Made by hand"
    page.click("a:has-text('Delete')")
    page.click("button:has-text('Delete the pool')")
    assert page.locator("a:has-text('Made by hand')").count() == 0
    site.ask(page, "Shall this stay?", slow=True)
    page.click("#act-stop")
    page.wait_for_selector("[data-run-state]:text-is('Stopped')")
    page.goto(f"{site.server.url}/history?q=Shall+this+stay")
    page.click("a:has-text('Shall this stay?')")
    page.click(".run-top summary")
    page.click("button:has-text('Delete this run')")
    page.click("button:has-text('Undo')")
    page.goto(f"{site.server.url}/history?q=Shall+this+stay")
    assert page.locator("a:has-text('Shall this stay?')").count() == 1
    page.context.close()


def test_without_scripts_the_page_looks_again_by_itself_until_the_run_has_ended(site: Site) -> None:
    page = site.visit(java_script_enabled=False)
    site.ask(page)
    page.wait_for_selector("[data-run-state]:text-is('Done')")
    assert page.locator("meta[http-equiv=refresh]").count() == 0 and page.is_visible("#doc-final")
    page.context.close()
