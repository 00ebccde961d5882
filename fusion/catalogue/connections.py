"""Connections: making, changing, switching and deleting them, with their keys. Who pays never changes silently.

Each service is one transaction with its line in the audit log, which holds no key and nothing of one. `actor` None is
the installation itself (a command). `team` None: the connection is the site's, which its administrators manage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.db import transaction
from django.utils import timezone

from fusion.catalogue.sources import sources_of
from fusion.catalogue.specs import ConnectionSpec, checked_key, checked_spec
from fusion.catalogue.stored import note_change
from fusion.catalogue.usage import NOBODY, Use, use_in_team, use_of
from fusion.errors import FusionError, InvalidInput, NotAllowed
from fusion.models import Connection, ModelEntry, Team, User
from fusion.models.sealing import last4, seal
from fusion.providers.redaction import remember_secret
from fusion.teams.audit import record_action
from fusion.teams.rights import Action, require

NAMED_MAX = 5


class ConnectionGone(FusionError):
    """Somebody has deleted the connection meanwhile."""

    code = "connection_gone"


class PayerChanges(InvalidInput):
    """Pools of the team would be paid by another key from now on, and nobody has agreed to that."""

    code = "payer_changes"


@dataclass(frozen=True, slots=True)
class Changed:
    """A connection after a change. `key_cleared`, `local_cleared`: what went because the address is another one.
    `stopped`: what needs it in teams that may not use it any more."""

    connection: Connection
    key_cleared: bool = False
    local_cleared: bool = False
    stopped: Use = NOBODY


@transaction.atomic
def create_connection(
    *, actor: User | None, team: Team | None, spec: ConnectionSpec, key: str = "", agrees_to_pay: bool = False
) -> Connection:
    """A new connection. Raises NotAllowed, InvalidInput; PayerChanges, unless `agrees_to_pay`, when a team's connection
    takes the place of another one that pools of the team name."""
    _require_manager(actor, team)
    spec, key = checked_spec(spec), checked_key(key)
    _require_may_say_local(actor, spec.local)
    if Connection.objects.live().filter(team=team, slug=spec.slug).exists():
        raise InvalidInput(
            f"There is a connection “{spec.slug}” already: change that one, or choose another name.", field="slug"
        )
    taken = pools_taken_over(team=team, slug=spec.slug) if team is not None else Use()
    if taken.pools and not agrees_to_pay:
        raise PayerChanges(_who_pays_sentence(taken, actor, spec.slug), field="agrees_to_pay")
    row = Connection(team=team, created_by=actor)
    _write_spec(row, spec)
    _write_key(row, key)
    row.save()
    _write_teams(row, spec)
    paid = {"pays_for": _pool_names(taken)} if taken.pools else {}
    _record("create", row, actor, after={**_told(row), **paid})
    note_change()
    return row


@transaction.atomic
def update_connection(
    *, actor: User | None, connection: Connection, spec: ConnectionSpec, key: str | None = None
) -> Changed:
    """Change what `spec` says otherwise, and the key: None keeps it, an empty one clears it.

    A key belongs to its host: with another scheme, host or port it is cleared, unless a new one comes along. So is an
    administrator's word that the address is meant to be private, unless an administrator makes the change. The short
    name stays, because pools name models by it. Raises NotAllowed, InvalidInput, ConnectionGone.
    """
    row = _locked(actor, connection)
    before, had_key, was_local, use = _told(row), bool(row.secret_sealed), row.local, use_of(row)
    origin, address = row.origin, row.base_url
    spec = _with_local_word(actor, row, replace(spec, slug=spec.slug or row.slug))
    if spec.slug != row.slug:
        raise InvalidInput("The short name stays as it is: pools name models by it.", field="slug")
    _write_spec(row, spec)
    moved = row.origin != origin
    new_key = checked_key(key) if key is not None else None
    if new_key is None and moved:
        new_key = ""
    if new_key is not None:
        _write_key(row, new_key)
    if row.base_url != address:
        _forget_list(row)
    row.changed_at = timezone.now()
    row.save()
    _write_teams(row, spec)
    stopped = use.without(use_of(row))
    _record_change("update", row, actor, before, new_key=new_key, had_key=had_key, stopped=stopped)
    note_change()
    return Changed(row, moved and had_key and not row.secret_sealed, was_local and not row.local, stopped)


def set_key(*, actor: User | None, connection: Connection, key: str) -> None:
    """Give the connection a key for the address that it has now. Raises NotAllowed, InvalidInput, ConnectionGone."""
    if not checked_key(key):
        raise InvalidInput("Type the key.", field="key")
    _change_key(actor, connection, checked_key(key))


def clear_key(*, actor: User | None, connection: Connection) -> None:
    """Forget the key. Raises NotAllowed, ConnectionGone."""
    _change_key(actor, connection, "")


@transaction.atomic
def switch_connection(*, actor: User | None, connection: Connection, on: bool) -> None:
    """Switch it on or off; off, it keeps its name, so that no other key pays in its place."""
    row = _locked(actor, connection)
    if row.is_enabled != on:
        row.is_enabled, row.changed_at = on, timezone.now()
        row.save(update_fields=["is_enabled", "changed_at"])
        stops: dict[str, object] = {} if on else {"stops": _pool_names(use_of(row))}
        _record("switch-on" if on else "switch-off", row, actor, after=stops)
        note_change()


@transaction.atomic
def mark_local(*, actor: User | None, connection: Connection, local: bool) -> None:
    """An administrator's word that a private address is meant, or its withdrawal, for any connection of the site."""
    _require_administrator(actor)
    row = _live(connection)
    if row.local != local:
        row.local, row.changed_at = local, timezone.now()
        row.save(update_fields=["local", "changed_at"])
        _record("mark-local", row, actor, before={"local": not local}, after={"local": local})
        note_change()


@transaction.atomic
def delete_connection(*, actor: User | None, connection: Connection) -> None:
    """Take it out of use for good and wipe its key; receipts keep its name. Pools that name it cannot be asked until
    they are saved again, even where another connection has the same short name."""
    row = _locked(actor, connection)
    before = {**_told(row), "stops": _pool_names(use_of(row))}
    now = timezone.now()
    _write_key(row, "")
    row.deleted_at = row.changed_at = now
    row.save()
    ModelEntry.objects.filter(connection=row, vanished_at=None).update(listed=False, vanished_at=now)
    _record("delete", row, actor, before=before)
    note_change()


def pools_taken_over(*, team: Team, slug: str) -> Use:
    """The pools of a team that another connection serves now, or served until it was deleted, and that one of the team
    with this short name would serve from then on."""
    meant = sources_of(team).get(slug)
    if meant is not None:
        return Use() if meant.team_pk is not None else use_in_team(slug, team)
    named = use_in_team(slug, team)
    orphaned = (pool for pool in named.pools if pool.current is not None and pool.current.payers.get(slug) != "team")
    return Use(tuple(orphaned), named.runs)


def is_site_administrator(person: User | None) -> bool:
    """None is a command on the server."""
    return person is None or person.is_system or (person.is_active and person.is_staff)


def site_administrators() -> str:
    """Whom to ask, as a phrase."""
    people = User.objects.people().filter(is_active=True, is_staff=True).order_by("pk")[:3]
    return " or ".join(person.get_short_name() for person in people) or "an administrator of the site"


# --- who may -----------------------------------------------------------------------------------------


def _require_manager(actor: User | None, team: Team | None) -> None:
    if team is None:
        _require_administrator(actor)
    elif actor is not None:
        require(actor, team, Action.CONNECTIONS)


def _require_administrator(actor: User | None) -> None:
    if not is_site_administrator(actor):
        raise NotAllowed(f"Only the site's administrators may do this. Ask {site_administrators()}.")


def _require_may_say_local(actor: User | None, local: bool) -> None:
    if local and not is_site_administrator(actor):
        raise InvalidInput(
            f"Only a site administrator may mark a connection as local. Ask {site_administrators()}.", field="local"
        )


def _with_local_word(actor: User | None, row: Connection, spec: ConnectionSpec) -> ConnectionSpec:
    """The spec, checked. Who is no administrator keeps their word for the address it was given for, and no other."""
    if not is_site_administrator(actor):
        kept = checked_spec(replace(spec, local=True)) if row.local else None
        if kept is not None and _origin_of(kept.base_url) == row.origin:
            return kept
        _require_may_say_local(actor, spec.local and not row.local)
        spec = replace(spec, local=False)
    return checked_spec(spec)


def _origin_of(address: str) -> str:
    return Connection(base_url=address).origin


def _locked(actor: User | None, connection: Connection) -> Connection:
    row = _live(connection)
    _require_manager(actor, row.team)
    return row


def _live(connection: Connection) -> Connection:
    row = Connection.objects.live().select_for_update().filter(pk=connection.pk).first()
    if row is None:
        raise ConnectionGone("Somebody has deleted this connection meanwhile.")
    return row


# --- writing -----------------------------------------------------------------------------------------


def _write_spec(row: Connection, spec: ConnectionSpec) -> None:
    row.slug, row.label, row.preset = spec.slug, spec.label, spec.preset
    row.base_url, row.local = spec.base_url, spec.local
    row.for_all_teams = row.team_id is not None or spec.for_all_teams


def _write_teams(row: Connection, spec: ConnectionSpec) -> None:
    if row.team_id is not None:
        return
    teams = [] if spec.for_all_teams else list(Team.objects.filter(slug__in=spec.teams, deleted_at=None))
    missing = set() if spec.for_all_teams else set(spec.teams) - {team.slug for team in teams}
    if missing:
        raise InvalidInput(f"There is no team “{min(missing)[:60]}”.", field="teams")
    if not spec.for_all_teams and not teams:
        raise InvalidInput("Choose at least one team, or all of them.", field="teams")
    row.teams.set(teams)


def _write_key(row: Connection, key: str) -> None:
    remember_secret(key)
    row.secret_sealed, row.last4 = seal(key, owner=row.owner), last4(key)


@transaction.atomic
def _change_key(actor: User | None, connection: Connection, key: str) -> None:
    row = _locked(actor, connection)
    before, had_key = _told(row), bool(row.secret_sealed)
    _write_key(row, key)
    row.changed_at, row.list_problem = timezone.now(), ""
    row.save()
    _record_change("update", row, actor, before, new_key=key, had_key=had_key)
    note_change()


def _forget_list(row: Connection) -> None:
    """What another address listed says nothing of this one."""
    row.listed_at, row.list_problem = None, ""
    listed = ModelEntry.objects.filter(connection=row, listed=True)
    listed.update(listed=False, vanished_at=timezone.now())


# --- telling -----------------------------------------------------------------------------------------


def connection_ref(row: Connection) -> str:
    """A connection as the audit log names it."""
    return f"connection:{row.public_id}"


def _record(
    verb: str,
    row: Connection,
    actor: User | None,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    record_action(
        f"connection.{verb}",
        actor=actor,
        team=row.team,
        target=connection_ref(row),
        target_name=row.label,
        before=before,
        after=after,
    )


def _record_change(
    verb: str,
    row: Connection,
    actor: User | None,
    before: dict[str, object],
    *,
    new_key: str | None,
    had_key: bool,
    stopped: Use = NOBODY,
) -> None:
    """Only what changed; of a key, that it did."""
    after = _told(row)
    if stopped.pools:
        after["stops"] = _pool_names(stopped)
    if new_key is not None:
        before["key"], after["key"] = ("set" if had_key else "none"), ("set anew" if new_key else "cleared")
    changed = [name for name in after if before.get(name) != after[name]]
    if changed:
        before, after = ({name: told[name] for name in changed if name in told} for told in (before, after))
        _record(verb, row, actor, before=before, after=after)


def _told(row: Connection) -> dict[str, object]:
    told: dict[str, object] = {
        "short_name": row.slug,
        "name": row.label,
        "provider": row.preset,
        "address": row.base_url,
        "local": row.local,
        "key": "set" if row.secret_sealed else "none",
    }
    if row.team_id is None:
        told["teams"] = "all" if row.for_all_teams else sorted(row.teams.values_list("slug", flat=True))
    return told


def _pool_names(use: Use) -> list[str]:
    """Pools for the audit log, which the team's admins read: private ones are counted, not named."""
    seen = use.seen_by(None)
    private = [f"{seen.private_pools} private"] if seen.private_pools else []
    return [*(pool.name for pool in seen.pools), *private]


def _who_pays_sentence(use: Use, actor: User | None, slug: str) -> str:
    seen = use.seen_by(actor)
    names = [f"“{pool.name}”" for pool in seen.pools[:NAMED_MAX]]
    others = len(use.pools) - len(names)
    listed = ", ".join([*names, *([f"{others} more"] if others else [])])
    return (
        f"“{slug}” is already what these pools name: {listed}. From now on the team's own connection would answer and "
        "pay for them. Agree to that here, or choose another short name; the key has to be typed again."
    )
