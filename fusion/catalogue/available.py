"""What one team can ask now, remembered by this process as long as nothing changes.

Every function that needs to know a model is given a `TeamModels`: there is no catalogue without a team.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from fusion.catalogue.entries import CatalogueEntry, Payer
from fusion.catalogue.sources import Source, given_up_by, sources_from_settings, sources_of, with_key
from fusion.catalogue.stored import read_entries, revision
from fusion.engine.types import Endpoint, Provider
from fusion.live.record import EndpointFacts
from fusion.models import Connection as StoredConnection
from fusion.models import ModelEntry, Team
from fusion.providers import registry
from fusion.providers.catalogue import ModelInfo
from fusion.providers.problems import Part, Problem


@dataclass(slots=True)
class TeamModels:
    """The connections that a team can name, by slug, with the models behind them; a snapshot that never changes.

    `given_up`: when the team's own connection of a slug was deleted.
    """

    sources: Mapping[str, Source]
    _by_source: dict[str, Mapping[str, CatalogueEntry]] = field(repr=False, default_factory=dict)
    given_up: Mapping[str, datetime] = field(default_factory=dict)

    def connections(self) -> tuple[Source, ...]:
        """Those that can be asked: real ones first."""
        usable = (source for source in self.sources.values() if not source.obstacle)
        return tuple(sorted(usable, key=lambda source: source.is_simulated))

    def problems(self) -> tuple[str, ...]:
        """One sentence for each connection that cannot be asked or whose models could not be listed."""
        listing = (source.list_problem or _env_problems.get(source.key, "") for source in self.sources.values())
        return tuple(problem for problem in listing if problem)

    def all(self) -> tuple[CatalogueEntry, ...]:
        """Every listed model, real ones before simulated ones, then by provider and name."""
        return tuple(known for known in self.known() if known.listed)

    def known(self) -> tuple[CatalogueEntry, ...]:
        """`all`, and those that a provider listed once and does not any more."""
        entries = (known for source in self.connections() for known in self._entries(source).values())
        return tuple(sorted(entries, key=_order))

    def row(self, public_id: UUID) -> tuple[Source, ModelEntry] | None:
        """The row of a model by its public id, with its connection; also where that cannot be asked at the moment."""
        row = ModelEntry.objects.filter(public_id=public_id).first()
        if row is None:
            return None
        key = str(row.connection_id) if row.connection_id is not None else f"env:{row.env_slug}"
        source = next((source for source in self.sources.values() if source.key == key), None)
        return None if source is None else (source, row)

    def obstacles(self) -> tuple[str, ...]:
        """One sentence for each connection that cannot be asked as it stands."""
        return tuple(source.obstacle for source in self.sources.values() if source.obstacle)

    def listed_at(self, slug: str) -> tuple[ModelInfo, ...]:
        """The models that one connection lists; empty while the list is not known."""
        source = self.sources.get(slug)
        if source is None or source.obstacle:
            return ()
        return tuple(_info(known) for known in self._entries(source).values() if known.listed)

    def entry(self, ref: str) -> CatalogueEntry | None:
        """What is known of `ref` (`connection:model-id`); None when it cannot be asked here at all."""
        slug, _, model_id = ref.partition(":")
        source = self.sources.get(slug)
        if source is None or source.obstacle or not model_id:
            return None
        known = self._entries(source).get(model_id)
        if known is not None:
            return known
        if source.is_simulated:
            return self._with_problem(source, model_id)
        return CatalogueEntry(
            ref, slug, model_id, model_id, source.made.label, listed=False, payer=source.payer, connection_pk=source.pk
        )

    def why_not(self, ref: str) -> str:
        """Why `ref` cannot be asked, in a sentence; empty when it can."""
        slug, colon, _ = ref.partition(":")
        source = self.sources.get(slug)
        if source is not None and source.obstacle:
            return source.obstacle
        if self.entry(ref) is not None:
            return ""
        if source is None and (not colon or slug in ("pool", "pools")):
            return "A pool cannot be part of a pool, and a model is named by its connection: connection:model."
        return "It has no such model." if source is not None else f"There is no connection “{slug[:40]}” here."

    def payer_of(self, slug: str) -> Payer:
        """Whose key `slug` means to this team."""
        source = self.sources.get(slug)
        return source.payer if source is not None else ""

    def why_not_paid(self, slug: str, *, payers: Mapping[str, str], since: datetime) -> str:
        """Why rules that were saved at `since`, when `payers` paid, may not use `slug` now; empty when they may.

        What was the team's own, then or later, does not become the site's by itself: who pays would change.
        """
        was_own = payers.get(slug) == "team" or (slug in self.given_up and self.given_up[slug] > since)
        if not was_own or self.payer_of(slug) != "site":
            return ""
        return (
            f"The team's own connection “{slug}” is gone; the site has one of that name. Save the pool again to use it."
        )

    def problems_at(self, slug: str, part: Part) -> tuple[Problem, ...]:
        """The problems that a connection can simulate for this part of a pool, in the order to show them in."""
        source = self.sources.get(slug)
        return tuple(known for known in registry.problems_of(source.made) if part in known.parts) if source else ()

    def split_ref(self, ref: str) -> tuple[str, str]:
        """The ref without the problem that it asks for, and that problem's key; empty when it asks for none."""
        known = self.entry(ref)
        if known is None or known.problem is None:
            return ref, ""
        return f"{known.connection}:{known.model_id}", known.problem.key

    def join_ref(self, ref: str, key: str) -> str:
        """The ref that asks for a problem; unchanged without a key, or where the connection cannot simulate it."""
        if not key:
            return ref
        slug, _, model_id = self.split_ref(ref)[0].partition(":")
        source = self.sources.get(slug)
        return f"{slug}:{registry.with_problem(source.made, model_id, key)}" if source is not None else ref

    def facts_of(self, refs: Iterable[str]) -> dict[str, EndpointFacts]:
        """What people see of each ref that can be asked here."""
        known = (self.entry(ref) for ref in dict.fromkeys(refs) if ref)
        return {found.ref: found.facts() for found in known if found is not None}

    def endpoint(self, known: CatalogueEntry) -> Endpoint:
        """The engine's view of an entry, with its provider ready to stream. Reads the database for the key."""
        return Endpoint(
            ref=known.ref,
            model_id=known.ref.partition(":")[2],  # with the problem that is asked for, if one is
            name=known.name,
            provider_name=known.provider,
            provider=_provider(self.sources[known.connection]),
            context_tokens=known.context_tokens,
            family=known.family,
            simulated=known.simulated,
            sees=known.sees,
        )

    def _entries(self, source: Source) -> Mapping[str, CatalogueEntry]:
        found = self._by_source.get(source.key)
        if found is None:
            found = self._by_source[source.key] = read_entries(source)
        return found

    def _with_problem(self, source: Source, model_id: str) -> CatalogueEntry | None:
        """A listed model that is asked for with a problem; the simulated provider has no other models."""
        bare, problem = registry.split_problem(source.made, model_id)
        known = self._entries(source).get(bare)
        if known is None or problem is None:
            return None
        return replace(known, ref=f"{source.slug}:{model_id}", problem=problem)


@dataclass(slots=True)
class _Memory:
    """What this process knows at one revision; entries are shared by the teams that see the same connection."""

    revision: int
    teams: dict[int, TeamModels] = field(default_factory=dict)
    entries: dict[str, Mapping[str, CatalogueEntry]] = field(default_factory=dict)


_lock = threading.Lock()
_memory: _Memory | None = None
_providers: dict[tuple[str, datetime], Provider] = {}
_env_problems: dict[str, str] = {}


def models_of(team: Team) -> TeamModels:
    """What a team can ask now. One query as long as nothing has changed."""
    return _remembered(team, _current(revision()))


def models_by_team(teams: Iterable[Team]) -> dict[int, TeamModels]:
    """What each of these teams can ask now, by its key. One query as long as nothing has changed."""
    memory = _current(revision())
    return {team.pk: _remembered(team, memory) for team in teams}


def _remembered(team: Team, memory: _Memory) -> TeamModels:
    found = memory.teams.get(team.pk)
    if found is None:
        found = memory.teams[team.pk] = TeamModels(sources_of(team), memory.entries, given_up_by(team))
    return found


def models_of_environment() -> TeamModels:
    """What the environment alone offers: for default pools, and where there is no team yet."""
    return TeamModels({source.slug: source for source in sources_from_settings()}, _current(revision()).entries)


def note_env_problem(source: Source, problem: str) -> bool:
    """Remember, in this process, why the models of one of the environment's connections could not be listed; empty when
    they could. Whether that is news."""
    is_news = _env_problems.get(source.key, "") != problem
    _env_problems[source.key] = problem
    return is_news


def env_problem(source: Source) -> str:
    return _env_problems.get(source.key, "")


def reset() -> None:
    """Forget everything; for tests and for changed settings."""
    global _memory
    _memory = None
    _providers.clear()
    _env_problems.clear()


def _current(number: int) -> _Memory:
    global _memory
    with _lock:
        if _memory is None or _memory.revision != number:
            _memory = _Memory(number)
            _drop_old_providers()
        return _memory


def _drop_old_providers() -> None:
    """A provider holds a key: none stays in memory once its connection has another one or is gone."""
    live = {(str(pk), changed_at) for pk, changed_at in StoredConnection.objects.live().values_list("pk", "changed_at")}
    for key in [key for key in list(_providers) if key not in live and not key[0].startswith("env:")]:
        _providers.pop(key, None)


def _provider(source: Source) -> Provider:
    """Kept as long as address and key stay: it learns what a provider refuses."""
    key = (source.key, source.changed_at)
    provider = _providers.get(key)
    if provider is None:
        provider = _providers[key] = registry.build_provider(with_key(source))
    return provider


def _order(entry: CatalogueEntry) -> tuple[bool, str, str, str]:
    return entry.simulated, entry.provider, entry.name.lower(), entry.ref


def _info(known: CatalogueEntry) -> ModelInfo:
    return ModelInfo(
        model_id=known.model_id,
        name=known.name,
        family=known.family,
        context_tokens=known.context_tokens,
        price=known.price,
        input_modalities=known.input_modalities,
        output_modalities=known.output_modalities,
    )
