"""The audit log of a team."""

from __future__ import annotations

from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fusion.teams.rights import Action
from fusion.teams.selectors import audit_of
from fusion.web.forms.audit import AuditForm
from fusion.web.shown.audit import audit_rows
from fusion.web.views.entry import read_only, signed_in
from fusion.web.views.teams.gate import team_for

PAGE_SIZE = 50


@signed_in
@read_only
def team_audit(request: HttpRequest, team_id: UUID) -> HttpResponse:
    """Who did what to what, and when; newest first."""
    team = team_for(request, team_id, Action.READ_AUDIT)
    form = AuditForm(request.GET, team=team)
    events = audit_of(team, actor=form.actor, action=form.chosen_action)
    page = Paginator(events, PAGE_SIZE).get_page(request.GET.get("page", "1"))
    context = {"team": team, "form": form, "page": page, "rows": audit_rows(page)}
    return render(request, "fusion/team/audit.html", context)
