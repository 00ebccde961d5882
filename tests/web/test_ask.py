"""The front page and starting a run: what is offered, and that nothing typed is ever lost."""

from __future__ import annotations

import re
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import LazySettings
from django.test import Client

from fusion.catalogue import health
from fusion.models import Run, User
from fusion.runs.examples import bundled_questions
from tests.factories import MemberSpec, client_of, make_call, make_pool, make_run, team_of


@pytest.fixture(autouse=True)
def _no_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are created, nothing is asked."""
    monkeypatch.setattr("fusion.runs.services.dispatch_run", lambda run_pk: None)


def _text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def _typed(pool: Any, **changes: str) -> dict[str, str]:
    values = {"prompt": "Why is the sky blue?", "pool": str(pool.public_id), "mode": "merge", "idempotency_key": "k1"}
    return values | changes


def test_somebody_who_is_not_signed_in_is_sent_to_sign_in(db: None) -> None:
    for path in ("/", "/runs"):
        response = Client().get(path) if path == "/" else Client().post(path)
        assert response.status_code == 302 and "/accounts/login/" in response["Location"]


def test_a_first_visit_explains_itself_and_offers_the_bundled_questions(alice: User) -> None:
    make_pool(alice)
    text = _text(client_of(alice).get("/"))
    assert "One question, several models, one answer" in text
    assert len(bundled_questions()) == 4
    for question in bundled_questions():
        assert question.title.replace("'", "&#x27;") in text
    assert "simulated models answer" in text


def test_who_has_only_simulated_models_is_led_to_a_connection_or_told_who_can_add_one(alice: User, bob: User) -> None:
    for user in (alice, bob):
        make_pool(user)
    new = f"/team/{team_of(alice).public_id}/connections/new"
    owner, member = (_text(client_of(user).get("/")) for user in (alice, bob))
    assert f'<a href="{new}">add a connection</a>' in owner
    assert "once an admin of the team adds a connection" in member and new not in member


def test_without_a_pool_the_page_says_what_to_do(alice: User) -> None:
    text = _text(client_of(alice).get("/"))
    assert "There is no pool to ask yet" in text and "/pools/new" in text


def test_the_page_says_what_a_run_will_call_and_a_change_of_mode_changes_it(alice: User) -> None:
    pool = make_pool(alice, mode="merge")
    client = client_of(alice)
    assert "This run makes 5 calls" in (page := _text(client.get("/"))) and re.search(r">about \$0\.0\d+</span>", page)
    plan = client.get(
        "/", {"pool": str(pool.public_id), "mode": "best-of"}, headers={"HX-Request": "true", "HX-Target": "ask-plan"}
    )
    assert plan.status_code == 200
    assert _text(plan).startswith('<section id="ask-plan"') and "This run makes 4 calls" in _text(plan)


def test_a_question_becomes_a_run_and_leads_to_its_page(alice: User) -> None:
    pool = make_pool(alice)
    response = client_of(alice).post("/runs", _typed(pool, prompt="Line one\r\nline two"))
    run = Run.objects.get()
    assert response.status_code == 302 and response["Location"] == f"/r/{run.public_id}"
    assert (run.prompt, run.mode, run.author, run.is_private) == ("Line one\nline two", "merge", alice, False)


def test_the_same_form_sent_three_times_is_one_run(alice: User) -> None:
    pool, client = make_pool(alice), client_of(alice)
    places = {client.post("/runs", _typed(pool))["Location"] for _ in range(3)}
    assert len(places) == 1 and Run.objects.count() == 1


def test_a_form_that_was_opened_again_and_changed_asks_anew(alice: User) -> None:
    pool, client = make_pool(alice), client_of(alice)
    first = client.post("/runs", _typed(pool))["Location"]
    other = client.post("/runs", _typed(pool, prompt="Why is the sea blue?"))["Location"]
    assert first != other and set(Run.objects.values_list("prompt", flat=True)) == {
        "Why is the sky blue?",
        "Why is the sea blue?",
    }


def test_a_question_that_is_sent_again_with_a_mode_that_is_none_comes_back_as_a_form(alice: User) -> None:
    pool = make_pool(alice)
    client = client_of(alice)
    assert client.post("/runs", _typed(pool)).status_code == 302
    again = client.post("/runs", _typed(pool, mode="dictate"))
    assert again.status_code == 422
    assert "Choose one of the modes." in _text(again) and "Why is the sky blue?" in _text(again)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("   ", "Write a question first."),
        ("before\0after", "contains a NUL character"),
        ("x" * 1201, "1,200 are allowed. Shorten it by 1."),
    ],
    ids=["empty", "nul", "too long"],
)
def test_a_question_that_cannot_be_asked_comes_back_with_a_reason(
    alice: User, settings: LazySettings, typed: str, sentence: str
) -> None:
    settings.FUSION_PROMPT_MAX_CHARS = 1200
    pool = make_pool(alice, name="The chosen one", mode="best-of")
    make_pool(alice, name="Another")
    response = client_of(alice).post("/runs", _typed(pool, prompt=typed, private="on"))
    text = _text(response)
    assert response.status_code == 422 and sentence in text
    assert typed in text  # everything typed is still there
    assert f'<option value="{pool.public_id}" selected>' in text
    assert 'value="merge" checked' in text and 'name="private" checked' in text
    assert not Run.objects.exists()


def test_a_pool_of_somebody_else_cannot_be_asked(alice: User, charlie: User) -> None:
    pool = make_pool(alice)
    response = client_of(charlie).post("/runs", _typed(pool))
    assert response.status_code == 422 and "This pool is not there any more" in _text(response)
    assert "Why is the sky blue?" in _text(response) and not Run.objects.exists()


def test_a_stranger_is_offered_no_pool_and_no_run_of_the_team(alice: User, charlie: User) -> None:
    pool = make_pool(alice, name="Secret panel")
    run = make_run(alice, pool=pool, prompt="Secret question")
    client = client_of(charlie)
    for path in ("/", f"/?from={run.public_id}", f"/?pool={pool.public_id}"):
        assert "Secret" not in _text(client.get(path))


def test_too_many_runs_keep_the_question(alice: User, settings: LazySettings) -> None:
    settings.FUSION_MAX_RUNS_PER_PERSON = 1
    pool = make_pool(alice)
    make_run(alice, pool=pool, state=Run.State.RUNNING)
    response = client_of(alice).post("/runs", _typed(pool))
    assert response.status_code == 429
    assert "in flight, which is the limit" in _text(response) and "Why is the sky blue?" in _text(response)


def test_a_pool_whose_model_is_gone_is_refused_with_its_name(alice: User) -> None:
    pool = make_pool(alice)
    assert pool.current is not None
    member = pool.current.members.get(position=0)
    member.ref = "gone:model-x"
    member.save()
    response = client_of(alice).post("/runs", _typed(pool))
    assert response.status_code == 422 and "gone:model-x" in _text(response)


def test_a_pool_that_cannot_be_asked_says_so_before_anything_is_sent(alice: User) -> None:
    pool = make_pool(alice)
    assert pool.current is not None
    pool.current.members.filter(position=0).update(ref="gone:model-x")
    text = _text(client_of(alice).get(f"/?pool={pool.public_id}"))
    assert 'id="ask-problem"' in text and "This pool names what cannot be asked here: “gone:model-x”." in text
    assert f'<a href="/pools/{pool.public_id}">Open the pool</a>' in text
    fine = make_pool(alice)
    assert 'id="ask-problem"' not in _text(client_of(alice).get(f"/?pool={fine.public_id}"))


def test_who_has_failed_lately_is_named_before_the_question_is_sent(alice: User) -> None:
    pool = make_pool(alice)
    path = f"/?pool={pool.public_id}"
    assert 'id="ask-failing"' not in _text(client_of(alice).get(path))
    run = make_run(alice, pool=pool)
    for status in ("failed", "truncated", "ok"):
        make_call(run, "sim:bold", status=status)
    health.forget()  # the day's figures may be a minute old; who fails now is told at once
    text = _text(client_of(alice).get(path))
    assert "C (Simulated · Bold) failed in 2 of its last 3 calls." in text
    assert 'title="failing: 3 calls in 24 hours, 67 % failed, first token 400 ms, 50 tokens/s"' in text


def test_the_plan_knows_which_member_has_the_least_room(alice: User) -> None:
    pool = make_pool(alice)
    text = _text(client_of(alice).get(f"/?pool={pool.public_id}"))
    assert 'data-room="32000" hidden' in text and "more than B (Simulated · Terse) takes, which is 32\u202f000." in text


def test_edit_and_ask_starts_with_the_old_question_pool_and_mode(alice: User) -> None:
    make_pool(alice, name="A first one")
    pool = make_pool(alice, name="Z other", mode="merge")
    run = make_run(alice, pool=pool, prompt="What <about> this?")
    Run.objects.filter(pk=run.pk).update(mode="best-of")
    text = _text(client_of(alice).get(f"/?from={run.public_id}"))
    assert "What &lt;about&gt; this?" in text
    assert f'<option value="{pool.public_id}" selected>' in text and 'value="best-of" checked' in text


@pytest.mark.parametrize("junk", ["x", "1", "00000000-0000-4000-8000-000000000000", "'; DROP TABLE"])
def test_a_link_to_nothing_gives_an_empty_composer(alice: User, junk: str) -> None:
    make_pool(alice)
    assert client_of(alice).get("/", {"from": junk, "pool": junk, "example": junk}).status_code == 200


def test_running_and_recent_runs_are_listed_apart(alice: User) -> None:
    make_run(alice, prompt="Still going", state=Run.State.RUNNING)
    make_run(alice, prompt="Long over", state=Run.State.DONE)
    text = _text(client_of(alice).get("/"))
    assert text.index("Running now") < text.index("Still going") < text.index("Recent") < text.index("Long over")


def test_of_long_questions_only_the_beginning_is_read_for_the_lists(alice: User) -> None:
    for state in (Run.State.RUNNING, Run.State.DONE):
        make_run(alice, prompt=f"Begins like this. {'x' * 5_000}", state=state)
    response = client_of(alice).get("/")
    assert _text(response).count("Begins like this.") == 2
    for name in ("running", "recent"):
        (run,) = response.context[name]
        assert run.get_deferred_fields() == {"prompt"} and len(run.beginning) < 500


def test_an_example_fills_the_box_without_a_script(alice: User) -> None:
    make_pool(alice)
    question = bundled_questions()[2]
    text = _text(client_of(alice).get("/", {"example": question.slug}))
    box = text[text.index("<textarea") : text.index("</textarea>")]
    assert question.prompt.split("\n")[0][:40].replace("'", "&#x27;") in box


def test_a_single_member_pool_plans_one_call(alice: User) -> None:
    ref = make_pool(alice).current.members.first().ref  # type: ignore[union-attr]
    Run.objects.all().delete()
    pool = make_pool(alice, name="Alone", members=(MemberSpec(ref),), judge="", fallback_judges=())
    text = _text(client_of(alice).get("/", {"pool": str(pool.public_id)}))
    assert "This run makes 1 call<" in text


def test_choosing_colours_is_kept_and_an_outside_address_is_not_followed(db: None) -> None:
    client = Client()
    response = client.post("/theme", {"theme": "dark", "next": "https://evil.example/"})
    assert (response.status_code, response["Location"]) == (302, "/")
    assert client.cookies["theme"].value == "dark" and client.cookies["theme"]["httponly"]
    assert 'data-theme="dark"' in _text(client.get("/accounts/signup/"))
    client.post("/theme", {"theme": '"><script>'})
    assert 'data-theme="system"' in _text(client.get("/accounts/signup/"))


def test_pages_that_do_not_exist_say_so(alice: User) -> None:
    response = client_of(alice).get("/no/such/page")
    assert response.status_code == 404 and "Nothing to see at this address" in _text(response)


def test_a_broken_page_is_answered_without_the_database(alice: User) -> None:
    client = client_of(alice)
    client.raise_request_exception = False
    with patch("fusion.web.views.ask.visible_pools", side_effect=RuntimeError("boom")):
        response = client.get("/")
    assert response.status_code == 500 and "Something broke on our side" in _text(response)
    assert "boom" not in _text(response)


def test_no_page_carries_inline_script_or_style(alice: User) -> None:
    make_pool(alice)
    run = make_run(alice, state=Run.State.RUNNING)
    for path in ("/", f"/r/{run.public_id}", "/no/such/page"):
        text = _text(client_of(alice).get(path))
        assert " style=" not in text and "<style" not in text and " onclick=" not in text
        assert "<script>" not in text
