"""The end of a team and of an account: what goes, what stays, and what stands in the way."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP

from fusion.errors import InvalidInput, NotAllowed, TeamConflict
from fusion.models import (
    Answer,
    AuditEvent,
    Call,
    Connection,
    FinalAnswer,
    Invitation,
    Membership,
    Pool,
    PromptImage,
    Run,
    RunEvent,
    RunExecution,
    Team,
    User,
    VerdictRecord,
)
from fusion.models.sealing import seal
from fusion.models.team import Role
from fusion.teams.accounts import DELETED_NAME, delete_account, farewell_of
from fusion.teams.invitations import invite_person
from fusion.teams.lifecycle import create_team, delete_team, rename_team
from fusion.teams.rights import role_in
from tests.factories import make_pool, make_run, make_user

SECRET = "What my doctor said about Zebulon"


def tell_all(*models: type) -> str:
    """Every value of every row of these tables."""
    return " ".join(str(row) for model in models for row in model._default_manager.values())  # type: ignore[attr-defined]


# --- a team ------------------------------------------------------------------------------------------


def test_a_team_is_deleted_for_everybody_and_its_keys_are_erased(alice: User, bob: User, team: Team) -> None:
    run = make_run(alice)
    invite_person(person=alice, team=team, role=Role.MEMBER)
    sealed = seal("sk-a-long-secret-key", owner="somebody")
    Connection.objects.create(team=team, slug="lab", label="Lab", preset="openai", secret_sealed=sealed, last4="1234")
    delete_team(person=alice, team=team, typed_name="Alice  Team")
    assert not Run.objects.visible_to(alice).exists() and Run.objects.filter(pk=run.pk).exists()
    assert not Team.objects.visible_to(bob).exists()
    assert not Invitation.objects.open().exists()
    connection = Connection.objects.get()
    assert (connection.secret_sealed, connection.last4, connection.is_enabled) == ("", "", False)
    assert connection.deleted_at is not None
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions)[-2:] == ["invitation.create", "team.delete"]


def test_only_an_owner_deletes_a_team_and_only_by_its_name(alice: User, team: Team) -> None:
    anna = make_user("anna", team=team, role=Role.ADMIN)
    with pytest.raises(NotAllowed):
        delete_team(person=anna, team=team, typed_name=team.name)
    with pytest.raises(InvalidInput):
        delete_team(person=alice, team=team, typed_name="alice team")
    make_run(alice, state=Run.State.RUNNING)
    with pytest.raises(TeamConflict, match="1 run is under way"):
        delete_team(person=alice, team=team, typed_name=team.name)
    assert Team.objects.get(pk=team.pk).deleted_at is None


def test_the_short_name_of_a_deleted_team_is_free_again(alice: User) -> None:
    first = create_team(person=alice, name="Core")
    delete_team(person=alice, team=first, typed_name="Core")
    assert create_team(person=alice, name="Core").slug == "core"


def test_renaming_is_for_admins_and_keeps_the_short_name(alice: User, bob: User, team: Team) -> None:
    with pytest.raises(NotAllowed):
        rename_team(person=bob, team=team, name="Bob's")
    for wrong in ("", "  ", "x" * 61, "a\u202eb"):
        with pytest.raises(InvalidInput):
            rename_team(person=alice, team=team, name=wrong)
    rename_team(person=alice, team=team, name="  Another \n name ")
    team.refresh_from_db()
    assert (team.name, team.slug) == ("Another name", "alice-team")
    event = AuditEvent.objects.get()
    assert (event.before, event.after) == ({"name": "Alice Team"}, {"name": "Another name"})


# --- an account --------------------------------------------------------------------------------------


def test_a_person_is_anonymised_and_their_work_stays(alice: User, bob: User, team: Team) -> None:
    run, pool = make_run(bob), make_pool(bob)
    EmailAddress.objects.create(user=bob, email="bob@elsewhere.example", verified=True)
    delete_account(person=bob)
    person = User.objects.get(pk=bob.pk)
    assert (person.name, person.is_active, person.has_usable_password()) == (DELETED_NAME, False, False)
    assert role_in(person, team) is None and Membership.objects.filter(user=person).count() == 1
    assert Run.objects.visible_to(alice).get().author.get_short_name() == DELETED_NAME
    assert {run.pool_version.pool, pool} == set(Pool.objects.visible_to(alice))
    told = tell_all(User, EmailAddress, AuditEvent, Membership, Invitation)
    assert "bob@" not in told and "Bob" not in told


def test_second_factors_go_with_the_account(bob: User) -> None:
    TOTP.activate(bob, "JBSWY3DPEHPK3PXP")
    RecoveryCodes.activate(bob)
    delete_account(person=bob)
    assert not Authenticator.objects.exists()


def test_private_texts_are_erased_and_their_costs_stay(alice: User, bob: User, team: Team) -> None:
    run = make_run(bob, pool=make_pool(bob, visibility="private"), prompt=SECRET, is_private=True)
    verdict = VerdictRecord.objects.create(run=run, judge="sim:judge", data={"notes": SECRET})
    FinalAnswer.objects.create(run=run, verdict=verdict, kind="verbatim", text=SECRET, spans=[{"text": SECRET}])
    Answer.objects.filter(run=run).update(text=SECRET, failure_message=f"refused: {SECRET}")
    Run.objects.filter(pk=run.pk).update(failure_message=f"refused: {SECRET}")
    run.executions.update(failure_message=f"refused: {SECRET}")
    RunEvent.objects.create(run=run, seq=1, at_ms=0, kind="Noted", data={"text": SECRET})
    Call.objects.create(run=run, call_id="1", role="panel", ref="sim:a", status="ok", cost_nanos=5)
    shared = make_run(bob, prompt="Shared")
    facts = {"team": team, "author": bob, "sha256": "", "media_type": "image/png", "width": 1, "height": 1, "bytes": 1}
    for name, of in (("private", run), ("unused", None), ("shared", shared)):
        PromptImage.objects.create(run=of, name=name, **facts)
    delete_account(person=bob)
    assert "Zebulon" not in tell_all(Run, RunExecution, Answer, FinalAnswer, VerdictRecord, RunEvent, Call)
    assert Call.objects.get().cost_nanos == 5
    assert [image.name for image in PromptImage.objects.all()] == ["shared"]
    assert Run.objects.get(pk=shared.pk).prompt == "Shared"
    assert Pool.objects.get(visibility="private").deleted_at is not None


def test_the_only_owner_of_a_team_with_others_does_not_go(alice: User, bob: User, team: Team) -> None:
    with pytest.raises(TeamConflict, match="only owner of “Alice Team”"):
        delete_account(person=alice)
    make_user("otto", team=team, role=Role.OWNER)
    delete_account(person=alice)
    assert role_in(alice, team) is None


def test_a_team_that_nobody_else_is_in_goes_with_the_account(charlie: User) -> None:
    team = charlie.memberships.get().team
    assert farewell_of(charlie).alone_in == (team,)
    delete_account(person=charlie)
    assert Team.objects.get(pk=team.pk).deleted_at is not None


def test_while_their_runs_are_under_way_nobody_goes(bob: User) -> None:
    make_run(bob, state=Run.State.QUEUED)
    with pytest.raises(TeamConflict, match="runs under way"):
        delete_account(person=bob)
    assert User.objects.get(pk=bob.pk).is_active


def test_the_last_administrator_does_not_go(bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_superuser=True, is_staff=True)
    bob.refresh_from_db()
    with pytest.raises(NotAllowed, match="only administrator"):
        delete_account(person=bob)
    make_user("root", is_superuser=True)
    delete_account(person=bob)
    assert not User.objects.get(pk=bob.pk).is_superuser


def test_invitations_of_somebody_who_goes_are_void_and_those_to_them_are_forgotten(
    alice: User, charlie: User, team: Team
) -> None:
    anna = make_user("anna", team=team, role=Role.ADMIN)
    invite_person(person=anna, team=team, role=Role.MEMBER)
    invite_person(person=alice, team=team, role=Role.MEMBER, email=charlie.email)
    delete_account(person=anna)
    delete_account(person=charlie)
    assert not Invitation.objects.open().exists()
    assert charlie.email not in tell_all(Invitation, AuditEvent)


def test_everybody_concerned_is_told_at_once(
    alice: User, bob: User, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: set[int] = set()
    for module in ("accounts", "members", "lifecycle"):
        monkeypatch.setattr(f"fusion.teams.{module}.tell_rights_changed", told.add)
    delete_account(person=bob)
    assert told == {bob.pk}
    told.clear()
    other = make_user("carl", team=team)
    delete_team(person=alice, team=team, typed_name=team.name)
    assert told == {alice.pk, other.pk}
