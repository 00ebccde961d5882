"""The rows behind the catalogue: reading a connection's models, and writing down a list that a provider gave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from fusion.catalogue.entries import CatalogueEntry
from fusion.catalogue.sources import Source
from fusion.models import CatalogueRevision, ModelEntry, PriceVersion
from fusion.models import Connection as StoredConnection
from fusion.providers.catalogue import ModelInfo, Price
from fusion.providers.simulated import MODELS as SIMULATED_MODELS

PRICE = "price"  # stands in `edited` for a price that a person set
FROM_LIST = ("name", "family", "context_tokens", "input_modalities", "output_modalities")


@dataclass(frozen=True, slots=True)
class ListChanges:
    """What a list brought: how many models it names, and how many rows are new, changed, vanished, priced anew."""

    found: int = 0
    new: int = 0
    changed: int = 0
    vanished: int = 0
    repriced: int = 0

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.vanished or self.repriced)


def revision() -> int:
    """What stands for the present state of connections, models and prices; 0 before the first change."""
    row = CatalogueRevision.objects.first()
    return 0 if row is None else row.number


def note_change() -> None:
    """Tell every process that what it remembers may not be true any more; call it in the transaction of the change."""
    CatalogueRevision.move_on()


def rows_of(source: Source) -> Q:
    """Which ModelEntry rows belong to a connection."""
    return Q(connection=source.pk) if source.pk is not None else Q(connection=None, env_slug=source.slug)


def read_entries(source: Source) -> dict[str, CatalogueEntry]:
    """A connection's models by id; those of the simulated provider are part of the program."""
    if source.is_simulated:
        return {info.model_id: _entry_of(source, info) for info in SIMULATED_MODELS}
    rows = list(ModelEntry.objects.filter(rows_of(source)))
    prices = current_prices(rows)
    return {row.model_id: entry_of_row(source, row, prices.get(row.pk)) for row in rows}


def current_prices(rows: Iterable[ModelEntry]) -> dict[int, PriceVersion]:
    """The price version of each entry that holds now, by the entry's key."""
    found: dict[int, PriceVersion] = {}
    versions = PriceVersion.objects.filter(entry__in=[row.pk for row in rows], effective_from__lte=timezone.now())
    for version in versions.order_by("effective_from", "pk"):
        found[version.entry_id] = version
    return found


def price_of(version: PriceVersion | None) -> Price | None:
    """None where nothing is known, which is not zero."""
    if version is None or version.input_picos is None or version.output_picos is None:
        return None
    return Price(version.input_picos, version.output_picos, version.cached_input_picos)


def entry_of_row(source: Source, row: ModelEntry, version: PriceVersion | None) -> CatalogueEntry:
    return CatalogueEntry(
        ref=f"{source.slug}:{row.model_id}",
        connection=source.slug,
        model_id=row.model_id,
        name=row.name or row.model_id,
        provider=source.made.label,
        family=row.family,
        context_tokens=row.context_tokens,
        price=price_of(version),
        listed=row.vanished_at is None,
        payer=source.payer,
        connection_pk=source.pk,
        input_modalities=tuple(row.input_modalities),
        output_modalities=tuple(row.output_modalities),
        vanished_at=row.vanished_at,
        entry_id=str(row.public_id),
    )


def _entry_of(source: Source, info: ModelInfo) -> CatalogueEntry:
    return CatalogueEntry(
        ref=f"{source.slug}:{info.model_id}",
        connection=source.slug,
        model_id=info.model_id,
        name=info.name or info.model_id,
        provider=source.made.label,
        family=info.family,
        context_tokens=info.context_tokens,
        price=info.price,
        simulated=True,
        payer=source.payer,
        connection_pk=source.pk,
        input_modalities=info.input_modalities,
        output_modalities=info.output_modalities,
    )


@transaction.atomic
def store_list(source: Source, infos: Iterable[ModelInfo]) -> ListChanges:
    """Write down what a connection lists; true when that changed anything.

    What a person edited stays. A model that is not named any more is marked as vanished and stays, with its prices. A
    price that changed is a new version. The list of an address that the connection has no more is not written down.
    """
    if not _is_current(source):
        return ListChanges()
    listed = {info.model_id: info for info in infos}
    rows = {row.model_id: row for row in ModelEntry.objects.filter(rows_of(source))}
    fresh = [_new_row(source, info) for model_id, info in listed.items() if model_id not in rows]
    gone = [row for row in rows.values() if row.model_id not in listed and _mark_vanished(row)]
    changed = [row for row in rows.values() if row.model_id in listed and _bring_up_to_date(row, listed[row.model_id])]
    ModelEntry.objects.bulk_create(fresh)
    ModelEntry.objects.bulk_update([*changed, *gone], [*FROM_LIST, "listed", "vanished_at"])
    repriced = _store_prices([*rows.values(), *fresh], listed)
    _note_listed(source, "")
    known = sum(version.entry.model_id in rows for version in repriced)
    outcome = ListChanges(len(listed), len(fresh), len(changed), len(gone), known)
    if outcome or repriced or source.list_problem:
        note_change()
    return outcome


def store_list_problem(source: Source, problem: str) -> None:
    """Remember why a stored connection's models could not be listed; what was known stays."""
    if source.pk is not None and source.list_problem != problem:
        with transaction.atomic():
            if not _is_current(source):
                return
            StoredConnection.objects.filter(pk=source.pk).update(list_problem=problem)
            note_change()


def _is_current(source: Source) -> bool:
    """Whether the connection still is what was asked."""
    if source.pk is None:
        return True
    return StoredConnection.objects.live().filter(pk=source.pk, changed_at=source.changed_at).exists()


def _note_listed(source: Source, problem: str) -> None:
    if source.pk is not None:
        StoredConnection.objects.filter(pk=source.pk).update(listed_at=timezone.now(), list_problem=problem)


def _new_row(source: Source, info: ModelInfo) -> ModelEntry:
    values = {name: _value(info, name) for name in FROM_LIST}
    env_slug = "" if source.pk is not None else source.slug
    return ModelEntry(connection_id=source.pk, env_slug=env_slug, model_id=info.model_id, listed=True, **values)


def _bring_up_to_date(row: ModelEntry, info: ModelInfo) -> bool:
    """Whether the row had to be changed."""
    wanted = {name: _value(info, name) for name in FROM_LIST if name not in row.edited}
    wanted |= {"listed": True, "vanished_at": None}
    changed = [name for name, value in wanted.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, wanted[name])
    return bool(changed)


def _mark_vanished(row: ModelEntry) -> bool:
    """Whether that is news; one that was never listed is a person's own and stays."""
    if not row.listed:
        return False
    row.listed, row.vanished_at = False, timezone.now()
    return True


def _value(info: ModelInfo, name: str) -> object:
    value = getattr(info, name)
    if name == "name":
        return value or info.model_id
    return list(value) if isinstance(value, tuple) else value


def _store_prices(rows: list[ModelEntry], listed: dict[str, ModelInfo]) -> list[PriceVersion]:
    """A new version for each price that the list tells otherwise; one that a person set stays until they let it go."""
    now, current = timezone.now(), current_prices(rows)
    versions = [
        _upstream_price(row, info.price, now)
        for row in rows
        if (info := listed.get(row.model_id)) is not None
        and PRICE not in row.edited
        and info.price != price_of(current.get(row.pk))
    ]
    return PriceVersion.objects.bulk_create(versions)


def _upstream_price(row: ModelEntry, price: Price | None, since: datetime) -> PriceVersion:
    return price_version(row, price, source=PriceVersion.Source.UPSTREAM, since=since)


def price_version(row: ModelEntry, price: Price | None, *, source: str, since: datetime) -> PriceVersion:
    """An unsaved version that says `price`; None is unknown, two zeros are free."""
    version = PriceVersion(entry=row, effective_from=since, source=source, status=PriceVersion.Status.UNKNOWN)
    if price is not None:
        is_free = price.input_picos == price.output_picos == 0
        version.status = PriceVersion.Status.FREE if is_free else PriceVersion.Status.PRICED
        version.input_picos, version.output_picos = price.input_picos, price.output_picos
        version.cached_input_picos = price.cached_input_picos
    return version
