"""The form of a connection. A key goes in and never comes back: neither as it is stored nor as it was typed."""

from __future__ import annotations

from typing import Any

from django import forms

from fusion.catalogue.cards import key_words
from fusion.catalogue.specs import ADDRESS_CHARS, LABEL_CHARS, ConnectionSpec
from fusion.models import Connection, Team
from fusion.providers.presets import PRESETS
from fusion.web.forms.teams import ServiceForm

SLUG_CHARS = 40
SLUG_HINT = (
    "Pools name models as short-name:model, and it cannot be changed later. Small letters, digits and hyphens; left "
    "empty, it is the provider's."
)
ADDRESS_HINT = "Where its OpenAI-compatible API is, usually ending in /v1. Left empty, it is the provider's own."
MOVED_HINT = "With another host or port the stored key is cleared, because it belongs to this one; type it anew then."


class KeyField(forms.CharField):
    """Takes a key; its widget never shows one."""

    widget = forms.PasswordInput(
        render_value=False, attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
    )


class ConnectionForm(ServiceForm):
    """A new connection, or (`row`) one that is there. The services have the last word on each field.

    `says_local`: the person may mark a private address as meant. `for_site`: the connection is the site's.
    """

    preset = forms.ChoiceField(
        label="Provider",
        choices=[(preset.slug, preset.label) for preset in PRESETS.values()],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a provider."},
    )
    label = forms.CharField(
        label="Name", max_length=LABEL_CHARS, required=False, help_text="Left empty, it is the provider's."
    )
    slug = forms.CharField(label="Short name", max_length=SLUG_CHARS, required=False, help_text=SLUG_HINT)
    base_url = forms.CharField(
        label="Address",
        max_length=ADDRESS_CHARS,
        required=False,
        help_text=ADDRESS_HINT,
        widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false", "autocapitalize": "off"}),
    )
    key = KeyField(label="Key", required=False)
    clear_key = forms.BooleanField(label="Clear the stored key", required=False)
    local = forms.BooleanField(
        label="Local: this address may be on this machine or in a private network",
        required=False,
        help_text="Who may change the connection can then ask that host. Say so only of a model server that is yours.",
    )
    for_all_teams = forms.TypedChoiceField(
        label="For whom",
        choices=[("yes", "All teams, also those to come"), ("no", "Chosen teams")],
        coerce=lambda value: value == "yes",
        initial="yes",
        widget=forms.RadioSelect,
    )
    teams = forms.MultipleChoiceField(label="Chosen teams", required=False, widget=forms.CheckboxSelectMultiple)
    agrees_to_pay = forms.BooleanField(label="Yes, the team's own connection answers and pays for them", required=False)

    def __init__(
        self, *args: Any, row: Connection | None = None, for_site: bool = False, says_local: bool = False, **kwargs: Any
    ) -> None:
        kwargs.setdefault("auto_id", "connection-%s")
        kwargs["initial"] = kwargs.get("initial", {}) if row is None else _initial(row)
        super().__init__(*args, **kwargs)
        self.row = row
        for name in self._needless(row, for_site=for_site, says_local=says_local):
            del self.fields[name]
        if for_site:
            self._choices_of_teams()
        if row is not None and row.secret_sealed:
            self.fields["key"].help_text = f"Stored: {key_words(row)}. Leave empty to keep it."
            self.fields["base_url"].help_text = f"{ADDRESS_HINT} {MOVED_HINT}"
        else:
            self.fields["key"].help_text = "Stored encrypted; only its last four characters are ever shown again."

    @staticmethod
    def _needless(row: Connection | None, *, for_site: bool, says_local: bool) -> list[str]:
        names = [] if for_site else ["for_all_teams", "teams"]
        names += [] if says_local else ["local"]
        names += ["agrees_to_pay"] if for_site or row is not None else []
        names += [] if row is not None and row.secret_sealed else ["clear_key"]
        return names + (["slug", "preset"] if row is not None else [])

    def _choices_of_teams(self) -> None:
        field = self.fields["teams"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = list(Team.objects.filter(deleted_at=None).order_by("name").values_list("slug", "name"))

    def spec(self) -> ConnectionSpec:
        """What the valid form says, without the key."""
        typed = self.cleaned_data
        return ConnectionSpec(
            preset=self.row.preset if self.row is not None else typed["preset"],
            slug=typed.get("slug", ""),
            label=typed["label"],
            base_url=typed["base_url"],
            local=typed.get("local", False),
            for_all_teams=typed.get("for_all_teams", True),
            teams=tuple(typed.get("teams", ())),
        )

    def key_change(self) -> str | None:
        """None keeps the stored key, an empty one clears it."""
        typed: str = self.cleaned_data["key"].strip()
        return typed or ("" if self.cleaned_data.get("clear_key") else None)


def _initial(row: Connection) -> dict[str, Any]:
    teams = list(row.teams.values_list("slug", flat=True)) if row.team_id is None else []
    return {
        "label": row.label,
        "base_url": row.base_url,
        "local": row.local,
        "for_all_teams": "yes" if row.for_all_teams else "no",
        "teams": teams,
    }
