"""Everything that is stored sealed: whether the site's keys still open it, and sealing it anew with the newest one.

The columns are found by their field class, so that a table that comes later is covered by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from django.db import models, transaction

from fusion.errors import SecretUnreadable
from fusion.models import CatalogueRevision
from fusion.models.sealing import SealedField, is_current, key_ids, rotate, sealed_columns
from fusion.teams.audit import record_action

BATCH = 100  # rows in one transaction

State = Literal["current", "stale", "unreadable"]
Treatment = Callable[[models.Model, SealedField, State], None]


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
    return [_look_through(model, column, _leave) for model, column in sealed_columns()]


def rotate_secrets() -> list[ColumnReport]:
    """Seal everything anew that the newest key did not seal; `stale` then counts what was. What cannot be opened stays.

    A hundred rows are one transaction. A row that somebody changes meanwhile is left as they wrote it.
    """
    return [_look_through(model, column, _seal_anew) for model, column in sealed_columns()]


def forget_unreadable_secrets() -> list[ColumnReport]:
    """Empty every secret that cannot be opened, so that it can be entered anew; each is told in the audit log."""
    return [_look_through(model, column, _forget) for model, column in sealed_columns()]


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


def _look_through(model: type[models.Model], column: SealedField, treat: Treatment) -> ColumnReport:
    report = ColumnReport(f"{model._meta.object_name}.{column.name}")
    keys = model._base_manager.exclude(**{column.attname: ""}).order_by("pk").values_list("pk", flat=True)
    for batch in _batches(list(keys)):
        with transaction.atomic():
            for row in model._base_manager.filter(pk__in=batch).order_by("pk"):
                treat(row, column, _look_at(row, column, report))
    return report


def _batches(keys: list[object]) -> Iterator[list[object]]:
    return (keys[start : start + BATCH] for start in range(0, len(keys), BATCH))


def _look_at(row: models.Model, column: SealedField, report: ColumnReport) -> State:
    try:
        column.unseal_in(row)
    except SecretUnreadable as exc:
        report.unreadable.append((f"{row._meta.object_name} {row.pk} ({row})", exc))
        return "unreadable"
    if is_current(getattr(row, column.attname)):
        report.current += 1
        return "current"
    report.stale += 1
    return "stale"


def _leave(row: models.Model, column: SealedField, state: State) -> None:
    pass


def _seal_anew(row: models.Model, column: SealedField, state: State) -> None:
    if state == "stale":
        _as_it_was(row, column).update(**{column.attname: rotate(getattr(row, column.attname))})


def _forget(row: models.Model, column: SealedField, state: State) -> None:
    emptied = {column.attname: "", **({column.hint: ""} if column.hint else {})}
    if state == "unreadable" and _as_it_was(row, column).update(**emptied):
        CatalogueRevision.move_on()  # a connection without its key cannot be asked any more
        noun = str(row._meta.model_name)
        record_action(
            "secret.forgotten",
            actor=None,
            team=getattr(row, "team", None),
            target=f"{noun}:{getattr(row, 'public_id', row.pk)}",
            target_name=str(row),
        )


def _as_it_was(row: models.Model, column: SealedField) -> models.QuerySet[Any]:
    return type(row)._base_manager.filter(**{"pk": row.pk, column.attname: getattr(row, column.attname)})
