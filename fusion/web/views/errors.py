"""The pages for what went wrong."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from fusion.web.views.entry import keeps_typed, kept_page
from fusion.web.views.refusals import refusal


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "400.html", status=400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The sentence of the exception is ours, and says who can help."""
    return refusal(request, str(exception) or "You may not do this.", status=403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Rendered without the request: whatever broke may be in what a page needs."""
    return HttpResponse(render_to_string("500.html"), status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was opened in another session, or without cookies; text of its author is kept in front of them."""
    if keeps_typed(request):
        return kept_page(request, status=403)
    message = "This form was opened in another session, or cookies are switched off. Go back, reload and send it again."
    return refusal(request, message, status=403)
