"""Invitations: a link into a team, once. The secret in it is shown once and mailed; only its hash is kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from fusion.errors import InvalidInput, NotAllowed, TeamConflict
from fusion.models import Invitation, Membership, Team, User
from fusion.models.team import Role
from fusion.teams.audit import record_action
from fusion.teams.doorbell import tell_rights_changed
from fusion.teams.rights import Action, may, require

OPEN_MAX = 100
NOT_OPEN = "This invitation has been used, withdrawn or replaced, or it is too old. Ask for a new one."


class InvitationClosed(TeamConflict):
    """The invitation cannot be accepted any more."""

    code = "invitation_closed"


class AlreadyMember(TeamConflict):
    """The person is in the team already."""

    code = "already_member"


@dataclass(frozen=True, slots=True)
class Sent:
    """An invitation with the secret of its link, which exists nowhere else."""

    invitation: Invitation
    token: str = field(repr=False)


@transaction.atomic
def invite_person(*, person: User, team: Team, role: str, email: str = "") -> Sent:
    """Make a link that lets somebody in as `role`; with an address only who has it. Raises NotAllowed, InvalidInput,
    TeamConflict for somebody who is in the team or invited already."""
    Team.objects.select_for_update().get(pk=team.pk)
    require_may_invite(person, team, role)
    email = _clean_address(email)
    _require_new(team, email)
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        team=team, email=email, role=role, invited_by=person, token_hash=hash_of(token), expires_at=_expiry()
    )
    _record("invitation.create", person, invitation, role=role)
    return Sent(invitation, token)


@transaction.atomic
def resend_invitation(*, person: User, invitation: Invitation) -> Sent:
    """Replace the link, which does not work any more, by a new one that works as long as a new invitation.

    Raises NotAllowed, InvitationClosed for one that was used or withdrawn.
    """
    require_may_invite(person, invitation.team, invitation.role)
    token = secrets.token_urlsafe(32)
    unused = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None)
    renewed = unused.update(token_hash=hash_of(token), expires_at=_expiry(), invited_by=person, mailed_at=None)
    if not renewed:
        raise InvitationClosed("This invitation has been used or withdrawn. Make a new one.")
    invitation.refresh_from_db()
    _record("invitation.resend", person, invitation)
    return Sent(invitation, token)


@transaction.atomic
def revoke_invitation(*, person: User, invitation: Invitation) -> None:
    """Let the link work no more. Raises NotAllowed, InvitationClosed for one that was used."""
    require_may_invite(person, invitation.team, invitation.role)
    if invitation.revoked_at is not None:
        return
    now = timezone.now()
    if not Invitation.objects.filter(pk=invitation.pk, accepted_at=None).update(revoked_at=now):
        raise InvitationClosed("This invitation has been used already. Remove the member instead.")
    invitation.revoked_at = now
    _record("invitation.revoke", person, invitation)


@transaction.atomic
def accept_invitation(*, person: User, invitation: Invitation, token_hash: str) -> Membership:
    """Join the team and work in it. Raises NotAllowed for somebody else's invitation, AlreadyMember (the link stays
    for whom it is meant), InvitationClosed."""
    Team.objects.select_for_update().get(pk=invitation.team_id)
    require_invited(person, invitation)
    membership = Membership.objects.filter(team=invitation.team, user=person).first()
    if membership is not None and membership.left_at is None:
        raise AlreadyMember(f"You are in “{invitation.team.name}” already.")
    if not inviter_still_may(invitation):
        raise InvitationClosed("Whoever invited you may not do so any more. Ask for a new invitation.")
    used = Invitation.objects.open().filter(pk=invitation.pk, token_hash=token_hash)
    if not used.update(accepted_at=timezone.now(), accepted_by=person):
        raise InvitationClosed(NOT_OPEN)
    membership = _join(person, invitation)
    _record("invitation.accept", person, invitation, role=invitation.role)
    return membership


def _join(person: User, invitation: Invitation) -> Membership:
    """A new membership, or the former one taken up again."""
    facts = {"role": invitation.role, "left_at": None, "joined_at": timezone.now()}
    membership, _ = Membership.objects.update_or_create(team=invitation.team, user=person, defaults=facts)
    User.objects.filter(pk=person.pk).update(current_team=invitation.team)
    person.current_team = invitation.team
    tell_rights_changed(person.pk)
    return membership


# --- looking at one ----------------------------------------------------------------------------------


def hash_of(token: str) -> str:
    """What is kept of a link's secret."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_invitation(token_hash: str) -> Invitation | None:
    """The invitation that can be accepted with this secret; its team and who invited come along."""
    invitations = Invitation.objects.open().select_related("team", "invited_by")
    return invitations.filter(token_hash=token_hash).first()


def is_for(person: User, invitation: Invitation) -> bool:
    """Whether the invitation is for everybody, or for an address of this person that they have shown to be theirs."""
    if not invitation.email or person.email.lower() == invitation.email.lower():
        return True
    confirmed = EmailAddress.objects.filter(user=person, email__iexact=invitation.email, verified=True)
    return bool(confirmed.exists())


def require_invited(person: User, invitation: Invitation) -> None:
    """Raises NotAllowed for an invitation that is for another address."""
    if not is_for(person, invitation):
        raise NotAllowed(
            f"This invitation is for {invitation.email}. Sign in with that address, or ask "
            f"{invitation.invited_by.get_short_name()} to invite {person.email}."
        )


def inviter_still_may(invitation: Invitation) -> bool:
    """Whoever lost the right to invite, by role or by leaving, lets nobody in any more."""
    inviter = invitation.invited_by
    return inviter.is_active and all(may(inviter, invitation.team, one) for one in _rights_to_give(invitation.role))


def require_may_invite(person: User, team: Team, role: str) -> None:
    """Raises InvalidInput for what is no role, NotAllowed for a role that is above what the person may give."""
    if role not in Role.values:
        raise InvalidInput("Choose one of the roles.", field="role")
    for action in _rights_to_give(role):
        require(person, team, action)


def _rights_to_give(role: str) -> tuple[Action, ...]:
    return (Action.INVITE, Action.MANAGE_OWNERS) if role == Role.OWNER else (Action.INVITE,)


def _require_new(team: Team, email: str) -> None:
    open_ones = Invitation.objects.open().filter(team=team)
    if open_ones.count() >= OPEN_MAX:
        raise TeamConflict(f"This team has {OPEN_MAX} open invitations. Withdraw some that nobody needs first.")
    if not email:
        return
    if Membership.objects.filter(team=team, left_at=None, user__email__iexact=email).exists():
        raise InvalidInput("Somebody with this address is in the team already.", code="already_member", field="email")
    if open_ones.filter(email__iexact=email).exists():
        raise InvalidInput(
            "There is an open invitation for this address. Send it again below, or withdraw it.",
            code="already_invited",
            field="email",
        )


def _clean_address(email: str) -> str:
    email = email.strip()
    try:
        if email:
            validate_email(email)
    except ValidationError as exc:
        raise InvalidInput("This is not an e-mail address.", field="email") from exc
    return email


def _expiry() -> datetime:
    return timezone.now() + timedelta(days=settings.FUSION_INVITATION_DAYS)


def _record(action: str, person: User, invitation: Invitation, *, role: str = "") -> None:
    """Without the address: the log stays for ever, an address can be taken away."""
    target = f"invitation:{invitation.public_id}"
    record_action(action, actor=person, team=invitation.team, target=target, after={"role": role} if role else None)
