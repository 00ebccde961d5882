"""Connections as teams meet them: from the environment, from the site, from the team itself; and who pays.

Connections from the environment are never stored and count as the site's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from fusion.catalogue.entries import Payer
from fusion.errors import PoolUnusable
from fusion.models import Connection as StoredConnection
from fusion.models import Team
from fusion.models.sealing import unseal
from fusion.providers import registry
from fusion.providers.presets import PRESETS
from fusion.providers.registry import Connection

_LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.get_default_timezone())


@dataclass(frozen=True, slots=True)
class Source:
    """One connection. `key` names it in this installation; `made` has no key in it unless the environment names it.

    `obstacle`: why it cannot be asked at all, empty when it can. `list_problem`: why its models could not be listed.
    """

    key: str
    made: Connection
    payer: Payer
    pk: int | None = None
    team_pk: int | None = None
    obstacle: str = ""
    list_problem: str = ""
    changed_at: datetime = _LONG_AGO

    @property
    def slug(self) -> str:
        return self.made.slug

    @property
    def whose(self) -> str:
        """Whose connection it is, in words; empty where that makes no difference to anybody."""
        return {"team": "the team's", "site": "the site's", "": ""}[self.payer]

    @property
    def is_simulated(self) -> bool:
        return self.made.preset == registry.SIMULATED.preset


def sources_from_settings() -> tuple[Source, ...]:
    """The environment's connections, those with a key first, the simulated one last."""
    named = [
        Source(f"env:{made.slug}", made, "site") for made in registry.connections_from_env(settings.FUSION_PROVIDER_ENV)
    ]
    if settings.FUSION_SIMULATED:
        named.append(Source(f"env:{registry.SIMULATED.slug}", registry.SIMULATED, ""))
    return tuple(named)


def source_of(row: StoredConnection) -> Source:
    """A stored connection, without its key."""
    made = Connection(
        slug=row.slug, preset=row.preset, label=row.label, base_url=row.base_url, key_name="", local=row.local
    )
    payer: Payer = "site" if row.team_id is None else "team"
    simulated = row.preset == registry.SIMULATED.preset
    return Source(
        key=str(row.pk),
        made=made,
        payer="" if simulated else payer,
        pk=row.pk,
        team_pk=row.team_id,
        obstacle=_obstacle(row),
        list_problem=row.list_problem,
        changed_at=row.changed_at,
    )


def sources_of(team: Team) -> dict[str, Source]:
    """By slug, what a team can name: its own before the site's, a stored one before the environment's.

    One that is switched off or has lost its key keeps its slug: nobody else's key pays for it silently.
    """
    rows = [source_of(row) for row in StoredConnection.objects.usable_by(team)]
    ranked = [
        *(source for source in rows if source.team_pk is not None),
        *(source for source in rows if source.team_pk is None),
        *sources_from_settings(),
    ]
    found: dict[str, Source] = {}
    for source in ranked:
        found.setdefault(source.slug, source)
    return found


def has_namesake(team: Team, slug: str) -> bool:
    """Whether `slug` would mean the site's connection if the team had none of its own."""
    rows = StoredConnection.objects.usable_by(team).filter(team=None, slug=slug)
    return rows.exists() or any(source.slug == slug for source in sources_from_settings())


def stored_sources() -> tuple[Source, ...]:
    """Every stored connection of the installation that is not deleted."""
    return tuple(source_of(row) for row in StoredConnection.objects.live())


def with_key(source: Source) -> Connection:
    """The connection with its key, for whoever is about to ask; reads the database.

    Address and key are of the same moment: a key that was typed for a new address never goes to the one before. Raises
    SecretUnreadable, and PoolUnusable when the connection is deleted.
    """
    if source.pk is None:
        return source.made
    row = StoredConnection.objects.live().filter(pk=source.pk).first()
    if row is None:
        raise PoolUnusable(f"The connection “{source.made.label}” has been deleted.")
    return replace(source_of(row).made, api_key=unseal(row.secret_sealed, owner=row.owner))


def given_up_by(team: Team) -> dict[str, datetime]:
    """Short names of the team's own connections that were deleted, with when: for pools of before, nobody else's key
    takes their place."""
    gone = StoredConnection.objects.filter(team=team).exclude(deleted_at=None)
    rows = gone.order_by("deleted_at").values_list("slug", "deleted_at")
    return {slug: deleted_at for slug, deleted_at in rows if deleted_at is not None}


def _obstacle(row: StoredConnection) -> str:
    if not row.is_enabled:
        return f"“{row.label}” is switched off."
    if PRESETS[row.preset].needs_key and not row.secret_sealed:
        return f"“{row.label}” has no key."
    return ""
