"""Who is in a team, and as what: changing roles, removing, leaving, handing over.

Every change is made under a lock of the team, so that what was checked still holds when it is written: there is
always an owner. Owners are decided about by owners alone; everybody else by admins too.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from fusion.errors import InvalidInput, TeamConflict
from fusion.models import Membership, Team, User
from fusion.models.team import Role
from fusion.teams.audit import record_action
from fusion.teams.doorbell import tell_rights_changed
from fusion.teams.rights import Action, require

Facts = dict[str, object]


class LastOwner(TeamConflict):
    """A team always has an owner; this would take the last one."""

    code = "last_owner"


def member_ref(membership: Membership) -> str:
    """A member as the audit log names one: without their name, which they may have taken away later."""
    return f"member:{membership.public_id}"


@transaction.atomic
def change_role(*, person: User, membership: Membership, role: str) -> None:
    """Give a member another role. Raises NotAllowed, LastOwner, InvalidInput, TeamConflict for somebody who left."""
    if role not in Role.values:
        raise InvalidInput("Choose one of the roles.", field="role")
    membership = lock_member(membership)
    require_over(person, membership.team, membership.role, role)
    if membership.role == role:
        return
    if membership.role == Role.OWNER:
        require_other_owner(membership)
    before, membership.role = membership.role, role
    membership.save(update_fields=["role"])
    _tell(membership)
    _record("member.role", person, membership, before={"role": before}, after={"role": role})


@transaction.atomic
def remove_member(*, person: User, membership: Membership) -> None:
    """Take somebody out of a team; what they did stays under their name. Raises NotAllowed, LastOwner, TeamConflict."""
    membership = lock_member(membership)
    if membership.user_id != person.pk:
        require_over(person, membership.team, membership.role)
    end_membership(membership)
    action = "member.leave" if membership.user_id == person.pk else "member.remove"
    _record(action, person, membership, before={"role": membership.role})


def leave_team(*, person: User, team: Team) -> None:
    """Go. Raises LastOwner, TeamConflict for somebody who is not in it."""
    membership = Membership.objects.filter(team=team, user=person, left_at=None).first()
    if membership is None:
        raise TeamConflict("You are not in this team any more.")
    remove_member(person=person, membership=membership)


@transaction.atomic
def hand_over(*, person: User, membership: Membership) -> None:
    """Make another member the owner in one's own place; who hands over stays as an admin. Raises NotAllowed."""
    membership = lock_member(membership)
    team = membership.team
    require(person, team, Action.DELETE_TEAM)
    if membership.user_id == person.pk:
        raise InvalidInput("Choose somebody else to hand the team over to.", field="member")
    _require_reachable(membership)
    own = lock_member(Membership.objects.get(team=team, user=person))
    before = membership.role
    for one, role in ((membership, Role.OWNER), (own, Role.ADMIN)):
        one.role = role
        one.save(update_fields=["role"])
        _tell(one)
    _record("member.role", person, membership, before={"role": before}, after={"role": Role.OWNER})
    _record("member.role", person, own, before={"role": Role.OWNER}, after={"role": Role.ADMIN})


def lock_member(membership: Membership) -> Membership:
    """The membership as it is now, and as it stays until the transaction ends. Raises TeamConflict if it is over."""
    Team.objects.select_for_update().get(pk=membership.team_id)
    found = Membership.objects.select_related("team", "user").get(pk=membership.pk)
    if found.left_at is not None or found.team.deleted_at is not None:
        raise TeamConflict("This person is not in the team any more.")
    return found


def require_over(person: User, team: Team, *roles: str) -> None:
    """Raises NotAllowed unless the person decides about members of these roles."""
    require(person, team, Action.MANAGE_OWNERS if Role.OWNER in roles else Action.MANAGE_MEMBERS)


def require_other_owner(membership: Membership) -> None:
    """Raises LastOwner unless somebody else, who can sign in, owns the team too."""
    owners = Membership.objects.filter(team_id=membership.team_id, role=Role.OWNER, left_at=None)
    if not owners.filter(user__is_active=True).exclude(pk=membership.pk).exists():
        raise LastOwner("A team always has an owner, and this is its last one. Make somebody else an owner first.")


def end_membership(membership: Membership) -> None:
    """Write down that somebody has left, in the caller's transaction. Raises LastOwner."""
    if membership.role == Role.OWNER:
        require_other_owner(membership)
    membership.left_at = timezone.now()
    membership.save(update_fields=["left_at"])
    User.objects.filter(pk=membership.user_id, current_team=membership.team_id).update(current_team=None)
    _tell(membership)


def _require_reachable(membership: Membership) -> None:
    if not membership.user.is_active:
        raise TeamConflict("This person cannot sign in, so they cannot own the team.")


def _tell(membership: Membership) -> None:
    tell_rights_changed(membership.user_id)


def _record(
    action: str, person: User, membership: Membership, *, before: Facts | None = None, after: Facts | None = None
) -> None:
    team, target = membership.team, member_ref(membership)
    record_action(action, actor=person, team=team, target=target, before=before, after=after)
