"""Choosing a model: the field that takes a ref, and the list that a page offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from django import forms

from fusion.catalogue.available import TeamModels
from fusion.catalogue.entries import CatalogueEntry
from fusion.models import Team
from fusion.providers.problems import Part
from fusion.web.shown.models import ModelShown, shown

LONG_LIST = 60  # more models than this are searched by typing instead of picked from a menu


class ModelRefField(forms.CharField):
    """`connection:model-id` of a model that can be asked here; suggests the nearest one otherwise.

    The form says which ones those are: `models` is set on each form's own copy of the field.
    """

    models: TeamModels

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=255, strip=False, **kwargs)

    def to_python(self, value: Any) -> Any:
        """Space around it is dropped, unless it is part of a model's id, which may hold any character."""
        ref = super().to_python(value) or ""
        known = self.models.entry(ref) if ref else None
        return ref if known is not None and known.entry_id else ref.strip()

    def clean(self, value: Any) -> str:
        ref: str = super().clean(value)
        if not ref or not (reason := self.models.why_not(ref)):
            return ref
        near = get_close_matches(ref, [entry.ref for entry in self.models.all()], n=1)
        hint = f" Did you mean “{near[0]}”?" if near else " Choose one from the list."
        raise forms.ValidationError(f"“{ref[:120]}” cannot be asked here. {reason}{hint}", code="unknown_model")


class ProblemField(forms.ChoiceField):
    """What a model is to simulate; counts only for a model that can."""

    def __init__(self, part: Part) -> None:
        super().__init__(label="Simulate a problem", required=False)
        self.part = part

    def offer(self, models: TeamModels) -> None:
        """Take what the form's models can simulate as choices."""
        self.choices = _problems(self.part, models)


def know_models(form: forms.Form, models: TeamModels) -> None:
    """Tell the fields of a form which models there are."""
    for field in form.fields.values():
        if isinstance(field, ModelRefField):
            field.models = models
        elif isinstance(field, ProblemField):
            field.offer(models)


def _problems(part: Part, models: TeamModels) -> list[tuple[str, str]]:
    known = [problem for source in models.connections() for problem in models.problems_at(source.slug, part)]
    return [("", "None"), *((problem.key, problem.words) for problem in known)]


@dataclass(frozen=True, slots=True)
class ModelChoices:
    """The models to choose from, grouped by provider.

    `by_typing`: they are suggested while one types, because the list is long or a provider does not list its models.
    `simulating`: the refs of those that can be asked to simulate a problem. `about`: what is known of each, by ref.
    """

    groups: tuple[tuple[str, tuple[CatalogueEntry, ...]], ...]
    refs: frozenset[str]
    by_typing: bool
    simulating: frozenset[str]
    team_id: UUID
    about: Mapping[str, ModelShown]


def model_choices(available: TeamModels, team: Team) -> ModelChoices:
    """The models that a team can ask now."""
    models = available.all()
    by_provider: dict[str, list[CatalogueEntry]] = {}
    for entry in models:
        by_provider.setdefault(entry.provider, []).append(entry)
    groups = tuple((provider, tuple(entries)) for provider, entries in by_provider.items())
    unlisted = any(not available.listed_at(source.slug) for source in available.connections())
    simulating = frozenset(entry.ref for entry in models if available.problems_at(entry.connection, "member"))
    refs = frozenset(entry.ref for entry in models)
    about = {one.entry.ref: one for one in shown(models)}
    return ModelChoices(groups, refs, unlisted or len(models) > LONG_LIST, simulating, team.public_id, about)
