"""Applying a set-up file: all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from django.db import IntegrityError, transaction

from fusion.errors import FusionError, InvalidInput
from fusion.management.setup.people import apply_team, apply_user, give_teams
from fusion.management.setup.pooling import apply_pool
from fusion.management.setup.reading import SetupFile, SetupRefused
from fusion.management.setup.serving import apply_connection, apply_model, remove_other_models
from fusion.management.setup.tables import Table
from fusion.runs.identity import system_user

TableT = TypeVar("TableT", bound=Table)


class _DryRun(Exception):
    """Takes everything back."""


def apply_setup(file: SetupFile, *, dry_run: bool = False) -> list[str]:
    """Make what is missing and update what differs, in one transaction; a line for each change, none when nothing did.

    Raises SetupRefused with the line of what cannot be, and leaves nothing behind. `dry_run` only tells.
    """
    told: list[str] = []
    try:
        with transaction.atomic():
            told.extend(_apply(file))
            if dry_run:
                raise _DryRun
    except _DryRun:
        pass
    return told


def _apply(file: SetupFile) -> Iterator[str]:
    document, system = file.document, system_user()
    yield from _each(file, "users", document.users, apply_user)
    yield from _each(file, "teams", document.teams, apply_team)
    give_teams([user.email for user in document.users])
    yield from _each(file, "connections", document.connections, apply_connection)
    yield from _each(file, "models", document.models, lambda table: apply_model(table, person=system))
    for table in document.connections:
        if table.exclusive:
            named = {model.id for model in document.models if model.connection == table.slug}
            yield from remove_other_models(table, named, person=system)
    yield from _each(file, "pools", document.pools, apply_pool)


def _each(
    file: SetupFile, name: str, tables: Sequence[TableT], apply: Callable[[TableT], Iterator[str]]
) -> Iterator[str]:
    for index, table in enumerate(tables):
        try:
            yield from apply(table)
        except (FusionError, IntegrityError) as exc:
            field = exc.field if isinstance(exc, InvalidInput) else None
            line = file.where.line((name, index, *([field] if field else [])))
            reason = exc.message if isinstance(exc, FusionError) else "It stands against something that exists already."
            raise SetupRefused(f"line {line}: [[{name}]] number {index + 1}: {reason}") from exc
