"""Our answers to the questions that django-allauth asks."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from fusion.models import User
from fusion.teams.forms import SignupForm
from fusion.teams.invited import forget_invitation, kept_invitation
from fusion.teams.services import is_signup_open, register_person

log = logging.getLogger(__name__)


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

    def send_mail(self, template_prefix: str, email: str, context: dict[str, object]) -> None:
        """A mail server that is away breaks no page: what the message tells of is done by then, and a page that broke
        for known addresses alone would tell who has an account."""
        try:
            super().send_mail(template_prefix, email, context)
        except (SMTPException, OSError) as exc:
            log.error("A message could not be mailed (%s): %s", template_prefix, type(exc).__name__)
