"""The administration: every table is there and useful, and history cannot be rewritten."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from fusion.models import Answer, Call, FinalAnswer, Membership, Run, RunEvent, Team, User, VerdictRecord
from tests.factories import make_run

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


def test_somebody_who_is_taken_out_of_a_team_is_told_at_once(root: Client, bob: User, told: list[int]) -> None:
    reply = root.post(reverse("admin:fusion_membership_delete", args=[bob.memberships.get().pk]), {"post": "yes"})
    assert reply.status_code == 302
    assert told == [bob.pk]


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
