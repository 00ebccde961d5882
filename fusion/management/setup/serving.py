"""The connections and models of a set-up file."""

from __future__ import annotations

from collections.abc import Iterator

from fusion.catalogue.connections import (
    create_connection,
    pools_taken_over,
    switch_connection,
    update_connection,
)
from fusion.catalogue.edits import (
    ModelFacts,
    TypedPrice,
    add_model,
    edit_model,
    find_row,
    is_hand_made,
    price_words,
    remove_model,
    set_price,
)
from fusion.catalogue.sources import Source, source_of, sources_from_settings
from fusion.catalogue.specs import ConnectionSpec, checked_spec
from fusion.catalogue.stored import current_prices, price_of, rows_of
from fusion.errors import FusionError, InvalidInput
from fusion.management.setup.people import value_of
from fusion.management.setup.tables import ConnectionTable, Dollars, ModelTable
from fusion.models import Connection, ModelEntry, PriceVersion, Team, User
from fusion.models.sealing import unseal


def team_called(slug: str) -> Team:
    """Raises InvalidInput."""
    team = Team.objects.filter(slug=slug, deleted_at=None).first()
    if team is None:
        raise InvalidInput(f"There is no team “{slug}”. Add a [[teams]] table for it.")
    return team


# --- connections -------------------------------------------------------------------------------------


def apply_connection(table: ConnectionTable) -> Iterator[str]:
    """Make or update a connection; tells each change, never a key. Raises InvalidInput."""
    team = team_called(table.team) if table.team is not None else None
    if team is not None and table.teams is not None:
        raise InvalidInput("A team's own connection is for that team: leave `teams` out, or `team` for the site's.")
    key = value_of(table.api_key, table.api_key_env, what="the provider's key")
    row = Connection.objects.live().filter(team=team, slug=table.slug).first()
    if row is None:
        yield from _make(table, team, key)
    else:
        yield from _update(table, row, key)


def _make(table: ConnectionTable, team: Team | None, key: str | None) -> Iterator[str]:
    spec = _spec(table, None)
    taken = pools_taken_over(team=team, slug=table.slug).pools if team is not None else ()
    row = create_connection(actor=None, team=team, spec=spec, key=key or "", agrees_to_pay=True)
    if not table.enabled:
        switch_connection(actor=None, connection=row, on=False)
    paid = f"; it pays from now on for: {', '.join(pool.name for pool in taken)}" if taken else ""
    yield f"+ connection {_place(row)} ({row.base_url or row.preset}{', with a key' if key else ''}){paid}"


def _update(table: ConnectionTable, row: Connection, key: str | None) -> Iterator[str]:
    spec = _spec(table, row)
    before, told = _spec_of(row), []
    told += [f"{name} {_word(old)} → {_word(new)}" for name, old, new in _differences(before, spec)]
    new_key = key if key is not None and key.strip() != _key_of(row) else None
    if new_key is not None:
        told.append("key changed" if row.secret_sealed else "key set")
    if told:
        changed = update_connection(actor=None, connection=row, spec=spec, key=new_key)
        told += ["key cleared, because the address is another one"] if changed.key_cleared else []
    if row.is_enabled != table.enabled:
        switch_connection(actor=None, connection=row, on=table.enabled)
        told.append("switched on" if table.enabled else "switched off")
    if told:
        yield f"~ connection {_place(row)}: {', '.join(told)}"


def _spec(table: ConnectionTable, row: Connection | None) -> ConnectionSpec:
    """What the file says; names, addresses and chosen teams that it leaves out stay as they are."""
    chosen = tuple(table.teams or ())
    for_all = table.teams is None
    if row is not None and row.team_id is None:
        present = tuple(sorted(row.teams.values_list("slug", flat=True)))
        if table.teams is None:
            chosen, for_all = present, row.for_all_teams
        elif not table.exclusive and not row.for_all_teams:
            chosen = tuple(sorted({*present, *chosen}))
    spec = ConnectionSpec(
        preset=table.preset,
        slug=table.slug,
        label=table.name or ("" if row is None else row.label),
        base_url=table.base_url if table.base_url is not None else ("" if row is None else row.base_url),
        local=table.local,
        for_all_teams=for_all,
        teams=tuple(sorted(chosen)),
    )
    return checked_spec(spec)


def _spec_of(row: Connection) -> ConnectionSpec:
    teams = () if row.team_id is not None or row.for_all_teams else row.teams.values_list("slug", flat=True)
    return ConnectionSpec(
        preset=row.preset,
        slug=row.slug,
        label=row.label,
        base_url=row.base_url,
        local=row.local,
        for_all_teams=row.team_id is not None or row.for_all_teams,
        teams=tuple(sorted(teams)),
    )


def _differences(before: ConnectionSpec, after: ConnectionSpec) -> Iterator[tuple[str, object, object]]:
    names = {"preset": "provider", "label": "name", "base_url": "address", "local": "local"}
    for attribute, name in names.items():
        old, new = getattr(before, attribute), getattr(after, attribute)
        if old != new:
            yield name, old, new
    old, new = (("all",) if spec.for_all_teams else spec.teams for spec in (before, after))
    if old != new:
        yield "teams", " ".join(old), " ".join(new)


def _key_of(row: Connection) -> str | None:
    """The stored key, to see whether the file says another; None where it cannot be opened."""
    try:
        return unseal(row.secret_sealed, owner=row.owner)
    except FusionError:
        return None


def _place(row: Connection) -> str:
    return row.slug if row.team is None else f"{row.team.slug}/{row.slug}"


def _word(value: object) -> str:
    return (
        {True: "yes", False: "no", "": "none"}.get(value, str(value)) if isinstance(value, bool | str) else str(value)
    )


# --- models ------------------------------------------------------------------------------------------


def apply_model(table: ModelTable, *, person: User) -> Iterator[str]:
    """Add or update a model and its price; tells each change. Raises InvalidInput, NotAllowed."""
    source = _source(table)
    row, price = find_row(source, table.id), _price(table)
    ref = f"{source.slug}:{table.id}"
    if row is None:
        row = add_model(
            person=person,
            source=source,
            model_id=table.id,
            facts=_facts(table, ModelFacts()),
            price=price,
            price_source=PriceVersion.Source.PROVISIONED,
        )
        yield f"+ model {ref} ({price_words(price.price())})"
        return
    known = _facts_of(row)
    wanted = _facts(table, known)
    if wanted != known:
        edit_model(person=person, source=source, row=row, facts=wanted)
        yield f"~ model {ref}: {', '.join(_fact_changes(known, wanted))}"
    yield from _apply_price(table, price, row, source=source, person=person, ref=ref)


def _apply_price(
    table: ModelTable, price: TypedPrice, row: ModelEntry, *, source: Source, person: User, ref: str
) -> Iterator[str]:
    """A price that the file does not name stays as it is."""
    if table.input_usd_per_mtok is None:
        return
    before = price_of(current_prices([row]).get(row.pk))
    if before != price.price():
        set_price(person=person, source=source, row=row, price=price, price_source=PriceVersion.Source.PROVISIONED)
        yield f"~ model {ref}: price {price_words(before)} → {price_words(price.price())}"


def remove_other_models(table: ConnectionTable, named: set[str], *, person: User) -> Iterator[str]:
    """Take out the hand-made models of an exclusive connection that the file does not name."""
    team = team_called(table.team) if table.team is not None else None
    source = source_of(Connection.objects.live().get(team=team, slug=table.slug))
    for row in ModelEntry.objects.filter(rows_of(source)).order_by("model_id"):
        if row.model_id not in named and is_hand_made(row):
            remove_model(person=person, source=source, row=row)
            yield f"- model {source.slug}:{row.model_id}"


def _source(table: ModelTable) -> Source:
    """The connection that a model belongs to: the named team's, else the only one of that slug, stored or not."""
    rows = Connection.objects.live().filter(slug=table.connection).select_related("team")
    if table.team is not None:
        rows = rows.filter(team=team_called(table.team))
    found = list(rows)
    if len(found) > 1:
        raise InvalidInput(f"Several connections are called “{table.connection}”: say which one by `team`.")
    if found:
        return source_of(found[0])
    named = (source for source in sources_from_settings() if source.slug == table.connection and table.team is None)
    source = next(named, None)
    if source is None:
        raise InvalidInput(f"There is no connection “{table.connection}”. Add a [[connections]] table for it.")
    return source


def _facts_of(row: ModelEntry) -> ModelFacts:
    return ModelFacts(
        row.name, row.family, row.context_tokens, tuple(row.input_modalities), tuple(row.output_modalities)
    )


def _facts(table: ModelTable, known: ModelFacts) -> ModelFacts:
    """What the file says over what is known."""
    takes, gives = table.input_modalities, table.output_modalities
    return ModelFacts(
        name=known.name if table.name is None else table.name,
        family=known.family if table.family is None else table.family,
        context_tokens=known.context_tokens if table.context is None else table.context,
        input_modalities=known.input_modalities if takes is None else tuple(takes),
        output_modalities=known.output_modalities if gives is None else tuple(gives),
    )


def _fact_changes(before: ModelFacts, after: ModelFacts) -> Iterator[str]:
    for name in ("name", "family", "context_tokens", "input_modalities", "output_modalities"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield f"{name} {_word(old)} → {_word(new)}"


def _price(table: ModelTable) -> TypedPrice:
    """Raises InvalidInput where only one of the two prices is there."""
    given, taken = table.input_usd_per_mtok, table.output_usd_per_mtok
    if given is None and taken is None:
        return TypedPrice(PriceVersion.Status.UNKNOWN)
    if given is None or taken is None:
        raise InvalidInput("A price has two sides: give input_usd_per_mtok and output_usd_per_mtok.")
    cached = table.cached_input_usd_per_mtok
    typed = TypedPrice(PriceVersion.Status.PRICED, _text(given), _text(taken), "" if cached is None else _text(cached))
    is_free = not any(character in "123456789" for character in typed.input_usd + typed.output_usd)
    return TypedPrice(PriceVersion.Status.FREE) if is_free else typed


def _text(amount: Dollars) -> str:
    return amount if isinstance(amount, str) else f"{amount:f}"
