"""Writing a set-up file of what there is: without passwords and keys, and applying it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tomli_w

from fusion.catalogue.amounts import usd_per_mtok
from fusion.catalogue.edits import is_hand_made
from fusion.catalogue.stored import PRICE, current_prices, price_of
from fusion.management.setup.tables import PoolTable, SeatTable
from fusion.models import Connection, Membership, ModelEntry, Pool, Team, User
from fusion.models.team import Role
from fusion.runs.pools import MemberSpec, PoolSpec, spec_of

HEAD = """\
# What is set up here, for `manage.py provision`. Passwords and keys are not in it: give a user `password_env`, and a
# connection `api_key_env`, where the file is to make them somewhere else.

"""
FACTS = {"name": "name", "family": "family", "context_tokens": "context"}
LISTS = ("input_modalities", "output_modalities")
Table = dict[str, Any]


def export_setup() -> str:
    """The whole installation as TOML; what the environment and the program bring is not in it."""
    tables = {
        "users": list(_users()),
        "teams": list(_teams()),
        "connections": list(_connections()),
        "models": list(_models()),
        "pools": list(_pools()),
    }
    return HEAD + tomli_w.dumps({name: rows for name, rows in tables.items() if rows}, multiline_strings=False)


def _users() -> Iterator[Table]:
    for user in User.objects.people().order_by("pk"):
        yield {"email": user.email, **({"name": user.name} if user.name else {}), "staff": user.is_superuser}


def _teams() -> Iterator[Table]:
    for team in _people_teams():
        members = [
            {"email": membership.user.email, "role": membership.role}
            for membership in Membership.objects.filter(team=team, left_at=None, user__is_system=False)
            .select_related("user")
            .order_by("joined_at", "pk")
        ]
        yield {"slug": team.slug, "name": team.name, "members": members}


def _people_teams() -> Iterator[Team]:
    """Teams that exist and that somebody owns; the installation's own is not set up by anybody."""
    owners = Membership.objects.filter(role=Role.OWNER, left_at=None, user__is_system=False, user__is_active=True)
    yield from Team.objects.filter(deleted_at=None, pk__in=owners.values("team")).order_by("pk")


def _connections() -> Iterator[Table]:
    for row in Connection.objects.live().select_related("team").prefetch_related("teams").order_by("pk"):
        table: Table = {"slug": row.slug, "preset": row.preset, "name": row.label}
        table |= {"base_url": row.base_url} if row.base_url else {}
        table |= {"local": True} if row.local else {}
        table |= {"enabled": False} if not row.is_enabled else {}
        if row.team is not None:
            table["team"] = row.team.slug
        elif not row.for_all_teams:
            table["teams"] = sorted(team.slug for team in row.teams.all())
        yield table


def _models() -> Iterator[Table]:
    """What people said of models; what providers list comes from them again."""
    rows = [
        row
        for row in ModelEntry.objects.select_related("connection__team").order_by("pk")
        if (row.edited or is_hand_made(row)) and (row.connection is None or row.connection.deleted_at is None)
    ]
    prices = current_prices(rows)
    for row in rows:
        yield _model(row) | _price(row, prices)


def _model(row: ModelEntry) -> Table:
    connection = row.connection
    table: Table = {"connection": row.env_slug if connection is None else connection.slug, "id": row.model_id}
    if connection is not None and connection.team is not None:
        table["team"] = connection.team.slug
    told = set(row.edited) if not is_hand_made(row) else {*FACTS, *LISTS}
    for column, key in FACTS.items():
        if column in told and (value := getattr(row, column)) is not None:
            table[key] = value
    return table | {name: list(getattr(row, name)) for name in LISTS if name in told and getattr(row, name)}


def _price(row: ModelEntry, prices: dict[int, Any]) -> Table:
    price = price_of(prices.get(row.pk)) if PRICE in row.edited else None
    if price is None:
        return {}
    amounts = {"input": price.input_picos, "output": price.output_picos, "cached_input": price.cached_input_picos}
    return {f"{name}_usd_per_mtok": usd_per_mtok(picos) for name, picos in amounts.items() if picos is not None}


def _pools() -> Iterator[Table]:
    teams = {team.pk: team for team in _people_teams()}
    pools = Pool.objects.filter(deleted_at=None, team__in=teams).exclude(current=None)
    for pool in pools.select_related("team", "author", "current").prefetch_related("current__members").order_by("pk"):
        assert pool.current is not None
        yield _pool(pool, spec_of(pool.current))


def _pool(pool: Pool, spec: PoolSpec) -> Table:
    table: Table = {"team": pool.team.slug, "slug": pool.slug, "name": pool.name, "mode": spec.mode}
    table["members"] = [_seat(member) for member in spec.members]
    table["anchor"] = spec.members[spec.anchor].ref
    given = {
        name: _plain(getattr(spec, name))
        for name in PoolTable.model_fields
        if hasattr(spec, name) and name not in (*table, "visibility")
    }
    table |= {name: value for name, value in given.items() if value != PoolTable.model_fields[name].get_default()}
    table["visibility"] = spec.visibility
    if pool.visibility == Pool.Visibility.PRIVATE or not _is_first_owner(pool):
        table["owner"] = pool.author.email
    return {name: value for name, value in table.items() if value not in (None, "")}


def _is_first_owner(pool: Pool) -> bool:
    owners = pool.team.memberships.filter(left_at=None, role=Role.OWNER, user__is_active=True)
    first = owners.order_by("joined_at", "pk").first()
    return first is not None and first.user_id == pool.author_id


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _seat(member: MemberSpec) -> str | Table:
    """A bare ref where nothing else is said."""
    settings = {
        name: value
        for name in SeatTable.model_fields
        if name != "model" and (value := getattr(member, name)) not in (None, "")
    }
    return {"model": member.ref, **settings} if settings else member.ref
