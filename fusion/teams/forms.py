"""The forms of accounts that know more than django-allauth's."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import AddEmailForm as AllauthAddEmailForm
from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import app_settings as second_factor
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm as AllauthAuthenticateForm
from allauth.mfa.base.forms import BaseAuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as AllauthReauthenticateForm
from allauth.mfa.models import Authenticator
from django import forms
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fusion.errors import SecretUnreadable
from fusion.models import User
from fusion.teams.invited import kept_invitation
from fusion.teams.proof import is_at_home, is_setup_code
from fusion.teams.services import SignupClosed, is_first_account

UNREADABLE = "The code cannot be checked: what it is compared with cannot be read any more. Ask a site administrator."


class SignupForm(AllauthSignupForm):
    """E-mail address, name and password; for the first account from elsewhere also the setup code.

    Who comes with an invitation for an address signs up with that one.
    """

    name = forms.CharField(
        label="Your name",
        max_length=120,
        required=False,
        help_text="How others in your team see you. May stay empty.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    setup_code = forms.CharField(
        label="Setup code",
        max_length=60,
        help_text="The server printed it when it started; it is also in secrets.env in its data directory.",
        error_messages={"required": "Type the setup code that the server printed when it started."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    field_order = ("email", "name", "password1", "setup_code")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.at_home = is_at_home(context.request)
        self.makes_first = is_first_account()
        self.invitation = kept_invitation(context.request)
        if self.invitation is not None and self.invitation.email:
            self.fields["email"].initial = self.invitation.email
            self.fields["email"].help_text = "The invitation is for this address."
        if self.at_home or not self.makes_first:
            del self.fields["setup_code"]

    @property
    def may_be_first(self) -> bool:
        """This person proved, by where they sit or what they know, that the installation is theirs."""
        return self.at_home or "setup_code" in self.cleaned_data

    def clean_setup_code(self) -> str:
        code: str = self.cleaned_data["setup_code"]
        if not is_setup_code(code):
            raise forms.ValidationError("This is not the setup code of this installation.", code="wrong_setup_code")
        return code

    def clean_email(self) -> str:
        email: str = super().clean_email()
        invited = self.invitation.email if self.invitation is not None else ""
        if invited and email.lower() != invited.lower():
            raise forms.ValidationError(f"The invitation is for {invited}. Sign up with that address.", code="invited")
        return email

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """The new person, or the page that says why there is none."""
        try:
            saved: tuple[User | None, HttpResponse | None] = super().try_save(request)
        except SignupClosed as closed:
            return None, render(request, "account/signup_closed.html", {"reason": closed.message}, status=403)
        return saved


class AddEmailForm(AllauthAddEmailForm):
    """Another address of one's own: one that somebody else signs in with can be neither added nor made primary."""

    def clean_email(self) -> str:
        email: str = super().clean_email()
        others = User.objects.filter(email__iexact=email).exclude(pk=self.user.pk)
        if others.exists() or EmailAddress.objects.filter(email__iexact=email).exclude(user=self.user).exists():
            raise forms.ValidationError("This address belongs to an account already.", code="email_taken")
        return email


class CodeForm(BaseAuthenticateForm):
    """A code of the app works once in all the time in which it is right, for one who signs in and who confirms alike.

    django-allauth remembers a code for one period; with clocks that may differ, it is right for longer.
    """

    def clean_code(self) -> str:
        try:
            code: str = super().clean_code()
        except SecretUnreadable as exc:
            raise forms.ValidationError(UNREADABLE, code="unreadable") from exc
        if self.authenticator.type == Authenticator.Type.TOTP and not self._is_new(code):
            raise get_adapter().validation_error("incorrect_code")
        return code

    def _is_new(self, code: str) -> bool:
        valid_s = second_factor.TOTP_PERIOD * (2 * second_factor.TOTP_TOLERANCE + 1)
        return bool(cache.add(f"code-used:{self.user.pk}:{normalize_user_code(code)}", 1, timeout=valid_s))


class AuthenticateForm(CodeForm, AllauthAuthenticateForm):
    """The second step of signing in."""


class ReauthenticateForm(CodeForm, AllauthReauthenticateForm):
    """The same from who is signed in and confirms that it is them."""
