"""Connections as their pages show them: whose, where to, in which state, and who needs them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from django.db.models import Count, Q, QuerySet

from fusion.catalogue.available import env_problem
from fusion.catalogue.sources import Source, sources_from_settings
from fusion.catalogue.stored import rows_of
from fusion.catalogue.usage import SeenUse, Use, use_in_team, use_of
from fusion.errors import SecretUnreadable
from fusion.models import Connection, ModelEntry, Team, User
from fusion.models.sealing import unseal
from fusion.providers.presets import PRESETS
from fusion.providers.simulated import MODELS as SIMULATED_MODELS

Whose = Literal["team", "site", "environment"]
Tone = Literal["ok", "warn", "bad", ""]
NO_USE = SeenUse((), 0, (), 0)


@dataclass(frozen=True, slots=True)
class ConnectionCard:
    """One connection. `key`: what may be said of it. `state`, `tone`, `problem`: how it is, and why it is not well.

    `row` None: the environment names it. `use`: as far as the reader may know it; `used_by`: (pools, teams) for the
    site's. `hidden`: the team has one of its own with the same short name.
    """

    slug: str
    label: str
    provider: str
    whose: Whose
    host: str
    key: str
    state: str
    tone: Tone
    problem: str = ""
    models: int = 0
    listed_at: datetime | None = None
    row: Connection | None = None
    hidden: bool = False
    local: bool = False
    simulated: bool = False
    use: SeenUse = field(default=NO_USE)
    used_by: tuple[int, int] = (0, 0)


def team_cards(team: Team, person: User) -> tuple[list[ConnectionCard], list[ConnectionCard]]:
    """A team's own connections, and those of the site and the environment that are there for it."""
    rows = list(_with_counts(Connection.objects.usable_by(team)))
    own = [_card_of_row(row, "team", use_of(row).seen_by(person)) for row in rows if row.team_id is not None]
    taken = {card.slug for card in own}
    site: list[ConnectionCard] = []
    for row in rows:
        if row.team_id is None:
            site.append(_site_card(team, person, _card_of_row(row, "site"), taken))
            taken.add(row.slug)
    environment = [source for source in sources_from_settings() if not _is_replaced(source, site)]
    site += [_site_card(team, person, _card_of_environment(source), taken) for source in environment]
    return own, site


def site_cards() -> tuple[list[ConnectionCard], list[ConnectionCard]]:
    """The site's connections, and those that the environment names."""
    rows = _with_counts(Connection.objects.live().filter(team=None)).prefetch_related("teams")
    site = [_card_of_row(row, "site", used_by=_counts(use_of(row))) for row in rows.order_by("label", "pk")]
    slugs = {card.slug for card in site}
    return site, [_card_of_environment(source, hidden=source.slug in slugs) for source in sources_from_settings()]


def cards_of_teams() -> list[ConnectionCard]:
    """Every team's own connections, for those who decide about private addresses."""
    rows = _with_counts(Connection.objects.live().exclude(team=None).filter(team__deleted_at=None))
    return [_card_of_row(row, "team") for row in rows.select_related("team").order_by("team__name", "label", "pk")]


def card_of(row: Connection) -> ConnectionCard:
    """One stored connection as it is now, without who needs it."""
    return _card_of_row(
        _with_counts(Connection.objects.filter(pk=row.pk)).get(), "site" if row.team_id is None else "team"
    )


def key_words(row: Connection) -> str:
    """What is shown of a stored key."""
    if not row.secret_sealed:
        return "none"
    return f"•••• {row.last4}" if row.last4 else "set"


def is_readable(row: Connection) -> bool:
    """Whether the stored key, if there is one, opens with the keys of this installation."""
    try:
        unseal(row.secret_sealed, owner=row.owner)
    except SecretUnreadable:
        return False
    return True


def _with_counts(rows: QuerySet[Connection]) -> QuerySet[Connection]:
    return rows.annotate(models_here=Count("entries", filter=Q(entries__vanished_at=None), distinct=True))


def _card_of_row(
    row: Connection, whose: Whose, use: SeenUse = NO_USE, *, used_by: tuple[int, int] = (0, 0)
) -> ConnectionCard:
    simulated = row.preset == "simulated"
    state, tone, problem = _state(row)
    return ConnectionCard(
        slug=row.slug,
        label=row.label,
        provider=PRESETS[row.preset].label,
        whose=whose,
        host=urlsplit(row.base_url).netloc,
        key="" if simulated else key_words(row),
        state=state,
        tone=tone,
        problem=problem,
        models=len(SIMULATED_MODELS) if simulated else getattr(row, "models_here", 0),
        listed_at=row.listed_at,
        row=row,
        local=row.local,
        simulated=simulated,
        use=use,
        used_by=used_by,
    )


def _state(row: Connection) -> tuple[str, Tone, str]:
    if not row.is_enabled:
        return "Off", "", ""
    if row.preset == "simulated":
        return "On", "ok", ""
    if not row.secret_sealed and PRESETS[row.preset].needs_key:
        return "No key", "warn", f"{PRESETS[row.preset].label} needs a key."
    if not is_readable(row):
        return "Key unreadable", "bad", "This installation cannot open the stored key any more: type it anew."
    if row.list_problem:
        return "On, list failed", "warn", row.list_problem
    return ("On", "ok", "") if row.listed_at else ("On, not asked yet", "", "")


def _card_of_environment(source: Source, *, hidden: bool = False) -> ConnectionCard:
    made, problem = source.made, env_problem(source)
    here = ModelEntry.objects.filter(rows_of(source), vanished_at=None).count()
    return ConnectionCard(
        slug=source.slug,
        label=made.label,
        provider=PRESETS[made.preset].label,
        whose="environment",
        host=urlsplit(made.base_url).netloc,
        key="" if source.is_simulated else f"from {made.key_name}" if made.api_key else "none",
        state="On, list failed" if problem else "On",
        tone="warn" if problem else "ok",
        problem=problem,
        models=len(SIMULATED_MODELS) if source.is_simulated else here,
        hidden=hidden,
        local=made.local,
        simulated=source.is_simulated,
    )


def _site_card(team: Team, person: User, card: ConnectionCard, taken: set[str]) -> ConnectionCard:
    """The card as one team meets it: a connection that is hidden from it is used by none of its pools."""
    hidden = card.slug in taken
    use = NO_USE if hidden else use_in_team(card.slug, team).seen_by(person)
    return replace(card, use=use, hidden=hidden)


def _is_replaced(source: Source, site: list[ConnectionCard]) -> bool:
    """The site's stored connection stands before the environment's of the same short name."""
    return any(card.slug == source.slug for card in site)


def _counts(use: Use) -> tuple[int, int]:
    return len(use.pools), use.teams
