"""The one account page that differs from django-allauth's."""

from __future__ import annotations

from allauth.account.views import login as sign_in
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from fusion.teams.services import is_first_account


def login(request: HttpRequest) -> HttpResponse:
    """Sign in; where nobody has an account yet, make the first one."""
    if request.method == "GET" and is_first_account():
        return redirect("account_signup")
    response: HttpResponse = sign_in(request)
    return response
