"""Who may do what in a team, in one table; that of `docs/roles.md` is made from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fusion.errors import NotAllowed
from fusion.models import Membership, Pool, Run, Team, User
from fusion.models.team import Role

EVERYONE = frozenset(Role)
RUNNERS = frozenset({Role.MEMBER, Role.ADMIN, Role.OWNER})
ACCOUNTANTS = frozenset({Role.BILLING, Role.ADMIN, Role.OWNER})
TEAM_EDITORS = frozenset({Role.ADMIN, Role.OWNER})
OWNERS = frozenset({Role.OWNER})
NAMED_MAX = 3


class Action(StrEnum):
    """What somebody may want to do in a team; a person's own things are theirs while their role has RUN."""

    READ = "read"
    RUN = "run"
    DELETE_RUNS = "delete-runs"
    EDIT_POOLS = "edit-pools"
    READ_MONEY = "read-money"
    CONNECTIONS = "connections"
    CATALOGUE = "catalogue"
    INVITE = "invite"
    MANAGE_MEMBERS = "manage-members"
    READ_AUDIT = "read-audit"
    RENAME_TEAM = "rename-team"
    MANAGE_OWNERS = "manage-owners"
    DELETE_TEAM = "delete-team"


@dataclass(frozen=True, slots=True)
class Right:
    """One line of the table: what may be done, by which roles, and what the others are told."""

    words: str
    roles: frozenset[Role]
    refusal: str


RIGHTS: dict[Action, Right] = {
    Action.READ: Right(
        "See the team's runs, pools and members; export runs", EVERYONE, "You have to be in this team to read this."
    ),
    Action.RUN: Right(
        "Ask, steer runs, judge again; make pools; change and delete their own pools and runs",
        RUNNERS,
        "Your role in this team lets you read runs, not start or change them.",
    ),
    Action.DELETE_RUNS: Right(
        "Delete every run of the team and bring it back",
        TEAM_EDITORS,
        "Only the person who asked and the team's admins may delete this run.",
    ),
    Action.EDIT_POOLS: Right(
        "Change and delete every pool of the team",
        TEAM_EDITORS,
        "Only the pool's author and the team's admins may change this pool. Duplicate it instead.",
    ),
    Action.READ_MONEY: Right(
        "Read the team's usage and money", ACCOUNTANTS, "Your role in this team does not show usage and money."
    ),
    Action.CONNECTIONS: Right(
        "Manage the team's connections and their keys", TEAM_EDITORS, "Only the team's admins manage its connections."
    ),
    Action.CATALOGUE: Right(
        "Change models and prices of the team's connections",
        TEAM_EDITORS,
        "Only the team's admins change its models and prices.",
    ),
    Action.INVITE: Right("Invite people, up to admin", TEAM_EDITORS, "Only the team's admins invite people."),
    Action.MANAGE_MEMBERS: Right(
        "Change roles up to admin, remove people up to admin",
        TEAM_EDITORS,
        "Only the team's admins change roles and remove people.",
    ),
    Action.READ_AUDIT: Right("Read the audit log", TEAM_EDITORS, "Only the team's admins read the audit log."),
    Action.RENAME_TEAM: Right("Rename the team", TEAM_EDITORS, "Only the team's admins may rename it."),
    Action.MANAGE_OWNERS: Right(
        "Make somebody an owner, invite owners, change an owner's role, remove an owner",
        OWNERS,
        "Only the team's owners decide about owners.",
    ),
    Action.DELETE_TEAM: Right(
        "Hand the team over and delete it", OWNERS, "Only the team's owners may hand it over or delete it."
    ),
}


def allows(role: Role | str | None, action: Action) -> bool:
    """Whether a role has a right; nobody without a role has any."""
    return role in RIGHTS[action].roles


def role_table() -> str:
    """The table in Markdown, as docs/roles.md shows it: one line for each right, one column for each role."""
    lines = [["may", *(role.label for role in Role)], ["---", *([":-:"] * len(Role))]]
    lines += [[RIGHTS[one].words, *("●" if allows(role, one) else "" for role in Role)] for one in Action]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def role_in(user: User, team: Team) -> Role | None:
    """The person's role in a team; None for somebody who is not (or no longer) in it, and in a deleted team."""
    membership = Membership.objects.filter(user_id=user.pk, team_id=team.pk, left_at=None, team__deleted_at=None)
    role = membership.values_list("role", flat=True).first()
    return None if role is None else Role(role)


def roles_of(user: User) -> dict[int, str]:
    """The person's role in each of their teams, by the team's key."""
    mine = Membership.objects.filter(user_id=user.pk, left_at=None, team__deleted_at=None)
    return dict(mine.values_list("team_id", "role"))


def may(user: User, team: Team, action: Action) -> bool:
    """Whether the person has a right in the team; the system user, who stands for the installation, has each."""
    return user.is_system or allows(role_in(user, team), action)


def require(user: User, team: Team, action: Action) -> None:
    """Raises NotAllowed, with a sentence that names who can help, unless the person has the right."""
    if not may(user, team, action):
        raise NotAllowed(refusal_of(team, action))


def refusal_of(team: Team, action: Action) -> str:
    """Why not, and whom to ask: people who may do it themselves or give the role that may, admins before owners."""
    right = RIGHTS[action]
    roles = right.roles & TEAM_EDITORS
    able = Membership.objects.filter(team=team, left_at=None, role__in=roles, user__is_active=True)
    people = able.exclude(user__is_system=True).select_related("user").order_by("role", "joined_at", "pk")[:NAMED_MAX]
    names = [membership.user.get_short_name() for membership in people]
    return f"{right.refusal} Ask {_either(names)}." if names else right.refusal


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


# --- what belongs to a person inside a team ----------------------------------------------------------


def require_runner(user: User, team: Team) -> None:
    """Raises NotAllowed unless the person may start and steer runs and make pools in the team."""
    require(user, team, Action.RUN)


def may_edit_pool(user: User, pool: Pool) -> bool:
    """The author while still a member, and the team's admins and owners, edit a pool; every member, if it says so."""
    return edits_pool(role_in(user, pool.team), user, pool)


def edits_pool(role: Role | str | None, user: User, pool: Pool) -> bool:
    """`may_edit_pool` for a role that is known already."""
    is_open = pool.author_id == user.pk or pool.editors == Pool.Editors.MEMBERS
    return is_editor(role, is_author=is_open, action=Action.EDIT_POOLS)


def may_manage_pool(user: User, pool: Pool) -> bool:
    """Who decides about who sees and edits a pool, and whether it stays: its author, and the team's admins."""
    return manages_pool(role_in(user, pool.team), user, pool)


def manages_pool(role: Role | str | None, user: User, pool: Pool) -> bool:
    """`may_manage_pool` for a role that is known already."""
    return is_editor(role, is_author=pool.author_id == user.pk, action=Action.EDIT_POOLS)


def is_editor(role: Role | str | None, *, is_author: bool, action: Action) -> bool:
    """Whether somebody with this role may do to a thing what `action` lets others do, and authors to their own."""
    return allows(role, action) or (is_author and allows(role, Action.RUN))


def require_pool_editor(user: User, pool: Pool) -> None:
    if not may_edit_pool(user, pool):
        raise NotAllowed(refusal_of(pool.team, Action.EDIT_POOLS))


def require_pool_manager(user: User, pool: Pool) -> None:
    if not may_manage_pool(user, pool):
        raise NotAllowed(refusal_of(pool.team, Action.EDIT_POOLS))


def require_run_deleter(user: User, run: Run) -> None:
    role = role_in(user, run.team)
    if not is_editor(role, is_author=run.author_id == user.pk, action=Action.DELETE_RUNS):
        raise NotAllowed(refusal_of(run.team, Action.DELETE_RUNS))
