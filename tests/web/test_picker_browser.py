"""Choosing a model by keyboard, in a browser; and that the field underneath works without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route

from tests.web.browsing import Site, until, until_so, violations

pytestmark = pytest.mark.browser
FIELD = "#id_members-0-ref"


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    page = site.visit(viewport={"width": 390, "height": 844})
    page.goto(f"{site.server.url}/pools/new?template=empty")
    yield page
    page.context.close()


def value(page: Page, name: str = "members-0-ref") -> str:
    found: str = page.evaluate(f"document.getElementsByName('{name}')[0].value")
    return found


def names(page: Page) -> list[str]:
    return page.locator(f"{FIELD} ~ [role=listbox] .picker__name").all_inner_texts()


def open_list(page: Page, words: str, field: str = FIELD) -> None:
    """Type, and wait for what is offered for all of it."""
    page.focus(field)
    page.locator(field).press_sequentially(words)
    page.wait_for_selector(f"{field}[aria-expanded=true] ~ [role=listbox]:not([aria-busy])")


def active(page: Page) -> str:
    """The name of the option that the field says is active."""
    of_field = f"document.getElementById(document.querySelector('{FIELD}').getAttribute('aria-activedescendant'))"
    until(page, f"{of_field} !== null")
    found: str = page.evaluate(f"{of_field}.dataset.name")
    return found


def test_a_model_is_found_and_chosen_by_keyboard_alone(page: Page) -> None:
    open_list(page, "simulated <1000$")
    offered = [name.removesuffix(" Simulated") for name in names(page)]
    assert len(offered) >= 3
    page.keyboard.press("ArrowDown")
    first = active(page)
    page.keyboard.press("ArrowDown")
    assert (first, active(page)) == (offered[0], offered[1])
    page.keyboard.press("End")
    assert active(page) == offered[-1]
    page.keyboard.press("ArrowDown")
    assert active(page) == offered[0]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    assert active(page) == offered[0]
    assert page.evaluate(f"document.activeElement === document.querySelector('{FIELD}')")
    assert violations(page) == []
    page.keyboard.press("Enter")
    assert page.input_value(FIELD) == offered[0] and value(page).startswith("sim:")
    assert page.get_attribute(FIELD, "aria-expanded") == "false" and page.url.endswith("/pools/new?template=empty")
    facts = page.inner_text(".picker:has(#id_members-0-ref) > .picker__facts")
    assert "Simulated" in facts and "context" in facts and "no calls yet" in facts
    page.wait_for_selector("#pool-outlook >> text=1 member", state="attached")  # the preview heard of it
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_enter_before_anything_is_offered_takes_the_first_that_comes_and_sends_no_form(page: Page) -> None:
    held: list[Route] = []
    page.route(re.compile(r"\?q=bold$"), lambda route: held.append(route))
    page.focus(FIELD)
    page.locator(FIELD).press_sequentially("bold")
    page.keyboard.press("Enter")
    until_so(page, lambda: bool(held), "the options are asked for")
    assert value(page) == ""
    held[0].continue_()
    until(page, f"document.getElementById('{FIELD[1:]}').value !== 'bold'")
    assert value(page) == "sim:bold" and page.url.endswith("/pools/new?template=empty")


def test_escape_takes_back_what_was_typed_and_leaving_empty_clears(page: Page) -> None:
    open_list(page, "bold")
    page.keyboard.press("Enter")
    assert value(page) == "sim:bold"
    chosen = page.input_value(FIELD)
    open_list(page, "terse")
    page.keyboard.press("Escape")
    assert (page.input_value(FIELD), value(page)) == (chosen, "sim:bold")
    assert page.locator(f"{FIELD} ~ [role=listbox]").is_hidden()
    page.fill(FIELD, "neither a name nor an id")
    page.keyboard.press("Tab")
    assert (page.input_value(FIELD), value(page)) == (chosen, "sim:bold")
    page.fill(FIELD, "")
    page.keyboard.press("Tab")
    assert value(page) == ""


def test_leaving_takes_a_model_that_was_typed_out_by_its_name_or_its_reference(page: Page) -> None:
    page.fill(FIELD, "sim:terse")
    page.keyboard.press("Tab")
    named = page.input_value(FIELD)
    assert (value(page), named != "sim:terse") == ("sim:terse", True)
    page.fill(FIELD, "")
    page.keyboard.press("Tab")
    page.fill(FIELD, named)
    page.keyboard.press("Tab")
    assert (value(page), page.input_value(FIELD)) == ("sim:terse", named)


def test_a_picker_that_is_added_later_works_too_and_keeps_what_was_chosen(page: Page) -> None:
    open_list(page, "bold")
    page.keyboard.press("Enter")
    page.click("text=Add a member")
    page.wait_for_selector("#id_members-1-ref[role=combobox]")
    assert page.evaluate("document.activeElement.id") == "id_members-1-ref"
    open_list(page, "terse", "#id_members-1-ref")
    page.click("[data-ref='sim:terse']")
    assert (value(page), value(page, "members-1-ref")) == ("sim:bold", "sim:terse")
    page.fill("input[name=name]", "By keyboard")
    page.fill("#id_judge", "simulated")
    page.click("[data-ref='sim:careful']")
    page.click("button.btn--primary:has-text('Make the pool')")
    page.wait_for_selector("text=is ready")


def test_without_scripts_the_field_is_the_menu_or_line_that_it_was(site: Site) -> None:
    page = site.visit(java_script_enabled=False)
    page.goto(f"{site.server.url}/pools/new?template=empty")
    field = page.locator(FIELD)
    assert field.is_visible() and page.locator("[role=combobox]").count() == 0
    if field.evaluate("one => one.tagName") == "SELECT":
        field.select_option("sim:bold")
    else:
        field.fill("sim:bold")
    page.fill("input[name=name]", "Without scripts")
    page.click("button.btn--primary:has-text('Make the pool')")
    page.wait_for_selector("text=is ready")
    page.context.close()
