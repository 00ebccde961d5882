"""Characters that hide or reorder are spelled out on every page, and kept in what a form sends back."""

from __future__ import annotations

import pytest

from fusion.models import User
from fusion.web.deception import spelled_out
from tests.factories import client_of, make_pool, make_run
from tests.web.hostile_text import HOSTILE

pytestmark = pytest.mark.django_db


def test_text_and_attributes_are_spelled_out_and_controls_are_kept() -> None:
    page = '<p title="a\u202eb">c\u200bd</p><textarea>e\u202ef</textarea><input value="g\u202eh"><b>i\u2066</b>'
    assert spelled_out(page) == (
        '<p title="a⟦U+202E⟧b">c⟦U+200B⟧d</p><textarea>e\u202ef</textarea><input value="g\u202eh"><b>i⟦U+2066⟧</b>'
    )


@pytest.mark.parametrize("harmless", ["שלום", "👩\u200d👧", "नि\u200dल", "é", "⟦"])
def test_scripts_and_joined_characters_stay(harmless: str) -> None:
    assert spelled_out(f"<p>{harmless}</p>") == f"<p>{harmless}</p>"


def test_what_looks_like_a_control_in_a_text_is_not_one() -> None:
    assert "\u202e" not in spelled_out("<p>&lt;textarea&gt; value=&quot;\u202e&quot; &lt;/textarea&gt;</p>")


def test_a_person_and_a_pool_with_such_names_cannot_turn_a_line_around(alice: User) -> None:
    alice.name = "A\u202elice"
    alice.save()
    pool = make_pool(alice, name="Bank\u202eloop")
    make_run(alice, pool=pool, prompt="Why\u2067?")
    client = client_of(alice)
    for address in ("/", "/history", "/pools", f"/pools/{pool.public_id}"):
        text = client.get(address).content.decode()
        assert "⟦U+202E⟧" in text, address
        assert "\u202e" not in text.replace("</textarea", "")[: text.find("<textarea")]


def test_a_question_is_sent_back_as_it_was_written(alice: User) -> None:
    run = make_run(alice, prompt="Why\u202e?")
    text = client_of(alice).get(f"/?from={run.public_id}").content.decode()
    assert "Why\u202e?</textarea>" in text


def test_every_hostile_name_is_escaped_in_lists(alice: User) -> None:
    pool = make_pool(alice, name="Pool")
    for payload in HOSTILE[::9]:
        make_run(alice, pool=pool, prompt=payload.replace("\x00", "").encode("utf-8", "replace").decode())
    text = client_of(alice).get("/history").content.decode()
    main = text[text.index("<main") : text.index("</main>")]
    for piece in ("<script", "<img", "<iframe", "<svg onload", "<style", "<b on", "<b hx-", "<math", "<form action=//"):
        assert piece not in main
