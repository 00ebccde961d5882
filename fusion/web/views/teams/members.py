"""The people of a team."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fusion.teams.rights import Action
from fusion.teams.selectors import members_of
from fusion.web.views.entry import read_only, signed_in
from fusion.web.views.teams.gate import team_for


@signed_in
@read_only
def team_members(request: HttpRequest, team_id: UUID) -> HttpResponse:
    """Who is in the team, and as what."""
    team = team_for(request, team_id, Action.READ)
    return render(request, "fusion/team/members.html", {"team": team, "members": members_of(team)})
