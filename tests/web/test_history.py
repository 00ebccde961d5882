"""The list of runs: who sees what, what a search finds, and that it stays cheap."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from fusion.models import Answer, AuditEvent, Call, FinalAnswer, Membership, Pool, Run, Team, User
from fusion.models.team import Role
from fusion.runs.pools import MemberSpec
from fusion.web.views.history import PAGE_SIZE
from tests.factories import client_of, make_pool, make_run, make_user, simulated_spec

HISTORY = "/history"


def _text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def _answer(run: Run, letter: str, text: str) -> None:
    Answer.objects.filter(run=run, letter=letter).update(text=text, state="done")


def _call(run: Run, number: int, cost_nanos: int | None, **fields: Any) -> None:
    values = {"role": "panel", "ref": "x:y", "status": "ok", "input_tokens": 1, "output_tokens": 1} | fields
    Call.objects.create(run=run, call_id=f"c{number}", cost_nanos=cost_nanos, **values)


def test_a_stranger_sees_no_run_of_the_team(alice: User, charlie: User) -> None:
    make_run(alice, prompt="Secret of the team")
    page = client_of(charlie).get(HISTORY)
    assert page.status_code == 200
    assert "Secret of the team" not in _text(page)
    assert "No runs yet" in _text(page)


def test_a_stranger_finds_nothing_by_searching_and_no_pool_to_filter_by(alice: User, charlie: User) -> None:
    pool = make_pool(alice, name="Hidden panel")
    make_run(alice, pool=pool, prompt="Secret of the team")
    make_run(charlie, prompt="Mine")
    text = _text(client_of(charlie).get(HISTORY, {"q": "secret", "pool": str(pool.public_id)}))
    assert "Secret of the team" not in text and "Hidden panel" not in text


def test_somebody_who_is_not_signed_in_is_asked_to(db: None) -> None:
    response = Client().get(HISTORY)
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))


def test_a_member_sees_the_teams_runs_but_not_private_ones_of_others(alice: User, bob: User) -> None:
    make_run(alice, prompt="For everyone here")
    make_run(alice, prompt="Only for Alice", is_private=True)
    text = _text(client_of(bob).get(HISTORY))
    assert "For everyone here" in text
    assert "Only for Alice" not in text
    assert "Only for Alice" in _text(client_of(alice).get(HISTORY))


def test_somebody_who_left_the_team_sees_nothing_of_it_any_more(alice: User, bob: User) -> None:
    make_run(bob, prompt="Written while a member")
    Membership.objects.filter(user=bob).update(left_at=timezone.now())
    assert "Written while a member" not in _text(client_of(bob).get(HISTORY))


def test_the_newest_run_comes_first_with_its_facts(alice: User) -> None:
    pool = make_pool(alice, name="Deep review")
    old = make_run(alice, pool=pool, prompt="The older one", created_at=timezone.now() - timedelta(hours=1))
    new = make_run(alice, pool=pool, prompt="The newer one", state=Run.State.INTERRUPTED)
    Run.objects.filter(pk=old.pk).update(
        started_at=old.created_at, final_ready_at=old.created_at + timedelta(seconds=12, milliseconds=340)
    )
    _call(old, 1, 1_500_000_000)
    _call(old, 2, 1_000_000_000)
    text = _text(client_of(alice).get(HISTORY))
    assert text.index("The newer one") < text.index("The older one")
    for fact in ("Deep review", "Alice", "Interrupted", "12.3 s", "$2.50", str(new.public_id)):
        assert fact in text


def test_a_cost_that_is_only_partly_known_is_a_lower_bound(alice: User) -> None:
    run = make_run(alice)
    _call(run, 1, 2_000_000_000)
    _call(run, 2, None)
    text = _text(client_of(alice).get(HISTORY))
    assert "at least $2.00" in text and 'title="1 call with no known price"' in text


def test_an_unknown_cost_is_not_zero_and_a_known_zero_is(alice: User) -> None:
    _call(make_run(alice, prompt="dark"), 1, None)
    _call(make_run(alice, prompt="free"), 2, 0)
    make_run(alice, prompt="nothing called")
    found = re.findall(r'<span class="tabular" title="[^"]*">(\$[^<]*)</span>', _text(client_of(alice).get(HISTORY)))
    assert sorted(found) == ["$0", "$?"]


def test_a_call_that_was_turned_away_does_not_make_the_cost_unknown(alice: User) -> None:
    run = make_run(alice)
    _call(run, 1, 2_000_000_000)
    _call(run, 2, None, status="failed", input_tokens=None, output_tokens=None)
    assert "$2.00" in _text(client_of(alice).get(HISTORY))


@pytest.mark.parametrize(("words", "where"), [("RAYLEIGH", "answer B"), ("mie", "the final"), ("Blue SKY", "")])
def test_search_finds_words_in_prompt_answers_and_final_whatever_their_case(
    alice: User, words: str, where: str
) -> None:
    hit = make_run(alice, prompt="Why a blue sky?")
    make_run(alice, prompt="Something else")
    _answer(hit, "B", "Because of Rayleigh scattering.")
    FinalAnswer.objects.create(run=hit, kind="merged", text="Not because of Mie scattering.")
    text = _text(client_of(alice).get(HISTORY, {"q": words}))
    assert "Why a blue sky?" in text and "Something else" not in text
    assert not where or f"found in {where}" in text


def test_an_answer_that_was_asked_anew_is_not_found_by_its_old_text(alice: User) -> None:
    run = make_run(alice)
    Answer.objects.filter(run=run, letter="A").update(is_current=False, text="Withdrawn words")
    assert "Nothing matches" in _text(client_of(alice).get(HISTORY, {"q": "withdrawn"}))


def test_filters_by_pool_mode_and_state_narrow_the_list(alice: User) -> None:
    pool = make_pool(alice, name="One")
    make_run(alice, pool=pool, prompt="first")
    second = make_run(alice, pool=pool, prompt="second", state=Run.State.FAILED)
    make_run(alice, prompt="third", state=Run.State.FAILED)
    Run.objects.exclude(pk=second.pk).update(mode="merge")
    Run.objects.filter(pk=second.pk).update(mode="best-of")
    client = client_of(alice)

    def shown(**filters: str) -> set[str]:
        text = _text(client.get(HISTORY, filters))
        return {word for word in ("first", "second", "third") if f">{word}<" in text}

    assert shown(pool=str(pool.public_id)) == {"first", "second"}
    assert shown(mode="merge") == {"first", "third"}
    assert shown(state="failed", pool=str(pool.public_id)) == {"second"}


def test_the_pool_filter_still_offers_a_deleted_pool_that_has_runs(alice: User) -> None:
    pool = make_pool(alice, name="Old panel")
    make_run(alice, pool=pool, prompt="kept")
    Pool.objects.filter(pk=pool.pk).update(deleted_at=timezone.now())
    text = _text(client_of(alice).get(HISTORY, {"pool": str(pool.public_id)}))
    assert "Old panel (deleted)" in text and ">kept<" in text
    assert reverse("pool-detail", args=[pool.public_id]) not in text


@pytest.mark.parametrize(
    "query",
    [
        {"pool": "not-a-uuid"},
        {"pool": str(uuid4())},
        {"mode": "<script>"},
        {"state": "\0"},
        {"q": "\0"},
        {"q": "x" * 5000},
        {"page": "-1"},
        {"page": "9" * 30},
        {"page": "\0"},
        {"q": "%_\\"},
    ],
)
def test_nonsense_in_the_address_is_answered_with_a_page(alice: User, query: dict[str, str]) -> None:
    make_run(alice)
    response = client_of(alice).get(HISTORY, query)
    assert response.status_code == 200
    assert "<script>" not in _text(response).split("<main", 1)[1]


def test_a_filter_that_makes_no_sense_is_named_and_the_others_still_apply(alice: User) -> None:
    make_run(alice, prompt="apples")
    make_run(alice, prompt="pears")
    text = _text(client_of(alice).get(HISTORY, {"mode": "nonsense", "q": "pears"}))
    assert "nonsense is not one of the available choices" in text
    assert ">pears<" in text and ">apples<" not in text


def test_pages_keep_the_filters(alice: User) -> None:
    pool = make_pool(alice)
    for number in range(PAGE_SIZE + 2):
        make_run(alice, pool=pool, prompt=f"apple {number}")
    client = client_of(alice)
    first = _text(client.get(HISTORY, {"q": "apple", "mode": pool.current.mode if pool.current else ""}))
    link = re.search(r'rel="next" href="([^"]+)"', first)
    assert link is not None and "q=apple" in link[1] and "mode=" in link[1]
    second = _text(client.get(link[1].replace("&amp;", "&")))
    assert second.count("row__title") == 2
    assert "Page 2 of 2" in second


def test_an_empty_search_says_so_and_offers_the_way_out(alice: User) -> None:
    make_run(alice)
    text = _text(client_of(alice).get(HISTORY, {"q": "no such words"}))
    assert "Nothing matches" in text and "Clear filters" in text
    assert 'value="no such words"' in text


def test_a_live_search_gets_the_results_alone(alice: User) -> None:
    make_run(alice, prompt="apples")
    response = client_of(alice).get(
        HISTORY, {"q": "app"}, headers={"HX-Request": "true", "HX-Target": "history-results"}
    )
    assert _text(response).lstrip().startswith('<section id="history-results"')
    assert "<html" not in _text(response)
    assert "HX-Target" in response["Vary"]


def test_the_page_says_how_many_filters_are_set_beside_the_search(alice: User) -> None:
    make_run(alice)
    browser = client_of(alice)
    said = {"": "0 set", "?q=apples": "0 set", "?mode=merge": "1 set", "?q=apples&mode=merge&state=done": "2 set"}
    for query, words in said.items():
        text = _text(browser.get(HISTORY + query))
        told = _filters_set(text)
        assert told.endswith(f">{words}") and ("hidden" in told) == (words == "0 set"), query
        assert '<details class="history-filters__more">' in text, query
    assert '<details class="history-filters__more" open>' in _text(browser.get(f"{HISTORY}?pool=none")), "a mistake"


def _filters_set(text: str) -> str:
    """The element that says how many are set."""
    return text[text.index('<span id="history-filters-set"') :].partition("</span>")[0]


def test_a_live_search_changes_how_many_filters_are_said_to_be_set(alice: User) -> None:
    make_run(alice)
    headers = {"HX-Request": "true", "HX-Target": "history-results"}
    found = client_of(alice).get(HISTORY, {"mode": "merge"}, headers=headers)
    said = _filters_set(_text(found))
    assert ' hx-swap-oob="true"' in said and said.endswith(">1 set")


def test_a_hostile_prompt_and_member_name_stay_text(alice: User) -> None:
    run = make_run(alice, prompt="<img src=x onerror=alert(1)>")
    Answer.objects.filter(run=run, letter="A").update(endpoint={"name": "<b>model</b>", "ref": "x:y"})
    text = _text(client_of(alice).get(HISTORY))
    assert "<img src=x" not in text and "<b>model</b>" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text


def test_a_long_prompt_is_cut_in_the_list(alice: User) -> None:
    make_run(alice, prompt="word " * 40_000)
    text = _text(client_of(alice).get(HISTORY))
    assert text.count("word") < 200
    assert "word…" in text or "word …" in text


def test_a_full_page_takes_no_more_queries_than_a_short_one(alice: User, django_assert_max_num_queries: Any) -> None:
    pool = make_pool(alice)
    for number in range(PAGE_SIZE):
        run = make_run(alice, pool=pool, prompt=f"apple {number}")
        _answer(run, "A", "apple")
        _call(run, 1, 5)
    client = client_of(alice)
    with django_assert_max_num_queries(14):
        client.get(HISTORY)
    with django_assert_max_num_queries(16):
        client.get(HISTORY, {"q": "apple"})


def test_a_run_deleted_a_moment_ago_can_be_brought_back_from_here(alice: User, charlie: User, bob: User) -> None:
    run = make_run(alice, prompt="Deleted by mistake")
    Run.objects.filter(pk=run.pk).update(deleted_at=timezone.now() - timedelta(seconds=3))
    restore = reverse("run-restore", args=[run.public_id])
    assert restore in _text(client_of(alice).get(HISTORY))
    assert restore not in _text(client_of(bob).get(HISTORY))
    assert "Deleted by mistake" not in _text(client_of(charlie).get(HISTORY))


def test_deleting_and_undoing_from_a_search_ends_where_it_began(alice: User) -> None:
    run = make_run(alice, prompt="apples")
    client, here = client_of(alice), f"{HISTORY}?q=apples"
    assert 'name="next" value="/history?q=apples"' in _text(client.get(here))
    gone = client.post(reverse("run-delete", args=[run.public_id]), {"next": here}, follow=True)
    assert gone.redirect_chain == [(here, 302)]
    assert "row__title" not in _text(gone) and "Undo" in _text(gone)
    back = client.post(reverse("run-restore", args=[run.public_id]), {"next": here}, follow=True)
    assert back.redirect_chain == [(here, 302)]
    assert ">apples<" in _text(back)


@pytest.mark.parametrize(
    "target", ["no-such-view", "a\0b", "pools", "//elsewhere.example", "https://elsewhere.example/"]
)
def test_the_way_back_is_an_address_of_ours(alice: User, target: str) -> None:
    """`redirect` takes what is no address for the name of a view, and breaks where there is none of that name."""
    run, client = make_run(alice), client_of(alice)
    deleted = client.post(reverse("run-delete", args=[run.public_id]), {"next": target})
    restored = client.post(reverse("run-restore", args=[run.public_id]), {"next": target})
    themed = client.post(reverse("theme-set"), {"theme": "dark", "next": target})
    assert [reply.headers["Location"] for reply in (deleted, restored, themed)] == [
        HISTORY,
        reverse("run-detail", args=[run.public_id]),
        "/",
    ]


def test_deleting_and_bringing_back_is_in_the_audit_log_without_the_question(alice: User, bob: User) -> None:
    run = make_run(bob, pool=make_pool(alice), prompt="apples")
    client = client_of(alice)
    for name in ("run-delete", "run-restore", "run-restore"):
        client.post(reverse(name, args=[run.public_id]))
    told = AuditEvent.objects.filter(target=f"run:{run.public_id}").order_by("pk")
    assert [(one.action, one.actor, one.team) for one in told] == [
        ("run.delete", alice, run.team),
        ("run.restore", alice, run.team),
    ]
    assert "apples" not in str(list(told.values()))


def test_the_way_back_is_gone_after_ten_seconds(alice: User) -> None:
    run = make_run(alice)
    Run.objects.filter(pk=run.pk).update(deleted_at=timezone.now() - timedelta(seconds=11))
    assert reverse("run-restore", args=[run.public_id]) not in _text(client_of(alice).get(HISTORY))


def test_only_those_who_may_delete_a_run_are_offered_to(alice: User, team: Team, bob: User) -> None:
    viewer = make_user("vera", team=team, role=Role.VIEWER)
    of_bob = reverse("run-delete", args=[make_run(bob).public_id])
    of_alice = reverse("run-delete", args=[make_run(alice).public_id])
    offered = {
        person.email: (of_alice in text, of_bob in text)
        for person in (alice, bob, viewer)
        if (text := _text(client_of(person).get(HISTORY)))
    }
    assert offered == {
        "alice@example.com": (True, True),
        "bob@example.com": (False, True),
        "vera@example.com": (False, False),
    }


def test_simulated_runs_say_so(alice: User) -> None:
    make_run(alice)
    assert "Simulated" in _text(client_of(alice).get(HISTORY))


def test_a_member_whose_model_is_gone_is_still_named(alice: User) -> None:
    pool = make_pool(alice, members=(MemberSpec(simulated_spec().members[0].ref),), judge="", fallback_judges=())
    run = make_run(alice, pool=pool)
    Answer.objects.filter(run=run).update(endpoint={}, ref="gone:some-model")
    assert "some-model" in _text(client_of(alice).get(HISTORY))
