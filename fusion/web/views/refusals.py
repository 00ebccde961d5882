"""Short sentences for what was not done."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def refusal(request: HttpRequest, message: str, *, status: int) -> HttpResponse:
    """One sentence with the right status: plain text for a script, a page for a person."""
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(message, status=status, content_type="text/plain; charset=utf-8")
    return render(request, "refused.html", {"message": message, "status": status}, status=status)
