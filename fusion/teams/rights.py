"""Who may do what in a team, in one table."""

from __future__ import annotations

from fusion.errors import NotAllowed
from fusion.models import Membership, Pool, Run, Team, User
from fusion.models.team import Role

RUNNERS = frozenset({Role.MEMBER, Role.ADMIN, Role.OWNER})
TEAM_EDITORS = frozenset({Role.ADMIN, Role.OWNER})


def role_in(user: User, team: Team) -> Role | None:
    """The person's role in a team; None for somebody who is not (or no longer) in it."""
    membership = Membership.objects.filter(user_id=user.pk, team_id=team.pk, left_at=None).only("role").first()
    return None if membership is None else Role(membership.role)


def require_runner(user: User, team: Team) -> None:
    """Raises NotAllowed unless the person may start and steer runs and make pools in the team."""
    if user.is_system:
        return
    if role_in(user, team) not in RUNNERS:
        raise NotAllowed("Your role in this team lets you read runs, not start or change them. Ask a team admin.")


def may_edit_pool(user: User, pool: Pool) -> bool:
    """The author while still a member, and the team's admins and owners, edit a pool."""
    role = role_in(user, pool.team)
    return role in TEAM_EDITORS or (role in RUNNERS and pool.author_id == user.pk)


def require_pool_editor(user: User, pool: Pool) -> None:
    if not may_edit_pool(user, pool):
        raise NotAllowed("Only the pool's author and the team's admins may change this pool. Duplicate it instead.")


def require_run_deleter(user: User, run: Run) -> None:
    role = role_in(user, run.team)
    if role not in TEAM_EDITORS and not (role in RUNNERS and run.author_id == user.pk):
        raise NotAllowed("Only the person who asked and the team's admins may delete this run.")
