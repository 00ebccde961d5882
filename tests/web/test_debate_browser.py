"""A debate in a browser: watched live, read afterwards, with the keyboard and on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.web.browsing import FITS, Site, faults_everywhere, listen, over, said_until, says, served_site

pytestmark = pytest.mark.browser

MEMBERS = ["m-a-rate600-tokens90", "m-b-yields-rate600-tokens90", "m-c-caves-rate600-tokens90"]
JUDGE = "judge-disputes-unique-rate600-tokens60"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("debate")
    with served_site(data_dir, members=MEMBERS, judge=JUDGE, debate_rounds=3) as site:
        yield site


def _words(page: Page, element: str) -> str:
    return " ".join((page.text_content(f"#{element}") or "").split())


def test_a_debate_is_watched_and_told_from_its_disputes_to_its_ruling_and_is_the_same_when_loaded_anew(
    site: Site,
) -> None:
    page = site.visit()
    with site.held("rebuttal"):
        url = site.ask(page, mode="debate")
        listen(page)
        says(page, "#round-1-A[data-state=writing] .move__text", "It stays as I said.")
        says(page, "#debate-disputes", "Dispute 1 Whether each step follows")
        assert page.locator("#run-debate [aria-live]").count() == 0
        assert "{" not in page.inner_text("#run-debate"), "what a member writes is never shown raw"
        assert page.locator("#run-debate details").first.get_attribute("open") is not None
        assert faults_everywhere(page) == []
        site.let_on(page, 3)
        said_until(page, "Round 1 of 3 ended: B changed its mind")
    over(page)
    assert "changed its mind: S2 → S1" in _words(page, "round-1-B")
    assert "Gave in without a reason" in _words(page, "round-1-C")
    assert "Ruling: S1 holds" in _words(page, "debate-disputes")
    assert "Ruled by" in _words(page, "final-head")
    watched = page.evaluate("document.querySelector('#run-debate .debate__body').innerHTML")
    page.goto(url)
    assert page.evaluate("document.querySelector('#run-debate .debate__body').innerHTML") == watched


def test_a_round_is_made_the_last_one_by_keyboard_and_the_debate_is_folded_afterwards(site: Site) -> None:
    page = site.visit(viewport={"width": 1280, "height": 1000})
    with site.held("rebuttal"):
        url = site.ask(page, mode="debate")
        page.focus("#act-end-debate")
        with page.expect_response(re.compile("/act$")):
            page.keyboard.press("Enter")
    over(page)
    assert "The debate ended because a person asked to stop after the round." in _words(page, "debate-note")
    page.goto(url)
    assert not page.locator("#debate-disputes").is_visible()
    page.focus(".debate__top")
    page.keyboard.press("Enter")
    assert page.locator("#debate-disputes").is_visible()
    assert faults_everywhere(page) == []


def test_on_a_phone_the_cells_of_a_round_stand_below_one_another(site: Site) -> None:
    page = site.visit(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    site.ask(page, mode="debate")
    over(page)
    assert page.evaluate(FITS)
    boxes = [page.locator(f"#round-1-{letter}").bounding_box() for letter in "ABC"]
    assert all(box is not None and box["width"] > 300 for box in boxes)
    tops = [box["y"] for box in boxes if box is not None]
    assert tops == sorted(tops) and tops[0] < tops[1] < tops[2]
    assert page.locator("#round-1-B .cell__who").is_visible()
    assert faults_everywhere(page) == []
