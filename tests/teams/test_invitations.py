"""The rules of invitations, whatever page or command asks for them."""

from __future__ import annotations

from functools import partial

import pytest

from fusion.errors import InvalidInput, NotAllowed
from fusion.models import AuditEvent, Invitation, Membership, Team, User
from fusion.models.team import Role
from fusion.teams.invitations import (
    AlreadyMember,
    InvitationClosed,
    Sent,
    accept_invitation,
    hash_of,
    invite_person,
    resend_invitation,
    revoke_invitation,
)
from fusion.teams.members import change_role, remove_member
from fusion.teams.rights import role_in
from tests.factories import make_team, make_user
from tests.teams.together import at_once


def accept(person: User, sent: Sent) -> Membership:
    return accept_invitation(person=person, invitation=sent.invitation, token_hash=hash_of(sent.token))


@pytest.fixture
def anna(team: Team) -> User:
    """An admin of alice's team."""
    return make_user("anna", team=team, role=Role.ADMIN)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER, Role.BILLING])
def test_below_admin_nobody_invites(team: Team, role: Role) -> None:
    person = make_user("some", team=team, role=role)
    with pytest.raises(NotAllowed, match="Only the team's admins invite people"):
        invite_person(person=person, team=team, role=Role.VIEWER)


def test_an_admin_invites_up_to_admin_and_only_an_owner_invites_owners(alice: User, anna: User, team: Team) -> None:
    assert invite_person(person=anna, team=team, role=Role.ADMIN).invitation.role == Role.ADMIN
    with pytest.raises(NotAllowed):
        invite_person(person=anna, team=team, role=Role.OWNER)
    sent = invite_person(person=alice, team=team, role=Role.OWNER)
    with pytest.raises(NotAllowed):
        resend_invitation(person=anna, invitation=sent.invitation)
    with pytest.raises(NotAllowed):
        revoke_invitation(person=anna, invitation=sent.invitation)


def test_what_is_no_address_and_no_role_is_refused(alice: User, team: Team) -> None:
    with pytest.raises(InvalidInput, match="e-mail address"):
        invite_person(person=alice, team=team, role=Role.MEMBER, email="not an address")
    with pytest.raises(InvalidInput, match="roles"):
        invite_person(person=alice, team=team, role="root")


def test_the_secret_shows_in_no_repr(alice: User, team: Team) -> None:
    sent = invite_person(person=alice, team=team, role=Role.MEMBER)
    assert sent.token not in repr(sent)


@pytest.mark.django_db(transaction=True)
def test_of_several_who_accept_at_once_one_comes_in() -> None:
    owner = make_user("owner")
    team = owner.memberships.get().team
    sent = invite_person(person=owner, team=team, role=Role.MEMBER)
    people = [make_user(f"person{number}") for number in range(6)]
    outcomes = at_once([partial(_accept, person, sent) for person in people])
    assert sorted(outcomes) == ["closed"] * 5 + ["in"]
    assert Membership.objects.filter(team=team).count() == 2


def _accept(person: User, sent: Sent) -> str:
    try:
        accept(person, sent)
    except InvitationClosed:
        return "closed"
    return "in"


def test_a_link_works_once_and_says_so_to_whoever_is_in(alice: User, team: Team, charlie: User) -> None:
    sent = invite_person(person=alice, team=team, role=Role.MEMBER)
    accept(charlie, sent)
    with pytest.raises(AlreadyMember):
        accept(charlie, sent)
    with pytest.raises(InvitationClosed):
        accept(make_user("dora"), sent)


def test_whoever_is_in_the_team_keeps_their_role_and_the_link(alice: User, bob: User, team: Team) -> None:
    """An invitation to more does not promote who is in already: roles are changed by those who may."""
    sent = invite_person(person=alice, team=team, role=Role.ADMIN)
    with pytest.raises(AlreadyMember):
        accept(bob, sent)
    assert role_in(bob, team) == Role.MEMBER
    assert Invitation.objects.open().count() == 1


def test_a_former_link_opens_nothing_once_it_was_sent_anew(alice: User, team: Team, charlie: User) -> None:
    first = invite_person(person=alice, team=team, role=Role.MEMBER)
    second = resend_invitation(person=alice, invitation=first.invitation)
    with pytest.raises(InvitationClosed):
        accept(charlie, Sent(second.invitation, first.token))
    assert accept(charlie, second).role == Role.MEMBER


def test_who_may_not_invite_any_more_lets_nobody_in(alice: User, anna: User, team: Team, charlie: User) -> None:
    sent = invite_person(person=anna, team=team, role=Role.MEMBER)
    membership = Membership.objects.get(user=anna)
    change_role(person=alice, membership=membership, role=Role.MEMBER)
    with pytest.raises(InvitationClosed, match="may not do so any more"):
        accept(charlie, sent)
    remove_member(person=alice, membership=membership)
    with pytest.raises(InvitationClosed):
        accept(charlie, sent)
    resend_invitation(person=alice, invitation=sent.invitation)
    assert Invitation.objects.get().invited_by == alice


def test_nobody_comes_into_a_deleted_team(alice: User, team: Team, charlie: User) -> None:
    sent = invite_person(person=alice, team=team, role=Role.MEMBER)
    Team.objects.filter(pk=team.pk).update(deleted_at="2026-01-01T00:00:00Z")
    with pytest.raises(InvitationClosed):
        accept(charlie, Sent(Invitation.objects.get(), sent.token))


def test_who_comes_back_takes_up_the_former_membership(alice: User, bob: User, team: Team) -> None:
    remove_member(person=alice, membership=Membership.objects.get(user=bob))
    accept(bob, invite_person(person=alice, team=team, role=Role.VIEWER))
    assert Membership.objects.get(user=bob).left_at is None
    assert role_in(bob, team) == Role.VIEWER


def test_an_admin_of_one_team_invites_nobody_into_another(alice: User, charlie: User) -> None:
    with pytest.raises(NotAllowed):
        invite_person(person=alice, team=make_team("other"), role=Role.VIEWER)


def test_every_step_is_written_down_without_address_and_secret(alice: User, team: Team, charlie: User) -> None:
    sent = invite_person(person=alice, team=team, role=Role.MEMBER, email=charlie.email)
    sent = resend_invitation(person=alice, invitation=sent.invitation)
    accept(charlie, sent)
    other = invite_person(person=alice, team=team, role=Role.MEMBER)
    revoke_invitation(person=alice, invitation=other.invitation)
    events = AuditEvent.objects.order_by("pk")
    steps = ["create", "resend", "accept", "create", "revoke"]
    assert [event.action for event in events] == [f"invitation.{step}" for step in steps]
    told = " ".join(str(vars(event)) for event in events)
    assert charlie.email not in told and sent.token not in told and hash_of(sent.token) not in told
