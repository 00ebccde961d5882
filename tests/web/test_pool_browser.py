"""Editing a pool in a browser: on a phone, and with nothing but the keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page

from tests.web.browsing import AXE, Site, tab_to, until, violations

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
# What has the focus in the form, where something of the page's frame lies over its upper edge.
COVERED = """() => {
  const one = document.activeElement;
  const { left, width, top } = one.getBoundingClientRect();
  const over = document.elementFromPoint(left + width / 2, top + 4)?.closest(".pool-side, .topbar");
  return over && one.closest("#pool-form") ? [one.outerHTML.slice(0, 80)] : [];
}"""


def _editor(site: Site, page: Page) -> None:
    page.goto(f"{site.server.url}/pools/{site.pool}/edit")


def _overflows(page: Page) -> bool:
    wider: bool = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return wider


def _choose(page: Page, name: str, ref: str) -> None:
    """Choose a model by typing; the field of a new member becomes a picker a moment after it has come."""
    control = page.locator(f"#id_{name}[role=combobox]")
    control.fill(ref)
    control.blur()


def test_on_a_phone_a_pool_is_edited_and_its_outlook_stays_in_sight(site: Site) -> None:
    page = site.visit(viewport=PHONE, has_touch=True)
    _editor(site, page)
    assert not _overflows(page)
    assert page.locator(".pool-fold").get_attribute("open") is None
    line = page.locator("#pool-outlook-line")
    assert line.inner_text().startswith("5 calls")
    page.get_by_role("button", name="Add a member").click()
    _choose(page, "members-3-ref", "custom:m-ttft100-rate400")
    until(page, "document.getElementById('pool-outlook-line').innerText.startsWith('6 calls')")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight / 2)")
    box = line.bounding_box()
    assert box is not None and box["y"] < 200
    at = f"document.elementFromPoint({box['x'] + 20}, {box['y'] + 5})"
    assert page.evaluate(f"{at}.closest('.pool-side') !== null")  # nothing lies over it, the bar at the top neither
    page.locator(".pool-fold > summary").click()
    assert page.get_by_text("Smallest context").is_visible()
    page.locator(".pool-fold > summary").click()
    page.locator(".form-actions button").click()
    page.wait_for_url(re.compile(r"/pools/[0-9a-f-]{36}$"))
    assert page.get_by_text("Saved as version 2").is_visible()
    page.get_by_role("link", name="What changed, word by word").first.click()
    page.wait_for_url(re.compile("/compare"))
    assert page.locator(".pool-pair[data-how=added]").count() == 1
    assert not _overflows(page)
    page.get_by_role("button", name="Restore version 1").click()
    page.wait_for_url(re.compile(r"/pools/[0-9a-f-]{36}$"))
    assert page.get_by_text("Version 1 is back, as version 3").is_visible()
    page.context.close()


def test_with_the_keyboard_alone_a_template_becomes_a_pool(site: Site) -> None:
    page = site.visit()
    page.goto(f"{site.server.url}/pools/new")
    tab_to(page, "#template-research a", most=80)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("template=research"))
    tab_to(page, "#id_name", most=80)
    page.keyboard.press("Control+a")
    page.keyboard.type("By keyboard")
    tab_to(page, "#member-down-0", most=80)
    first = page.locator("#id_members-0-ref").input_value()
    page.keyboard.press("Enter")
    until(page, f"document.getElementById('id_members-1-ref').value === {first!r}")
    assert page.evaluate("document.activeElement.id") == "member-up-1"  # the focus went along
    tab_to(page, ".form-actions button", most=160)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/pools/[0-9a-f-]{36}$"))
    assert page.get_by_role("heading", level=1).inner_text() == "By keyboard"
    page.context.close()


def test_on_a_phone_nothing_lies_over_what_has_the_focus_on_the_way_back_up(site: Site) -> None:
    page = site.visit(viewport=PHONE)
    _editor(site, page)
    page.locator(".form-actions button").first.focus()
    covered = []
    for _ in range(60):
        page.keyboard.press("Shift+Tab")
        covered += page.evaluate(COVERED)
    assert covered == []
    page.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
def test_the_pages_of_pools_have_no_accessibility_violations(site: Site, scheme: str, width: int) -> None:
    """Also the other way around than in `test_pages_browser`, which looks at all pages."""
    page = site.visit(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.add_init_script(AXE)
    pool = f"/pools/{site.pool}"
    for path in ("/pools", "/pools/new", "/pools/new?template=empty", pool, f"{pool}/edit", f"{pool}/compare"):
        page.goto(f"{site.server.url}{path}")
        assert violations(page) == [], path
        assert not _overflows(page), path
    page.context.close()
