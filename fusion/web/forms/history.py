"""The search and filters above the list of runs."""

from __future__ import annotations

from typing import Final

from django import forms

from fusion.models import Pool, Run, Team, User
from fusion.models.pool import Mode
from fusion.runs.history import pools_with_runs

# What a small screen folds away; the search stays.
FOLDED: Final = ("pool", "mode", "state")


class PoolChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic at run time
    """Pools by public id; deleted ones are marked, their runs are still there."""

    def label_from_instance(self, obj: Pool) -> str:
        return obj.name if obj.deleted_at is None else f"{obj.name} (deleted)"


class HistoryForm(forms.Form):
    """All optional; a filter that makes no sense is named beside its field and otherwise ignored."""

    q = forms.CharField(
        label="Search",
        required=False,
        max_length=200,
        widget=forms.TextInput(
            attrs={"type": "search", "placeholder": "Words in a prompt, an answer or a final", "autocomplete": "off"}
        ),
    )
    pool = PoolChoice(queryset=Pool.objects.none(), required=False, to_field_name="public_id", empty_label="Every pool")
    mode = forms.ChoiceField(choices=[("", "Every mode"), *Mode.choices], required=False)
    state = forms.ChoiceField(choices=[("", "Every state"), *Run.State.choices], required=False)

    def __init__(self, data: object, *, user: User, team: Team | None) -> None:
        super().__init__(data, auto_id="history-%s", use_required_attribute=False)  # type: ignore[arg-type]
        pool = self.fields["pool"]
        assert isinstance(pool, PoolChoice)
        pool.queryset = pools_with_runs(user, team)
        self.is_valid()

    @property
    def filters(self) -> dict[str, object]:
        """What `search_runs` takes, from the fields that make sense."""
        cleaned = self.cleaned_data
        return {
            "query": cleaned.get("q", ""),
            "pool": cleaned.get("pool"),
            "mode": cleaned.get("mode", ""),
            "state": cleaned.get("state", ""),
        }

    @property
    def is_filtering(self) -> bool:
        return any(self.filters.values())

    @property
    def folded_set(self) -> int:
        """How many of the folded filters are set."""
        return sum(bool(self.filters[name]) for name in FOLDED)

    @property
    def has_folded_errors(self) -> bool:
        return any(name in self.errors for name in FOLDED)
