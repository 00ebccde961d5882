"""A team's name, and its end."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fusion.errors import FusionError
from fusion.runs.services import stop_team_runs
from fusion.teams.lifecycle import contents_of, delete_team, rename_team
from fusion.teams.rights import Action, may
from fusion.web.confirming import require_confirmed
from fusion.web.forms.teams import TeamNameForm, TypedNameForm
from fusion.web.views.entry import allow, signed_in, write_only
from fusion.web.views.teams.gate import person_of, team_for


@signed_in
@allow("GET", "HEAD", "POST")
def team_settings(request: HttpRequest, team_id: UUID) -> HttpResponse:
    """Its name; and, for owners, the ways to hand it over and to delete it."""
    team = team_for(request, team_id, Action.RENAME_TEAM)
    form = TeamNameForm(request.POST if request.method == "POST" else None, initial={"name": team.name})
    if form.is_valid():
        try:
            rename_team(person=person_of(request), team=team, name=form.cleaned_data["name"])
        except FusionError as failure:
            form.add_failure(failure)
        else:
            messages.success(request, f"The team is called “{team.name}” now.")
            return redirect("team-settings", team.public_id)
    context = {"team": team, "form": form, "may_delete": may(person_of(request), team, Action.DELETE_TEAM)}
    return render(request, "fusion/team/settings.html", context, status=422 if form.is_bound else 200)


@signed_in
@allow("GET", "HEAD", "POST")
def team_delete(request: HttpRequest, team_id: UUID) -> HttpResponse:
    """Say what becomes of everything in it, then delete it."""
    team = team_for(request, team_id, Action.DELETE_TEAM)
    require_confirmed(request)
    person = person_of(request)
    form = TypedNameForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            delete_team(person=person, team=team, typed_name=form.cleaned_data["name"])
        except FusionError as failure:
            form.add_failure(failure)
        else:
            messages.success(request, f"The team “{team.name}” is deleted.")
            return redirect("ask")
    context = {"team": team, "form": form, "contents": contents_of(team, person)}
    return render(request, "fusion/team/delete.html", context, status=422 if form.is_bound else 200)


@signed_in
@write_only
def team_stop_runs(request: HttpRequest, team_id: UUID) -> HttpResponse:
    """Stop whatever is under way in the team, so that it can be deleted."""
    team = team_for(request, team_id, Action.DELETE_TEAM)
    stop_team_runs(team=team, person=person_of(request))
    messages.success(request, "The runs are being stopped; what was answered is kept.")
    return redirect("team-delete", team.public_id)
