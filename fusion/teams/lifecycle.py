"""Teams as a whole: making, renaming, choosing one to work in, deleting it."""

from __future__ import annotations

from django.db import transaction

from fusion.errors import InvalidInput
from fusion.models import Membership, Team, User
from fusion.models.team import Role
from fusion.teams.audit import record_action
from fusion.teams.rights import Action, require
from fusion.teams.slugs import free_slug

TEAM_NAME_CHARS = 60


def team_ref(team: Team) -> str:
    """A team as the audit log names it."""
    return f"team:{team.public_id}"


@transaction.atomic
def create_team(*, person: User, name: str) -> Team:
    """A new team with this person as its owner, who works in it from now on. Raises InvalidInput."""
    name = clean_name(name)
    team = Team.objects.create(name=name, slug=free_slug(name))
    Membership.objects.create(team=team, user=person, role=Role.OWNER)
    switch_team(person=person, team=team)
    record_action("team.create", actor=person, team=team, target=team_ref(team), target_name=team.name)
    return team


@transaction.atomic
def rename_team(*, person: User, team: Team, name: str) -> None:
    """Give the team another name; its slug, which set-up files use, stays. Raises NotAllowed, InvalidInput."""
    require(person, team, Action.RENAME_TEAM)
    name, before = clean_name(name), team.name
    if name == before:
        return
    Team.objects.filter(pk=team.pk).update(name=name)
    team.name = name
    record_action(
        "team.rename",
        actor=person,
        team=team,
        target=team_ref(team),
        target_name=name,
        before={"name": before},
        after={"name": name},
    )


def switch_team(*, person: User, team: Team) -> None:
    """Work in this team from now on, in every browser. Raises NotAllowed."""
    require(person, team, Action.READ)
    User.objects.filter(pk=person.pk).update(current_team=team)
    person.current_team = team


def clean_name(name: str) -> str:
    """One line of text. Raises InvalidInput."""
    name = " ".join(name.split())
    if not name:
        raise InvalidInput("Give the team a name.", field="name")
    if len(name) > TEAM_NAME_CHARS:
        raise InvalidInput(f"A team's name has at most {TEAM_NAME_CHARS} characters.", field="name")
    if not name.isprintable():
        raise InvalidInput("The name holds characters that cannot be shown. Type it anew.", field="name")
    return name
