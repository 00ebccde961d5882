"""Deleting an account: the person goes, what their teams need to stay whole remains without their name.

What is private to the person is erased with its text. What they did in teams stays under “Deleted person”; rows of
money and of the audit log stay as they are, since they hold neither name nor address.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from fusion.errors import NotAllowed, TeamConflict
from fusion.models import (
    Answer,
    Call,
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
from fusion.models.team import Role
from fusion.teams.audit import record_action
from fusion.teams.doorbell import tell_rights_changed
from fusion.teams.lifecycle import close_team
from fusion.teams.members import end_membership
from fusion.teams.selectors import members_of, memberships_of

DELETED_NAME = "Deleted person"


@dataclass(frozen=True, slots=True)
class Farewell:
    """What deleting an account would do, and what stands in its way.

    `alone_in`: teams that nobody else is in, which go with the account. `owned`: teams that would be left without an
    owner, which have to be handed over first.
    """

    alone_in: tuple[Team, ...]
    owned: tuple[Team, ...]
    stays_in: tuple[Team, ...]
    private_runs: int
    private_pools: int
    in_flight: int
    is_last_administrator: bool

    @property
    def is_possible(self) -> bool:
        return not (self.owned or self.in_flight or self.is_last_administrator)


def farewell_of(person: User) -> Farewell:
    """What is to be said before an account is deleted."""
    memberships = list(memberships_of(person))
    alone = tuple(one.team for one in memberships if _is_alone(one))
    owned = tuple(one.team for one in memberships if one.team not in alone and _is_only_owner(one))
    return Farewell(
        alone_in=alone,
        owned=owned,
        stays_in=tuple(one.team for one in memberships if one.team not in (*alone, *owned)),
        private_runs=_private_runs(person).filter(deleted_at=None).count(),
        private_pools=_private_pools(person).count(),
        in_flight=Run.objects.filter(author=person).in_flight().count(),
        is_last_administrator=_is_last_administrator(person),
    )


@transaction.atomic
def delete_account(*, person: User) -> None:
    """Anonymise a person, end their sessions and sockets, and take them out of every team.

    Raises TeamConflict while they are the only owner of a team with others in it or have runs under way, NotAllowed
    for the last administrator; then nothing has changed.
    """
    person = User.objects.select_for_update().get(pk=person.pk)
    farewell = farewell_of(person)
    _require_possible(farewell)
    record_action("account.delete", actor=person, team=None, target=f"person:{person.pk}")
    for team in farewell.alone_in:
        close_team(person=person, team=team)
    for membership in memberships_of(person):
        end_membership(membership)
        record_action("member.leave", actor=person, team=membership.team, target=f"member:{membership.public_id}")
    Membership.objects.filter(user=person, left_at=None).update(left_at=timezone.now())
    _erase_private(person)
    _forget_invitations(person)
    _anonymise(person)
    tell_rights_changed(person.pk)


def _require_possible(farewell: Farewell) -> None:
    if farewell.owned:
        names = ", ".join(f"“{team.name}”" for team in farewell.owned)
        raise TeamConflict(f"You are the only owner of {names}. Hand over or delete it first.", code="last_owner")
    if farewell.in_flight:
        raise TeamConflict("You have runs under way. Wait until they have ended, or stop them first.")
    if farewell.is_last_administrator:
        raise NotAllowed("You are the only administrator of this site. Make somebody else one first.")


def _is_alone(membership: Membership) -> bool:
    return not members_of(membership.team).exclude(user=membership.user_id).exists()


def _is_only_owner(membership: Membership) -> bool:
    others = members_of(membership.team).exclude(user=membership.user_id)
    owners = others.filter(role=Role.OWNER, user__is_active=True)
    return membership.role == Role.OWNER and not owners.exists()


def _is_last_administrator(person: User) -> bool:
    others = User.objects.people().filter(is_superuser=True, is_active=True).exclude(pk=person.pk)
    return person.is_superuser and not others.exists()


def _private_runs(person: User) -> QuerySet[Run]:
    return Run.objects.filter(author=person, is_private=True)


def _private_pools(person: User) -> QuerySet[Pool]:
    return Pool.objects.filter(author=person, visibility=Pool.Visibility.PRIVATE, deleted_at=None)


def _erase_private(person: User) -> None:
    """Private runs lose their texts, calls and what they cost stay; private pools are deleted."""
    now = timezone.now()
    runs = _private_runs(person)
    RunEvent.objects.filter(run__in=runs).delete()
    Answer.objects.filter(run__in=runs).update(text="", failure_message="")
    FinalAnswer.objects.filter(run__in=runs).update(text="", spans=[], verdict=None)
    VerdictRecord.objects.filter(run__in=runs).delete()
    Call.objects.filter(run__in=runs).update(failure_message="")
    RunExecution.objects.filter(run__in=runs).update(failure_message="")
    # The files of images without a row are swept away.
    PromptImage.objects.filter(Q(run__in=runs) | Q(run=None, author=person)).delete()
    runs.filter(deleted_at=None).update(deleted_at=now)
    runs.update(prompt="", failure_message="")
    _private_pools(person).update(deleted_at=now)


def _forget_invitations(person: User) -> None:
    """Their own are void; those to them keep who came, not the address."""
    open_ones = Invitation.objects.filter(accepted_at=None, revoked_at=None)
    open_ones.filter(Q(invited_by=person) | Q(email__iexact=person.email)).update(revoked_at=timezone.now())
    Invitation.objects.filter(Q(accepted_by=person) | Q(email__iexact=person.email)).update(email="")


def _anonymise(person: User) -> None:
    EmailAddress.objects.filter(user=person).delete()
    Authenticator.objects.filter(user=person).delete()
    for session in UserSession.objects.filter(user=person):
        session.end()
    person.groups.clear()
    person.user_permissions.clear()
    person.name, person.email = DELETED_NAME, f"deleted-{uuid.uuid4().hex}@fusion.invalid"
    person.is_active = person.is_staff = person.is_superuser = False
    person.current_team, person.last_login, person.deleted_at = None, None, timezone.now()
    person.set_unusable_password()
    person.save()
