"""Template tags of teams: the switcher in the header and the tabs of the team's pages."""

from __future__ import annotations

from typing import Any

from django import template
from django.http import HttpRequest
from django.template.context import Context

from fusion.models import Team, User
from fusion.teams.rights import role_in
from fusion.teams.selectors import current_of, find_current_team, memberships_of
from fusion.web.team_area import tabs_for

register = template.Library()


@register.inclusion_tag("fusion/team/_switcher.html", takes_context=True)
def team_switcher(context: Context) -> dict[str, Any]:
    """The team that the person works in, and the others to change to; one query."""
    request, user = context.get("request"), context.get("user")
    if not isinstance(request, HttpRequest) or not getattr(user, "is_authenticated", False):
        return {"memberships": []}
    assert isinstance(user, User)
    memberships = list(memberships_of(user))
    return {
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "memberships": memberships,
        "current": current_of(memberships, user),
    }


@register.inclusion_tag("fusion/team/_tabs.html", takes_context=True)
def team_tabs(context: Context, team: Team) -> dict[str, Any]:
    """The pages of a team that the person may open; of a team that they do not work in it says so."""
    request, user = context["request"], context["user"]
    match = request.resolver_match
    here = (match.url_name or "") if match is not None else ""
    return {
        "csrf_token": context.get("csrf_token"),
        "team": team,
        "tabs": [(tab, tab.is_here(here)) for tab in tabs_for(role_in(user, team))],
        "current": find_current_team(user),
    }
