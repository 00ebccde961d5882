"""The forms of the team's pages."""

from __future__ import annotations

from django import forms

from fusion.errors import FusionError, InvalidInput
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
