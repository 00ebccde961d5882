"""Our answers to the questions that django-allauth asks."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from fusion.models import User
from fusion.teams.forms import SignupForm
from fusion.teams.invited import forget_invitation, kept_invitation
from fusion.teams.services import is_signup_open, register_person


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up is open for the first account and, after that, with an invitation or when the site says so."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return is_signup_open() or kept_invitation(request) is not None

    def save_user(self, request: HttpRequest, user: User, form: SignupForm, commit: bool = True) -> User:
        """Raises SignupClosed when somebody else was faster."""
        super().save_user(request, user, form, commit=False)  # hashes the password, before the database is locked
        user.name = form.cleaned_data.get("name", "").strip()
        if not commit:
            return user
        register_person(user, may_be_first=form.may_be_first, invitation=form.invitation)
        forget_invitation(request)
        return user
