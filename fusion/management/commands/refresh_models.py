"""`manage.py refresh_models [SLUG …]`: ask connections which models they serve, and write that down.

One line per connection: what was found and what changed, or the exact failure. Exit status: 0 when every list came,
1 when one did not, 2 for a slug that no connection has.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fusion.catalogue.edits import owner_of
from fusion.catalogue.sources import Source
from fusion.providers.clients import close_shared_clients
from fusion.runs.database import close_database_threads, in_database
from fusion.runs.listing import Refreshed, listable_sources, refresh_each
from fusion.runs.pools import add_default_pools_everywhere
from fusion.runs.progress import harmless

FAILED, BAD_ARGUMENTS = 1, 2


class Command(BaseCommand):
    help = "Ask connections which models they serve; all of them, or those with the given slugs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG", help="a connection's slug (default: every connection)")

    def handle(self, *args: Any, **options: Any) -> None:
        sources = _chosen(options["slugs"])
        if not sources:
            self.stdout.write("There is no connection whose models could be asked for.")
            return
        owners = {source.key: _owner(source) for source in sources}
        try:
            outcomes = asyncio.run(_refresh(sources))
        finally:
            close_database_threads()
        for outcome in outcomes:
            self.stdout.write(harmless(f"{outcome.source.slug} ({owners[outcome.source.key]}): {outcome.words}"))
        failed = sum(bool(outcome.problem) for outcome in outcomes)
        if failed:
            raise CommandError(f"{failed} of {len(outcomes)} lists did not come.", returncode=FAILED)


async def _refresh(sources: list[Source]) -> list[Refreshed]:
    try:
        outcomes = await refresh_each(sources)
        await in_database(add_default_pools_everywhere)
    finally:
        await close_shared_clients()
    return outcomes


def _chosen(slugs: list[str]) -> list[Source]:
    """Raises CommandError for a slug that no connection has."""
    sources = listable_sources()
    if unknown := set(slugs) - {source.slug for source in sources}:
        raise CommandError(f"There is no connection “{sorted(unknown)[0]}” to ask.", returncode=BAD_ARGUMENTS)
    return [source for source in sources if not slugs or source.slug in slugs]


def _owner(source: Source) -> str:
    team = owner_of(source)
    if team is not None:
        return f"team {team.slug}"
    return "the environment's" if source.pk is None else "the site's"
