"""The choice of judge, mode and rubric for judging the stored answers of a run once more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms

from fusion.catalogue.available import TeamModels
from fusion.errors import FusionError, InvalidInput
from fusion.models.pool import Mode, RubricKey
from fusion.web.forms.models import ModelRefField, know_models
from fusion.web.forms.runs import new_key

_KEY = re.compile(r"[\w-]{1,64}", re.ASCII)


class RejudgeForm(forms.Form):
    """`models`: what the run's team can ask. `offered`: letters to judge, with the words of their checkboxes."""

    judge = ModelRefField(required=False)
    mode = forms.ChoiceField(choices=Mode.choices, widget=forms.RadioSelect)
    rubric = forms.ChoiceField(choices=RubricKey.choices)
    letters = forms.MultipleChoiceField(
        label="Answers to judge",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least two answers to compare."},
    )
    idempotency_key = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        models: TeamModels,
        offered: Mapping[str, str],
        initial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=initial, auto_id="rejudge-%s")
        know_models(self, models)
        letters = self.fields["letters"]
        assert isinstance(letters, forms.MultipleChoiceField)
        letters.choices = list(offered.items())
        self.fields["idempotency_key"].validators = []

    def clean_idempotency_key(self) -> str:
        """A form sent by hand has no key, or none of ours; it counts as a new wish."""
        key: str = self.cleaned_data["idempotency_key"]
        return key if _KEY.fullmatch(key) else new_key()

    def wishes(self) -> dict[str, str]:
        """What `rejudge_run` takes."""
        data = self.cleaned_data
        names = ("judge", "mode", "rubric", "idempotency_key")
        return {**{name: data[name] for name in names}, "letters": "".join(data["letters"])}

    def add_failure(self, failure: FusionError) -> None:
        """Put a service's refusal where the person can see what to change."""
        field = failure.field if isinstance(failure, InvalidInput) and failure.field in self.fields else None
        self.add_error(field, failure.message)
