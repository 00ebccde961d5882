"""Invitations: making and mending them, and the page that somebody invited comes to."""

from __future__ import annotations

from uuid import UUID

from allauth.core import ratelimit
from allauth.core.internal import ratelimit as counting
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache

from fusion.errors import FusionError
from fusion.models import Invitation, Team, User
from fusion.teams.invitations import (
    Sent,
    accept_invitation,
    find_invitation,
    hash_of,
    invite_person,
    is_for,
    resend_invitation,
    revoke_invitation,
)
from fusion.teams.invited import keep_invitation
from fusion.teams.mail import mail_invitation
from fusion.teams.rights import Action, role_in
from fusion.teams.selectors import invitations_of
from fusion.web.confirming import require_confirmed
from fusion.web.forms.teams import InvitationForm
from fusion.web.shown.invitations import invitation_rows
from fusion.web.shown.members import givable_roles
from fusion.web.views.entry import allow, signed_in, write_only
from fusion.web.views.refusals import refusal
from fusion.web.views.runs import status_of
from fusion.web.views.teams.gate import person_of, team_for

TOO_MANY = "That was a lot in a short time. Wait a little and try again."
SHOWN = 50


@signed_in
@never_cache
@allow("GET", "HEAD", "POST")
def team_invitations(request: HttpRequest, team_id: UUID) -> HttpResponse:
    """The team's invitations; a new one's link is shown in the reply to its form, and never again."""
    team = team_for(request, team_id, Action.INVITE)
    roles = givable_roles(role_in(person_of(request), team))
    if request.method != "POST":
        return _page(request, team, InvitationForm(roles=roles, initial={"role": "member"}))
    require_confirmed(request)
    form = InvitationForm(request.POST, roles=roles)
    if not form.is_valid():
        return _page(request, team, form, status=422)
    if not ratelimit.consume(request, action="invite"):
        return refusal(request, TOO_MANY, status=429)
    try:
        sent = invite_person(person=person_of(request), team=team, **form.cleaned_data)
    except FusionError as failure:
        form.add_failure(failure)
        return _page(request, team, form, status=status_of(failure))
    return _sent_page(request, team, sent)


@signed_in
@never_cache
@write_only
def team_invitation_resend(request: HttpRequest, team_id: UUID, public_id: UUID) -> HttpResponse:
    """A new link in place of the former one."""
    team = team_for(request, team_id, Action.INVITE)
    require_confirmed(request)
    invitation = _invitation(team, public_id)
    if not ratelimit.consume(request, action="invite"):
        return refusal(request, TOO_MANY, status=429)
    try:
        sent = resend_invitation(person=person_of(request), invitation=invitation)
    except FusionError as failure:
        return refusal(request, failure.message, status=status_of(failure))
    return _sent_page(request, team, sent)


@signed_in
@write_only
def team_invitation_revoke(request: HttpRequest, team_id: UUID, public_id: UUID) -> HttpResponse:
    """Let a link work no more."""
    team = team_for(request, team_id, Action.INVITE)
    try:
        revoke_invitation(person=person_of(request), invitation=_invitation(team, public_id))
    except FusionError as failure:
        return refusal(request, failure.message, status=status_of(failure))
    messages.success(request, "The invitation is withdrawn; its link does not work any more.")
    return redirect("team-invitations", team.public_id)


def _sent_page(request: HttpRequest, team: Team, sent: Sent) -> HttpResponse:
    link = settings.FUSION_URL.rstrip("/") + reverse("invitation", args=[sent.token])
    mailed = mail_invitation(sent.invitation, link)
    roles = givable_roles(role_in(person_of(request), team))
    form = InvitationForm(roles=roles, initial={"role": "member"})
    return _page(request, team, form, link=link, mailed=mailed, sent=sent.invitation)


def _page(
    request: HttpRequest,
    team: Team,
    form: InvitationForm,
    *,
    status: int = 200,
    link: str = "",
    mailed: bool = False,
    sent: Invitation | None = None,
) -> HttpResponse:
    context = {
        "team": team,
        "form": form,
        "rows": invitation_rows(invitations_of(team)[:SHOWN]),
        "days": settings.FUSION_INVITATION_DAYS,
        "link": link,
        "mailed": mailed,
        "sent": sent,
        "mails": bool(settings.EMAIL_HOST),
    }
    return render(request, "fusion/team/invitations.html", context, status=status)


def _invitation(team: Team, public_id: UUID) -> Invitation:
    return get_object_or_404(invitations_of(team), public_id=public_id)


# --- for somebody invited ----------------------------------------------------------------------------


@never_cache
@allow("GET", "HEAD", "POST")
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Which team, which role, who invites; accepted by a form, with the account that one has or with a new one."""
    if not _is_rare_enough(request):
        return refusal(request, TOO_MANY, status=429)
    token_hash = hash_of(token)
    found = find_invitation(token_hash)
    if found is None:
        return _closed(request, token_hash)
    if request.method != "POST":
        return _invitation_page(request, found)
    if not request.user.is_authenticated:
        keep_invitation(request, token_hash)
        return redirect("account_signup")
    return _join(request, found, token_hash)


def _is_rare_enough(request: HttpRequest) -> bool:
    """Looking counts too, where django-allauth's public function counts only what is sent."""
    return bool(counting.consume(request, app="allauth.account", action="invitation", limit_get=True))


def _join(request: HttpRequest, found: Invitation, token_hash: str) -> HttpResponse:
    try:
        accept_invitation(person=person_of(request), invitation=found, token_hash=token_hash)
    except FusionError as failure:
        return refusal(request, failure.message, status=status_of(failure))
    messages.success(request, f"Welcome to “{found.team.name}”. You work in it now.")
    return redirect("ask")


def _invitation_page(request: HttpRequest, found: Invitation) -> HttpResponse:
    user = request.user
    is_person = isinstance(user, User)
    context = {
        "invitation": found,
        "is_mine": is_person and is_for(user, found),  # type: ignore[arg-type]
        "is_member": is_person and role_in(user, found.team) is not None,  # type: ignore[arg-type]
        "has_account": bool(found.email) and User.objects.people().filter(email__iexact=found.email).exists(),
    }
    return render(request, "fusion/team/invitation.html", context)


def _closed(request: HttpRequest, token_hash: str) -> HttpResponse:
    """One that does not exist and one that is over look the same, but to whoever came in by it."""
    if request.user.is_authenticated:
        mine = Invitation.objects.filter(token_hash=token_hash, accepted_by=person_of(request)).first()
        if mine is not None and role_in(person_of(request), mine.team) is not None:
            messages.info(request, f"You are in “{mine.team.name}” already.")
            return redirect("team-members", mine.team.public_id)
    return render(request, "fusion/team/invitation_closed.html", status=404)
