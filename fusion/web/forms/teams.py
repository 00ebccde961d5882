"""The forms of the team's pages."""

from __future__ import annotations

from django import forms
from django.db.models import QuerySet

from fusion.errors import FusionError, InvalidInput
from fusion.models import Membership
from fusion.models.team import Role
from fusion.teams.lifecycle import TEAM_NAME_CHARS


class ServiceForm(forms.Form):
    """A form whose service has the last word; what was typed stays in it."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("auto_id", "team-%s")
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def add_failure(self, failure: FusionError) -> None:
        """Put a service's refusal where the person can see what to change."""
        field = failure.field if isinstance(failure, InvalidInput) and failure.field in self.fields else None
        self.add_error(field, failure.message)


class TeamNameForm(ServiceForm):
    name = forms.CharField(
        label="Name of the team",
        max_length=TEAM_NAME_CHARS,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Give the team a name."},
    )


class TypedNameForm(ServiceForm):
    """The name of a team, typed to say that its deletion is meant."""

    name = forms.CharField(
        label="Type the name of the team",
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Type the team's name to say that you mean it."},
    )


class InvitationForm(ServiceForm):
    """Whom to invite, and as what."""

    email = forms.EmailField(
        label="E-mail address",
        required=False,
        max_length=254,
        help_text="Only an account with this address can accept. Left empty, whoever has the link can.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(label="Role", initial=Role.MEMBER)

    def __init__(self, *args: object, roles: tuple[Role, ...], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["role"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(role.value, role.label) for role in roles]


class MemberChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic at run time
    """Members by their public id."""

    def label_from_instance(self, obj: Membership) -> str:
        return f"{obj.user.get_short_name()} ({obj.get_role_display().lower()})"


class HandOverForm(ServiceForm):
    member = MemberChoice(
        label="Hand over to",
        queryset=Membership.objects.none(),
        to_field_name="public_id",
        empty_label="Choose somebody",
        error_messages={"required": "Choose who is to own the team.", "invalid_choice": "Choose one of the members."},
    )

    def __init__(self, *args: object, members: QuerySet[Membership], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["member"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = members


class AccountDeletionForm(ServiceForm):
    """The password, once more; an account without one is confirmed by a word."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={"required": "Type your password to say that it is you."},
    )
