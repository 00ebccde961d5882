"""Who may call a page, and how; whoever may not is told what to do, and loses nothing that was typed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from fusion.web.views.refusals import refusal

View = Callable[..., HttpResponse]
WITH_TYPED_TEXT: Final = frozenset({"run-create", "pool-create", "pool-edit"})
FOR_SCRIPTS: Final = frozenset({"run-live"})
PAGES_OF: Final = (
    ("run-", "run-detail", "public_id"),
    ("pool-", "pool-detail", "public_id"),
    ("team-", "team-members", "team_id"),
)
SIGNED_OUT: Final = "You are signed out. Sign in again in another tab and come back; nothing on this page is lost."
READ_ONLY: Final = "Nothing can be sent to this address; it can only be read. Go back to the page that you came from."
WRITE_ONLY: Final = "There is nothing to read at this address; it only takes forms of this site. Go back to your page."


def signed_in(view: View) -> View:
    """Lets in who is signed in. Others sign in first; a form that they sent is kept in front of them."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        return view(request, *args, **kwargs) if request.user.is_authenticated else _signed_out(request)

    return guarded


def allow(*methods: str) -> Callable[[View], View]:
    """Refuses other methods with a sentence, at 405."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
            if request.method in methods:
                return view(request, *args, **kwargs)
            response = refusal(request, READ_ONLY if "GET" in methods else WRITE_ONLY, status=405)
            response["Allow"] = ", ".join(methods)
            return response

        return guarded

    return decorate


read_only = allow("GET", "HEAD")
write_only = allow("POST")


def kept_page(request: HttpRequest, *, status: int) -> HttpResponse:
    """What was typed, in a form that can be sent again once its author is signed in."""
    fields = [
        (name, value)
        for name, values in request.POST.lists()
        for value in values
        if name not in ("csrfmiddlewaretoken", "prompt")
    ]
    context = {
        "fields": fields,
        "prompt": request.POST.get("prompt"),
        "status": status,
        "has_files": bool(request.FILES),
    }
    return render(request, "kept.html", context, status=status)


def keeps_typed(request: HttpRequest) -> bool:
    """Whether a page of ours sent a form with text of its author in it.

    Another site's form is never offered for sending: one click on it would undo the protection against forgery.
    """
    own = request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"
    return own and request.method == "POST" and _name(request) in WITH_TYPED_TEXT


def _signed_out(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Request") == "true" or _name(request) in FOR_SCRIPTS:
        return HttpResponse(SIGNED_OUT, status=401, content_type="text/plain; charset=utf-8")
    if keeps_typed(request):
        return kept_page(request, status=401)
    return redirect_to_login(_after_signing_in(request))


def _after_signing_in(request: HttpRequest) -> str:
    """The page itself; for what can only be sent, the page of the run, the pool or the team that it was about."""
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    known = request.resolver_match.kwargs if request.resolver_match is not None else {}
    for prefix, page, argument in PAGES_OF:
        if _name(request).startswith(prefix) and argument in known:
            return reverse(page, kwargs={argument: known[argument]})
    return reverse("ask")


def _name(request: HttpRequest) -> str:
    match = request.resolver_match
    return (match.url_name or "") if match is not None else ""
