"""What can be asked here: the connections of this installation and the models behind them.

Connections from the environment are never stored. Their model lists are fetched in the background and kept in this
process; until they arrive, and for models that a provider does not list, a ref of a known connection works unpriced.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from django.conf import settings

from fusion.engine.types import Endpoint, Provider
from fusion.errors import FusionError
from fusion.live.record import EndpointFacts
from fusion.providers import registry
from fusion.providers.catalogue import ModelInfo, Price
from fusion.providers.problems import Part, Problem
from fusion.providers.registry import Connection
from fusion.providers.simulated import MODELS as SIMULATED_MODELS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One model behind one connection. `listed`: the provider names it; else it is taken on trust.

    `problem`: what a simulated model is to suffer, which its `ref` asks for; `model_id` is always the bare one.
    """

    ref: str
    connection: str
    model_id: str
    name: str
    provider: str
    family: str = ""
    context_tokens: int | None = None
    price: Price | None = None
    simulated: bool = False
    listed: bool = True
    problem: Problem | None = None

    def facts(self) -> EndpointFacts:
        words = self.problem.words if self.problem is not None else ""
        return EndpointFacts(self.ref, self.model_id, self.name, self.provider, self.simulated, words)


@dataclass(slots=True)
class Catalogue:
    """Connections by slug, entries by ref, and why a model list could not be had."""

    connections: dict[str, Connection] = field(default_factory=dict)
    entries: dict[str, CatalogueEntry] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    listed: dict[str, tuple[ModelInfo, ...]] = field(default_factory=dict)
    providers: dict[str, Provider] = field(default_factory=dict)

    def put(self, connection: Connection, models: Iterable[ModelInfo]) -> None:
        """Replace what is known of a connection's models, in one step for readers in other threads."""
        listed = tuple(models)
        kept = {ref: entry for ref, entry in self.entries.items() if entry.connection != connection.slug}
        kept.update((entry.ref, entry) for entry in (_entry_of(connection, info) for info in listed))
        self.entries = kept
        self.listed = {**self.listed, connection.slug: listed}
        self.problems = {slug: problem for slug, problem in self.problems.items() if slug != connection.slug}


def _entry_of(connection: Connection, info: ModelInfo) -> CatalogueEntry:
    return CatalogueEntry(
        ref=f"{connection.slug}:{info.model_id}",
        connection=connection.slug,
        model_id=info.model_id,
        name=info.name or info.model_id,
        provider=connection.label,
        family=info.family,
        context_tokens=info.context_tokens,
        price=info.price,
        simulated=connection.slug == registry.SIMULATED.slug,
    )


_catalogue: Catalogue | None = None


def _current() -> Catalogue:
    global _catalogue
    if _catalogue is None:
        _catalogue = _from_settings()
    return _catalogue


def _from_settings() -> Catalogue:
    made = Catalogue()
    for connection in registry.connections_from_env(settings.FUSION_PROVIDER_ENV):
        made.connections[connection.slug] = connection
    if settings.FUSION_SIMULATED:
        made.connections[registry.SIMULATED.slug] = registry.SIMULATED
        made.put(registry.SIMULATED, SIMULATED_MODELS)
    return made


def reset() -> None:
    """Forget everything and read the settings anew; for tests and for changed settings."""
    global _catalogue
    _catalogue = None


def connections() -> tuple[Connection, ...]:
    """The installation's connections: those with a key first, the simulated one last."""
    return tuple(_current().connections.values())


def connection_problems() -> tuple[str, ...]:
    """One sentence for each connection whose models could not be listed: why, and what to do."""
    return tuple(_current().problems.values())


def available_models() -> tuple[CatalogueEntry, ...]:
    """Every listed model, real ones before simulated ones, then by provider and name."""
    entries = _current().entries.values()
    return tuple(sorted(entries, key=lambda entry: (entry.simulated, entry.provider, entry.name.lower(), entry.ref)))


def listed_at(connection: str) -> tuple[ModelInfo, ...]:
    """The models that one connection lists; empty while the list is not known."""
    return _current().listed.get(connection, ())


def entry(ref: str) -> CatalogueEntry | None:
    """What is known of `ref` (`connection:model-id`); None when it cannot be asked here at all."""
    catalogue = _current()
    known = catalogue.entries.get(ref)
    if known is not None:
        return known
    slug, _, model_id = ref.partition(":")
    connection = catalogue.connections.get(slug)
    if connection is None or not model_id:
        return None
    if slug == registry.SIMULATED.slug:
        return _with_problem(catalogue, connection, model_id)
    return CatalogueEntry(ref, slug, model_id, model_id, connection.label, listed=False)


def _with_problem(catalogue: Catalogue, connection: Connection, model_id: str) -> CatalogueEntry | None:
    """A listed model that is asked for with a problem; the simulated provider has no other models."""
    bare, problem = registry.split_problem(connection, model_id)
    known = catalogue.entries.get(f"{connection.slug}:{bare}")
    if known is None or problem is None:
        return None
    return replace(known, ref=f"{connection.slug}:{model_id}", problem=problem)


def problems_at(connection: str, part: Part) -> tuple[Problem, ...]:
    """The problems that a connection can simulate for this part of a pool, in the order to show them in."""
    made = _current().connections.get(connection)
    return tuple(known for known in registry.problems_of(made) if part in known.parts) if made else ()


def split_ref(ref: str) -> tuple[str, str]:
    """The ref without the problem that it asks for, and that problem's key; empty when it asks for none."""
    known = entry(ref)
    if known is None or known.problem is None:
        return ref, ""
    return f"{known.connection}:{known.model_id}", known.problem.key


def join_ref(ref: str, key: str) -> str:
    """The ref that asks for a problem; unchanged without a key, or where the connection cannot simulate it."""
    if not key:
        return ref
    slug, _, model_id = split_ref(ref)[0].partition(":")
    made = _current().connections.get(slug)
    return f"{slug}:{registry.with_problem(made, model_id, key)}" if made is not None else ref


def facts_of(refs: Iterable[str]) -> dict[str, EndpointFacts]:
    """What people see of each ref that can be asked here."""
    known = (entry(ref) for ref in dict.fromkeys(refs) if ref)
    return {found.ref: found.facts() for found in known if found is not None}


def endpoint(known: CatalogueEntry) -> Endpoint:
    """The engine's view of an entry, with its provider ready to stream."""
    return Endpoint(
        ref=known.ref,
        model_id=known.ref.partition(":")[2],  # with the problem that is asked for, if one is
        name=known.name,
        provider_name=known.provider,
        provider=_provider(known.connection),
        context_tokens=known.context_tokens,
        family=known.family,
        simulated=known.simulated,
    )


def _provider(slug: str) -> Provider:
    catalogue = _current()
    provider = catalogue.providers.get(slug)
    if provider is None:
        provider = registry.build_provider(catalogue.connections[slug])
        catalogue.providers[slug] = provider
    return provider


async def refresh(*, failed_only: bool = False) -> bool:
    """Fetch the model list of every connection at once (or of those that failed last); whether any list came.

    A failure is remembered, what was known stays.
    """
    catalogue = _current()
    real = [made for made in catalogue.connections.values() if made.slug != registry.SIMULATED.slug]
    asked = [made for made in real if made.slug in catalogue.problems] if failed_only else real
    return any(await asyncio.gather(*(_refresh_one(catalogue, connection) for connection in asked)))


async def _refresh_one(catalogue: Catalogue, connection: Connection) -> bool:
    try:
        catalogue.put(connection, await registry.list_models(connection))
    except FusionError as exc:
        _note_problem(catalogue, connection, exc.message)
    except Exception:  # one connection's surprise must not hide the models of the others
        log.exception("The models of %s could not be listed", connection.label)
        _note_problem(catalogue, connection, f"The list of models of {connection.label} could not be read.")
    else:
        return True
    return False


def _note_problem(catalogue: Catalogue, connection: Connection, problem: str) -> None:
    """Remember why a list could not be had; said once, however often it is tried again."""
    if catalogue.problems.get(connection.slug) != problem:
        log.warning("The models of %s could not be listed: %s", connection.label, problem)
    catalogue.problems = {**catalogue.problems, connection.slug: problem}
