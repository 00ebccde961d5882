"""Whoever changes keys, roles or who is in a team has shown not long ago that it is still them at the keyboard."""

from __future__ import annotations

import time
from typing import Any, Final

from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.http import HttpRequest

CONFIRMED_AT: Final = "confirmed_at"  # in the session; seconds since 1970


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
