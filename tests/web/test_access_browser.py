"""The pages for everyone: by keyboard alone, without scripts, enlarged, in forced colours, with a screen reader."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from playwright.sync_api import Page

from tests.web.browsing import (
    FITS,
    LOST,
    Site,
    connected,
    listen,
    over,
    said_until,
    shown,
    streaming,
    tab_to,
    texts,
    type_to,
    until,
    violations,
)

pytestmark = pytest.mark.browser

FOCUSED = "document.activeElement.id"
STATIC_PAGES = [
    "/",
    "/history",
    "/pools",
    "/pools/new",
    "/pools/{pool}",
    "/pools/{pool}/edit",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/sessions/",
    "/no-such-page",
]


def _stop(page: Page) -> None:
    """However far the run has come by now, it ends."""
    page.evaluate("document.getElementById('act-stop')?.click()")
    over(page)


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
    tab_to(page, "#ask-prompt")
    key.type("Why is the sky blue? 1 f s ?")
    tab_to(page, "#ask-pool")
    type_to(page, "Slow")
    tab_to(page, "input[name=mode]")
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
    with page.expect_navigation():  # the page of an ended run is loaded anew to watch
        key.press("r")
    page.wait_for_selector("#head-B:has-text('attempt 2')")
    key.press("Shift+S")
    over(page)
    page.context.close()


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
    page.click(".topbar .menu--me > summary")
    page.click("[data-shortcuts]")
    page.check("[data-setting=shortcuts]")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+2")
    assert not page.evaluate(FOCUSED).startswith("body-"), "keys with Ctrl are the browser's"
    page.keyboard.press("2")
    assert page.evaluate(FOCUSED) == "body-B"
    _stop(page)
    page.context.close()


# Presses every printable key where an answer has the focus, with nothing behind the buttons, and tells which are taken.
PRESS_ALL = """([place, target, held]) => {
  const idle = (event) => { event.preventDefault(); event.stopImmediatePropagation(); };
  addEventListener("click", idle, true);
  const taken = [];
  for (let code = 33; code < 127; code += 1) {
    const key = String.fromCharCode(code);
    const press = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...held });
    document.querySelector(place).focus();
    document.querySelector(target || place).dispatchEvent(press);
    if (press.defaultPrevented) taken.push(key);
    document.getElementById("shortcuts").close();
  }
  removeEventListener("click", idle, true);
  return taken;
}"""


def _taken(page: Page, place: str = "#body-B", target: str = "", held: str = "") -> set[str]:
    return set(page.evaluate(PRESS_ALL, [place, target, {held: True} if held else {}]))


def _listed(page: Page) -> set[str]:
    """The single keys that the list of shortcuts names, as they arrive: `Shift S` is S, and of 1 … 9 three answer."""
    rows = page.evaluate(
        "[...document.querySelectorAll('#shortcuts tbody th')].map((row) => row.textContent.trim().split(/\\s+/))"
    )
    single = [row for row in rows if not {"Ctrl", "Esc"} & {*row}]
    names = [name for row in single for name in (row[1:] if row[0] == "Shift" else row) if name not in ("or", "…", "9")]
    return {*names, "2", "3"}


def test_the_list_names_exactly_the_keys_that_work_and_none_works_in_a_field_or_with_another_held(site: Site) -> None:
    page = site.visit(viewport={"width": 1280, "height": 500})
    site.ask(page, late=True)
    page.wait_for_selector("#act-judge-now")
    halfway = "for (const body of document.querySelectorAll('.col__body')) body.scrollTop = body.scrollHeight / 3"
    page.evaluate(halfway)
    taken = _taken(page, "#body-C")
    assert {"g", "s", "p"} < taken and "r" not in taken
    for held in ("ctrlKey", "altKey", "metaKey"):
        assert _taken(page, "#body-C", held=held) == set(), held
    _stop(page)
    page.evaluate(halfway)
    with page.expect_navigation():  # to watch the judge, who may be done by then
        page.click("#act-judge")
    over(page)
    page.evaluate(halfway)
    assert taken | _taken(page) == _listed(page)
    page.click("#act-rejudge")
    page.wait_for_selector("#rejudge-form")
    for field in (
        "#rejudge-form select",
        "#rejudge-form input[type=radio]",
        "#run-again textarea",
        "#shortcuts button",
    ):
        assert _taken(page, target=field) == set(), field
    page.context.close()


COUNT_FRAMES = "window.__frames = 0; document.addEventListener('fusion:receive', () => { window.__frames += 1 })"


def test_single_keys_widen_pause_judge_copy_and_leaf_through_the_blocks(site: Site) -> None:
    page = site.visit(viewport={"width": 1280, "height": 500})
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    url = site.ask(page, late=True)
    page.wait_for_selector("#act-judge-now")
    key = page.keyboard
    key.press("1")
    key.press("e")
    assert page.get_attribute("#expand-A", "aria-pressed") == "true"
    key.press("e")
    assert page.get_attribute("#expand-A", "aria-pressed") == "false"
    key.press("p")
    held = page.inner_text("#doc-C")
    key.press("3")
    page.evaluate(COUNT_FRAMES)
    until(page, "window.__frames > 2")
    assert page.inner_text("#doc-C") == held, "p pauses"
    key.press("p")
    until(page, f"document.getElementById('doc-C').innerText.length > {len(held)}")
    key.press("g")
    page.wait_for_selector("#doc-final > *")
    assert page.get_attribute("#head-C", "data-state") == "streaming", "g judges without the last"
    key.press("s")
    over(page)
    _copies(page, "1", site.raw(url, "answer=A"))
    _copies(page, "f", page.request.get(f"{url}/export.md?final=1").text())
    key.press("2")
    top = "document.getElementById('body-B').scrollTop"
    page.evaluate(f"{top} = 0")
    seen = [0]
    for name in "jjk":
        key.press(name)
        seen.append(page.evaluate(top))
    assert 0 < seen[1] < seen[2] and seen[3] == seen[1], seen
    key.press("Shift+J")
    page.wait_for_selector("#rejudge-form")
    page.context.close()


def _copies(page: Page, place: str, wanted: str) -> None:
    """`c` after the key of that place puts that text on the clipboard."""
    page.evaluate("navigator.clipboard.writeText('nothing')")
    page.keyboard.press(place)
    page.keyboard.press("c")
    until(page, "navigator.clipboard.readText().then((text) => text !== 'nothing')")
    assert page.evaluate("navigator.clipboard.readText()") == wanted


def test_a_pause_freezes_every_column_and_catches_up_with_nothing_lost(site: Site) -> None:
    page = site.visit()
    url = site.ask(page, late=True)
    streaming(page, "C", 40)
    page.click("[data-pause]")
    held = texts(page)
    other = site.visit()
    other.goto(url)
    streaming(other, "C", len(held[2]) + 40)
    other.click("#stop-C")
    over(other)
    assert texts(page) == held and page.query_selector("#live-seq") is not None
    page.click("[data-pause]")
    over(page)
    assert shown(page) == shown(other) and not page.is_visible("[data-pause]")
    page.context.close()
    other.context.close()


def test_a_screen_reader_hears_milestones_and_never_the_stream(site: Site) -> None:
    page = site.visit()
    site.ask(page, late=True)
    listen(page)
    streaming(page, "C")
    live = "[aria-live], [role=status], [role=alert], [role=log]"
    assert page.locator(f":is({live}) .prose, .prose :is({live}), :is({live}).prose, .col :is({live})").count() == 0
    assert page.get_attribute("#body-C", "aria-busy") == "true"
    page.click("#stop-C")
    over(page)
    said = said_until(page, "Final ready")
    gaps = [after[0] - before[0] for before, after in pairwise(said)]
    assert all(gap >= 4900 for gap in gaps), said
    assert page.locator("[aria-busy]").count() == 0
    page.context.close()


NEXT_SHOWN = "new Promise((shown) => document.addEventListener('fusion:shown', () => shown(), { once: true }))"


def test_what_needs_somebody_to_act_is_said_at_once_unless_announcements_are_off(site: Site) -> None:
    for setting, expected in (("", True), ("off", False)):
        page = site.visit()
        page.evaluate("(value) => value && localStorage.setItem('fusion-announcements', value)", setting)
        site.ask(page, slow=True)
        connected(page)
        page.evaluate(
            """() => {
              const notices = document.getElementById("run-notices").cloneNode();
              notices.innerHTML = '<div class="notice notice--bad"><p class="notice__title">No answer came</p></div>';
              notices.setAttribute("hx-swap-oob", "true");
              document.dispatchEvent(new CustomEvent("fusion:receive", { detail: notices.outerHTML }));
            }"""
        )
        until(page, "document.getElementById('run-notices').innerText.includes('No answer came')")
        page.evaluate(NEXT_SHOWN)  # what came has been looked at by then
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


# Tells what of a line that is waited for moves: null is the line itself.
MOVING = """() => {
  const waiting = Object.assign(document.createElement("p"), { className: "pending", textContent: "Asked" });
  document.querySelector("main").append(waiting);
  const its = document.getAnimations().filter(({ effect }) => effect.target === waiting);
  return its.map(({ effect }) => effect.pseudoElement);
}"""


def test_what_is_waited_for_moves_without_its_words_becoming_pale(site: Site) -> None:
    page = site.visit()
    assert page.evaluate(MOVING) == ["::before"]
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


def _follow(page: Page, selector: str) -> None:
    """Without scripts every control leads to a page: press it, and wait for that."""
    with page.expect_navigation():
        page.click(selector)


def _comes_to(page: Page, state: str) -> None:
    """Until the page, which looks again by itself, is there with that state of the run, whole."""
    page.wait_for_selector(f"[data-run-state]:text-is('{state}')")
    page.wait_for_load_state()


def test_without_scripts_a_pool_is_made_changed_and_deleted_and_a_deleted_run_comes_back(site: Site) -> None:
    page = site.visit(java_script_enabled=False)
    page.goto(f"{site.server.url}/pools/{site.pool}")
    _follow(page, "button:has-text('Duplicate')")
    page.fill("[name=name]", "Made by hand")
    _follow(page, "button:has-text('Add a member')")
    assert page.input_value("[name=name]") == "Made by hand", "adding a member lost what was typed"
    _follow(page, "[aria-label='Remove D']")
    _follow(page, "#pool-form .form-actions .btn--primary")
    assert page.inner_text("h1") == "Made by hand"
    _follow(page, "main a:has-text('Delete')")
    _follow(page, "button:has-text('Delete the pool')")
    assert page.locator("a:has-text('Made by hand')").count() == 0
    site.ask(page, "Shall this stay?", slow=True)
    page.click("#act-stop")
    _comes_to(page, "Stopped")
    page.goto(f"{site.server.url}/history?q=Shall+this+stay")
    _follow(page, "a:has-text('Shall this stay?')")
    page.click(".run-top summary")
    _follow(page, "button:has-text('Delete this run')")
    _follow(page, "button:has-text('Undo')")
    page.goto(f"{site.server.url}/history?q=Shall+this+stay")
    assert page.locator("a:has-text('Shall this stay?')").count() == 1
    page.context.close()


def test_without_scripts_the_judge_is_asked_before_the_last_answer_is_there(site: Site) -> None:
    page = site.visit(java_script_enabled=False)
    site.ask(page, late=True)
    page.click("#act-judge-now")
    page.wait_for_selector("#doc-final > *")
    assert page.inner_text("[data-run-state]") == "Running", "the last one still writes"
    page.click("#stop-C")
    _comes_to(page, "Done")
    assert "without waiting for C" in page.inner_text("#run-notices")
    assert page.inner_text("#doc-final").strip() and page.is_visible("#panel-why")
    page.context.close()


def test_without_scripts_the_page_looks_again_by_itself_until_the_run_has_ended(site: Site) -> None:
    page = site.visit(java_script_enabled=False)
    site.ask(page)
    _comes_to(page, "Done")
    assert page.locator("meta[http-equiv=refresh]").count() == 0 and page.is_visible("#doc-final")
    page.context.close()
