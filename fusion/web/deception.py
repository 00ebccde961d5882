"""No page holds a character that hides or reorders what stands around it: each is spelled out.

A name, an address or an error may carry one (a right-to-left override turns the rest of its line around, an unseen
space makes two names look the same). Pages are the one way out to people's eyes, so it is done there, for all values
at once. What stands in a form's control is left alone: it is sent back as it is, and a control is a box of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from fusion.web.markdown import show_deceptive

# In HTML written by Django's templates: attributes are quoted, and quotes within them escaped.
_CONTROL = re.compile(r'<textarea\b.*?</textarea>|<template\b.*?</template>|\bvalue="[^"]*"', re.DOTALL | re.IGNORECASE)


def spelled_out(html: str) -> str:
    """A page in which only form controls hold such characters."""
    if html.isascii():
        return html
    parts: list[str] = []
    end = 0
    for kept in _CONTROL.finditer(html):
        parts += (show_deceptive(html[end : kept.start()]), kept.group())
        end = kept.end()
    return "".join([*parts, show_deceptive(html[end:])])


class SpellOutMiddleware:
    """Applies `spelled_out` to every page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        if isinstance(response, HttpResponse) and response.get("Content-Type", "").startswith("text/html"):
            response.content = spelled_out(response.content.decode()).encode()
        return response
