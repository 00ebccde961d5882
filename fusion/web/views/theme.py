"""The colours of the site, as the visitor wants them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from fusion.web.theme import COOKIE, THEMES
from fusion.web.views.entry import write_only

YEAR_S = 365 * 24 * 3600


@write_only
def theme_set(request: HttpRequest) -> HttpResponse:
    """Keep the choice in a cookie and go back to where it was made; an unknown choice means system."""
    chosen = request.POST.get("theme", "")
    response = HttpResponse(status=204) if request.headers.get("X-Fusion-Quiet") else redirect(_back(request))
    response.set_cookie(
        COOKIE,
        chosen if chosen in THEMES else "system",
        max_age=YEAR_S,
        samesite="Lax",
        secure=request.is_secure(),
        httponly=True,
    )
    return response


def _back(request: HttpRequest) -> str:
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if safe else "/"
