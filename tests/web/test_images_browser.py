"""Images in the composer of a browser: pasted, dropped, chosen, removed, asked with; with and without scripts."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.pictures import picture
from tests.web.browsing import FITS, Site, over, served_site, until, until_so, violations

pytestmark = pytest.mark.browser

MEMBERS = ["m-a-tokens60", "m-blind-tokens60", "m-c-tokens60"]
PNG, JPEG = picture(size=(300, 200)), picture("JPEG", size=(200, 300))
CHOSEN = {"name": "square.png", "mimeType": "image/png", "buffer": PNG}
WRONG = {"name": "notes.png", "mimeType": "image/png", "buffer": b"%PDF-1.7"}
BRING = """([kind, data, text]) => {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const brought = new DataTransfer();
  brought.items.add(new File([bytes], "brought.jpg", {type: "image/jpeg"}));
  if (text) brought.setData("text/plain", text);
  const target = document.querySelector("textarea[name=prompt]");
  const options = {bubbles: true, cancelable: true};
  const event = kind === "paste"
    ? new ClipboardEvent("paste", {...options, clipboardData: brought})
    : new DragEvent(kind, {...options, dataTransfer: brought});
  return target.dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("images")
    with served_site(data_dir, members=MEMBERS, judge="judge-tokens60") as site:
        yield site


def composer(site: Site, **options: Any) -> Page:
    page = site.visit(**options)
    page.fill("textarea[name=prompt]", "What do you see?")
    page.select_option("select[name=pool]", value=site.pool)
    return page


def bring(page: Page, kind: str, *, text: str = "") -> bool:
    """Dispatch the event with a picture; whether the page let it through."""
    let_through: bool = page.evaluate(BRING, [kind, base64.b64encode(JPEG).decode(), text])
    return let_through


def images(page: Page, number: int) -> None:
    """Until the composer shows so many images, each of them drawn."""
    drawn = "[...document.querySelectorAll('[data-image] img')].filter((one) => one.naturalWidth).length"
    until(page, f"{drawn} === {number} && !document.querySelector('[data-image-uploading]')")


def choose(page: Page, *files: dict[str, Any]) -> None:
    page.set_input_files("#ask-images", list(files))  # type: ignore[arg-type]


def picture_of(page: Page, name: str) -> None:
    """For people to look at, where SCREENSHOTS names a directory."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("width", [1280, 390])
def test_images_are_chosen_pasted_and_dropped_removed_and_asked_with(site: Site, width: int) -> None:
    page = composer(site, viewport={"width": width, "height": 900})
    assert page.locator("[data-sighted]").first.is_hidden()
    choose(page, CHOSEN)
    images(page, 1)
    assert not bring(page, "paste")
    images(page, 2)
    assert not bring(page, "dragover") and page.get_attribute("form[data-compose]", "data-dropping") == "1"
    assert not bring(page, "drop") and page.get_attribute("form[data-compose]", "data-dropping") is None
    images(page, 3)
    assert page.locator("fieldset[data-sighted]").is_visible()
    assert violations(page) == [] and page.evaluate(FITS)
    picture_of(page, f"composer-{width}")
    page.locator("[data-image] [data-image-remove]").nth(1).focus()
    page.keyboard.press("Enter")
    images(page, 2)
    assert page.evaluate("document.activeElement.hasAttribute('data-image-remove')")
    assert page.text_content("[data-images-status]") == "The image is removed."
    page.click("[data-send]")
    page.wait_for_url(re.compile("/r/"))
    over(page)
    assert page.locator(".run-top [data-image], .run-top .image img").count() == 2
    assert [" ".join(one.split()) for one in page.locator("[data-sight]").all_text_contents()] == [
        "saw the images",
        "refused the images, was told of 2 images",
        "saw the images",
    ]
    assert violations(page) == [] and page.evaluate(FITS)
    picture_of(page, f"run-{width}")


def test_a_file_that_cannot_be_taken_is_said_at_its_place_and_dismissed(site: Site) -> None:
    page = composer(site)
    choose(page, WRONG, CHOSEN)
    images(page, 1)
    assert "notes.png: This is no PNG, JPEG or WebP image" in page.inner_text("[data-image-problem]")
    picture_of(page, "problem")
    assert violations(page) == []
    page.click("[data-image-problem] [data-image-remove]")
    assert page.locator("[data-image-problem]").count() == 0
    assert page.input_value("textarea[name=prompt]") == "What do you see?"


def test_more_files_than_allowed_are_not_uploaded(site: Site) -> None:
    page = composer(site)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    choose(page, *[CHOSEN] * 8)
    images(page, 6)
    assert "2 images were left away: 6 are allowed" in page.inner_text("[data-image-problem]")
    assert len(sent) == 6


def test_text_that_comes_with_a_picture_of_itself_is_pasted_as_text(site: Site) -> None:
    page = composer(site)
    assert bring(page, "paste", text="from a word processor")
    assert page.locator("[data-images-list] li").count() == 0


def test_who_asks_while_an_image_is_on_its_way_waits_for_it(site: Site) -> None:
    page = composer(site)
    held: list[Any] = []
    page.route("**/images", lambda route: held.append(route))
    choose(page, CHOSEN)
    until(page, "document.querySelector('[data-image-uploading]') !== null")
    page.click("[data-send]")
    assert "once the images are uploaded" in (page.text_content("[data-images-status]") or "")
    until_so(page, lambda: len(held) == 1, "the image is being sent")
    held[0].continue_()
    page.wait_for_url(re.compile("/r/"))
    assert page.locator(".run-top .image img").count() == 1


def test_without_scripts_the_form_itself_brings_them_and_keeps_them_when_something_is_wrong(site: Site) -> None:
    page = composer(site, java_script_enabled=False)
    choose(page, CHOSEN, WRONG)
    page.click("[data-send]")
    assert "notes.png: This is no PNG" in page.inner_text(".error-summary")
    assert page.locator("[data-image] input[type=checkbox]").is_checked()
    picture_of(page, "without-scripts")
    page.click("[data-send]")
    page.wait_for_url(re.compile("/r/"))
    assert page.locator(".run-top .image img").count() == 1


def test_an_edited_question_starts_with_the_images_of_the_first(site: Site) -> None:
    page = composer(site)
    choose(page, CHOSEN)
    images(page, 1)
    page.click("[data-send]")
    page.wait_for_url(re.compile("/r/"))
    over(page)
    page.click("text=Edit and ask")
    images(page, 1)
    page.click("[data-image-remove]")
    page.click("[data-send]")
    page.wait_for_url(re.compile("/r/"))
    assert page.locator(".run-top .image img").count() == 0
