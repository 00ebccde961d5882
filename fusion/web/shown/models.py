"""A model as pages show it: one line with price, context and health, for tables, pickers and beside a field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fusion.catalogue.amounts import usd_per_mtok
from fusion.catalogue.entries import CatalogueEntry
from fusion.catalogue.health import NO_CALLS, Health, health_of
from fusion.catalogue.search import sees_images
from fusion.catalogue.stored import PRICE
from fusion.models import AuditEvent
from fusion.providers.catalogue import Price

UNKNOWN = "$?"
COLUMN_WORDS = {
    "name": "name",
    "family": "family",
    "context_tokens": "context",
    "input_modalities": "what it takes",
    "output_modalities": "what it gives",
    PRICE: "price",
}


@dataclass(frozen=True, slots=True)
class PriceShown:
    """Dollars per million tokens. `state`: `priced`, `free` or `unknown`, which are three different things."""

    state: str
    input: str
    output: str
    cached: str = ""

    @property
    def words(self) -> str:
        """For one line: `$0.25 in, $1.50 out`, `free`, `$?`."""
        return f"{self.input} in, {self.output} out" if self.state == "priced" else self.input


@dataclass(frozen=True, slots=True)
class ModelShown:
    """One model of a team. `context`: short words; empty when not known."""

    entry: CatalogueEntry
    price: PriceShown
    context: str
    health: Health
    sees_images: bool
    is_vanished: bool

    @property
    def facts(self) -> tuple[str, ...]:
        """What matters when one chooses, in a line after the name."""
        context = f"{self.context} context" if self.context else "context not known"
        family = self.entry.family
        return tuple(part for part in (self.entry.provider, family, context, self.price.words) if part)


def shown(entries: Sequence[CatalogueEntry]) -> list[ModelShown]:
    """Each entry with its health, in the same order."""
    health = health_of(entries)
    return [show(entry, health.get(entry.ref, NO_CALLS)) for entry in entries]


def show(entry: CatalogueEntry, health: Health) -> ModelShown:
    return ModelShown(
        entry=entry,
        price=price_shown(entry.price),
        context=context_words(entry.context_tokens),
        health=health,
        sees_images=sees_images(entry),
        is_vanished=entry.vanished_at is not None,
    )


def edit_words(event: AuditEvent) -> str:
    """What somebody did to a model by hand, from its line in the audit log."""
    if event.action == "model.add":
        return "added the model"
    if event.action == "model.follow":
        name = str(event.after.get("from the list", ""))
        return f"took the provider's word again for {COLUMN_WORDS.get(name, name)}"
    changes = [
        f"{COLUMN_WORDS[name]} from {_value(event.before.get(name))} to {_value(value)}"
        for name, value in event.after.items()
        if name in COLUMN_WORDS
    ]
    return f"changed {', '.join(changes)}"


def _value(value: object) -> str:
    words = ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
    return f"“{words}”" if words else "nothing"


def price_shown(price: Price | None) -> PriceShown:
    if price is None:
        return PriceShown("unknown", UNKNOWN, UNKNOWN)
    if price.input_picos == price.output_picos == 0:
        return PriceShown("free", "free", "free")
    cached = "" if price.cached_input_picos is None else f"${usd_per_mtok(price.cached_input_picos)}"
    return PriceShown("priced", f"${usd_per_mtok(price.input_picos)}", f"${usd_per_mtok(price.output_picos)}", cached)


def context_words(tokens: int | None) -> str:
    """`8.2k`, `131k`, `1M`; empty when not known."""
    if tokens is None:
        return ""
    if tokens < 1_000:
        return str(tokens)
    amount, unit = (tokens / 1_000, "k") if tokens < 999_500 else (tokens / 1_000_000, "M")
    return f"{amount:.1f}".removesuffix(".0") + unit if amount < 10 else f"{amount:.0f}{unit}"
