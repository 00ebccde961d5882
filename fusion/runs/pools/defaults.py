"""The pools that a team has from the start: one for each connection of the environment whose models are known."""

from __future__ import annotations

import logging

from django.db import IntegrityError
from django.db.models import Count

from fusion.catalogue.available import TeamModels, models_of_environment
from fusion.catalogue.sources import Source
from fusion.errors import InvalidInput
from fusion.models import Pool, Team, User
from fusion.models.pool import FALLBACK_JUDGES_MAX, Mode
from fusion.providers.recommendation import recommend
from fusion.providers.simulated import SIMULATED_POOL
from fusion.runs.pools.spec import MemberSpec, PoolSpec
from fusion.runs.pools.writing import create_pool

log = logging.getLogger(__name__)


def add_default_pools(*, team: Team) -> list[Pool]:
    """Make the team a pool for each connection whose models are known and that never had one in this team.

    A default pool that somebody deleted does not come back: its row, with its origin, is still there.
    """
    return _add_pools(team, default_specs())


def add_default_pools_everywhere() -> None:
    """`add_default_pools` for every team that lacks one; what is recommended is worked out once."""
    specs = default_specs()
    complete = Pool.objects.filter(origin__in=[slug for slug, _ in specs]).values("team")
    counted = complete.annotate(made=Count("pk")).filter(made=len(specs)).values("team")
    for team in Team.objects.exclude(pk__in=counted):
        _add_pools(team, specs)


def _add_pools(team: Team, specs: list[tuple[str, PoolSpec]]) -> list[Pool]:
    author = _pool_author(team)
    if author is None:
        return []
    seen = set(team.pools.exclude(origin="").values_list("origin", flat=True))
    made = (_add_pool(team, author, slug, spec) for slug, spec in specs if slug not in seen)
    return [pool for pool in made if pool is not None]


def _add_pool(team: Team, author: User, slug: str, spec: PoolSpec) -> Pool | None:
    """None when it cannot be made; whoever signs in or starts the server must not fail for that."""
    try:
        return create_pool(author=author, team=team, spec=spec, origin=slug)
    except IntegrityError:
        return None  # another process has just made it
    except InvalidInput as exc:
        log.warning("No default pool for %s in %s: %s", slug, team.slug, exc.message)
        return None


def default_specs() -> list[tuple[str, PoolSpec]]:
    """A recommended pool for each connection of the environment whose models are known: (connection slug, rules)."""
    models = models_of_environment()
    choices = ((source, recommended(source, models)) for source in models.connections())
    return [(source.slug, _default_spec(source, *ids)) for source, ids in choices if ids is not None]


def recommended(source: Source, models: TeamModels) -> tuple[list[str], str] | None:
    """Model ids of the members and the judge; None while nothing is known to exist there."""
    if source.is_simulated:
        return list(SIMULATED_POOL.members), SIMULATED_POOL.judge
    choice = recommend(source.made.preset, models.listed_at(source.slug))
    if choice.judge is None:
        return None
    return [model.model_id for model in choice.members], choice.judge.model_id


def _default_spec(source: Source, members: list[str], judge: str) -> PoolSpec:
    """Any member that is not the judge may step in when the judge fails.

    A panel of one has nothing to fuse: a connection's only model sits twice, since two samples of it differ too.
    """
    if len(members) == 1:
        members = members * 2
    fallbacks = [model_id for model_id in members if model_id != judge][:FALLBACK_JUDGES_MAX]
    return PoolSpec(
        name=f"{source.made.label} panel"[:80],
        members=tuple(MemberSpec(f"{source.slug}:{model_id}") for model_id in members),
        judge=f"{source.slug}:{judge}",
        fallback_judges=tuple(f"{source.slug}:{model_id}" for model_id in fallbacks),
        mode=Mode.MERGE,
    )


def _pool_author(team: Team) -> User | None:
    membership = team.memberships.filter(left_at=None, role="owner").select_related("user").first()
    return None if membership is None else membership.user
