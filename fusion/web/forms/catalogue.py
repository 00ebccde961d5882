"""The forms of the catalogue: searching it, adding a model, changing what is known of one, its price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.core.validators import ProhibitNullCharactersValidator

from fusion.catalogue.amounts import usd_per_mtok
from fusion.catalogue.edits import (
    CONTEXT_MAX,
    FAMILY_CHARS,
    MODALITIES,
    MODEL_ID_CHARS,
    NAME_CHARS,
    ModelFacts,
    TypedPrice,
)
from fusion.catalogue.entries import CatalogueEntry
from fusion.catalogue.search import QUERY_CHARS, condition_of, search_models, sees_images
from fusion.catalogue.sources import Source
from fusion.models import ModelEntry, PriceVersion
from fusion.providers.catalogue import Price
from fusion.web.forms.teams import ServiceForm

PRICES = (("", "Every price"), ("priced", "Priced"), ("free", "Free"), ("unpriced", "Price unknown"))
_TYPED = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}


class ModelFilterForm(forms.Form):
    """All optional; a filter that makes no sense is named beside its field and otherwise ignored."""

    q = forms.CharField(
        label="Search",
        required=False,
        max_length=QUERY_CHARS,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Name, or <1$, >100k, free", **_TYPED}),
    )
    provider = forms.ChoiceField(required=False)
    family = forms.ChoiceField(required=False)
    price = forms.ChoiceField(choices=PRICES, required=False)
    images = forms.BooleanField(label="Sees images", required=False)

    def __init__(self, data: Mapping[str, Any], *, entries: Sequence[CatalogueEntry]) -> None:
        super().__init__(data, auto_id="models-%s", use_required_attribute=False)
        providers = {entry.connection: entry.provider for entry in entries}
        self._offer("provider", "Every provider", sorted(providers.items(), key=lambda one: one[1].lower()))
        self._offer("family", "Every family", [(one, one) for one in sorted({e.family for e in entries if e.family})])
        self.is_valid()

    def _offer(self, name: str, every: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", every), *choices]

    def find(self, entries: Iterable[CatalogueEntry]) -> list[CatalogueEntry]:
        """Those that the filters which make sense leave over."""
        chosen = self.cleaned_data
        kept = [
            entry
            for entry in entries
            if chosen.get("provider", "") in ("", entry.connection)
            and chosen.get("family", "") in ("", entry.family)
            and (not chosen.get("price") or condition_of(chosen["price"])(entry))
            and (not chosen.get("images") or sees_images(entry))
        ]
        return search_models(kept, chosen.get("q", ""))

    @property
    def is_filtering(self) -> bool:
        return any(self.cleaned_data.values())


class FactsForm(ServiceForm):
    """What is known of a model."""

    name = forms.CharField(
        required=False,
        max_length=NAME_CHARS,
        help_text="As people see it. Empty: the model's id.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    family = forms.CharField(
        required=False,
        max_length=FAMILY_CHARS,
        help_text="Who trained it, such as openai or meta: members of one family share blind spots. Empty: guessed.",
        widget=forms.TextInput(attrs=_TYPED),
    )
    context_tokens = forms.IntegerField(
        label="Context (tokens)",
        required=False,
        min_value=1,
        max_value=CONTEXT_MAX,
        help_text="How much fits in, question and answer together. Empty: not known.",
    )
    input_modalities = forms.MultipleChoiceField(label="Takes", required=False, widget=forms.CheckboxSelectMultiple)
    output_modalities = forms.MultipleChoiceField(label="Gives", required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, row: ModelEntry | None = None, **kwargs: Any) -> None:
        if row is not None:
            kwargs["initial"] = {name: getattr(row, name) for name in FactsForm.base_fields} | (
                kwargs.get("initial") or {}
            )
        super().__init__(*args, **kwargs)
        for name in ("input_modalities", "output_modalities"):
            field = self.fields[name]
            assert isinstance(field, forms.MultipleChoiceField)
            words = dict.fromkeys((*MODALITIES, *(getattr(row, name) if row is not None else ())))
            field.choices = [(word, word) for word in words]

    def facts(self) -> ModelFacts:
        data = self.cleaned_data
        return ModelFacts(
            name=data["name"],
            family=data["family"],
            context_tokens=data["context_tokens"],
            input_modalities=tuple(data["input_modalities"]),
            output_modalities=tuple(data["output_modalities"]),
        )


class PriceForm(ServiceForm):
    """A price per million tokens: known, free or not known."""

    status = forms.ChoiceField(
        label="Price",
        choices=[
            (PriceVersion.Status.PRICED, "As below"),
            (PriceVersion.Status.FREE, "Free"),
            (PriceVersion.Status.UNKNOWN, "Not known"),
        ],
        widget=forms.RadioSelect,
        error_messages={"required": "Say whether the price is known, free or not known."},
    )
    input_usd = forms.CharField(label="Input", required=False, max_length=60)
    output_usd = forms.CharField(label="Output", required=False, max_length=60)
    cached_input_usd = forms.CharField(
        label="Cached input", required=False, max_length=60, help_text="Empty: what other input costs."
    )

    def __init__(self, *args: Any, price: Price | None = None, **kwargs: Any) -> None:
        kwargs["initial"] = price_as_typed(price) | (kwargs.get("initial") or {})
        super().__init__(*args, **kwargs)
        for name in ("input_usd", "output_usd", "cached_input_usd"):
            self.fields[name].widget.attrs.update(inputmode="decimal", placeholder="0.00", **_TYPED)

    def price(self) -> TypedPrice:
        data = self.cleaned_data
        return TypedPrice(data["status"], data["input_usd"], data["output_usd"], data["cached_input_usd"])


def price_as_typed(price: Price | None) -> dict[str, str]:
    """A price as the form's fields hold it."""
    if price is None:
        return {"status": PriceVersion.Status.UNKNOWN}
    if price.input_picos == price.output_picos == 0:
        return {"status": PriceVersion.Status.FREE}
    cached = price.cached_input_picos
    return {
        "status": PriceVersion.Status.PRICED,
        "input_usd": usd_per_mtok(price.input_picos),
        "output_usd": usd_per_mtok(price.output_picos),
        "cached_input_usd": "" if cached is None else usd_per_mtok(cached),
    }


class AddModelForm(FactsForm, PriceForm):
    """A model that the provider's list does not name. `sources`: the connections that the person may change."""

    connection = forms.ChoiceField(error_messages={"required": "Choose the connection that serves it."})
    model_id = forms.CharField(
        label="Model id",
        max_length=MODEL_ID_CHARS,
        strip=False,
        validators=[ProhibitNullCharactersValidator()],
        help_text="Sent to the provider exactly as written here.",
        widget=forms.TextInput(attrs=_TYPED),
        error_messages={"required": "Write the model's id, exactly as the provider takes it."},
    )

    def __init__(self, *args: Any, sources: Sequence[Source], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sources = {source.slug: source for source in sources}
        field = self.fields["connection"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(source.slug, f"{source.made.label} ({source.whose})") for source in sources]

    def source(self) -> Source:
        return self._sources[self.cleaned_data["connection"]]
