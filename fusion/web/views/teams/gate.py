"""The one way from an address to a team: who is not in it finds nothing, who has no right is told whom to ask."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from fusion.errors import NotAllowed
from fusion.models import Team, User
from fusion.teams.rights import Action, require


def person_of(request: HttpRequest) -> User:
    """Who is signed in; for views behind `signed_in`."""
    assert isinstance(request.user, User)
    return request.user


def team_for(request: HttpRequest, team_id: UUID, action: Action) -> Team:
    """The person's team, for something they may do there. Raises Http404, PermissionDenied."""
    person = person_of(request)
    team = get_object_or_404(Team.objects.visible_to(person), public_id=team_id)
    require_or_403(person, team, action)
    return team


def require_or_403(person: User, team: Team, action: Action) -> None:
    """Raises PermissionDenied with a sentence that names who can help."""
    try:
        require(person, team, action)
    except NotAllowed as exc:
        raise PermissionDenied(exc.message) from exc
