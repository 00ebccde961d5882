"""What people change in the catalogue by hand: models that no list names, facts that a list has wrong, prices.

An edited column is remembered by name in `ModelEntry.edited`, and a refreshed list leaves it alone until somebody takes
the provider's word again. Every change is in the audit log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from fusion.catalogue.amounts import picos_of, usd_per_mtok
from fusion.catalogue.connections import is_site_administrator, site_administrators
from fusion.catalogue.sources import Source
from fusion.catalogue.stored import FROM_LIST, PRICE, current_prices, note_change, price_of, price_version, rows_of
from fusion.errors import InvalidInput, NotAllowed
from fusion.models import AuditEvent, ModelEntry, PriceVersion, Team, User
from fusion.providers.catalogue import Price
from fusion.providers.families import family_of
from fusion.teams.audit import record_action
from fusion.teams.rights import Action, may, refusal_of

MODEL_ID_CHARS = 200
NAME_CHARS = 200
FAMILY_CHARS = 60
CONTEXT_MAX = 100_000_000
MODALITIES = ("text", "image", "audio", "video", "file")  # what is offered; a list may name others
_MODALITY = re.compile(r"[a-z]{1,20}")
MODALITIES_MAX = 10


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a person says of a model; an empty name is the model's id, an empty context is not known."""

    name: str = ""
    family: str = ""
    context_tokens: int | None = None
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TypedPrice:
    """A price as it was typed: its status, and for `priced` dollars per million tokens as decimal text.

    An empty `cached_input_usd`: cached input costs what other input costs.
    """

    status: str
    input_usd: str = ""
    output_usd: str = ""
    cached_input_usd: str = ""

    def price(self) -> Price | None:
        """None for unknown. Raises InvalidInput, naming `status` or the amount."""
        if self.status == PriceVersion.Status.UNKNOWN:
            return None
        if self.status == PriceVersion.Status.FREE:
            return Price(0, 0)
        if self.status != PriceVersion.Status.PRICED:
            raise InvalidInput("Say whether the price is known, free or not known.", field="status")
        cached = picos_of(self.cached_input_usd, field="cached_input_usd") if self.cached_input_usd.strip() else None
        price = Price(
            picos_of(self.input_usd, field="input_usd"), picos_of(self.output_usd, field="output_usd"), cached
        )
        if price.input_picos == price.output_picos == 0:
            raise InvalidInput("Both prices are zero: choose “free” if that is what you mean.", field="status")
        return price


UNKNOWN_PRICE = TypedPrice(PriceVersion.Status.UNKNOWN)


# --- who may -----------------------------------------------------------------------------------------


def may_edit_models(person: User | None, source: Source) -> bool:
    """The team's admins for a team's connection; site administrators for the site's and the environment's.

    None is a command on the server.
    """
    if source.is_simulated and source.pk is None:
        return False  # its models are part of the program
    team = owner_of(source)
    if team is None:
        return is_site_administrator(person)
    return person is None or may(person, team, Action.CATALOGUE)


def require_editor(person: User | None, source: Source) -> None:
    """Raises NotAllowed with a sentence that says who can help."""
    if may_edit_models(person, source):
        return
    if source.is_simulated:
        raise NotAllowed("The simulated models are part of the program; nothing about them can be changed.")
    team = owner_of(source)
    if team is not None:
        raise NotAllowed(refusal_of(team, Action.CATALOGUE))
    raise NotAllowed(f"The site's models and prices are its administrators'. Ask {site_administrators()}.")


def owner_of(source: Source) -> Team | None:
    """The team whose connection it is; None for the site's and the environment's."""
    return None if source.team_pk is None else Team.objects.get(pk=source.team_pk)


def find_row(source: Source, model_id: str) -> ModelEntry | None:
    """The row of a connection's model, held for a change; call it in the transaction of the change."""
    return ModelEntry.objects.select_for_update().filter(rows_of(source), model_id=model_id).first()


# --- models ------------------------------------------------------------------------------------------


@transaction.atomic
def add_model(
    *,
    person: User | None,
    source: Source,
    model_id: str,
    facts: ModelFacts = ModelFacts(),
    price: TypedPrice = UNKNOWN_PRICE,
    price_source: str = PriceVersion.Source.MANUAL,
) -> ModelEntry:
    """Add a model that the provider may or may not list; its id is sent upstream exactly as it is written.

    Raises InvalidInput, NotAllowed.
    """
    require_editor(person, source)
    _check_model_id(source, model_id)
    named = _checked(facts, model_id)
    row = ModelEntry(
        connection_id=source.pk, env_slug="" if source.pk is not None else source.slug, model_id=model_id, **named
    )
    row.edited = [name for name in FROM_LIST if getattr(facts, name) not in ("", None, ())]
    row.save()
    _record("model.add", person, source, row, after={"model": model_id, **named})
    if price.price() is not None:
        _write_price(person, source, row, price.price(), price_source)
    note_change()
    return row


@transaction.atomic
def edit_model(*, person: User | None, source: Source, row: ModelEntry, facts: ModelFacts) -> ModelEntry:
    """Change what is known of a model; only columns that differ count as edited. Raises InvalidInput, NotAllowed."""
    require_editor(person, source)
    row = _held(row)
    wanted = _checked(facts, row.model_id)
    before = {name: getattr(row, name) for name, value in wanted.items() if getattr(row, name) != value}
    if not before:
        return row
    for name in before:
        setattr(row, name, wanted[name])
    row.edited = _with(row.edited, before)
    row.save(update_fields=[*before, "edited"])
    _record("model.edit", person, source, row, before=before, after={name: wanted[name] for name in before})
    note_change()
    return row


@transaction.atomic
def take_listed_fact(*, person: User | None, source: Source, row: ModelEntry, name: str) -> ModelEntry:
    """Let the provider's list say this column again; what it says is there after the next refresh."""
    require_editor(person, source)
    row = _held(row)
    if name in row.edited and name in FROM_LIST:
        row.edited = [one for one in row.edited if one != name]
        row.save(update_fields=["edited"])
        _record("model.follow", person, source, row, before={"by hand": name}, after={"from the list": name})
        note_change()
    return row


@transaction.atomic
def remove_model(*, person: User | None, source: Source, row: ModelEntry) -> None:
    """Remove a model that a person added; one that the provider ever listed stays. Raises InvalidInput, NotAllowed."""
    require_editor(person, source)
    row = _held(row)
    if not is_hand_made(row):
        raise InvalidInput(f"{source.made.label} lists or listed this model; only models added by hand can be removed.")
    _record("model.remove", person, source, row, before={"model": row.model_id, "name": row.name})
    row.delete()
    note_change()


def is_hand_made(row: ModelEntry) -> bool:
    """A person added it and the provider has never listed it."""
    return not row.listed and row.vanished_at is None


def edits_of(row: ModelEntry, limit: int = 20) -> list[AuditEvent]:
    """Who changed what of a model by hand, newest first; for those who may change it too."""
    events = AuditEvent.objects.filter(target=_target(row)).select_related("actor")
    return list(events.order_by("-at", "-pk")[:limit])


# --- prices ------------------------------------------------------------------------------------------


@transaction.atomic
def set_price(
    *,
    person: User | None,
    source: Source,
    row: ModelEntry,
    price: TypedPrice,
    price_source: str = PriceVersion.Source.MANUAL,
) -> PriceVersion:
    """Say what a model costs from now on; a refreshed list does not overrule it. Earlier versions never change.

    Gives the version that holds already when it says the same. Raises InvalidInput, NotAllowed.
    """
    require_editor(person, source)
    row, wanted = _held(row), price.price()
    current = current_prices([row]).get(row.pk)
    if current is not None and current.source == price_source and price_of(current) == wanted and PRICE in row.edited:
        return current
    version = _write_price(person, source, row, wanted, price_source)
    note_change()
    return version


@transaction.atomic
def take_listed_price(*, person: User | None, source: Source, row: ModelEntry) -> PriceVersion | None:
    """Use the provider's price again: what its list said last, from now on; unknown where it never told one."""
    require_editor(person, source)
    row = _held(row)
    if PRICE not in row.edited:
        return current_prices([row]).get(row.pk)
    told = row.prices.filter(source=PriceVersion.Source.UPSTREAM).order_by("-effective_from", "-pk").first()
    row.edited = [name for name in row.edited if name != PRICE]
    row.save(update_fields=["edited"])
    version = _new_version(person, source, row, price_of(told), PriceVersion.Source.UPSTREAM)
    note_change()
    return version


def price_history(row: ModelEntry) -> list[PriceVersion]:
    """Every price that the model had, newest first, with who set it."""
    return list(row.prices.select_related("author").order_by("-effective_from", "-pk"))


def price_words(price: Price | None) -> str:
    """One line for the audit log: `unknown`, `free`, `in 0.50, out 1.50 USD per million tokens`."""
    if price is None:
        return "unknown"
    if price.input_picos == price.output_picos == 0:
        return "free"
    cached = "" if price.cached_input_picos is None else f", cached {usd_per_mtok(price.cached_input_picos)}"
    return (
        f"in {usd_per_mtok(price.input_picos)}{cached}, out {usd_per_mtok(price.output_picos)} USD per million tokens"
    )


# --- parts -------------------------------------------------------------------------------------------


def _write_price(
    person: User | None, source: Source, row: ModelEntry, price: Price | None, price_source: str
) -> PriceVersion:
    row.edited = _with(row.edited, [PRICE])
    row.save(update_fields=["edited"])
    return _new_version(person, source, row, price, price_source)


def _new_version(
    person: User | None, source: Source, row: ModelEntry, price: Price | None, price_source: str
) -> PriceVersion:
    before = price_of(current_prices([row]).get(row.pk))
    version = price_version(row, price, source=price_source, since=timezone.now())
    version.author = _author(person)
    version.save()
    words = {"before": {"price": price_words(before)}, "after": {"price": price_words(price), "source": price_source}}
    _record("model.price", person, source, row, **words)
    return version


def _held(row: ModelEntry) -> ModelEntry:
    """The row as it is now, held until the transaction ends; ModelEntry.DoesNotExist when it is gone."""
    return ModelEntry.objects.select_for_update().get(pk=row.pk)


def _check_model_id(source: Source, model_id: str) -> None:
    if not model_id.strip():
        raise InvalidInput("Write the model's id, exactly as the provider takes it.", field="model_id")
    if len(model_id) > MODEL_ID_CHARS:
        raise InvalidInput(f"A model's id has at most {MODEL_ID_CHARS} characters.", field="model_id")
    if "\0" in model_id:
        raise InvalidInput("A model's id cannot hold a NUL character.", field="model_id")
    if find_row(source, model_id) is not None:
        raise InvalidInput(f"{source.made.label} has this model already: edit that one.", field="model_id")


def _checked(facts: ModelFacts, model_id: str) -> dict[str, Any]:
    """The columns for `facts`; what is left empty is guessed from the id (name, family) or stays unknown."""
    name = facts.name.strip() or model_id
    family = facts.family.strip().lower() or family_of(model_id)[:FAMILY_CHARS]
    if len(name) > NAME_CHARS:
        raise InvalidInput(f"A name has at most {NAME_CHARS} characters.", field="name")
    if len(family) > FAMILY_CHARS:
        raise InvalidInput(f"A family has at most {FAMILY_CHARS} characters.", field="family")
    context = facts.context_tokens
    if context is not None and not 1 <= context <= CONTEXT_MAX:
        raise InvalidInput(f"A context has 1 to {CONTEXT_MAX:,} tokens, or is not known.", field="context_tokens")
    columns = asdict(facts) | {"name": name, "family": family}
    return columns | {name: _modalities(columns[name], name) for name in ("input_modalities", "output_modalities")}


def _modalities(words: Iterable[str], field: str) -> list[str]:
    chosen = list(dict.fromkeys(words))
    if len(chosen) > MODALITIES_MAX or not all(_MODALITY.fullmatch(word) for word in chosen):
        raise InvalidInput(f"Name what goes in and out as words such as {', '.join(MODALITIES)}.", field=field)
    return chosen


def _with(edited: Iterable[str], more: Iterable[str]) -> list[str]:
    return sorted({*edited, *more})


def _author(person: User | None) -> User | None:
    return None if person is None or person.is_system else person


def _target(row: ModelEntry) -> str:
    return f"model:{row.public_id}"


def _record(
    action: str,
    person: User | None,
    source: Source,
    row: ModelEntry,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    record_action(
        action,
        actor=_author(person),
        team=owner_of(source),
        target=_target(row),
        target_name=f"{source.slug}:{row.model_id}",
        before=before,
        after=after,
    )
