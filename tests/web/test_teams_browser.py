"""Making a team, inviting, accepting and switching: on a phone's width, by keyboard alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page

from tests.web.browsing import FITS, PATIENCE_MS, Site, tab_to, type_to, violations

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 800}
SWITCHER = ".menu--team > summary"


def _press(page: Page, wanted: str, leads_to: str) -> None:
    tab_to(page, wanted)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(leads_to))


def _look(page: Page) -> None:
    assert page.evaluate(FITS), f"{page.url} is wider than the window"
    assert violations(page) == []


def _make_team(page: Page, name: str) -> None:
    tab_to(page, SWITCHER)
    page.keyboard.press("Enter")
    _look(page)
    _press(page, "a[href$='/team/new']", "/team/new")
    tab_to(page, "#team-name")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/members"))
    _look(page)


def _invite(page: Page) -> str:
    """The link of an invitation for an admin."""
    _press(page, "a[href$='/invitations']", "/invitations")
    tab_to(page, "#team-role")
    type_to(page, "Admin")
    tab_to(page, ".invite-form button")
    page.keyboard.press("Enter")
    page.wait_for_selector("#invitation-link")
    page.wait_for_load_state()
    _look(page)
    return page.input_value("#invitation-link")


def test_a_team_is_made_somebody_is_invited_and_works_in_either_team_by_keyboard_at_390_pixels(site: Site) -> None:
    owner = site.visit(viewport=PHONE)
    _make_team(owner, "Keyboard crew")
    assert "Keyboard crew" in (owner.text_content(SWITCHER) or "")
    link = _invite(owner)
    guest = site.browser.new_context(viewport=PHONE).new_page()  # type: ignore[arg-type]
    guest.set_default_timeout(PATIENCE_MS)
    guest.goto(link)
    _look(guest)
    _press(guest, "main form button", "/accounts/signup/")
    tab_to(guest, "#id_email")
    guest.keyboard.type("guest@example.com")
    tab_to(guest, "#id_password1")
    guest.keyboard.type("a-good-pass-phrase-1")
    guest.keyboard.press("Enter")
    guest.wait_for_selector(SWITCHER)
    guest.wait_for_load_state()
    assert "Keyboard crew" in (guest.text_content(SWITCHER) or "")
    tab_to(guest, SWITCHER)
    guest.keyboard.press("Enter")
    _look(guest)
    tab_to(guest, ".menu--team form button:not([aria-current])")
    guest.keyboard.press("Enter")
    guest.wait_for_selector(f"{SWITCHER}:not(:has-text('Keyboard crew'))")
    assert "guest" in (guest.text_content(SWITCHER) or "")
    owner.goto(f"{site.server.url}/team")
    assert "guest" in owner.inner_text("main") and "Admin" in owner.inner_text("main")
    for path in ("audit", "settings", "delete", "hand-over", "leave"):
        owner.goto(owner.url.rpartition("/")[0] + f"/{path}")
        _look(owner)
    owner.goto(f"{site.server.url}/account/delete")
    _look(owner)
    guest.context.close()
    owner.context.close()
