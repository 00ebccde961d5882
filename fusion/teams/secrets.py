"""Everything that is stored sealed: whether the site's keys still open it, and sealing it anew with the newest one.

Where it stands is told by `sealed_places`; a column of a table that comes later is among them by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from django.db import models, transaction

from fusion.errors import SecretUnreadable
from fusion.models import CatalogueRevision
from fusion.models.sealing import is_current, key_ids, rotate
from fusion.teams.audit import record_action
from fusion.teams.sealed_places import SealedPlace, sealed_places

BATCH = 100  # rows in one transaction

State = Literal["current", "stale", "unreadable"]
Treatment = Callable[[SealedPlace, Any, State], None]


@dataclass(slots=True)
class ColumnReport:
    """What was found in one column. `stale`: sealed with an older key; `unreadable`: a row, and why it stays shut."""

    name: str
    current: int = 0
    stale: int = 0
    unreadable: list[tuple[str, SecretUnreadable]] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.current + self.stale + len(self.unreadable)


def inspect_secrets() -> list[ColumnReport]:
    """Try to open every stored secret; changes nothing."""
    return [_look_through(place, _leave) for place in sealed_places()]


def rotate_secrets() -> list[ColumnReport]:
    """Seal everything anew that the newest key did not seal; `stale` then counts what was. What cannot be opened stays.

    A hundred rows are one transaction. A row that somebody changes meanwhile is left as they wrote it.
    """
    return [_look_through(place, _seal_anew) for place in sealed_places()]


def forget_unreadable_secrets() -> list[ColumnReport]:
    """Empty every secret that cannot be opened, so that it can be entered anew; each is told in the audit log."""
    return [_look_through(place, _forget) for place in sealed_places()]


def refusal_to_start() -> str:
    """Why the site must not start with its keys; empty when every stored secret opens."""
    lost = [why for report in inspect_secrets() for _, why in report.unreadable]
    if not lost:
        return ""
    missing = sorted({why.key_id for why in lost if why.key_id})
    how_many = "1 stored secret cannot be opened" if len(lost) == 1 else f"{len(lost)} stored secrets cannot be opened"
    forget = "`manage.py rotate_secrets --forget` empties them, so that they can be entered anew."
    if not missing:
        names = "`manage.py rotate_secrets --check` names them"
        return f"{how_many}: damaged, or copied from another place. {names}; {forget}"
    return (
        f"{how_many}: sealed with {_named(missing)}, but FUSION_SECRET_KEYS has only {_named(key_ids())}. Put what is "
        "missing back behind the newest key; it stands in the secrets.env that belongs to this database. If it is "
        f"lost, {forget}"
    )


def _named(ids: list[str]) -> str:
    return f"key{'s' * (len(ids) > 1)} {', '.join(ids)}"


def _look_through(place: SealedPlace, treat: Treatment) -> ColumnReport:
    report = ColumnReport(place.name)
    for batch in _batches(place.keys()):
        with transaction.atomic():
            for row in place.rows(batch):
                treat(place, row, _look_at(place, row, report))
    return report


def _batches(keys: list[Any]) -> Iterator[list[Any]]:
    return (keys[start : start + BATCH] for start in range(0, len(keys), BATCH))


def _look_at(place: SealedPlace, row: models.Model, report: ColumnReport) -> State:
    try:
        place.open(row)
    except SecretUnreadable as exc:
        report.unreadable.append((f"{row._meta.object_name} {row.pk} ({place.told(row)})", exc))
        return "unreadable"
    if is_current(place.sealed(row)):
        report.current += 1
        return "current"
    report.stale += 1
    return "stale"


def _leave(place: SealedPlace, row: models.Model, state: State) -> None:
    pass


def _seal_anew(place: SealedPlace, row: models.Model, state: State) -> None:
    if state == "stale":
        place.replace(row, rotate(place.sealed(row)))


def _forget(place: SealedPlace, row: models.Model, state: State) -> None:
    key, name = row.pk, place.told(row)  # a row may be gone with its secret
    if state == "unreadable" and place.forget(row):
        CatalogueRevision.move_on()  # a connection without its key cannot be asked any more
        record_action(
            "secret.forgotten",
            actor=None,
            team=getattr(row, "team", None),
            target=f"{row._meta.model_name}:{getattr(row, 'public_id', key)}",
            target_name=name,
        )
