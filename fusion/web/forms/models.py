"""Choosing a model: the field that takes a ref, and the list that a page offers."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django import forms

from fusion.providers.problems import Part
from fusion.runs import catalogue

LONG_LIST = 60  # more models than this are searched by typing instead of picked from a menu


class ModelRefField(forms.CharField):
    """`connection:model-id` of a model that can be asked here; suggests the nearest one otherwise."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=255, **kwargs)

    def clean(self, value: Any) -> str:
        ref: str = super().clean(value)
        if not ref or catalogue.entry(ref) is not None:
            return ref
        near = get_close_matches(ref, [entry.ref for entry in catalogue.available_models()], n=1)
        hint = f" Did you mean “{near[0]}”?" if near else " Choose one from the list."
        raise forms.ValidationError(f"“{ref[:120]}” cannot be asked here.{hint}", code="unknown_model")


class ProblemField(forms.ChoiceField):
    """What a model is to simulate; counts only for a model that can."""

    def __init__(self, part: Part) -> None:
        super().__init__(label="Simulate a problem", required=False, choices=lambda: _problems(part))


def _problems(part: Part) -> list[tuple[str, str]]:
    known = [problem for made in catalogue.connections() for problem in catalogue.problems_at(made.slug, part)]
    return [("", "None"), *((problem.key, problem.words) for problem in known)]


@dataclass(frozen=True, slots=True)
class ModelChoices:
    """The models to choose from, grouped by provider.

    `by_typing`: they are suggested while one types, because the list is long or a provider does not list its models.
    `simulating`: the refs of those that can be asked to simulate a problem.
    """

    groups: tuple[tuple[str, tuple[catalogue.CatalogueEntry, ...]], ...]
    refs: frozenset[str]
    by_typing: bool
    simulating: frozenset[str]


def model_choices() -> ModelChoices:
    """The models that can be asked here now."""
    models = catalogue.available_models()
    by_provider: dict[str, list[catalogue.CatalogueEntry]] = {}
    for entry in models:
        by_provider.setdefault(entry.provider, []).append(entry)
    groups = tuple((provider, tuple(entries)) for provider, entries in by_provider.items())
    unlisted = any(not catalogue.listed_at(connection.slug) for connection in catalogue.connections())
    simulating = frozenset(entry.ref for entry in models if catalogue.problems_at(entry.connection, "member"))
    refs = frozenset(entry.ref for entry in models)
    return ModelChoices(groups, refs, unlisted or len(models) > LONG_LIST, simulating)
