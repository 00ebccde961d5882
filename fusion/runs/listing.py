"""Asking connections which models they serve, and writing that down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from fusion.catalogue import available, stored
from fusion.catalogue.sources import Source, sources_from_settings, stored_sources, with_key
from fusion.catalogue.stored import ListChanges
from fusion.errors import FusionError
from fusion.providers import registry
from fusion.runs.database import in_database

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How asking one connection for its models went: what changed, or the exact failure in a sentence."""

    source: Source
    changes: ListChanges | None = None
    problem: str = ""

    @property
    def words(self) -> str:
        """`12 models: 2 new, 1 changed, 0 vanished, 3 with another price`, or the failure."""
        changes = self.changes
        if changes is None:
            return self.problem
        return (
            f"{changes.found} model{'s' * (changes.found != 1)}: {changes.new} new, {changes.changed} changed, "
            f"{changes.vanished} vanished, {changes.repriced} with another price"
        )


async def refresh_lists(*, failed_only: bool = False) -> bool:
    """Fetch the model list of every connection at once (or of those that failed last); whether any list came.

    A failure is remembered, what was known stays.
    """
    askable = await in_database(_askable)
    return any(await refresh_sources(source for source in askable if not failed_only or _has_failed(source)))


async def refresh_sources(sources: Iterable[Source]) -> list[bool]:
    """Fetch the lists of these connections; for each whether it came."""
    return [not outcome.problem for outcome in await refresh_each(sources)]


async def refresh_each(sources: Iterable[Source]) -> list[Refreshed]:
    """Fetch the lists of these connections at once, in their order; each within the time that a list may take."""
    return await asyncio.gather(*(_refresh(source) for source in sources))


def listable_sources() -> list[Source]:
    """Every connection that has a list to fetch, the environment's first; also those that cannot be asked."""
    return [source for source in (*sources_from_settings(), *stored_sources()) if not source.is_simulated]


def _askable() -> list[Source]:
    return [source for source in listable_sources() if not source.obstacle]


def _has_failed(source: Source) -> bool:
    return bool(source.list_problem or available.env_problem(source))


async def _refresh(source: Source) -> Refreshed:
    if source.obstacle:
        return Refreshed(source, problem=source.obstacle)
    try:
        connection = await in_database(with_key, source)
        infos = await registry.list_models(connection)
        changes = await in_database(stored.store_list, source, infos)
    except FusionError as exc:
        return await _failed(source, exc.message)
    except Exception:  # one connection's surprise must not hide the models of the others
        log.exception("The models of %s could not be listed", source.made.label)
        return await _failed(source, f"The list of models of {source.made.label} could not be read.")
    available.note_env_problem(source, "")
    return Refreshed(source, changes)


async def _failed(source: Source, problem: str) -> Refreshed:
    await _note_problem(source, problem)
    return Refreshed(source, problem=problem)


async def _note_problem(source: Source, problem: str) -> None:
    """Remember why a list could not be had; said once, however often it is tried again."""
    is_news = source.list_problem != problem
    if source.pk is None:
        is_news = available.note_env_problem(source, problem)
    else:
        await in_database(stored.store_list_problem, source, problem)
    if is_news:
        log.warning("The models of %s could not be listed: %s", source.made.label, problem)
