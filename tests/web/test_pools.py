"""Pools: who may see and change them, an editor that loses nothing, and versions that never change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from fusion.catalogue import available
from fusion.models import Pool, PoolVersion, Run, Team, User
from fusion.models.team import Role
from fusion.providers.clients import close_shared_clients
from fusion.runs.listing import refresh_lists
from fusion.runs.pools import MemberSpec, save_pool, spec_of
from fusion.web.forms import models as model_forms
from tests.factories import client_of, make_pool, make_run, make_user, simulated_spec

EVIL = "<script>alert(1)</script>"


def _text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def _main(response: Any) -> str:
    return _text(response).split("<main", 1)[1]


def _refs() -> list[str]:
    return [known.ref for known in available.models_of_environment().all()]


def _form(**changes: str) -> dict[str, str]:
    """What the editor sends for a valid pool of three members."""
    refs = _refs()
    values = {
        "do": "save",
        "name": "Deep review",
        "visibility": "team",
        "mode": "merge",
        "rubric": "general",
        "judge": refs[0],
        "fallback_judge_1": "",
        "fallback_judge_2": "",
        "writer": "",
        "judge_instructions": "",
        "anchor": "0",
        "quorum": "",
        "grace_s": "",
        "panel_timeout_s": "",
        "on_quorum_missed": "judge",
        "on_judge_failure": "none",
    }
    for at, ref in enumerate(refs[:3]):
        values[f"members-{at}-ref"] = ref
        for name in ("temperature", "max_tokens", "timeout_s", "system_note"):
            values[f"members-{at}-{name}"] = ""
    return values | changes


def _without_members(form: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in form.items() if not name.startswith("members-")}


def _url(name: str, pool: Pool) -> str:
    return reverse(name, args=[pool.public_id])


def _current(pool: Pool) -> PoolVersion:
    version = Pool.objects.get(pk=pool.pk).current
    assert version is not None
    return version


def _selected(text: str, name: str) -> str:
    """The chosen option of a select."""
    control = re.search(rf'<select id="id_{name}".*?</select>', text, re.DOTALL)
    assert control is not None
    chosen = re.search(r'<option value="([^"]*)" selected', control[0])
    return "" if chosen is None else chosen[1]


# --- who may --------------------------------------------------------------------------------------------

PAGES = [
    ("get", "pool-detail"),
    ("get", "pool-edit"),
    ("post", "pool-edit"),
    ("get", "pool-duplicate"),
    ("post", "pool-duplicate"),
    ("get", "pool-compare"),
    ("post", "pool-restore"),
    ("get", "pool-delete"),
    ("post", "pool-delete"),
]


@pytest.mark.parametrize(("method", "name"), PAGES)
def test_to_a_stranger_a_pool_does_not_exist(alice: User, charlie: User, method: str, name: str) -> None:
    pool = make_pool(alice)
    response = getattr(client_of(charlie), method)(_url(name, pool), _form())
    assert response.status_code == 404
    assert _current(pool).number == 1
    assert Pool.objects.get(pk=pool.pk).deleted_at is None


@pytest.mark.parametrize(("method", "name"), PAGES)
def test_a_colleagues_private_pool_does_not_exist(alice: User, bob: User, method: str, name: str) -> None:
    pool = make_pool(bob, visibility="private")
    assert getattr(client_of(alice), method)(_url(name, pool), _form()).status_code == 404


def test_the_list_shows_a_stranger_nothing_of_the_team(alice: User, charlie: User) -> None:
    make_pool(alice, name="Secret panel")
    assert "Secret panel" not in _text(client_of(charlie).get("/pools"))


def test_a_strangers_preview_tells_only_what_the_stranger_typed(alice: User, charlie: User) -> None:
    make_pool(alice, name="Secret panel", judge_instructions="Secret instructions")
    response = client_of(charlie).post("/pools/preview", _form())
    assert response.status_code == 200
    assert "Secret" not in _text(response)


def test_a_stranger_makes_pools_in_their_own_team_only(charlie: User, team: Team) -> None:
    response = client_of(charlie).post("/pools/new", _form())
    assert response.status_code == 302
    assert Pool.objects.get().team != team


@pytest.mark.parametrize("path", ["/pools", "/pools/new"])
def test_somebody_who_is_not_signed_in_is_asked_to(db: None, path: str) -> None:
    response = Client().get(path)
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize(("method", "name"), [page for page in PAGES if page[1] in ("pool-edit", "pool-delete")])
def test_a_member_who_is_not_the_author_is_refused_with_a_sentence(
    alice: User, bob: User, method: str, name: str
) -> None:
    pool = make_pool(alice)
    response = getattr(client_of(bob), method)(_url(name, pool), _form())
    assert response.status_code == 403
    assert "author and the team&#x27;s admins" in _text(response) or "author and the team's admins" in _text(response)
    assert _current(pool).number == 1


def test_the_author_and_the_teams_admins_may_edit(alice: User, bob: User, team: Team) -> None:
    pool = make_pool(bob)
    admin = make_user("ada", team=team, role=Role.ADMIN)
    for person in (bob, alice, admin):
        assert client_of(person).get(_url("pool-edit", pool)).status_code == 200


def test_a_viewer_reads_pools_but_is_refused_to_make_or_copy_one(alice: User, team: Team) -> None:
    viewer = make_user("vera", team=team, role=Role.VIEWER)
    pool = make_pool(alice)
    client = client_of(viewer)
    assert client.get(_url("pool-detail", pool)).status_code == 200
    assert reverse("pool-create") not in _text(client.get("/pools"))
    assert client.get("/pools/new").status_code == 403
    assert client.post("/pools/new", _form()).status_code == 403
    assert client.post(_url("pool-duplicate", pool)).status_code == 403
    assert Pool.objects.count() == 1


def test_somebody_without_a_team_is_told_what_to_do(db: None) -> None:
    loner = User.objects.create_user("lone@example.com", "secret-pass-1")
    assert client_of(loner).get("/pools").status_code == 200
    response = client_of(loner).get("/pools/new")
    assert response.status_code == 403
    assert "no team" in _text(response)


# --- the list and one pool --------------------------------------------------------------------------------


def test_a_card_tells_what_the_pool_is_and_how_it_was_used(alice: User) -> None:
    pool = make_pool(alice, name="Deep review", mode="merge", visibility="private")
    start = timezone.now()
    for seconds in (2, 4, 60):
        run = make_run(alice, pool=pool)
        Run.objects.filter(pk=run.pk).update(started_at=start, final_ready_at=start + timedelta(seconds=seconds))
    text = _main(client_of(alice).get("/pools"))
    for fact in ("Deep review", "Merge", "Only me", "Simulated", "3 runs", "usually 4.0 s", "Judge:", "Anchor"):
        assert fact in text


def test_a_card_counts_only_runs_that_the_reader_may_see(alice: User, bob: User) -> None:
    pool = make_pool(alice)
    make_run(alice, pool=pool, is_private=True)
    assert "Not used yet" in _text(client_of(bob).get("/pools"))
    assert "1 run<" in _text(client_of(alice).get("/pools"))


def test_many_pools_take_no_more_queries_than_one(alice: User, django_assert_max_num_queries: Any) -> None:
    for _ in range(12):
        make_run(alice, pool=make_pool(alice))
    client = client_of(alice)
    with django_assert_max_num_queries(16):
        client.get("/pools")


def test_an_empty_list_says_what_a_pool_is(alice: User) -> None:
    text = _text(client_of(alice).get("/pools"))
    assert "No pools yet" in text and reverse("pool-create") in text


def test_a_pool_tells_in_words_what_each_version_changed(alice: User) -> None:
    pool = make_pool(alice, name="Deep review", mode="merge", rubric="general")
    run = make_run(alice, pool=pool)
    spec = spec_of(_current(pool))
    members = (*spec.members[1:], MemberSpec(spec.members[1].ref, max_tokens=500))
    changed = {"mode": "best-of", "rubric": "research", "judge_instructions": "Be strict.", "quorum": 2}
    save_pool(pool=pool, author=alice, spec=simulated_spec(name="Deep review", members=members, **changed))
    text = _main(client_of(alice).get(_url("pool-detail", pool)))
    for change in (
        "Mode: Merge → Best-of",
        "Rubric: General → Research",
        "Quorum: two thirds → 2",
        "Judge instructions added",
        f"Removed {_name(spec.members[0].ref)}",
        f"Added {_name(spec.members[1].ref)}",
        "Be strict.",
        "at most 500 tokens",
    ):
        assert change in text, change
    assert text.index("Version 2") < text.index("Version 1") < text.index("1 run<")
    assert run.pool_version.number == 1


def _name(ref: str) -> str:
    known = available.models_of_environment().entry(ref)
    assert known is not None
    return known.name


def test_another_order_and_other_settings_are_told_apart(alice: User) -> None:
    pool = make_pool(alice)
    first, second, *rest = spec_of(_current(pool)).members
    warm = MemberSpec(first.ref, max_tokens=900)
    save_pool(pool=pool, author=alice, spec=simulated_spec(name=pool.name, members=(second, warm, *rest)))
    text = _main(client_of(alice).get(_url("pool-detail", pool)))
    assert "Members in another order" in text
    assert f"{_name(first.ref)}: token limit default → 900" in text


def test_the_judges_exact_prompt_is_shown_escaped(alice: User) -> None:
    pool = make_pool(alice, judge_instructions=f"Prefer short ones. {EVIL}")
    text = _main(client_of(alice).get(_url("pool-detail", pool)))
    assert "Prefer short ones. &lt;script&gt;" in text
    assert EVIL not in text
    assert "exact prompt" in text


def test_a_pool_leads_to_the_question_form(alice: User) -> None:
    pool = make_pool(alice)
    assert f'href="/?pool={pool.public_id}"' in _text(client_of(alice).get(_url("pool-detail", pool)))


def test_a_pool_whose_models_are_gone_is_still_shown_and_editable(alice: User) -> None:
    pool = make_pool(alice)
    version = _current(pool)
    version.members.filter(position=0).update(ref="gone:some-model")
    PoolVersion.objects.filter(pk=version.pk).update(judge="gone:judge")
    assert "not available" in _text(client_of(alice).get("/pools"))
    assert "some-model" in _text(client_of(alice).get(_url("pool-detail", pool)))
    text = _text(client_of(alice).get(_url("pool-edit", pool)))
    assert _selected(text, "members-0-ref") == "gone:some-model"


# --- making and changing -------------------------------------------------------------------------------


def test_a_pool_is_made_from_the_form(alice: User) -> None:
    refs = _refs()
    form = _form(
        visibility="private",
        anchor="2",
        quorum="2",
        grace_s="0",
        fallback_judge_2=refs[1],
        judge_instructions="Be kind.",
        on_judge_failure="anchor",
        **{"members-1-temperature": "0", "members-1-max_tokens": "256", "members-1-system_note": "Short."},
    )
    response = client_of(alice).post("/pools/new", form)
    pool = Pool.objects.get()
    assert response.status_code == 302
    assert response["Location"] == _url("pool-detail", pool)
    spec = spec_of(_current(pool))
    assert (spec.name, spec.visibility, spec.mode, spec.anchor) == ("Deep review", "private", "merge", 2)
    assert (spec.quorum, spec.grace_s, spec.fallback_judges) == (2, 0, (refs[1],))
    assert spec.on_judge_failure == "anchor"
    second = spec.members[1]
    assert (second.temperature, second.max_tokens, second.system_note) == (Decimal(0), 256, "Short.")
    assert spec.members[0].temperature is None


def test_the_same_model_may_sit_twice(alice: User) -> None:
    ref = _refs()[0]
    assert client_of(alice).post("/pools/new", _form(**{"members-1-ref": ref, "members-0-ref": ref})).status_code == 302


def test_two_pools_may_have_the_same_name(alice: User) -> None:
    client = client_of(alice)
    assert [client.post("/pools/new", _form()).status_code for _ in range(2)] == [302, 302]
    assert len({pool.slug for pool in Pool.objects.all()}) == 2


def test_saving_writes_a_new_version_and_runs_keep_theirs(alice: User) -> None:
    pool = make_pool(alice)
    run = make_run(alice, pool=pool)
    client_of(alice).post(_url("pool-edit", pool), _form(name="Renamed", rubric="research"))
    assert (_current(pool).number, _current(pool).rubric) == (2, "research")
    assert Run.objects.get(pk=run.pk).pool_version.number == 1
    assert Pool.objects.get(pk=pool.pk).name == "Renamed"


def test_saving_an_untouched_form_makes_no_new_version(alice: User) -> None:
    client = client_of(alice)
    client.post("/pools/new", _form())
    pool = Pool.objects.get()
    response = client.post(_url("pool-edit", pool), _form(), follow=True)
    assert _current(pool).number == 1
    assert "so version 1 stays" in _text(response)


def test_the_editor_shows_what_is_stored(alice: User) -> None:
    pool = make_pool(alice, name='Quote " and <b>', grace_s=0)
    version = _current(pool)
    text = _text(client_of(alice).get(_url("pool-edit", pool)))
    assert 'value="Quote &quot; and &lt;b&gt;"' in text
    assert _selected(text, "judge") == version.judge
    assert [_selected(text, f"members-{seat.position}-ref") for seat in version.members.all()] == [
        seat.ref for seat in version.members.all()
    ]
    assert re.search(r'name="grace_s" value="0"', text)


INVALID = [
    ({"name": "  "}, "Give the pool a name.", "id_name"),
    ({"name": "x" * 81}, "at most 80 characters", "id_name"),
    ({"name": "a\0b"}, "Null characters are not allowed", "id_name"),
    ({"mode": "vote"}, "vote is not one of the available choices", "id_mode"),
    ({"rubric": EVIL}, "is not one of the available choices", "id_rubric"),
    ({"judge": ""}, "Choose a judge", "id_judge"),
    ({"judge": "nowhere:model"}, "cannot be asked here", "id_judge"),
    ({"writer": "a\0b"}, "Null characters are not allowed", "id_writer"),
    ({"quorum": "9"}, "less than or equal to 8", "id_quorum"),
    ({"quorum": "4"}, "cannot be larger than the panel", "id_quorum"),
    ({"quorum": "two"}, "Enter a whole number", "id_quorum"),
    ({"grace_s": "9" * 5000}, "Enter a whole number", "id_grace_s"),
    ({"anchor": "3"}, "The anchor must be one of the members", "id_anchor"),
    ({"anchor": "-1"}, "greater than or equal to 0", "id_anchor"),
    ({"members-1-ref": ""}, "Choose a model for this member", "id_members-1-ref"),
    ({"members-1-ref": "sim:" + "x" * 300}, "at most 255 characters", "id_members-1-ref"),
    ({"members-1-temperature": "NaN"}, "Enter a number", "id_members-1-temperature"),
    ({"members-1-temperature": "2.1"}, "less than or equal to 2", "id_members-1-temperature"),
    ({"members-1-max_tokens": "1e9"}, "Enter a whole number", "id_members-1-max_tokens"),
    ({"members-1-timeout_s": "0"}, "greater than or equal to 5", "id_members-1-timeout_s"),
    ({"members-1-system_note": "x" * 4001}, "at most 4000 characters", "id_members-1-system_note"),
    ({"judge_instructions": "x" * 4001}, "at most 4000 characters", "id_judge_instructions"),
]


@pytest.mark.parametrize(("changes", "message", "control"), INVALID)
def test_invalid_input_comes_back_named_beside_its_field_and_in_the_summary(
    alice: User, changes: dict[str, str], message: str, control: str
) -> None:
    response = client_of(alice).post("/pools/new", _form(**changes))
    text = _main(response)
    assert response.status_code == 422
    assert message in text
    assert f'<a href="#{control}">' in text
    assert text.count(f'id="{control}"') == 1
    assert not Pool.objects.exists()


def test_everything_typed_is_still_there_after_an_error(alice: User) -> None:
    refs = _refs()
    form = _form(
        name="",
        judge_instructions="Kept words",
        quorum="two",
        anchor="1",
        **{"members-2-ref": "nowhere:x", "members-1-temperature": "hot", "members-1-system_note": "Kept note"},
    )
    text = _main(client_of(alice).post("/pools/new", form))
    for kept in ("Kept words", "Kept note", 'value="two"', 'value="hot"'):
        assert kept in text
    assert _selected(text, "members-2-ref") == "nowhere:x"
    assert _selected(text, "members-0-ref") == refs[0]
    assert re.search(r'name="anchor" value="1" checked', text)
    assert re.search(r'name="mode" value="merge"[^>]*checked', text)


def test_all_that_is_wrong_is_said_at_once(alice: User) -> None:
    form = _form(name="", quorum="two", **{"members-1-ref": ""})
    assert "3 things to correct" in _main(client_of(alice).post("/pools/new", form))


def test_an_unknown_model_comes_back_with_the_nearest_known_one(alice: User) -> None:
    ref = _refs()[0]
    assert f"Did you mean “{ref}”?" in _main(client_of(alice).post("/pools/new", _form(judge=ref + "x")))


def test_a_pool_without_members_is_refused(alice: User) -> None:
    response = client_of(alice).post("/pools/new", _without_members(_form()))
    assert response.status_code == 422
    assert "A pool needs at least one member." in _text(response)


def test_more_than_eight_members_are_refused_and_none_is_lost(alice: User) -> None:
    form = _form(**{f"members-{at}-ref": _refs()[0] for at in range(9)})
    response = client_of(alice).post("/pools/new", form)
    assert response.status_code == 422
    assert "at most 8 members" in _text(response)
    assert 'id="id_members-8-ref"' in _text(response)


def test_a_form_with_thousands_of_rows_is_not_rendered_row_by_row(alice: User) -> None:
    form = _form(**{f"members-{at}-ref": "x" for at in range(99)})
    assert _text(client_of(alice).post("/pools/new", form)).count('class="pool-member"') == 16


def test_gaps_in_the_row_numbers_do_no_harm(alice: User) -> None:
    refs = _refs()
    form = _without_members(_form()) | {"members-3-ref": refs[0], "members-7-ref": refs[1]}
    assert client_of(alice).post("/pools/new", form).status_code == 302
    assert [member.ref for member in spec_of(_current(Pool.objects.get())).members] == refs[:2]


def test_one_member_needs_no_judge(alice: User) -> None:
    form = _without_members(_form(judge="")) | {"members-0-ref": _refs()[0]}
    assert client_of(alice).post("/pools/new", form).status_code == 302


def test_a_body_of_ten_megabytes_is_refused_and_nothing_breaks(alice: User) -> None:
    response = client_of(alice).post("/pools/new", _form(judge_instructions="x" * 10_000_000))
    assert 400 <= response.status_code < 500
    assert not Pool.objects.exists()


def test_html_in_names_is_text_on_every_page(alice: User) -> None:
    client = client_of(alice)
    client.post("/pools/new", _form(name=EVIL))
    pool = Pool.objects.get()
    paths = ["/pools", *(_url(name, pool) for name in ("pool-detail", "pool-edit", "pool-delete"))]
    for path in paths:
        text = _main(client.get(path))
        assert EVIL not in text and "&lt;script&gt;" in text
    assert EVIL not in _main(client.post("/pools/new", _form(name=EVIL, judge="")))


# --- the buttons inside the form -----------------------------------------------------------------------


def test_adding_a_member_keeps_everything_and_complains_of_nothing(alice: User) -> None:
    form = _form(do="add-member", name="", quorum="two")
    response = client_of(alice).post("/pools/new", form)
    text = _main(response)
    assert response.status_code == 200
    assert text.count('class="pool-member"') == 4
    assert "errorlist" not in text and "error-summary" not in text
    assert 'value="two"' in text
    assert re.search(r'id="id_members-3-ref"[^>]*autofocus', text)
    assert not Pool.objects.exists()


def test_removing_a_member_moves_the_anchor_along(alice: User) -> None:
    refs = _refs()
    text = _main(client_of(alice).post("/pools/new", _form(do="remove-0", anchor="2")))
    assert [_selected(text, f"members-{at}-ref") for at in range(2)] == refs[1:3]
    assert re.search(r'name="anchor" value="1" checked', text)


def test_moving_a_member_moves_its_settings_and_the_anchor(alice: User) -> None:
    refs = _refs()
    form = _form(do="up-2", anchor="2", **{"members-2-max_tokens": "777"})
    text = _main(client_of(alice).post("/pools/new", form))
    assert [_selected(text, f"members-{at}-ref") for at in range(3)] == [refs[0], refs[2], refs[1]]
    assert re.search(r'name="members-1-max_tokens" value="777"', text)
    assert re.search(r'name="anchor" value="1"[^>]*checked', text)
    assert re.search(r'id="member-up-1"[^>]*autofocus', text)


def test_removing_the_last_member_leaves_an_empty_row_to_fill(alice: User) -> None:
    form = _without_members(_form(do="remove-0")) | {"members-0-ref": _refs()[0]}
    text = _main(client_of(alice).post("/pools/new", form))
    assert text.count('class="pool-member"') == 1
    assert _selected(text, "members-0-ref") == ""


def test_a_ninth_member_cannot_be_added(alice: User) -> None:
    form = _form(do="add-member", **{f"members-{at}-ref": _refs()[0] for at in range(8)})
    text = _main(client_of(alice).post("/pools/new", form))
    assert text.count('class="pool-member"') == 8
    assert "Eight is the most." in text


@pytest.mark.parametrize("do", ["remove-9", "up-0", "down-2", "up-99", "up"])
def test_a_button_for_a_row_that_cannot_move_changes_nothing(alice: User, do: str) -> None:
    refs = _refs()
    text = _main(client_of(alice).post("/pools/new", _form(do=do)))
    assert [_selected(text, f"members-{at}-ref") for at in range(3)] == refs[:3]


def test_htmx_gets_the_members_alone(alice: User) -> None:
    headers = {"HX-Request": "true", "HX-Target": "pool-members"}
    response = client_of(alice).post("/pools/new", _form(do="add-member"), headers=headers)
    assert _text(response).lstrip().startswith('<fieldset id="pool-members"')
    assert "<html" not in _text(response)


def test_enter_in_a_field_saves_instead_of_pressing_another_button(alice: User) -> None:
    text = _main(client_of(alice).get("/pools/new?template=empty"))
    form = text[text.index('<form id="pool-form"') :]
    first = re.search(r"<button[^>]*>", form)
    assert first is not None and 'value="save"' in first[0]


def test_a_long_list_of_models_is_searched_by_typing(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_forms, "LONG_LIST", 1)
    text = _main(client_of(alice).post("/pools/new", _form(judge="nowhere:x")))
    assert '<datalist id="pool-models">' in text
    assert re.search(r'<input id="id_judge"[^>]*list="pool-models"[^>]*value="nowhere:x"', text)
    assert f'<option value="{_refs()[0]}" data-simulates>' in text


# --- the preview ----------------------------------------------------------------------------------------


def test_the_preview_counts_calls_and_warns(alice: User) -> None:
    refs = _refs()
    text = _text(client_of(alice).post("/pools/preview", _form(judge=refs[0])))
    assert re.search(r"<dt>Calls</dt><dd>5 ", text)
    assert 'data-code="judge_on_panel"' in text
    assert 'data-code="no_fallback"' in text


def test_the_preview_shows_the_judges_prompt_as_typed_and_escaped(alice: User) -> None:
    text = _text(client_of(alice).post("/pools/preview", _form(judge_instructions=f"Mind {EVIL} units")))
    assert "Mind &lt;script&gt;" in text and EVIL not in text


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"members-0-ref": "\0"},
        {"mode": "vote", "rubric": "x", "anchor": "99", "quorum": "-"},
        {"members-0-ref": EVIL},
    ],
)
def test_the_preview_makes_the_best_of_nonsense(alice: User, form: dict[str, str]) -> None:
    response = client_of(alice).post("/pools/preview", form)
    assert response.status_code == 200
    assert EVIL not in _text(response)


def test_an_invalid_form_has_a_preview_of_its_valid_part(alice: User) -> None:
    text = _main(client_of(alice).post("/pools/new", _form(name="", **{"members-2-ref": "nowhere:x"})))
    assert re.search(r"<dt>Calls</dt><dd>4 ", text)


# --- copying and deleting ----------------------------------------------------------------------------------


def test_a_copy_belongs_to_the_one_who_made_it(alice: User, bob: User) -> None:
    pool = make_pool(alice, name="Deep review")
    response = client_of(bob).post(_url("pool-duplicate", pool))
    copy = Pool.objects.exclude(pk=pool.pk).get()
    assert response["Location"] == _url("pool-edit", copy)
    assert copy.author == bob and copy.name.startswith("Deep review")
    assert spec_of(_current(copy)).members == spec_of(_current(pool)).members


def test_a_copy_whose_models_are_not_all_there_opens_in_the_editor_with_those_marked(alice: User) -> None:
    pool = make_pool(alice)
    PoolVersion.objects.filter(pool=pool).update(judge="gone:judge")
    response = client_of(alice).post(_url("pool-duplicate", pool), follow=True)
    assert response.status_code == 200
    text = _text(response)
    assert "Nothing is saved yet" in text
    assert _selected(text, "judge") == "gone:judge"
    assert "There is no connection “gone” here" in text
    assert Pool.objects.count() == 1


def test_deleting_says_first_that_runs_stay_and_then_keeps_them(alice: User) -> None:
    pool = make_pool(alice, name="Old panel")
    run = make_run(alice, pool=pool, prompt="Kept question")
    client = client_of(alice)
    asked = _text(client.get(_url("pool-delete", pool)))
    assert "1 run used it" in asked and "It stays in the history" in asked
    assert Pool.objects.get(pk=pool.pk).deleted_at is None
    text = _text(client.post(_url("pool-delete", pool), follow=True))
    assert "is deleted" in text
    assert _url("pool-detail", pool) not in text
    assert Run.objects.filter(pk=run.pk).exists()
    assert "Kept question" in _text(client.get("/history"))


def test_a_deleted_pool_does_not_exist_any_more(alice: User) -> None:
    pool = make_pool(alice)
    client = client_of(alice)
    client.post(_url("pool-delete", pool))
    for method, name in PAGES:
        assert getattr(client, method)(_url(name, pool), _form()).status_code == 404


def test_a_pool_that_never_was_is_a_404(alice: User) -> None:
    assert client_of(alice).get(reverse("pool-detail", args=[uuid4()])).status_code == 404


@pytest.mark.parametrize("name", ["pool-restore", "pool-preview"])
def test_changing_things_takes_a_post(alice: User, name: str) -> None:
    path = reverse(name) if name == "pool-preview" else _url(name, make_pool(alice))
    assert client_of(alice).get(path).status_code == 405


def test_a_connection_whose_models_cannot_be_listed_says_why(alice: User, settings: Any) -> None:
    settings.FUSION_PROVIDER_ENV = {"FUSION_PROVIDER_URL": "http://127.0.0.1:9/v1", "FUSION_PROVIDER_NAME": EVIL}
    available.reset()
    assert "cannot be listed" not in _main(client_of(alice).get("/pools"))
    async_to_sync(_refresh)()
    for address in ("/pools", "/pools/new"):
        page = _main(client_of(alice).get(address))
        assert "cannot be listed" in page
        assert EVIL not in page


async def _refresh() -> None:
    await refresh_lists()
    await close_shared_clients()


def test_the_preview_of_a_pool_knows_the_models_of_its_own_team(alice: User, charlie: User) -> None:
    pool = make_pool(alice)
    client = client_of(alice)
    assert client.post(f"/pools/preview?pool={pool.public_id}", _form()).status_code == 200
    assert client_of(charlie).post(f"/pools/preview?pool={pool.public_id}", _form()).status_code == 404
    assert client.post("/pools/preview?pool=nonsense", _form()).status_code == 404
