"""How pools were used: how often, how long it took, what it cost, who asked last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median

from django.db.models import Count, Max, OuterRef, Subquery

from fusion.models import Pool, Run, User
from fusion.models.run import RunQuerySet
from fusion.runs.costs import known_costs

LATEST_RUNS = 500


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """How a pool was used, as far as the reader may see. `median_ms`: from the start of a run to its final.

    `median_nanos` is None where no run's cost is known. `last_by`: who asked last, as they are called.
    """

    runs: int = 0
    last_used: datetime | None = None
    last_by: str = ""
    median_ms: int | None = None
    median_nanos: int | None = None


def pool_usage(user: User, pools: Iterable[Pool]) -> dict[int, PoolUsage]:
    """Usage by the pool's key, from the runs that the person may read; medians over the latest `LATEST_RUNS` of them.

    Five queries however many pools there are.
    """
    keys = [pool.pk for pool in pools]
    runs = Run.objects.visible_to(user).filter(pool_version__pool__in=keys).order_by()
    counted = runs.values_list("pool_version__pool").annotate(Count("pk"), Max("created_at"))
    found = {pool: PoolUsage(runs=number, last_used=last) for pool, number, last in counted}
    if not found:
        return {}
    times, costs, people = *_medians(runs), _last_by(user, keys)
    return {
        pool: replace(usage, median_ms=times.get(pool), median_nanos=costs.get(pool), last_by=people.get(pool, ""))
        for pool, usage in found.items()
    }


def _medians(runs: RunQuerySet) -> tuple[dict[int, int], dict[int, int]]:
    """The median time to the final, in milliseconds, and the median cost, by the pool's key."""
    columns = ("pk", "pool_version__pool", "started_at", "final_ready_at")
    rows = list(runs.order_by("-created_at").values_list(*columns)[:LATEST_RUNS])
    paid = known_costs(pk for pk, *_ in rows)
    spent = ((pool, _ms(start, end)) for _, pool, start, end in rows)
    cost = ((pool, paid.get(pk)) for pk, pool, *_ in rows)
    return dict(_middles(spent)), dict(_middles(cost))


def _ms(start: datetime | None, end: datetime | None) -> int | None:
    """None as well where an earlier execution's final stands, which is not of this start."""
    return int((end - start).total_seconds() * 1000) if start and end and end >= start else None


def _middles(values: Iterable[tuple[int, int | None]]) -> Iterator[tuple[int, int]]:
    by_pool: dict[int, list[int]] = defaultdict(list)
    for pool, value in values:
        if value is not None:
            by_pool[pool].append(value)
    yield from ((pool, int(median(known))) for pool, known in by_pool.items())


def _last_by(user: User, pools: list[int]) -> dict[int, str]:
    """Who asked last, among the runs that the person may read."""
    latest = Run.objects.visible_to(user).filter(pool_version__pool=OuterRef("pk")).order_by("-created_at", "-pk")
    rows = Pool.objects.filter(pk__in=pools).annotate(last_author=Subquery(latest.values("author")[:1]))
    authors = dict(rows.order_by().values_list("pk", "last_author"))
    people = User.objects.in_bulk([author for author in authors.values() if author is not None])
    return {pool: people[author].get_short_name() for pool, author in authors.items() if author in people}
