"""Connections and models for tests: what a team finds on its shelf."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from fusion.catalogue.sources import source_of
from fusion.catalogue.stored import note_change, store_list
from fusion.models import Connection, ModelEntry, Team
from fusion.providers.catalogue import ModelInfo, Price

NOBODY = "http://127.0.0.1:9/v1"  # nothing listens there


def make_connection(
    team: Team | None, slug: str = "lab", *, models: Iterable[ModelInfo | str] = ("a", "b", "judge"), **fields: Any
) -> Connection:
    """A connection of the team, or with None of the site, that lists these models and needs no key."""
    values = {"label": slug.title(), "preset": "openai-compatible", "base_url": NOBODY, "local": True} | fields
    row = Connection.objects.create(team=team, slug=slug, **values)
    store_list(source_of(row), [one if isinstance(one, ModelInfo) else ModelInfo(one, one) for one in models])
    note_change()
    return row


def change_connection(row: Connection, **fields: Any) -> None:
    """Change a connection as its page would, as far as asking is concerned."""
    Connection.objects.filter(pk=row.pk).update(changed_at=timezone.now(), **fields)
    note_change()


def vanish(row: Connection, model_id: str) -> None:
    """The provider does not list the model any more."""
    ModelEntry.objects.filter(connection=row, model_id=model_id).update(vanished_at=timezone.now(), listed=False)
    note_change()


def info(model_id: str, family: str = "", usd_per_mtok: tuple[str, str] | None = None, context: int = 0) -> ModelInfo:
    """A model as a provider lists it; without a price nothing is known of one."""
    price = None
    if usd_per_mtok is not None:
        sent, received = (int(float(usd) * 1_000_000) for usd in usd_per_mtok)
        price = Price(sent, received)
    return ModelInfo(model_id, model_id, family, context or None, price)
