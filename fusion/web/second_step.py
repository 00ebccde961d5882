"""Where the site asks for two-step sign-in, nothing else is open to a person before they have set it up; and browsers
keep none of its pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.cache import add_never_cache_headers

from fusion.errors import SecretUnreadable
from fusion.teams.second_factor import must_set_up
from fusion.web.views.entry import FOR_SCRIPTS
from fusion.web.views.refusals import refusal

SAID: Final = "This site asks for two-step sign-in. Set it up first; it takes a minute."
NOT_SENT: Final = (
    "Nothing was sent: this site asks for two-step sign-in, and your account has none yet. Set it up under Account, "
    "then go back and send it again."
)
UNREADABLE: Final = (
    "What your two-step sign-in is kept with cannot be read any more. Ask a site administrator to take it off your "
    "account, then set it up again."
)
ITS_PAGES: Final = "mfa_"  # how the names of django-allauth's pages begin
# What is needed to set it up, to confirm that it is you, or to go.
OPEN: Final = frozenset(
    {
        "account_login",
        "account_logout",
        "account_reauthenticate",
        "account_set_password",
        "account_email",
        "account_email_verification_sent",
        "account_confirm_email",
        "mfa_index",
        "mfa_activate_totp",
        "mfa_reauthenticate",
        "theme-set",
    }
)


def require_second_factor(get_response: Callable[[HttpRequest], HttpResponseBase]) -> object:
    """Middleware: leads there from every other page, and takes nothing that is sent."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        match = request.resolver_match
        if match is not None and match.view_name.startswith(ITS_PAGES):
            add_never_cache_headers(response)  # a secret or codes: not for who comes to this computer next
        return response

    def process_view(
        request: HttpRequest, view: object, arguments: object, named_arguments: object
    ) -> HttpResponse | None:
        match = request.resolver_match
        if (match is not None and match.view_name in OPEN) or not must_set_up(request.user):
            return None
        if match is not None and match.view_name in FOR_SCRIPTS:
            return HttpResponse(SAID, status=428, content_type="text/plain; charset=utf-8")
        if request.method not in ("GET", "HEAD") or request.headers.get("HX-Request") == "true":
            return refusal(request, NOT_SENT, status=403)
        messages.warning(request, SAID)
        return redirect("mfa_activate_totp")

    middleware.process_view = process_view  # type: ignore[attr-defined]
    middleware.process_exception = _mended  # type: ignore[attr-defined]
    return middleware


def _mended(request: HttpRequest, exception: Exception) -> HttpResponse | None:
    """What django-allauth's pages break on: a button that is pressed twice, and secrets that nobody can open."""
    match = request.resolver_match
    if match is None or not match.view_name.startswith(ITS_PAGES):
        return None
    if isinstance(exception, SecretUnreadable):
        return refusal(request, UNREADABLE, status=409)
    return redirect("mfa_index") if isinstance(exception, IntegrityError) else None
