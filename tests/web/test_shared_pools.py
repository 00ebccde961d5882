"""Pools that a team shares: who edits them, copies in other teams, versions beside each other, templates, and models
that are gone."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from fusion.models import AuditEvent, Call, Membership, Pool, Run, Team, User
from fusion.models.team import Role
from fusion.runs.pools import MemberSpec, create_pool, delete_pool, save_pool, spec_of
from tests.factories import client_of, make_pool, make_run, make_user, simulated_spec, team_of
from tests.shelves import change_connection, info, make_connection, vanish

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"


def _text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def _main(response: Any) -> str:
    return _text(response).split("<main", 1)[1]


def _url(name: str, pool: Pool) -> str:
    return reverse(name, args=[pool.public_id])


def _now(pool: Pool) -> Pool:
    return Pool.objects.select_related("current").get(pk=pool.pk)


def _spec_now(pool: Pool) -> Any:
    version = _now(pool).current
    assert version is not None
    return spec_of(version)


def _form(**changes: str) -> dict[str, str]:
    values = {"do": "save", "name": "Shared", "visibility": "team", "editors": "author", "mode": "merge"}
    values |= {"rubric": "general", "judge": "sim:arbiter", "on_quorum_missed": "judge", "on_judge_failure": "none"}
    return values | {"members-0-ref": "sim:careful", "members-1-ref": "sim:terse"} | changes


def _lab_pool(author: User, **changes: Any) -> Pool:
    members = tuple(MemberSpec(f"lab:{name}") for name in "abc")
    spec = simulated_spec(name="Lab panel", members=members, judge="lab:judge", fallback_judges=(), **changes)
    return create_pool(author=author, team=team_of(author), spec=spec)


# --- who sees it, who edits it ------------------------------------------------------------------------------


def test_where_every_member_edits_a_member_changes_the_rules_and_nothing_else(alice: User, bob: User) -> None:
    pool = make_pool(alice, editors="members")
    sent = _form(name="Ours", visibility="private", editors="author", rubric="research")
    assert client_of(bob).post(_url("pool-edit", pool), sent).status_code == 302
    changed = _now(pool)
    assert (changed.name, _spec_now(pool).rubric) == ("Ours", "research")
    assert (changed.visibility, changed.editors) == ("team", "members")
    assert 'name="visibility"' not in _text(client_of(bob).get(_url("pool-edit", pool)))
    assert client_of(bob).post(_url("pool-delete", pool)).status_code == 403
    assert _now(pool).deleted_at is None


def test_a_viewer_does_not_edit_even_where_every_member_does(alice: User, team: Team) -> None:
    pool = make_pool(alice, editors="members")
    viewer = make_user("vera", team=team, role=Role.VIEWER)
    assert client_of(viewer).post(_url("pool-edit", pool), _form()).status_code == 403


def test_an_author_who_left_does_not_edit_and_the_pool_stays(alice: User, bob: User) -> None:
    pool = make_pool(bob)
    Membership.objects.filter(user=bob).update(left_at=timezone.now())
    assert client_of(bob).post(_url("pool-edit", pool), _form()).status_code == 404
    assert client_of(alice).get(_url("pool-edit", pool)).status_code == 200


def test_only_its_author_takes_a_pool_away_from_the_others(alice: User, bob: User) -> None:
    pool = make_pool(bob)
    response = client_of(alice).post(_url("pool-edit", pool), _form(visibility="private"))
    assert response.status_code == 422
    assert "Only its author, Bob, can make this pool private" in _text(response)
    assert client_of(bob).post(_url("pool-edit", pool), _form(visibility="private")).status_code == 302
    assert client_of(alice).get(_url("pool-detail", pool)).status_code == 404


def test_making_a_pool_private_and_the_teams_again_says_what_that_does(alice: User, bob: User) -> None:
    pool = make_pool(alice)
    run = make_run(bob, pool=pool)
    hidden = client_of(alice).post(_url("pool-edit", pool), _form(visibility="private"), follow=True)
    assert "Only you see and ask it now; what others have asked with it stays readable" in _text(hidden)
    assert client_of(bob).get(reverse("run-detail", args=[run.public_id])).status_code == 200
    shown = client_of(alice).post(_url("pool-edit", pool), _form(visibility="team"), follow=True)
    assert "Everybody in Alice Team sees it now" in _text(shown)
    assert client_of(bob).get(_url("pool-detail", pool)).status_code == 200


def test_a_private_pool_that_every_member_edits_is_no_such_thing(alice: User) -> None:
    client_of(alice).post("/pools/new", _form(visibility="private", editors="members"))
    assert Pool.objects.get().editors == "author"


# --- copies in other teams ------------------------------------------------------------------------------------


@pytest.fixture
def other(bob: User) -> Team:
    """Another team, in which bob is a member too."""
    team = team_of(make_user("zoe"))
    Membership.objects.create(team=team, user=bob, role=Role.MEMBER)
    return team


def test_a_pool_is_copied_into_another_team_of_the_person(alice: User, bob: User, other: Team) -> None:
    pool = make_pool(alice, name="Deep review")
    client = client_of(bob)
    asked = _main(client.get(_url("pool-duplicate", pool)))
    assert str(other.public_id) in asked and "All its models are there." in asked
    client.post(_url("pool-duplicate", pool), {"team": str(other.public_id)})
    copy = Pool.objects.exclude(pk=pool.pk).get()
    assert (copy.team, copy.author) == (other, bob)


def test_into_a_team_that_is_not_theirs_nobody_copies(alice: User, bob: User) -> None:
    pool = make_pool(alice)
    strange = team_of(make_user("zoe"))
    assert client_of(bob).post(_url("pool-duplicate", pool), {"team": str(strange.public_id)}).status_code == 404
    assert client_of(bob).post(_url("pool-duplicate", pool), {"team": "nonsense"}).status_code == 404
    assert client_of(bob).get(f"/pools/new?team={strange.public_id}").status_code == 404


def test_what_is_not_in_the_other_team_is_marked_in_the_editor_and_nothing_is_made(
    alice: User, bob: User, team: Team, other: Team
) -> None:
    make_connection(team, models=("a", "b", "c", "judge"))
    make_connection(other, "ours", models=("a-2", "judge-2"))
    pool = _lab_pool(alice)
    client = client_of(bob)
    assert "Not there: a, b, c, judge." in _main(client.get(_url("pool-duplicate", pool)))
    response = client.post(_url("pool-duplicate", pool), {"team": str(other.public_id)}, follow=True)
    text = _main(response)
    assert Pool.objects.count() == 1
    assert text.count("data-trouble") == 4  # three members and the judge
    assert "Take instead:" in text and 'value="use members-0-ref ours:a-2"' in text
    action = re.search(r'<form id="pool-form"[^>]* action="([^"]+)"', text)
    assert action is not None and str(other.public_id) in action[1]
    made = client.post(action[1], _form())
    assert made.status_code == 302
    assert Pool.objects.exclude(pk=pool.pk).get().team == other


def test_a_private_pool_of_somebody_else_is_not_a_source_of_copies(alice: User, bob: User) -> None:
    pool = make_pool(alice, visibility="private")
    assert client_of(bob).get(f"/pools/new?copy={pool.public_id}").status_code == 404


# --- versions beside each other -----------------------------------------------------------------------------


def test_two_versions_are_compared_and_hostile_texts_stay_texts(alice: User) -> None:
    pool = make_pool(alice, judge_instructions="Mind the units.", mode="merge")
    spec = replace(_spec_now(pool), judge_instructions=f"Mind {EVIL} units.", mode="best-of")
    save_pool(pool=pool, author=alice, spec=spec)
    text = _main(client_of(alice).get(_url("pool-compare", pool)))
    assert "Version 1 and version 2" in text
    assert EVIL not in text and "<ins>&lt;script&gt;alert(1)&lt;/script&gt; </ins>" in text
    assert "<del>the </del>" in text
    assert "before: </span>Merge</del>" in text and "now: </span>Best-of</ins>" in text


@pytest.mark.parametrize("query", ["from=9", "to=9", "from=x", "to=-1", "from=²", f"to={'9' * 40}"])
def test_a_version_that_never_was_is_a_404(alice: User, query: str) -> None:
    assert client_of(alice).get(f"{_url('pool-compare', make_pool(alice))}?{query}").status_code == 404


def test_an_earlier_version_comes_back_as_a_new_one(alice: User) -> None:
    pool = make_pool(alice, name="Before", rubric="research")
    save_pool(pool=pool, author=alice, spec=simulated_spec(name="After", rubric="creative"))
    text = _main(client_of(alice).get(_url("pool-compare", pool)))
    assert "Restore version 1" in text and "Restore version 2" not in text
    client_of(alice).post(_url("pool-restore", pool), {"version": "1"})
    restored = _now(pool)
    assert restored.current is not None
    assert (restored.current.number, restored.current.rubric, restored.name) == (3, "research", "After")


def test_a_version_whose_models_are_gone_is_opened_in_the_editor_instead(alice: User, team: Team) -> None:
    row = make_connection(team, models=("a", "b", "c", "judge"))
    pool = _lab_pool(alice)
    save_pool(pool=pool, author=alice, spec=simulated_spec(name="Lab panel"))
    change_connection(row, is_enabled=False)
    response = client_of(alice).post(_url("pool-restore", pool), {"version": "1"}, follow=True)
    text = _text(response)
    assert "Version 1 cannot be restored as it is." in text
    assert "lab:a" in text and "“Lab” is switched off" in text
    assert _now(pool).current.number == 2  # type: ignore[union-attr]


# --- models that are gone ------------------------------------------------------------------------------------


def test_a_vanished_model_is_told_of_wherever_the_pool_is_shown(alice: User, team: Team) -> None:
    row = make_connection(team, models=("a", "b", "c", "judge"))
    pool = _lab_pool(alice)
    vanish(row, "b")
    client = client_of(alice)
    sentence = "if that fails, the others answer (quorum 2 of 3)."
    for address in ("/pools", _url("pool-detail", pool), _url("pool-edit", pool), f"/?pool={pool.public_id}"):
        page = _main(client.get(address))
        assert "is not listed by Lab since" in page and sentence in page, address
    card = _main(client.get("/pools"))
    assert "model vanished" in card and "cannot be asked" not in card
    assert f"{_url('pool-edit', pool)}?seat=members-1-ref" in card


def test_replacing_goes_to_the_seat_and_takes_a_suggestion_losing_nothing(alice: User, team: Team) -> None:
    row = make_connection(team, models=("a", "b", "b-next", "c", "judge"))
    pool = _lab_pool(alice)
    vanish(row, "b")
    client = client_of(alice)
    page = _main(client.get(f"{_url('pool-edit', pool)}?seat=members-1-ref"))
    control = re.search(r'<(?:select|input) id="id_members-1-ref"[^>]*>', page)
    assert control is not None and "autofocus" in control[0]
    assert 'value="use members-1-ref lab:b-next"' in page
    sent = _form(name="Half typed", **{"members-1-ref": "lab:b", "members-1-system_note": "Kept"})
    page = _main(client.post(_url("pool-edit", pool), sent | {"do": "use members-1-ref lab:b-next"}))
    assert "Half typed" in page and "Kept" in page
    assert 'value="lab:b-next" selected' in page


def test_a_pool_whose_connection_is_off_says_that_it_cannot_be_asked(alice: User, bob: User, team: Team) -> None:
    row = make_connection(team, models=("a", "b", "c", "judge"))
    pool = _lab_pool(alice)
    change_connection(row, is_enabled=False)
    text = _main(client_of(bob).get(_url("pool-detail", pool)))
    assert "This pool cannot be asked as it is" in text
    assert "admins can replace it" in text and "?seat=" not in text
    assert "cannot be asked</span>" in _main(client_of(bob).get("/pools"))


# --- templates -----------------------------------------------------------------------------------------------


def test_a_new_pool_starts_from_templates_that_say_what_they_take(alice: User) -> None:
    text = _main(client_of(alice).get("/pools/new"))
    names = ("Quality", "Budget", "Fast", "Code review", "Research", "Creative", "Self-fusion of your best model")
    for name in names:
        assert name in text
    assert "5 calls" in text and "Simulated · Careful" in text and "about $" in text


def test_a_template_opens_the_editor_filled_in_and_what_it_says_can_be_saved(alice: User) -> None:
    client = client_of(alice)
    text = _main(client.get("/pools/new?template=research"))
    assert 'value="Research"' in text
    assert re.search(r'name="mode" value="debate"[^>]* checked', text)
    assert Pool.objects.count() == 0
    assert client.get("/pools/new?template=nonsense").status_code == 404


def test_a_template_that_is_not_possible_says_why(alice: User, team: Team) -> None:
    make_connection(team, models=(info("solo"),))
    text = _main(client_of(alice).get("/pools/new"))
    assert "It needs 2 different models; there is only one here." in text
    response = client_of(alice).get("/pools/new?template=quality", follow=True)
    assert "“Quality” is not possible here" in _text(response)


# --- the list and the side of the editor -----------------------------------------------------------------------


def _used(pool: Pool, author: User, *, cost: int | None, days_ago: int, seconds: int = 4) -> None:
    start = timezone.now() - timedelta(days=days_ago)
    run = make_run(author, pool=pool)
    Run.objects.filter(pk=run.pk).update(
        created_at=start, started_at=start, final_ready_at=start + timedelta(seconds=seconds)
    )
    Call.objects.create(
        run=run,
        call_id=f"c{run.pk}",
        role="panel",
        ref="sim:careful",
        status="ok",
        cost_nanos=cost,
        output_tokens=10,
        total_ms=seconds * 1000,
    )


def test_cards_tell_median_cost_and_who_used_it_last_and_come_in_that_order(alice: User, bob: User) -> None:
    old, new, never = (make_pool(alice, name=name) for name in ("Old one", "New one", "Never used"))
    Pool.objects.filter(pk=never.pk).update(created_at=timezone.now() - timedelta(days=90))
    for cost in (1_000_000, 3_000_000, 9_000_000):
        _used(old, alice, cost=cost, days_ago=9)
    _used(new, bob, cost=None, days_ago=1)
    text = _main(client_of(alice).get("/pools"))
    assert text.index("New one") < text.index("Old one") < text.index("Never used")
    assert "usually $0.0030" in text and "by Alice" in text
    newest = text[text.index("New one") : text.index("Old one")]
    assert "$?" in newest and "by Bob" in newest


def test_only_the_current_teams_pools_are_listed_and_many_are_searched(alice: User, bob: User, other: Team) -> None:
    for number in range(7):
        make_pool(alice, name=f"Panel {number}", mode="debate" if number == 3 else "merge")
    User.objects.filter(pk=bob.pk).update(current_team=other)
    assert "Panel 0" not in _main(client_of(bob).get("/pools"))
    client = client_of(alice)
    assert 'role="search"' in _main(client.get("/pools"))
    assert re.findall(r"Panel \d</a>", _main(client.get("/pools?q=panel+3"))) == ["Panel 3</a>"]
    assert re.findall(r"Panel \d</a>", _main(client.get("/pools?mode=debate"))) == ["Panel 3</a>"]
    assert len(re.findall(r"Panel \d</a>", _main(client.get("/pools?q=terse")))) == 7
    assert "No pool matches" in _main(client.get(f"/pools?q={EVIL}"))


def test_an_empty_list_leads_to_the_templates(alice: User) -> None:
    text = _main(client_of(alice).get("/pools"))
    assert "Choose a template" in text and reverse("pool-create") in text


def test_the_side_of_the_editor_tells_time_from_earlier_calls_and_price(alice: User, team: Team) -> None:
    pool = make_pool(alice, mode="best-of")
    text = _main(client_of(alice).get(_url("pool-edit", pool)))
    assert "time not known" in text and "about $" in text and "simulated prices are invented" in text
    run = make_run(alice, pool=pool)
    refs = [(member.ref, "panel") for member in _spec_now(pool).members] + [(_spec_now(pool).judge, "judge")]
    for at, (ref, role) in enumerate(refs):
        Call.objects.create(run=run, call_id=f"c{at}", role=role, ref=ref, status="ok", total_ms=2000 + at * 1000)
    text = _main(client_of(alice).get(_url("pool-edit", pool)))
    assert "about 9.0 s" in text  # the slowest of the members, then the judge


def test_the_side_of_the_editor_tells_what_this_pool_usually_took_until_its_rules_change(alice: User) -> None:
    pool = make_pool(alice, mode="best-of")
    for seconds in (30, 40, 90):
        _used(pool, alice, cost=5_000_000, days_ago=1, seconds=seconds)
    text = _main(client_of(alice).get(_url("pool-edit", pool)))
    assert "usually 40.0 s" in text and "median of 3 runs" in text and "usually $0.0050" in text
    refs = [member.ref for member in _spec_now(pool).members]
    sent = _form(mode="best-of", judge=_spec_now(pool).judge, **{"members-0-ref": refs[0], "members-1-ref": refs[1]})
    text = _text(client_of(alice).post(f"/pools/preview?pool={pool.public_id}", sent))
    assert "with the rules until now" in text and "median of" not in text


def test_without_a_price_the_estimate_is_a_question_mark(alice: User, team: Team) -> None:
    make_connection(team, models=(info("a", "x", ("1", "2")), info("b"), info("c"), info("judge", "x", ("1", "2"))))
    text = _main(client_of(alice).get(_url("pool-edit", _lab_pool(alice))))
    assert "$? <span" in text and "no known price for b, c" in text


def test_a_member_that_may_take_longer_than_the_panel_is_warned_of(alice: User) -> None:
    sent = _form(**{"members-0-timeout_s": "900", "panel_timeout_s": "60"})
    text = _text(client_of(alice).post("/pools/preview", sent))
    assert "A member may take 900 s, but the panel closes after 60 s" in text


def test_the_audit_log_does_not_name_a_private_pool(alice: User, bob: User, team: Team) -> None:
    """The team's admins read it, and a private pool does not exist for them."""
    pool = make_pool(bob, name="Zebulon plans", visibility="private")
    spec = spec_of(pool.versions.get())
    save_pool(pool=pool, author=bob, spec=replace(spec, name="Zebulon plans more", debate_rounds=2))
    delete_pool(pool=Pool.objects.get(pk=pool.pk), person=bob)

    page = client_of(alice).get(f"/team/{team.public_id}/audit").content.decode()

    assert "Zebulon" not in page and "Zebulon" not in str(list(AuditEvent.objects.values()))
    assert page.count("a private pool") == AuditEvent.objects.filter(action__startswith="pool.").count() == 3


def test_a_model_whose_id_has_spaces_is_asked_as_it_is_written(alice: User, team: Team) -> None:
    make_connection(team, "lab", models=(" odd id ", "plain", "judge"))
    client = client_of(alice)
    odd = _form(**{"judge": "lab:judge", "members-0-ref": "lab: odd id ", "members-1-ref": " lab:plain "})
    assert client.post(reverse("pool-create"), odd).status_code == 302
    pool = Pool.objects.get(name="Shared")
    assert [seat.ref for seat in _spec_now(pool).members] == ["lab: odd id ", "lab:plain"]

    chosen = client.post(_url("pool-edit", pool), odd | {"do": "use members-1-ref lab: odd id "})
    assert chosen.status_code == 200, "a button of the editor saves nothing"
    assert [seat.ref for seat in _spec_now(pool).members] == ["lab: odd id ", "lab:plain"]


@pytest.mark.parametrize("name", ["pool-create", "pool-edit"])
def test_fields_that_the_editor_does_not_have_change_nothing(alice: User, bob: User, team: Team, name: str) -> None:
    pool, other = make_pool(bob), make_user("eve")
    hostile = {
        "team": team_of(other).pk,
        "team_id": team_of(other).pk,
        "author": alice.pk,
        "author_id": alice.pk,
        "slug": "stolen",
        "origin": "sim",
        "public_id": "00000000-0000-0000-0000-000000000000",
        "number": 99,
        "current": 1,
        "payers": "{}",
        "deleted_at": "2020-01-01",
        "pk": 1,
        "id": 1,
    }
    address = reverse(name) if name == "pool-create" else _url(name, pool)
    assert client_of(bob).post(address, {**_form(name="Mine"), **hostile}).status_code == 302
    saved = Pool.objects.select_related("current").get(name="Mine")
    assert saved.current is not None and saved.current.number == (1 if name == "pool-create" else 2)
    assert (saved.team, saved.author, saved.origin, saved.deleted_at) == (team, bob, "", None)
    assert saved.slug != "stolen" and str(saved.public_id) != hostile["public_id"]
    assert (saved.pk == pool.pk) is (name == "pool-edit") and Pool.objects.filter(team=team).count() <= 2
