"""The colours of the site, as the visitor wants them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from fusion.web.back import way_back
from fusion.web.theme import COOKIE, THEMES
from fusion.web.views.entry import write_only

YEAR_S = 365 * 24 * 3600


@write_only
def theme_set(request: HttpRequest) -> HttpResponse:
    """Keep the choice in a cookie and go back to where it was made; an unknown choice means system."""
    chosen = request.POST.get("theme", "")
    response = HttpResponse(status=204) if request.headers.get("X-Fusion-Quiet") else redirect(way_back(request, "/"))
    response.set_cookie(
        COOKIE,
        chosen if chosen in THEMES else "system",
        max_age=YEAR_S,
        samesite="Lax",
        secure=request.is_secure(),
        httponly=True,
    )
    return response
