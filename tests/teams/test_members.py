"""Changing roles, removing, leaving, handing over: who may, what is always so, and what is written down."""

from __future__ import annotations

from functools import partial

import pytest

from fusion.errors import InvalidInput, NotAllowed, TeamConflict
from fusion.models import AuditEvent, Membership, Run, Team, User
from fusion.models.team import Role
from fusion.teams.members import LastOwner, change_role, hand_over, leave_team, remove_member
from fusion.teams.rights import role_in
from fusion.teams.selectors import find_current_team
from tests.factories import make_run, make_team, make_user
from tests.teams.together import at_once


@pytest.fixture
def anna(team: Team) -> User:
    """An admin of alice's team."""
    return make_user("anna", team=team, role=Role.ADMIN)


def membership(person: User, team: Team) -> Membership:
    return Membership.objects.get(user=person, team=team)


def audit() -> list[tuple[str, str | None]]:
    return [
        (row.action, row.actor.name if row.actor else None)
        for row in AuditEvent.objects.exclude(action="pool.create").order_by("pk")
    ]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLING, Role.ADMIN])
def test_an_admin_gives_every_role_up_to_admin(anna: User, bob: User, team: Team, role: Role) -> None:
    change_role(person=anna, membership=membership(bob, team), role=role)
    assert role_in(bob, team) == role
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.before, event.after) == (
        "member.role",
        anna,
        {"role": "member"},
        {"role": role},
    )


def test_an_admin_makes_nobody_an_owner_not_even_themselves_and_touches_no_owner(
    anna: User, alice: User, bob: User, team: Team
) -> None:
    for person in (anna, bob):
        with pytest.raises(NotAllowed, match=r"Only the team's owners decide about owners\. Ask Alice\."):
            change_role(person=anna, membership=membership(person, team), role=Role.OWNER)
    for role in (Role.ADMIN, Role.VIEWER):
        with pytest.raises(NotAllowed):
            change_role(person=anna, membership=membership(alice, team), role=role)
    with pytest.raises(NotAllowed):
        remove_member(person=anna, membership=membership(alice, team))
    assert (role_in(alice, team), role_in(anna, team), role_in(bob, team)) == (Role.OWNER, Role.ADMIN, Role.MEMBER)
    assert audit() == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER, Role.BILLING])
def test_below_admin_nobody_changes_anybody_themselves_least(alice: User, bob: User, team: Team, role: Role) -> None:
    person = make_user("some", team=team, role=role)
    for target in (person, bob):
        with pytest.raises(NotAllowed):
            change_role(person=person, membership=membership(target, team), role=Role.ADMIN)
    with pytest.raises(NotAllowed):
        remove_member(person=person, membership=membership(bob, team))


def test_somebody_of_another_team_changes_nothing(bob: User, team: Team, charlie: User) -> None:
    with pytest.raises(NotAllowed):
        change_role(person=charlie, membership=membership(bob, team), role=Role.VIEWER)
    with pytest.raises(NotAllowed):
        remove_member(person=charlie, membership=membership(bob, team))
    with pytest.raises(NotAllowed):
        hand_over(person=charlie, membership=membership(bob, team))


def test_what_is_no_role_is_refused(alice: User, bob: User, team: Team) -> None:
    with pytest.raises(InvalidInput):
        change_role(person=alice, membership=membership(bob, team), role="root")


def test_the_last_owner_can_neither_step_down_nor_leave(alice: User, bob: User, team: Team) -> None:
    with pytest.raises(LastOwner):
        change_role(person=alice, membership=membership(alice, team), role=Role.MEMBER)
    with pytest.raises(LastOwner):
        leave_team(person=alice, team=team)
    assert role_in(alice, team) == Role.OWNER


def test_an_owner_who_cannot_sign_in_is_not_one_to_rely_on(alice: User, team: Team) -> None:
    make_user("asleep", team=team, role=Role.OWNER, is_active=False)
    with pytest.raises(LastOwner):
        leave_team(person=alice, team=team)


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_step_down_at_once_one_stays() -> None:
    team = make_team("pair")
    owners = [make_user(name, team=team, role=Role.OWNER) for name in ("one", "two")]
    assert sorted(at_once([partial(_step_down, owner, team) for owner in owners])) == ["last", "stepped down"]
    assert Membership.objects.filter(team=team, role=Role.OWNER, left_at=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_demote_each_other_at_once_one_stays() -> None:
    team = make_team("rivals")
    one, two = (make_user(name, team=team, role=Role.OWNER) for name in ("one", "two"))
    outcomes = at_once([partial(_demote, one, two, team), partial(_demote, two, one, team)])
    assert sorted(outcomes) == ["demoted", "refused"]
    assert Membership.objects.filter(team=team, role=Role.OWNER, left_at=None).count() == 1


def _step_down(owner: User, team: Team) -> str:
    try:
        change_role(person=owner, membership=membership(owner, team), role=Role.ADMIN)
    except LastOwner:
        return "last"
    return "stepped down"


def _demote(person: User, other: User, team: Team) -> str:
    try:
        change_role(person=person, membership=membership(other, team), role=Role.MEMBER)
    except NotAllowed:
        return "refused"
    return "demoted"


def test_handing_over_makes_one_owner_and_one_admin(alice: User, bob: User, team: Team) -> None:
    hand_over(person=alice, membership=membership(bob, team))
    assert (role_in(bob, team), role_in(alice, team)) == (Role.OWNER, Role.ADMIN)
    assert audit() == [("member.role", "Alice"), ("member.role", "Alice")]
    with pytest.raises(NotAllowed):
        hand_over(person=alice, membership=membership(bob, team))


def test_a_team_is_not_handed_to_oneself_nor_to_somebody_who_cannot_sign_in(alice: User, team: Team) -> None:
    asleep = make_user("asleep", team=team, role=Role.ADMIN, is_active=False)
    with pytest.raises(InvalidInput):
        hand_over(person=alice, membership=membership(alice, team))
    with pytest.raises(TeamConflict):
        hand_over(person=alice, membership=membership(asleep, team))


def test_whoever_is_removed_reaches_nothing_and_stays_in_the_history(alice: User, bob: User, team: Team) -> None:
    run = make_run(bob)
    remove_member(person=alice, membership=membership(bob, team))
    assert not Run.objects.visible_to(bob).exists()
    assert Run.objects.visible_to(alice).get() == run and run.author == bob
    assert find_current_team(bob) is None
    assert audit() == [("member.remove", "Alice")]
    with pytest.raises(TeamConflict):
        change_role(person=alice, membership=membership(bob, team), role=Role.VIEWER)


def test_leaving_falls_back_to_the_team_that_one_joined_first(alice: User, bob: User, team: Team) -> None:
    other = make_team("other")
    Membership.objects.create(team=other, user=bob, role=Role.MEMBER)
    User.objects.filter(pk=bob.pk).update(current_team=team)
    leave_team(person=bob, team=team)
    assert find_current_team(User.objects.get(pk=bob.pk)) == other
    assert audit() == [("member.leave", "Bob")]
    with pytest.raises(TeamConflict):
        leave_team(person=bob, team=team)


def test_everybody_whose_rights_change_is_told(
    alice: User, bob: User, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr("fusion.teams.members.tell_rights_changed", told.append)
    change_role(person=alice, membership=membership(bob, team), role=Role.ADMIN)
    hand_over(person=alice, membership=membership(bob, team))
    remove_member(person=bob, membership=membership(alice, team))
    assert told == [bob.pk, bob.pk, alice.pk, alice.pk]
