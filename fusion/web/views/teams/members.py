"""The people of a team: looking, changing roles, removing, leaving, handing over."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from fusion.errors import FusionError
from fusion.models import Membership, Team
from fusion.models.team import Role
from fusion.teams.members import change_role, hand_over, leave_team, remove_member
from fusion.teams.rights import Action, allows, role_in
from fusion.teams.selectors import former_members_of, members_of
from fusion.web.confirming import require_confirmed
from fusion.web.forms.teams import HandOverForm
from fusion.web.shown.members import member_rows, role_lines
from fusion.web.views.entry import allow, read_only, signed_in, write_only
from fusion.web.views.refusals import refusal
from fusion.web.views.runs import status_of
from fusion.web.views.teams.gate import person_of, team_for


@signed_in
@read_only
def team_members(request: HttpRequest, team_id: UUID) -> HttpResponse:
    """Who is in the team and as what; for those who may, with what can be changed about it."""
    team = team_for(request, team_id, Action.READ)
    person = person_of(request)
    role = role_in(person, team)
    manages = allows(role, Action.MANAGE_MEMBERS)
    context = {
        "team": team,
        "rows": member_rows(members_of(team), role),
        "former": former_members_of(team) if manages else (),
        "roles": role_lines(),
        "may_invite": allows(role, Action.INVITE),
        "manages": manages,
    }
    return render(request, "fusion/team/members.html", context)


@signed_in
@write_only
def team_member_role(request: HttpRequest, team_id: UUID, public_id: UUID) -> HttpResponse:
    """Give a member another role."""
    team = team_for(request, team_id, Action.READ)
    member = _member(team, public_id)
    require_confirmed(request)
    role = request.POST.get("role", "")
    try:
        change_role(person=person_of(request), membership=member, role=role)
    except FusionError as failure:
        return refusal(request, failure.message, status=status_of(failure))
    messages.success(request, f"The role of {member.user.get_short_name()} is now: {Role(role).label.lower()}.")
    return redirect("team-members", team.public_id)


@signed_in
@allow("GET", "HEAD", "POST")
def team_member_remove(request: HttpRequest, team_id: UUID, public_id: UUID) -> HttpResponse:
    """Say what stays, then take somebody out of the team."""
    team = team_for(request, team_id, Action.MANAGE_MEMBERS)
    member = _member(team, public_id)
    if member.user_id == person_of(request).pk:
        return redirect("team-leave", team.public_id)
    require_confirmed(request)
    if request.method != "POST":
        in_flight = team.runs.in_flight().filter(author=member.user).count()
        return render(request, "fusion/team/remove.html", {"team": team, "member": member, "in_flight": in_flight})
    try:
        remove_member(person=person_of(request), membership=member)
    except FusionError as failure:
        return refusal(request, failure.message, status=status_of(failure))
    messages.success(request, f"{member.user.get_short_name()} is not in the team any more.")
    return redirect("team-members", team.public_id)


@signed_in
@allow("GET", "HEAD", "POST")
def team_leave(request: HttpRequest, team_id: UUID) -> HttpResponse:
    """Say what stays, then go."""
    team = team_for(request, team_id, Action.READ)
    if request.method != "POST":
        return render(request, "fusion/team/leave.html", {"team": team})
    try:
        leave_team(person=person_of(request), team=team)
    except FusionError as failure:
        return refusal(request, failure.message, status=status_of(failure))
    messages.success(request, f"You have left “{team.name}”.")
    return redirect("ask")


@signed_in
@allow("GET", "HEAD", "POST")
def team_hand_over(request: HttpRequest, team_id: UUID) -> HttpResponse:
    """Make somebody else the owner in one's own place."""
    team = team_for(request, team_id, Action.DELETE_TEAM)
    require_confirmed(request)
    others = members_of(team).exclude(user=person_of(request)).filter(user__is_active=True)
    form = HandOverForm(request.POST if request.method == "POST" else None, members=others)
    if form.is_valid():
        member = form.cleaned_data["member"]
        try:
            hand_over(person=person_of(request), membership=member)
        except FusionError as failure:
            form.add_failure(failure)
        else:
            messages.success(request, f"{member.user.get_short_name()} owns the team now; you are an admin of it.")
            return redirect("team-members", team.public_id)
    context = {"team": team, "form": form, "has_others": others.exists()}
    return render(request, "fusion/team/hand_over.html", context, status=422 if form.is_bound else 200)


def _member(team: Team, public_id: UUID) -> Membership:
    return get_object_or_404(members_of(team), public_id=public_id)
