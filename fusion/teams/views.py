"""The account pages that differ from django-allauth's."""

from __future__ import annotations

from allauth.account.views import login as sign_in
from allauth.mfa.base.views import authenticate
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from fusion.teams.services import is_first_account


def login(request: HttpRequest) -> HttpResponse:
    """Sign in; where nobody has an account yet, make the first one."""
    if request.method == "GET" and is_first_account():
        return redirect("account_signup")
    response: HttpResponse = sign_in(request)
    return response


def second_step(request: HttpRequest) -> HttpResponse:
    """Type a code. Without one django-allauth would look for a passkey, which nobody has here."""
    if request.method == "POST" and "code" not in request.POST:
        return redirect("mfa_authenticate")
    response: HttpResponse = authenticate(request)
    return response
