"""Reads about teams: which one somebody works in, and which there are to choose from."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from fusion.models import AuditEvent, Invitation, Membership, Team, User


def memberships_of(user: User) -> QuerySet[Membership]:
    """The person's memberships in teams that exist, with the team, oldest first."""
    mine = Membership.objects.filter(user_id=user.pk, left_at=None, team__deleted_at=None)
    return mine.select_related("team").order_by("joined_at", "pk")


def current_team(user: User) -> Team:
    """The team that new things belong to: the one chosen last, else the one joined first.

    Raises Team.DoesNotExist for somebody who is in none.
    """
    membership = current_of(list(memberships_of(user)), user)
    if membership is None:
        raise Team.DoesNotExist("this person is in no team")
    return membership.team


def find_current_team(user: User) -> Team | None:
    """`current_team`, or None for somebody who is in no team."""
    membership = current_of(list(memberships_of(user)), user)
    return None if membership is None else membership.team


def current_of(memberships: list[Membership], user: User) -> Membership | None:
    """The one of a person's memberships that they work in."""
    chosen = (one for one in memberships if one.team_id == user.current_team_id)
    return next(chosen, memberships[0] if memberships else None)


def members_of(team: Team) -> QuerySet[Membership]:
    """Who is in a team, with the person, by name."""
    here = Membership.objects.filter(team=team, left_at=None).exclude(user__is_system=True)
    return here.select_related("user").order_by("user__name", "user__email")


def former_members_of(team: Team) -> QuerySet[Membership]:
    """Who was in a team and has left, the latest first; what they did is still under their names."""
    gone = Membership.objects.filter(team=team).exclude(left_at=None).select_related("user")
    return gone.order_by("-left_at", "-pk")


def invitations_of(team: Team) -> QuerySet[Invitation]:
    """A team's invitations, newest first, with who invited and who came."""
    return Invitation.objects.filter(team=team).select_related("invited_by", "accepted_by", "team")


def audit_of(team: Team, *, actor: User | None = None, action: str = "") -> QuerySet[AuditEvent]:
    """What was done in a team, newest first; by one person or of one kind, if asked for."""
    events = AuditEvent.objects.filter(team=team).select_related("actor")
    if actor is not None:
        events = events.filter(actor=actor)
    return events.filter(action=action) if action else events


def former_members(pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Of (team, person) keys, those of people who have left that team; whose account is deleted has no name to mark."""
    asked = set(pairs)
    teams, people = {team for team, _ in asked}, {person for _, person in asked}
    left = Membership.objects.filter(team__in=teams, user__in=people, user__deleted_at=None)
    return set(left.exclude(left_at=None).values_list("team_id", "user_id"))


def team_elsewhere(user: User, team: Team) -> str:
    """The name of a team that the person does not work in at the moment; empty for the one that they do."""
    current = find_current_team(user)
    return "" if current is not None and current.pk == team.pk else team.name
