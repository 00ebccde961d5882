"""The colours a visitor chose, kept in a cookie so that the first byte of a page already has them."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest

COOKIE: Final = "theme"
THEMES: Final = ("light", "dark", "system")


def theme_of(request: HttpRequest) -> str:
    """One of THEMES; anything else in the cookie counts as system."""
    chosen = request.COOKIES.get(COOKIE, "")
    return chosen if chosen in THEMES else "system"
