"""Members and roles as their page shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fusion.models import Membership
from fusion.models.team import Role
from fusion.teams.rights import RIGHTS, Action, allows


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One person of the team. `roles`: what the reader may make of them; empty when the reader may not."""

    membership: Membership
    name: str
    roles: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class RoleLine:
    """A role and what it may do, in words."""

    label: str
    words: tuple[str, ...]


def member_rows(memberships: Iterable[Membership], reader: Role | None) -> list[MemberRow]:
    """Members with the roles that a reader with this role may give them."""
    return [MemberRow(one, one.user.get_short_name(), _roles_for(one, reader)) for one in memberships]


def _roles_for(membership: Membership, reader: Role | None) -> tuple[Role, ...]:
    needed = Action.MANAGE_OWNERS if membership.role == Role.OWNER else Action.MANAGE_MEMBERS
    return givable_roles(reader) if allows(reader, needed) else ()


def givable_roles(reader: Role | None) -> tuple[Role, ...]:
    """The roles that somebody with this role may give."""
    if not allows(reader, Action.MANAGE_MEMBERS):
        return ()
    return tuple(role for role in Role if role != Role.OWNER or allows(reader, Action.MANAGE_OWNERS))


def role_lines() -> list[RoleLine]:
    """Every role with what it may do, from the one table."""
    return [RoleLine(role.label, tuple(RIGHTS[one].words for one in Action if allows(role, one))) for role in Role]
