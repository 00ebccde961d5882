"""Who asks and which pool is meant, for doors where nobody has signed in: the command line."""

from __future__ import annotations

from django.db import transaction

from fusion.errors import InvalidInput, PoolUnusable
from fusion.models import Membership, Pool, Team, User
from fusion.models.team import Role
from fusion.runs.plan import check_usable
from fusion.runs.pools import add_default_pools
from fusion.runs.selectors import visible_pools

SYSTEM_EMAIL = "system@fusion.invalid"


def run_as(email: str = "") -> User:
    """The person of that address; else the first administrator; on an empty installation the system user.

    Raises InvalidInput for an unknown address.
    """
    if email:
        person: User | None = User.objects.filter(email__iexact=email, is_active=True, is_system=False).first()
        if person is None:
            raise InvalidInput(f"Nobody here has the address “{email[:254]}”.", field="as")
        return person
    administrator: User | None = (
        User.objects.filter(is_superuser=True, is_active=True, is_system=False).order_by("pk").first()
    )
    return administrator or system_user()


@transaction.atomic
def system_user() -> User:
    """The account that stands for the installation, with a team of its own; nobody can sign in to it."""
    person: User | None = User.objects.filter(is_system=True).first()
    if person is None:
        person = User.objects.create_user(SYSTEM_EMAIL, None, name="System", is_system=True, is_active=False)
    membership = Membership.objects.filter(user=person).select_related("team").first()
    if membership is None:
        team = Team.objects.create(slug="system", name="System")
        membership = Membership.objects.create(team=team, user=person, role=Role.OWNER)
    add_default_pools(team=membership.team)
    return person


def pool_for(person: User, name: str = "") -> Pool:
    """The pool called SLUG or TEAM/SLUG among those the person may ask; without a name the first one made that can be
    asked here, with real models if there is one. Raises InvalidInput listing what exists."""
    pools = visible_pools(person).order_by("created_at", "pk")
    if not name:
        return _first_choice(list(pools))
    team, _, slug = name.rpartition("/")
    matching = pools.filter(slug=slug, **({"team__slug": team} if team else {}))
    found = list(matching[:2])
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{pool.team.slug}/{pool.slug}" for pool in pools[:20]) or "none"
    problem = "is not one of your pools" if not found else "is the name of pools in several teams; write TEAM/SLUG"
    raise InvalidInput(f"“{name[:120]}” {problem}. Yours: {known}.", field="pool")


def _first_choice(pools: list[Pool]) -> Pool:
    if not pools:
        raise InvalidInput("There is no pool to ask. Create one in the web app first.", field="pool")
    usable = [pool for pool in pools if _can_be_asked(pool)] or pools
    return next((pool for pool in usable if pool.origin != "sim"), usable[0])


def _can_be_asked(pool: Pool) -> bool:
    try:
        check_usable(pool.current)  # type: ignore[arg-type]  # visible pools have rules
    except PoolUnusable:
        return False
    return True
