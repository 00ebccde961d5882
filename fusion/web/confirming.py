"""Whoever changes keys, roles or who is in a team has shown not long ago that it is still them at the keyboard."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY, get_reauthentication_flows
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from fusion.web.views.refusals import refusal

CONFIRMED_AT: Final = "confirmed_at"  # in the session; seconds since 1970
KEPT_MAX_CHARS: Final = 20_000
TOO_LONG: Final = "Nothing was done: this is more than can be kept until you have confirmed that it is you. Shorten it."


def note_sign_in(sender: Any, *, request: HttpRequest | None, **facts: Any) -> None:
    """Signing in is a confirmation; receives Django's `user_logged_in`."""
    if request is not None:
        request.session[CONFIRMED_AT] = time.time()


def note_confirmation(sender: Any, *, request: HttpRequest, reauthenticated: bool = False, **facts: Any) -> None:
    """So is a password or code that was typed again; receives django-allauth's `authentication_step_completed`."""
    if reauthenticated:
        request.session[CONFIRMED_AT] = time.time()


def is_confirmed(request: HttpRequest, *, slack: int = 1) -> bool:
    """Whether that was at most `slack` times FUSION_CONFIRM_MINUTES ago. Who has neither password nor codes cannot be
    asked."""
    if time.time() - request.session.get(CONFIRMED_AT, 0.0) < slack * settings.FUSION_CONFIRM_S:
        return True
    return not get_reauthentication_flows(request.user)


def require_confirmed(request: HttpRequest) -> None:
    """Raises ReauthenticationRequired: the middleware asks, and then does what was sent.

    It keeps what was sent in the session until then, so nothing with a secret in it may come here.
    """
    if not is_confirmed(request):
        raise ReauthenticationRequired


def keep_one_wish(get_response: Callable[[HttpRequest], HttpResponseBase]) -> object:
    """Middleware: of what was sent before somebody confirmed, only the last is kept, and only a person's own and short.

    django-allauth's would else do at the next confirmation what was given up long before, for whoever only looks at the
    same address again; and it would store for strangers whatever they send.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return get_response(request)

    def process_exception(request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, ReauthenticationRequired):
            return None
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        request.session.pop(STATE_SESSION_KEY, None)
        is_long = request.method == "POST" and len(request.POST.urlencode()) > KEPT_MAX_CHARS
        return refusal(request, TOO_LONG, status=413) if is_long else None

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware
