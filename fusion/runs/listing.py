"""Asking connections which models they serve, and writing that down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from fusion.catalogue import available, stored
from fusion.catalogue.sources import Source, sources_from_settings, stored_sources, with_key
from fusion.errors import FusionError
from fusion.providers import registry
from fusion.runs.database import in_database

log = logging.getLogger(__name__)


async def refresh_lists(*, failed_only: bool = False) -> bool:
    """Fetch the model list of every connection at once (or of those that failed last); whether any list came.

    A failure is remembered, what was known stays.
    """
    real = [source for source in await in_database(_askable) if not source.is_simulated]
    return any(await refresh_sources(source for source in real if not failed_only or _has_failed(source)))


async def refresh_sources(sources: Iterable[Source]) -> list[bool]:
    """Fetch the lists of these connections; for each whether it came."""
    return await asyncio.gather(*(_refresh(source) for source in sources))


def _askable() -> list[Source]:
    known = (*sources_from_settings(), *stored_sources())
    return [source for source in known if not source.obstacle]


def _has_failed(source: Source) -> bool:
    return bool(source.list_problem or available.env_problem(source))


async def _refresh(source: Source) -> bool:
    try:
        connection = await in_database(with_key, source)
        infos = await registry.list_models(connection)
        await in_database(stored.store_list, source, infos)
    except FusionError as exc:
        await _note_problem(source, exc.message)
    except Exception:  # one connection's surprise must not hide the models of the others
        log.exception("The models of %s could not be listed", source.made.label)
        await _note_problem(source, f"The list of models of {source.made.label} could not be read.")
    else:
        available.note_env_problem(source, "")
        return True
    return False


async def _note_problem(source: Source, problem: str) -> None:
    """Remember why a list could not be had; said once, however often it is tried again."""
    is_news = source.list_problem != problem
    if source.pk is None:
        is_news = available.note_env_problem(source, problem)
    else:
        await in_database(stored.store_list_problem, source, problem)
    if is_news:
        log.warning("The models of %s could not be listed: %s", source.made.label, problem)
