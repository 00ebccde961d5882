"""Which team somebody works in: the way to its pages, changing it, making a new one."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import Resolver404, resolve, reverse

from fusion.errors import FusionError
from fusion.models import Team
from fusion.runs.pools import add_default_pools
from fusion.teams.lifecycle import create_team, switch_team
from fusion.teams.selectors import find_current_team
from fusion.web.forms.teams import TeamNameForm
from fusion.web.views.entry import allow, read_only, signed_in, write_only
from fusion.web.views.teams.gate import person_of

OF_EVERY_TEAM = frozenset({"ask", "history", "pools"})  # the same address shows the team that is worked in


@signed_in
@read_only
def team_home(request: HttpRequest) -> HttpResponse:
    """To the members of the current team; who is in none can make one."""
    team = find_current_team(person_of(request))
    return redirect("team-create") if team is None else redirect("team-members", team.public_id)


@signed_in
@write_only
def team_switch(request: HttpRequest) -> HttpResponse:
    """Work in another team of one's own."""
    person = person_of(request)
    try:
        team_id = UUID(request.POST.get("team", ""))
    except ValueError as exc:
        raise Http404("Teams have ids.") from exc
    team = get_object_or_404(Team.objects.visible_to(person), public_id=team_id)
    switch_team(person=person, team=team)
    return redirect(_where_to(request.POST.get("next", ""), team))


def _where_to(page: str, team: Team) -> str:
    """The same page where it shows the new team too; what belongs to one team is left."""
    try:
        name = resolve(urlsplit(page).path).url_name or ""
    except (Resolver404, ValueError):
        name = ""
    if name in OF_EVERY_TEAM:
        return reverse(name)
    return reverse("team-members", args=[team.public_id]) if name.startswith("team-") else reverse("ask")


@signed_in
@allow("GET", "HEAD", "POST")
def team_create(request: HttpRequest) -> HttpResponse:
    """A new team with the pools that every team begins with."""
    person = person_of(request)
    form = TeamNameForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            team = create_team(person=person, name=form.cleaned_data["name"])
        except FusionError as failure:
            form.add_failure(failure)
        else:
            add_default_pools(team=team)
            messages.success(request, f"The team “{team.name}” is there, and you work in it now.")
            return redirect("team-members", team.public_id)
    context = {"form": form, "has_team": find_current_team(person) is not None}
    return render(request, "fusion/team/new.html", context, status=422 if form.is_bound else 200)
