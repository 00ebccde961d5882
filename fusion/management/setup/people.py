"""The people and teams of a set-up file."""

from __future__ import annotations

import os
from collections.abc import Iterator

from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils import timezone

from fusion.errors import InvalidInput
from fusion.management.setup.tables import MemberTable, TeamTable, UserTable
from fusion.models import Membership, Team, User
from fusion.models.team import Role
from fusion.teams.audit import record_action
from fusion.teams.doorbell import tell_rights_changed
from fusion.teams.lifecycle import team_ref
from fusion.teams.members import member_ref
from fusion.teams.services import ensure_personal_team


def value_of(plain: str | None, env_name: str | None, *, what: str) -> str | None:
    """What a file says outright or by the name of an environment variable. Raises InvalidInput."""
    if plain is not None and env_name is not None:
        raise InvalidInput(f"Give {what} or the name of its environment variable, not both.")
    if env_name is None:
        return plain
    value = os.environ.get(env_name, "")
    if not value:
        raise InvalidInput(f"The environment variable {env_name} is not set; it should hold {what}.")
    return value


def apply_user(table: UserTable) -> Iterator[str]:
    """Make or update a person; tells each change. Raises InvalidInput."""
    user = User.objects.filter(email__iexact=table.email).first()
    password = value_of(table.password, table.password_env, what="the password") if user is None else None
    if user is None:
        user = User.objects.create_user(table.email, password, **_given(table))
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
        record_action("person.provision", actor=None, team=None, target=_person_ref(user))
        yield f"+ user {user.email}{'' if password else ' (no password: they set one by the reset link)'}"
        return
    if user.is_system or user.deleted_at is not None:
        raise InvalidInput(f"{table.email} is not an account that somebody can use.")
    before = {name: getattr(user, name) for name in _given(table)}
    changed = {name: value for name, value in _given(table).items() if before[name] != value}
    if changed:
        for name, value in changed.items():
            setattr(user, name, value)
        user.save(update_fields=list(changed))
        told = {name: before[name] for name in changed}
        record_action(
            "person.provision", actor=None, team=None, target=_person_ref(user), after={"changed": [*changed]}
        )
        yield f"~ user {user.email}: {', '.join(f'{name} {told[name]} → {changed[name]}' for name in changed)}"


def _person_ref(user: User) -> str:
    """A person as the audit log names one: without name and address, which can be taken away later."""
    return f"person:{user.pk}"


def _given(table: UserTable) -> dict[str, object]:
    given: dict[str, object] = {}
    if table.name is not None:
        given["name"] = table.name.strip()
    if table.staff is not None:
        given |= {"is_staff": table.staff, "is_superuser": table.staff}
    return given


def apply_team(table: TeamTable) -> Iterator[str]:
    """Make or update a team and who is in it; tells each change. Raises InvalidInput."""
    team = Team.objects.filter(slug=table.slug).first()
    if team is not None and team.deleted_at is not None:
        raise InvalidInput(f"The team “{table.slug}” was deleted; its slug stays taken. Choose another one.")
    if team is None:
        team = Team.objects.create(slug=table.slug, name=table.name or table.slug)
        record_action("team.provision", actor=None, team=team, target=team_ref(team), target_name=team.name)
        yield f"+ team {team.slug}"
    elif table.name is not None and team.name != table.name:
        before, team.name = team.name, table.name
        team.save(update_fields=["name"])
        facts = {"before": {"name": before}, "after": {"name": team.name}}
        record_action("team.provision", actor=None, team=team, target=team_ref(team), target_name=team.name, **facts)
        yield f"~ team {team.slug}: name {before} → {team.name}"
    for member in table.members:
        yield from _apply_member(team, member)
    if table.exclusive:
        yield from _remove_others(team, {member.email.lower() for member in table.members})
    _require_owner(team)


def _apply_member(team: Team, table: MemberTable) -> Iterator[str]:
    user = User.objects.people().filter(email__iexact=table.email).first()
    if user is None:
        raise InvalidInput(f"Nobody here has the address {table.email}. Add a [[users]] table for it.")
    membership, made = Membership.objects.get_or_create(team=team, user=user, defaults={"role": table.role})
    rejoins = not made and membership.left_at is not None
    before = membership.role
    if not made and not rejoins and before == table.role:
        return
    if not made:
        membership.role, membership.left_at = table.role, None
        if rejoins:
            membership.joined_at = timezone.now()
        membership.save(update_fields=["role", "left_at", "joined_at"])
    _note_member(membership, before={} if made or rejoins else {"role": before}, after={"role": table.role})
    is_new = made or rejoins
    yield f"{'+' if is_new else '~'} member {user.email} of {team.slug}: " + (
        table.role if is_new else f"{before} → {table.role}"
    )


def _remove_others(team: Team, kept: set[str]) -> Iterator[str]:
    for membership in Membership.objects.filter(team=team, left_at=None).select_related("user"):
        if membership.user.email.lower() not in kept:
            membership.left_at = timezone.now()
            membership.save(update_fields=["left_at"])
            _note_member(membership, before={"role": membership.role}, after={})
            yield f"- member {membership.user.email} of {team.slug}"


def _note_member(membership: Membership, *, before: dict[str, object], after: dict[str, object]) -> None:
    target = member_ref(membership)
    record_action("member.provision", actor=None, team=membership.team, target=target, before=before, after=after)
    tell_rights_changed(membership.user_id)


def _require_owner(team: Team) -> None:
    owners = Membership.objects.filter(team=team, left_at=None, role=Role.OWNER, user__is_active=True)
    if not owners.exists():
        raise InvalidInput(f'The team {team.slug} needs an owner: give one of its members role = "owner".')


@transaction.atomic
def give_teams(emails: list[str]) -> None:
    """A person who is in no team could do nothing: they get one of their own, as at sign-up."""
    for user in User.objects.people().filter(email__in=emails):
        if not Membership.objects.filter(user=user, left_at=None).exists():
            ensure_personal_team(user)
