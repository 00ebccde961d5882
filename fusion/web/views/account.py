"""The end of one's own account."""

from __future__ import annotations

from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fusion.errors import FusionError
from fusion.models import User
from fusion.teams.accounts import delete_account, farewell_of
from fusion.web.forms.teams import AccountDeletionForm
from fusion.web.views.entry import allow, signed_in
from fusion.web.views.refusals import refusal
from fusion.web.views.teams.gate import person_of

TOO_MANY = "Too many attempts. Wait a minute and try again."


@signed_in
@allow("GET", "HEAD", "POST")
def account_delete(request: HttpRequest) -> HttpResponse:
    """Say what becomes of everything, and, once the password is typed, go."""
    person = person_of(request)
    form = AccountDeletionForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if not ratelimit.consume(request, action="reauthenticate"):
            return refusal(request, TOO_MANY, status=429)
        if _delete(person, form):
            logout(request)
            messages.success(request, "Your account is deleted.")
            return redirect("account_login")
    context = {"form": form, "farewell": farewell_of(person), "has_password": person.has_usable_password()}
    return render(request, "fusion/account/delete.html", context, status=422 if form.is_bound else 200)


def _delete(person: User, form: AccountDeletionForm) -> bool:
    """True when the account is gone; else the form says why not."""
    if not person.check_password(form.cleaned_data["password"]):
        form.add_error("password", "This is not your password.")
        return False
    try:
        delete_account(person=person)
    except FusionError as failure:
        form.add_failure(failure)
        return False
    return True
