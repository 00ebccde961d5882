"""The administration: every table is there and useful, and history cannot be rewritten."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from fusion.models import Answer, AuditEvent, Call, FinalAnswer, Membership, Run, RunEvent, Team, User, VerdictRecord
from tests.factories import make_pool, make_run, make_user

MODELS = [model for model in apps.get_app_config("fusion").get_models() if model._meta.app_label == "fusion"]
HISTORY = (Answer, Call, FinalAnswer, Run, RunEvent, VerdictRecord)


@pytest.fixture
def root(alice: User, client: Client) -> Client:
    """A superuser's browser."""
    alice.is_staff = alice.is_superuser = True
    alice.save()
    client.force_login(alice)
    return client


@pytest.fixture
def run(alice: User) -> Run:
    """A run that left one row of everything."""
    run = make_run(alice)
    verdict = VerdictRecord.objects.create(run=run, judge="sim:judge", data={})
    FinalAnswer.objects.create(run=run, verdict=verdict, kind="verbatim", text="Paris", letter="A")
    Call.objects.create(run=run, call_id="1", role="panel", ref="sim:a", status="ok", cost_nanos=1_500_000)
    RunEvent.objects.create(run=run, seq=1, at_ms=0, kind="RunStarted")
    return run


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Whose sockets were told to look at their rights again."""
    people: list[int] = []
    monkeypatch.setattr("fusion.admin.people.tell_rights_changed", people.append)
    return people


def test_somebody_who_leaves_a_team_is_told_at_once(root: Client, bob: User, told: list[int]) -> None:
    membership = bob.memberships.get()
    form = {
        "team": membership.team_id,
        "user": bob.pk,
        "role": "member",
        "left_at_0": "2026-01-01",
        "left_at_1": "00:00",
    }
    reply = root.post(reverse("admin:fusion_membership_change", args=[membership.pk]), form)
    assert reply.status_code == 302
    assert told == [bob.pk]


def test_a_membership_is_not_deleted_so_that_history_stays_attributable(root: Client, bob: User, team: Team) -> None:
    address = reverse("admin:fusion_membership_delete", args=[bob.memberships.get().pk])
    assert root.post(address, {"post": "yes"}).status_code == 403
    assert root.post(reverse("admin:fusion_team_delete", args=[team.pk]), {"post": "yes"}).status_code == 403
    assert bob.memberships.count() == 1


def change_member(root: Client, member: Membership, **typed: str) -> int:
    address = reverse("admin:fusion_membership_change", args=[member.pk])
    return root.post(address, {"role": member.role, "left_at_0": "", "left_at_1": "", **typed}).status_code


def inline_of(team: Team, **typed: str) -> dict[str, str]:
    """The form of a team with its members, as an administrator sends it; `typed`: roles by the person's name."""
    rows = list(team.memberships.select_related("user").order_by("pk"))
    form = {"name": team.name, "slug": team.slug}
    form |= {"memberships-TOTAL_FORMS": str(len(rows)), "memberships-INITIAL_FORMS": str(len(rows))}
    for at, row in enumerate(rows):
        role = typed.get(row.user.name.lower(), row.role)
        values = {"id": row.pk, "team": team.pk, "user": row.user_id, "role": role, "left_at_0": "", "left_at_1": ""}
        form |= {f"memberships-{at}-{name}": str(value) for name, value in values.items()}
    return form


def test_what_an_administrator_does_with_members_is_in_the_teams_audit_log(
    root: Client, alice: User, bob: User, team: Team
) -> None:
    member = bob.memberships.get()
    assert change_member(root, member, role="viewer") == 302
    address = reverse("admin:fusion_team_change", args=[team.pk])
    assert root.post(address, inline_of(team, bob="admin") | {"name": "Renamed"}).status_code == 302
    assert change_member(root, member, role="admin", left_at_0="2026-01-01", left_at_1="00:00") == 302

    told = AuditEvent.objects.filter(team=team, actor=alice).order_by("pk")
    assert [(one.action, one.before, one.after) for one in told] == [
        ("member.role", {"role": "member"}, {"role": "viewer"}),
        ("team.rename", {"name": team.name}, {"name": "Renamed"}),
        ("member.role", {"role": "viewer"}, {"role": "admin"}),
        ("member.remove", {"role": "admin"}, {}),
    ]
    assert {one.target for one in told if one.action != "team.rename"} == {f"member:{member.public_id}"}


def test_who_is_made_an_administrator_is_in_the_audit_log(root: Client, alice: User, bob: User) -> None:
    address = reverse("admin:fusion_user_change", args=[bob.pk])
    form = {"email": bob.email, "name": bob.name, "is_active": "on", "is_staff": "on"}
    form |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    form |= {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    assert root.post(address, form).status_code == 302
    event = AuditEvent.objects.get(action="person.rights")
    assert (event.actor, event.target, event.team) == (alice, f"person:{bob.pk}", None)
    assert (event.before, event.after) == ({"is_staff": False}, {"is_staff": True})


def test_an_administrator_cannot_take_the_last_owner_of_a_team(
    root: Client, alice: User, bob: User, team: Team
) -> None:
    own, address = alice.memberships.get(), reverse("admin:fusion_team_change", args=[team.pk])
    assert change_member(root, own, role="admin") == 200
    assert change_member(root, own, left_at_0="2026-01-01", left_at_1="00:00") == 200
    assert root.post(address, inline_of(team, alice="member")).status_code == 200
    assert Membership.objects.get(pk=own.pk).role == "owner"
    assert root.post(address, inline_of(team, alice="member", bob="owner")).status_code == 302  # handed over at once
    assert root.post(address, inline_of(team, bob="member")).status_code == 200


def test_a_membership_is_not_given_to_somebody_else(root: Client, bob: User, charlie: User, team: Team) -> None:
    address = reverse("admin:fusion_team_change", args=[team.pk])
    form = {
        name: str(charlie.pk) if name.endswith("-user") and value == str(bob.pk) else value
        for name, value in inline_of(team).items()
    }
    assert root.post(address, form).status_code == 200
    assert bob.memberships.count() == 1


def test_every_table_is_registered() -> None:
    assert [model.__name__ for model in MODELS if not admin.site.is_registered(model)] == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_table_can_be_listed_searched_and_opened(root: Client, run: Run, model: Any) -> None:
    name = f"admin:fusion_{model._meta.model_name}"
    assert root.get(reverse(f"{name}_changelist"), {"q": "a"}).status_code == 200
    row = model.objects.first()
    if row is not None:
        assert root.get(reverse(f"{name}_change", args=(row.pk,))).status_code == 200


@pytest.mark.parametrize("model", HISTORY, ids=lambda model: model.__name__)
def test_history_is_neither_added_nor_changed(root: Client, run: Run, model: Any) -> None:
    name = f"admin:fusion_{model._meta.model_name}"
    row = model.objects.first()
    assert root.get(reverse(f"{name}_add")).status_code == 403
    assert root.post(reverse(f"{name}_change", args=(row.pk,)), {"text": "forged"}).status_code == 403


@pytest.mark.parametrize("model", [model for model in HISTORY if model is not Run], ids=lambda model: model.__name__)
def test_a_part_of_a_run_is_not_deleted_alone(root: Client, run: Run, model: Any) -> None:
    row = model.objects.first()
    root.post(reverse(f"admin:fusion_{model._meta.model_name}_delete", args=(row.pk,)), {"post": "yes"})
    assert model.objects.filter(pk=row.pk).exists()


def test_a_superuser_deletes_a_whole_run_for_good(root: Client, run: Run) -> None:
    root.post(reverse("admin:fusion_run_delete", args=(run.pk,)), {"post": "yes"})
    assert [model.__name__ for model in HISTORY if model.objects.exists()] == []


def test_a_run_in_flight_is_not_deleted(root: Client, alice: User) -> None:
    run = make_run(alice, state=Run.State.RUNNING)
    root.post(reverse("admin:fusion_run_delete", args=(run.pk,)), {"post": "yes"})
    data = {"action": "delete_selected", "_selected_action": [run.pk], "post": "yes"}
    root.post(reverse("admin:fusion_run_changelist"), data)
    assert Run.objects.filter(pk=run.pk).exists()


def test_a_person_who_is_added_gets_a_team(root: Client) -> None:
    data = {"email": "new@example.com", "name": "New", "usable_password": "false"}
    assert root.post(reverse("admin:fusion_user_add"), data).status_code == 302
    person = User.objects.get(email="new@example.com")
    assert not person.has_usable_password()
    assert Team.objects.filter(memberships__user=person).count() == 1


def account_form(person: User, **typed: str) -> dict[str, str]:
    """An account as an administrator sends it; a right that is typed empty is taken away."""
    form = {"email": person.email, "name": person.name}
    form |= {right: "on" for right in ("is_active", "is_staff", "is_superuser") if getattr(person, right)}
    rows = list(person.memberships.order_by("pk"))
    form |= {"memberships-TOTAL_FORMS": str(len(rows)), "memberships-INITIAL_FORMS": str(len(rows))}
    for at, row in enumerate(rows):
        values = {"id": row.pk, "team": row.team_id, "user": row.user_id, "role": row.role}
        form |= {f"memberships-{at}-{name}": str(value) for name, value in values.items()}
    return {name: value for name, value in (form | typed).items() if value}


def change_account(root: Client, person: User, **typed: str) -> str:
    """What the administration says to it; empty when it is done."""
    reply = root.post(reverse("admin:fusion_user_change", args=[person.pk]), account_form(person, **typed))
    return "" if reply.status_code == 302 else reply.content.decode()


def test_the_only_owner_of_a_team_with_others_is_not_switched_off(
    root: Client, alice: User, bob: User, team: Team
) -> None:
    owner = make_user("owner", team=team, role="owner")
    Membership.objects.filter(user=alice, team=team).update(role="admin")
    assert "only owner of “" in change_account(root, owner, is_active="")
    owner.refresh_from_db()
    assert owner.is_active
    Membership.objects.filter(user=bob, team=team).update(role="owner")
    assert change_account(root, owner, is_active="") == ""
    owner.refresh_from_db()
    assert not owner.is_active


def test_the_last_administrator_stays_one(root: Client, alice: User) -> None:
    assert "only administrator of the site" in change_account(root, alice, is_superuser="")
    assert "only administrator of the site" in change_account(root, alice, is_active="")
    make_user("second", is_staff=True, is_superuser=True)
    assert change_account(root, alice, is_superuser="") == ""


def test_a_team_is_not_ended_past_its_own_page(root: Client, team: Team) -> None:
    address = reverse("admin:fusion_team_change", args=[team.pk])
    form = inline_of(team) | {"deleted_at_0": "2026-01-01", "deleted_at_1": "00:00"}
    assert root.post(address, form).status_code == 302
    team.refresh_from_db()
    assert team.deleted_at is None


def test_an_address_in_other_letters_is_the_same_account(root: Client) -> None:
    data = {"email": "ALICE@example.com", "name": "", "usable_password": "false"}
    assert "There is an account with this address" in root.post(reverse("admin:fusion_user_add"), data).content.decode()


def test_an_administrator_who_is_no_superuser_sees_only_what_was_granted(client: Client, bob: User) -> None:
    bob.is_staff = True
    bob.save()
    client.force_login(bob)
    assert client.get(reverse("admin:fusion_run_changelist")).status_code == 403


def test_a_membership_is_managed_on_its_team(root: Client, bob: User, team: Team) -> None:
    page = root.get(reverse("admin:fusion_team_change", args=(team.pk,))).content.decode()
    assert Membership.objects.filter(team=team).count() == 2
    assert "memberships-TOTAL_FORMS" in page


def test_sessions_are_found_by_their_person_and_show_no_key(root: Client, alice: User) -> None:
    session = UserSession.objects.create(user=alice, ip="192.0.2.7", session_key="k" * 32, user_agent="Firefox")
    found = root.get(reverse("admin:usersessions_usersession_changelist"), {"q": alice.email})
    assert found.status_code == 200 and b"192.0.2.7" in found.content
    opened = root.get(reverse("admin:usersessions_usersession_change", args=[session.pk]))
    assert opened.status_code == 200 and b"Firefox" in opened.content
    assert b"k" * 32 not in opened.content


def test_a_year_beyond_all_dates_is_no_page_instead_of_an_error(root: Client, run: Run) -> None:
    assert root.get(reverse("admin:fusion_run_changelist"), {"created_at__year": "9" * 26}).status_code == 404


def test_a_slug_that_another_pool_of_the_team_has_is_refused_in_the_form(root: Client, alice: User) -> None:
    first, second = make_pool(alice, name="First"), make_pool(alice, name="Second")
    form = {"name": second.name, "slug": first.slug, "visibility": second.visibility, "editors": second.editors}
    counts = ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")
    inline = {f"versions-{count}_FORMS": "0" for count in counts}
    reply = root.post(reverse("admin:fusion_pool_change", args=[second.pk]), form | inline)
    assert reply.status_code == 200
    assert "Another pool of this team has this slug." in reply.text


def test_reading_somebody_elses_run_there_is_in_the_teams_audit_log(root: Client, run: Run) -> None:
    stranger = make_user("stranger", is_staff=True, is_superuser=True)
    other = Client()
    other.force_login(stranger)
    secret = run.prompt
    for name in ("run", "answer", "finalanswer"):
        assert secret not in other.get(reverse(f"admin:fusion_{name}_changelist")).content.decode()
    assert not AuditEvent.objects.filter(action="run.read").exists()
    assert secret in other.get(reverse("admin:fusion_run_change", args=[run.pk])).content.decode()
    other.get(reverse("admin:fusion_finalanswer_change", args=[run.finals.get().pk]))
    root.get(reverse("admin:fusion_run_change", args=[run.pk]))  # her own team's, which she reads on its page
    told = AuditEvent.objects.filter(action="run.read")
    assert [(one.actor, one.team, one.target) for one in told] == [(stranger, run.team, f"run:{run.public_id}")] * 2


def test_erasing_a_run_for_good_is_in_the_teams_audit_log(root: Client, run: Run, alice: User) -> None:
    second = make_run(alice)
    root.post(reverse("admin:fusion_run_delete", args=[run.pk]), {"post": "yes"})
    data = {"action": "delete_selected", "_selected_action": [second.pk], "post": "yes"}
    root.post(reverse("admin:fusion_run_changelist"), data)
    erased = AuditEvent.objects.filter(action="run.erase", actor=alice).values_list("target", flat=True)
    assert set(erased) == {f"run:{run.public_id}", f"run:{second.public_id}"}


HAND_MADE = ("not-a-key", "", "\0", "1e999", "²", "9" * 30, "9" * 5000)


def answers(client: Client, method: str, address: str, sent: dict[str, str]) -> int:
    """The status; a page that breaks raises here."""
    status: int = getattr(client, method)(address, sent).status_code
    return status


@pytest.mark.parametrize("value", HAND_MADE)
def test_a_form_that_was_made_by_hand_is_answered_and_changes_nothing(
    root: Client, bob: User, team: Team, value: str
) -> None:
    """A key that is none, in each way in which a form or a link of the administration names a row."""
    add, changelist = reverse("admin:fusion_membership_add"), reverse("admin:auth_group_changelist")
    inline = inline_of(team)
    sent = [
        ("post", add, {"team": value, "user": str(bob.pk), "role": "member"}),
        ("post", add, {"team": str(team.pk), "user": value, "role": "member"}),
        ("get", add, {"team": value}),
        ("post", reverse("admin:fusion_team_change", args=[team.pk]), inline | {"memberships-1-user": value}),
        ("post", reverse("admin:fusion_team_change", args=[team.pk]), inline | {"memberships-1-id": value}),
        ("post", changelist, {"action": "delete_selected", "_selected_action": value, "post": "yes"}),
        ("get", reverse("admin:fusion_user_change", args=[bob.pk]), {"_to_field": value}),
    ]
    assert {answers(root, *one) for one in sent} <= {200, 302, 400, 404}
    assert bob.memberships.count() == 1 and team.memberships.count() == 2
