"""Teams as a whole: making, renaming, choosing one to work in, deleting it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from fusion.errors import InvalidInput, TeamConflict
from fusion.models import CatalogueRevision, Membership, Team, User
from fusion.models.team import Role
from fusion.teams.audit import record_action
from fusion.teams.doorbell import tell_rights_changed
from fusion.teams.rights import Action, require
from fusion.teams.selectors import members_of
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


# --- the end of a team -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TeamContents:
    """What is in a team, to be said before it is deleted. `others`: its members but the one who asks."""

    runs: int
    in_flight: int
    pools: int
    connections: int
    invitations: int
    others: int


def contents_of(team: Team, person: User) -> TeamContents:
    """Counts of everything that nobody will reach any more."""
    return TeamContents(
        runs=team.runs.filter(deleted_at=None).count(),
        in_flight=team.runs.in_flight().count(),
        pools=team.pools.filter(deleted_at=None).count(),
        connections=team.connections.live().count(),
        invitations=team.invitations.open().count(),
        others=members_of(team).exclude(user=person).count(),
    )


@transaction.atomic
def delete_team(*, person: User, team: Team, typed_name: str) -> None:
    """Take a team away from everybody, and erase its keys; its rows stay, because money and the audit log name them.

    Raises NotAllowed, InvalidInput unless its name was typed, TeamConflict while runs are under way.
    """
    team = Team.objects.select_for_update().get(pk=team.pk)
    require(person, team, Action.DELETE_TEAM)
    if " ".join(typed_name.split()) != team.name:
        raise InvalidInput(f"Type the team's name, “{team.name}”, to say that you mean it.", field="name")
    close_team(person=person, team=team)


def close_team(*, person: User, team: Team) -> None:
    """The deed itself, in the caller's transaction. Raises TeamConflict while runs are under way."""
    in_flight = team.runs.in_flight().count()
    if in_flight:
        runs = "1 run is" if in_flight == 1 else f"{in_flight} runs are"
        raise TeamConflict(f"{runs} under way in “{team.name}”. Wait until they have ended, or stop them first.")
    now = timezone.now()
    people = list(Membership.objects.filter(team=team, left_at=None).values_list("user_id", flat=True))
    Team.objects.filter(pk=team.pk).update(deleted_at=now, slug=f"deleted-{team.public_id.hex}")
    User.objects.filter(current_team=team).update(current_team=None)
    team.invitations.filter(accepted_at=None, revoked_at=None).update(revoked_at=now)
    team.connections.filter(deleted_at=None).update(deleted_at=now, is_enabled=False, changed_at=now)
    team.connections.update(secret_sealed="", last4="")
    CatalogueRevision.move_on()  # so that no process keeps a provider with one of these keys
    for pk in people:
        tell_rights_changed(pk)
    record_action(
        "team.delete", actor=person, team=team, target=team_ref(team), target_name=team.name, before={"slug": team.slug}
    )
