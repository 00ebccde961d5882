"""What changing a connection does: who may, what happens to its key and its models, and who pays afterwards."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.utils import timezone

from fusion.catalogue import available
from fusion.catalogue.available import models_of
from fusion.catalogue.connections import (
    ConnectionGone,
    PayerChanges,
    clear_key,
    create_connection,
    delete_connection,
    mark_local,
    set_key,
    switch_connection,
    update_connection,
)
from fusion.catalogue.sources import source_of, with_key
from fusion.catalogue.specs import ConnectionSpec
from fusion.catalogue.stored import store_list, store_list_problem
from fusion.errors import InvalidInput, NotAllowed, PoolUnusable, SecretUnreadable
from fusion.models import AuditEvent, Connection, ModelEntry, Pool, Team, User
from fusion.models.sealing import unseal
from fusion.models.team import Role
from fusion.providers.catalogue import ModelInfo
from fusion.runs.plan import check_usable
from fusion.runs.pools import MemberSpec, save_pool, spec_of
from fusion.runs.pools.checking import why_not
from fusion.teams.lifecycle import delete_team
from tests.factories import make_pool, make_team, make_user, team_of

pytestmark = pytest.mark.django_db

KEY = "sk-canary-0123456789-abcdWXYZ"
LAB = ConnectionSpec(preset="openai-compatible", slug="lab", label="Lab", base_url="https://lab.example.com/v1")


@pytest.fixture
def admin() -> User:
    """The site's administrator, who is in no team of the others."""
    return make_user("root", is_staff=True)


def changed(connection: Connection) -> Connection:
    return Connection.objects.get(pk=connection.pk)


def spec(**changes: Any) -> ConnectionSpec:
    return ConnectionSpec(**{**{name: getattr(LAB, name) for name in ConnectionSpec.__dataclass_fields__}, **changes})


def pool_naming(author: User, slug: str, **rules: Any) -> Pool:
    refs = {"members": (MemberSpec(f"{slug}:m-1"), MemberSpec(f"{slug}:m-2")), "judge": f"{slug}:m-1"}
    return make_pool(author, **{**refs, "fallback_judges": (), **rules})


def list_models(connection: Connection, *ids: str) -> None:
    store_list(source_of(changed(connection)), [ModelInfo(model_id, model_id) for model_id in ids])


# --- what is stored ----------------------------------------------------------------------------------


def test_blanks_are_filled_with_what_the_provider_is_called_and_where_it_is(alice: User, team: Team) -> None:
    row = create_connection(actor=alice, team=team, spec=ConnectionSpec(preset="anthropic"), key=KEY)

    assert (row.slug, row.label, row.base_url) == ("anthropic", "Anthropic", "https://api.anthropic.com/v1")
    assert row.last4 == "WXYZ" and unseal(row.secret_sealed, owner=row.owner) == KEY
    assert row.for_all_teams and row.created_by == alice


def test_the_address_is_taken_as_the_adapter_needs_it(alice: User, admin: User, team: Team) -> None:
    lab = create_connection(
        actor=alice, team=team, spec=spec(base_url=" https://lab.example.com/v1/chat/completions/ ")
    )
    ollama = ConnectionSpec(preset="ollama", base_url="http://127.0.0.1:11434", local=True)

    assert lab.base_url == "https://lab.example.com/v1"
    assert create_connection(actor=admin, team=None, spec=ollama).base_url == "http://127.0.0.1:11434/v1"


@pytest.mark.parametrize(
    ("changes", "key", "field"),
    [
        ({"preset": "no-such"}, "", "preset"),
        ({"slug": "Lab"}, "", "slug"),
        ({"slug": "a:b"}, "", "slug"),
        ({"slug": "-lab"}, "", "slug"),
        ({"slug": "l" * 41}, "", "slug"),
        ({"label": "l" * 61}, "", "label"),
        ({"label": "La\u202eb"}, "", "label"),
        ({"base_url": ""}, "", "base_url"),
        ({"base_url": "ftp://lab.example.com"}, "", "base_url"),
        ({"base_url": "https://user:pass@lab.example.com/v1"}, "", "base_url"),
        ({"base_url": "https://lab.example.com/v1?key=1"}, "", "base_url"),
        ({"base_url": "https://lab.example.com/" + "v" * 300}, "", "base_url"),
        ({"base_url": "http://127.0.0.1:9000/v1"}, "", "base_url"),
        ({"base_url": "http://169.254.169.254/v1"}, "", "base_url"),
        ({}, "with space", "key"),
        ({}, "schlüssel-0123456789", "key"),
        ({}, "k" * 2001, "key"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_field(
    alice: User, team: Team, changes: dict[str, Any], key: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        create_connection(actor=alice, team=team, spec=spec(**changes), key=key)

    assert caught.value.field == field
    assert not key or key not in caught.value.message
    assert not Connection.objects.exists() and not AuditEvent.objects.exists()


def test_a_short_name_is_there_once_for_a_team_and_once_for_the_site(alice: User, admin: User, team: Team) -> None:
    create_connection(actor=alice, team=team, spec=LAB)
    create_connection(actor=admin, team=None, spec=LAB)
    create_connection(actor=None, team=make_team(), spec=LAB)

    for actor, owner in ((alice, team), (admin, None)):
        with pytest.raises(InvalidInput, match="There is a connection “lab” already") as caught:
            create_connection(actor=actor, team=owner, spec=LAB)
        assert caught.value.field == "slug"


def test_a_deleted_connection_gives_its_short_name_back(alice: User, team: Team) -> None:
    delete_connection(actor=alice, connection=create_connection(actor=alice, team=team, spec=LAB))

    assert create_connection(actor=alice, team=team, spec=LAB).deleted_at is None


# --- who may -----------------------------------------------------------------------------------------


def deeds(connection: Connection, actor: User | None) -> list[Any]:
    return [
        lambda: create_connection(actor=actor, team=connection.team, spec=spec(slug="other")),
        lambda: update_connection(actor=actor, connection=connection, spec=LAB),
        lambda: set_key(actor=actor, connection=connection, key=KEY),
        lambda: clear_key(actor=actor, connection=connection),
        lambda: switch_connection(actor=actor, connection=connection, on=False),
        lambda: delete_connection(actor=actor, connection=connection),
    ]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER, Role.BILLING])
def test_who_is_no_admin_of_the_team_changes_none_of_its_connections(alice: User, team: Team, role: Role) -> None:
    row, person = create_connection(actor=alice, team=team, spec=LAB), make_user("pat", team=team, role=role)

    for deed in deeds(row, person):
        with pytest.raises(NotAllowed, match="Ask Alice"):
            deed()


def test_the_teams_admins_and_a_command_may(alice: User, team: Team) -> None:
    row = create_connection(actor=alice, team=team, spec=LAB)

    for actor in (make_user("pat", team=team, role=Role.ADMIN), None):
        update_connection(actor=actor, connection=row, spec=spec(label="Another"))
        switch_connection(actor=actor, connection=row, on=False)
        switch_connection(actor=actor, connection=row, on=True)
    assert changed(row).label == "Another"


def test_only_the_sites_administrators_change_its_connections(alice: User, admin: User) -> None:
    row = create_connection(actor=admin, team=None, spec=LAB)

    for deed in deeds(row, alice):
        with pytest.raises(NotAllowed, match="Ask Root"):
            deed()
    with pytest.raises(NotAllowed):
        mark_local(actor=alice, connection=row, local=True)
    delete_connection(actor=admin, connection=row)


def test_a_site_administrator_is_no_admin_of_a_team_that_they_are_not_in(alice: User, admin: User, team: Team) -> None:
    row = create_connection(actor=alice, team=team, spec=LAB)

    for deed in deeds(row, admin):
        with pytest.raises(NotAllowed):
            deed()


def test_what_was_deleted_meanwhile_is_not_changed(alice: User, team: Team) -> None:
    row = create_connection(actor=alice, team=team, spec=LAB)
    delete_connection(actor=alice, connection=row)

    for deed in deeds(row, alice)[1:]:
        with pytest.raises(ConnectionGone):
            deed()


def test_chosen_teams_are_the_only_ones_that_have_a_connection_of_the_site(
    alice: User, admin: User, team: Team
) -> None:
    other = make_team("other")
    row = create_connection(actor=admin, team=None, spec=spec(for_all_teams=False, teams=("other",)))
    assert "lab" in models_of(other).sources and "lab" not in models_of(team).sources

    update_connection(actor=admin, connection=row, spec=spec(for_all_teams=False, teams=(team.slug,)))
    assert "lab" not in models_of(other).sources and "lab" in models_of(team).sources

    for teams in ((), ("nobody",)):
        with pytest.raises(InvalidInput) as caught:
            update_connection(actor=admin, connection=row, spec=spec(for_all_teams=False, teams=teams))
        assert caught.value.field == "teams"
    assert [one.slug for one in row.teams.all()] == [team.slug]


# --- private addresses -------------------------------------------------------------------------------


def test_only_an_administrators_word_makes_a_private_address_usable(alice: User, admin: User, team: Team) -> None:
    private = spec(base_url="http://10.0.0.5:8000/v1")
    with pytest.raises(InvalidInput, match="ask an administrator to mark the connection as local"):
        create_connection(actor=alice, team=team, spec=private)
    with pytest.raises(InvalidInput, match=r"Only a site administrator may mark.*Ask Root") as caught:
        create_connection(actor=alice, team=team, spec=spec(base_url="http://10.0.0.5:8000/v1", local=True))
    assert caught.value.field == "local"

    row = create_connection(actor=alice, team=team, spec=LAB)
    mark_local(actor=admin, connection=row, local=True)
    assert changed(row).local
    assert AuditEvent.objects.get(action="connection.mark-local").after == {"local": True}
    assert AuditEvent.objects.get(action="connection.mark-local").team == team


def test_a_team_keeps_the_word_for_the_address_that_it_was_given_for_and_for_no_other(alice: User, team: Team) -> None:
    private = spec(base_url="http://10.0.0.5:8000/v1", local=True)
    row = create_connection(actor=None, team=team, spec=private)

    same = update_connection(actor=alice, connection=row, spec=spec(base_url="http://10.0.0.5:8000/v2", label="L"))
    assert same.connection.local and not same.local_cleared and same.connection.label == "L"

    for elsewhere in ("http://10.0.0.6:8000/v1", "http://10.0.0.5:6379/v1", "https://10.0.0.5:8000/v1"):
        for local in (False, True):
            with pytest.raises(InvalidInput):
                update_connection(actor=alice, connection=row, spec=spec(base_url=elsewhere, local=local))
    moved = update_connection(actor=alice, connection=row, spec=LAB)
    assert moved.local_cleared and not changed(row).local


# --- a key belongs to its host -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "https://lab.example.org/v1",
        "https://lab.example.com:8443/v1",
        "http://lab.example.com/v1",
        "https://lab.example.com.evil.example/v1",
    ],
)
def test_another_scheme_host_or_port_clears_the_key(alice: User, team: Team, address: str) -> None:
    row = create_connection(actor=alice, team=team, spec=LAB, key=KEY)

    outcome = update_connection(actor=alice, connection=row, spec=spec(base_url=address))

    assert outcome.key_cleared
    assert (changed(row).secret_sealed, changed(row).last4) == ("", "")
    assert with_key(source_of(changed(row))).api_key == ""
    told = AuditEvent.objects.filter(action="connection.update").get()
    assert (told.before["key"], told.after["key"]) == ("set", "cleared")


@pytest.mark.parametrize("address", ["https://lab.example.com/v2", "https://LAB.example.com:443/v1", LAB.base_url])
def test_another_path_or_spelling_of_the_same_host_keeps_the_key(alice: User, team: Team, address: str) -> None:
    row = create_connection(actor=alice, team=team, spec=LAB, key=KEY)

    outcome = update_connection(actor=alice, connection=row, spec=spec(base_url=address, label="New"))

    assert not outcome.key_cleared
    assert with_key(source_of(changed(row))).api_key == KEY


def test_a_key_that_comes_with_the_new_address_is_for_it(alice: User, team: Team) -> None:
    row = create_connection(actor=alice, team=team, spec=LAB, key=KEY)

    outcome = update_connection(
        actor=alice, connection=row, spec=spec(base_url="https://new.example.com/v1"), key="sk-new-0123456789"
    )

    assert not outcome.key_cleared
    asked = with_key(source_of(changed(row)))
    assert (asked.base_url, asked.api_key) == ("https://new.example.com/v1", "sk-new-0123456789")


def test_a_sealed_key_opens_for_no_other_host_whoever_wrote_the_row(alice: User, team: Team) -> None:
    row = create_connection(actor=alice, team=team, spec=LAB, key=KEY)
    Connection.objects.filter(pk=row.pk).update(base_url="https://evil.example.com/v1")

    with pytest.raises(SecretUnreadable):
        with_key(source_of(changed(row)))


def test_a_key_typed_for_a_new_address_never_goes_to_the_one_before(alice: User, team: Team) -> None:
    row = create_connection(actor=alice, team=team, spec=LAB, key=KEY)
    before = source_of(row)  # somebody is about to ask the old address
    moved = spec(base_url="https://new.example.com/v1")
    update_connection(actor=alice, connection=row, spec=moved, key="sk-new-0123456789")

    asked = with_key(before)

    assert (asked.base_url, asked.api_key) == ("https://new.example.com/v1", "sk-new-0123456789")


def test_a_key_can_be_set_anew_and_cleared(alice: User, team: Team) -> None:
    row = create_connection(actor=alice, team=team, spec=LAB)
    set_key(actor=alice, connection=row, key=f"  {KEY}\n")
    assert with_key(source_of(changed(row))).api_key == KEY

    clear_key(actor=alice, connection=row)
    assert changed(row).secret_sealed == ""
    with pytest.raises(InvalidInput, match="Type the key"):
        set_key(actor=alice, connection=row, key=" ")
    assert [event.after["key"] for event in AuditEvent.objects.filter(action="connection.update")] == [
        "cleared",
        "set anew",
    ]


def test_saving_without_a_key_keeps_it_and_clearing_clears_it(alice: User, team: Team) -> None:
    row = create_connection(actor=alice, team=team, spec=LAB, key=KEY)
    update_connection(actor=alice, connection=row, spec=spec(label="New"), key=None)
    assert changed(row).last4 == "WXYZ"

    update_connection(actor=alice, connection=row, spec=spec(label="New"), key="")
    assert changed(row).last4 == ""


def test_the_short_name_stays(alice: User, team: Team) -> None:
    row = create_connection(actor=alice, team=team, spec=LAB)

    with pytest.raises(InvalidInput, match="pools name models by it"):
        update_connection(actor=alice, connection=row, spec=spec(slug="other"))


# --- lists of models ---------------------------------------------------------------------------------


def test_no_other_hosts_list_is_shown(alice: User, team: Team) -> None:
    row = create_connection(actor=alice, team=team, spec=LAB)
    list_models(row, "m-1", "m-2")
    ModelEntry.objects.create(connection=row, model_id="by-hand", name="By hand")

    update_connection(actor=alice, connection=row, spec=spec(base_url="https://new.example.com/v1"))

    assert [known.model_id for known in models_of(team).listed_at("lab")] == ["by-hand"]
    assert changed(row).listed_at is None


def test_the_list_of_an_address_that_was_changed_meanwhile_is_not_written_down(alice: User, team: Team) -> None:
    row = create_connection(actor=alice, team=team, spec=LAB)
    asked = source_of(row)
    update_connection(actor=alice, connection=row, spec=spec(base_url="https://new.example.com/v1"))

    assert not store_list(asked, [ModelInfo("old-model", "Old")])
    store_list_problem(asked, "The old one did not answer.")

    assert not ModelEntry.objects.exists() and changed(row).list_problem == ""


# --- who pays ----------------------------------------------------------------------------------------


@pytest.fixture
def site_lab(admin: User) -> Connection:
    return create_connection(actor=admin, team=None, spec=LAB, key=KEY)


@pytest.mark.usefixtures("site_lab")
def test_a_team_takes_over_who_pays_for_its_pools_only_when_somebody_agrees(alice: User, team: Team) -> None:
    pool_naming(alice, "lab", name="Review")
    pool_naming(make_user("eve", team=team), "lab", name="Secret", visibility="private")
    make_pool(alice, name="Elsewhere")

    with pytest.raises(PayerChanges, match="these pools name: “Review”, 1 more") as caught:
        create_connection(actor=alice, team=team, spec=LAB, key=KEY)
    assert caught.value.field == "agrees_to_pay" and "Secret" not in caught.value.message
    assert models_of(team).payer_of("lab") == "site"

    create_connection(actor=alice, team=team, spec=LAB, key=KEY, agrees_to_pay=True)
    assert models_of(team).payer_of("lab") == "team"
    told = AuditEvent.objects.get(action="connection.create", team=team)
    assert told.after["pays_for"] == ["Review", "1 private"]


def test_pools_of_a_deleted_connection_of_the_site_are_taken_over_only_when_somebody_agrees(
    alice: User, team: Team, site_lab: Connection
) -> None:
    pool_naming(alice, "lab", name="Review")
    delete_connection(actor=None, connection=site_lab)

    with pytest.raises(PayerChanges, match="“Review”"):
        create_connection(actor=alice, team=team, spec=LAB, key=KEY)

    own = create_connection(actor=alice, team=team, spec=LAB, key=KEY, agrees_to_pay=True)
    pool_naming(alice, "lab", name="Our own")
    delete_connection(actor=alice, connection=own)
    Pool.objects.filter(name="Review").update(deleted_at=timezone.now())
    create_connection(actor=alice, team=team, spec=LAB, key=KEY)  # "Our own" was the team's all the time


def test_no_key_of_a_deleted_team_stays_in_memory(alice: User, team: Team, charlie: User) -> None:
    create_connection(actor=alice, team=team, spec=LAB, key=KEY)
    models = models_of(team)
    known = models.entry("lab:m-1")
    assert known is not None and models.endpoint(known).provider in available._providers.values()

    delete_team(person=alice, team=team, typed_name=team.name)
    models_of(team_of(charlie))

    assert not available._providers


@pytest.mark.usefixtures("site_lab")
def test_a_short_name_that_no_pool_names_needs_no_agreement(alice: User, team: Team) -> None:
    make_pool(alice)

    create_connection(actor=alice, team=team, spec=LAB)


@pytest.mark.usefixtures("site_lab")
def test_what_was_the_teams_never_becomes_the_sites_by_itself(alice: User, team: Team) -> None:
    own = create_connection(actor=alice, team=team, spec=LAB, key=KEY)
    pool = pool_naming(alice, "lab")
    assert pool.current is not None and pool.current.payers == {"lab": "team"}

    switch_connection(actor=alice, connection=own, on=False)
    with pytest.raises(PoolUnusable, match="“Lab” is switched off"):
        check_usable(pool.current)

    delete_connection(actor=alice, connection=own)
    assert models_of(team).payer_of("lab") == "site"
    with pytest.raises(PoolUnusable, match="the site has one of that name"):
        check_usable(pool.current)


@pytest.mark.usefixtures("site_lab")
def test_a_pool_of_before_the_teams_connection_does_not_go_back_to_the_sites_after_it(alice: User, team: Team) -> None:
    pool = pool_naming(alice, "lab")
    own = create_connection(actor=alice, team=team, spec=LAB, key=KEY, agrees_to_pay=True)
    delete_connection(actor=alice, connection=own)

    assert pool.current is not None and pool.current.payers == {"lab": "site"}
    assert "the site has one of that name" in why_not("lab:m-1", pool.current, models_of(team))

    version = save_pool(pool=pool, author=alice, spec=spec_of(pool.current))
    assert version.number == 2
    check_usable(version)


@pytest.mark.usefixtures("site_lab")
def test_another_teams_deleted_connection_changes_nothing_here(alice: User, team: Team) -> None:
    other = make_user("charlie")
    own = create_connection(actor=other, team=team_of(other), spec=LAB, key=KEY)
    pool = pool_naming(alice, "lab")
    delete_connection(actor=other, connection=own)

    assert pool.current is not None
    check_usable(pool.current)


def test_deleting_wipes_the_key_and_keeps_the_name(alice: User, team: Team) -> None:
    row = create_connection(actor=alice, team=team, spec=LAB, key=KEY)
    list_models(row, "m-1")
    pool_naming(alice, "lab", name="Review")

    delete_connection(actor=alice, connection=row)

    gone = changed(row)
    assert (gone.secret_sealed, gone.last4, gone.label) == ("", "", "Lab")
    assert "lab" not in models_of(team).sources
    assert not ModelEntry.objects.filter(vanished_at=None).exists()
    assert AuditEvent.objects.get(action="connection.delete").before["stops"] == ["Review"]
    with pytest.raises(PoolUnusable, match="has been deleted"):
        with_key(source_of(gone))


# --- the key is nowhere ------------------------------------------------------------------------------


def test_no_key_is_in_the_audit_log_a_repr_or_a_log(alice: User, team: Team, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        row = create_connection(actor=alice, team=team, spec=LAB, key=KEY)
        update_connection(actor=alice, connection=row, spec=spec(label="New"), key=KEY + "-2")
        set_key(actor=alice, connection=row, key=KEY + "-3")
        switch_connection(actor=alice, connection=row, on=False)
        made = with_key(source_of(changed(row)))
        delete_connection(actor=alice, connection=row)

    told = json.dumps([[event.before, event.after, event.target_name] for event in AuditEvent.objects.all()])
    assert AuditEvent.objects.count() == 5
    for text in (told, repr(row), repr(made), repr(source_of(row)), repr(changed(row).__dict__), caplog.text):
        assert "canary" not in text and "WXYZ" not in text


def test_narrowing_a_connection_of_the_site_names_the_pools_that_stop(admin: User, alice: User, team: Team) -> None:
    row = create_connection(actor=admin, team=None, spec=spec())
    list_models(row, "m-1", "m-2")
    other = make_user("olga")
    stays, stops = pool_naming(alice, "lab"), pool_naming(other, "lab", name="Stops")
    pool_naming(other, "lab", name="Hidden", visibility="private")
    done = update_connection(actor=admin, connection=row, spec=spec(for_all_teams=False, teams=(team.slug,)))
    assert {pool.name for pool in done.stopped.pools} == {"Stops", "Hidden"} and stays not in done.stopped.pools
    told = AuditEvent.objects.filter(action="connection.update").latest("pk")
    assert told.after["stops"] == ["Stops", "1 private"] and "stops" not in told.before
    assert stays.current is not None and stops.current is not None
    check_usable(stays.current)
    with pytest.raises(PoolUnusable):
        check_usable(stops.current)
    assert update_connection(actor=admin, connection=row, spec=spec()).stopped.pools == ()
