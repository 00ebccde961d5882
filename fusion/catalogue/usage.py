"""Who needs a connection now: the pools that name its models, and the runs that are under way with them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from fusion.models import Connection, Pool, PoolVersion, Run, Team, User


@dataclass(frozen=True, slots=True)
class Use:
    """Pools whose rules name a connection now, and runs under way whose rules do; of deleted pools, only the runs."""

    pools: tuple[Pool, ...] = ()
    runs: tuple[Run, ...] = ()

    def seen_by(self, person: User | None) -> SeenUse:
        """What one person may read of it: private things are counted, not named."""
        pools = tuple(pool for pool in self.pools if _may_name(person, pool.author_id, pool.visibility == "private"))
        runs = tuple(run for run in self.runs if _may_name(person, run.author_id, run.is_private))
        return SeenUse(pools, len(self.pools) - len(pools), runs, len(self.runs) - len(runs))

    def without(self, other: Use) -> Use:
        """What of it is not in `other`."""
        pools, runs = {pool.pk for pool in other.pools}, {run.pk for run in other.runs}
        return Use(
            tuple(pool for pool in self.pools if pool.pk not in pools),
            tuple(run for run in self.runs if run.pk not in runs),
        )

    @property
    def teams(self) -> int:
        return len({pool.team_id for pool in self.pools})


NOBODY = Use()


@dataclass(frozen=True, slots=True)
class SeenUse:
    """Pools and runs that somebody may read, and how many others there are."""

    pools: tuple[Pool, ...]
    private_pools: int
    runs: tuple[Run, ...]
    private_runs: int


def use_of(connection: Connection) -> Use:
    """Who needs a stored connection now; of the site's, only teams for which its slug means it."""
    if connection.team is not None:
        return use_of_slug(connection.slug, Q(team=connection.team))
    reached = Q() if connection.for_all_teams else Q(team__in=connection.teams.all())
    hidden = Team.objects.filter(connections__slug=connection.slug, connections__deleted_at=None)
    return use_of_slug(connection.slug, reached & ~Q(team__in=hidden))


def use_in_team(slug: str, team: Team) -> Use:
    """Who in a team names `slug`, whatever it means to it."""
    return use_of_slug(slug, Q(team=team))


def use_of_slug(slug: str, where: Q) -> Use:
    pools = Pool.objects.filter(where, _names("current", slug), deleted_at=None, team__deleted_at=None)
    runs = Run.objects.in_flight().filter(where, _names("pool_version", slug), deleted_at=None)
    found = pools.select_related("current", "team").prefetch_related("current__members").distinct()
    under_way = runs.select_related("pool_version__pool", "author").prefetch_related("pool_version__members").distinct()
    return Use(
        tuple(pool for pool in found if pool.current is not None and slug in slugs_of(pool.current)),
        tuple(run for run in under_way if slug in slugs_of(run.pool_version)),
    )


def slugs_of(version: PoolVersion) -> frozenset[str]:
    """The connections that a version's rules name."""
    refs = [member.ref for member in version.members.all()]
    return frozenset(ref.partition(":")[0] for ref in (*refs, version.judge, version.writer, *version.fallback_judges))


def _names(version: str, slug: str) -> Q:
    """Versions that may name `slug`: a list inside JSON cannot be searched exactly by every database."""
    ref = f"{slug}:"
    return (
        Q(**{f"{version}__members__ref__startswith": ref})
        | Q(**{f"{version}__judge__startswith": ref})
        | Q(**{f"{version}__writer__startswith": ref})
        | ~Q(**{f"{version}__fallback_judges": []}) & Q(**{f"{version}__isnull": False})
    )


def _may_name(person: User | None, author_pk: int, is_private: bool) -> bool:
    return not is_private or (person is not None and person.pk == author_pk)
