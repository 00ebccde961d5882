"""What a run cost, added up from its calls in whole nano-dollars, and how that is written."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from django.db.models import Count, Q, Sum

from fusion.engine.types import Role
from fusion.live.record import CallRecord, RunRecord
from fusion.models import Call


def usd(nanos: int | None) -> str | None:
    """Whole nano-dollars as a decimal string of dollars, exact to the last digit; None stays None."""
    return None if nanos is None else f"{Decimal(nanos).scaleb(-9):f}"


def answer_cost_nanos(record: RunRecord, letter: str) -> int | None:
    """What asking this member cost, every attempt counted; None while any of it is unknown."""
    return sum_cost_nanos(
        call for call in record.calls.values() if call.started.role is Role.PANEL and call.started.letter == letter
    )


def run_cost_nanos(record: RunRecord) -> int | None:
    """What the run's calls cost together; None while any of it is unknown."""
    return sum_cost_nanos(record.calls.values())


def sum_cost_nanos(calls: Iterable[CallRecord]) -> int | None:
    """The sum of what the calls cost. Unknown is not zero: one unknown cost makes the sum None, and so does no call.

    A request that was turned away before anything came back consumed nothing and is left out.
    """
    counted = [call.ended for call in calls if not _was_turned_away(call)]
    costs = [None if ended is None else ended.cost_nanos for ended in counted]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None


def known_costs(runs: Iterable[int]) -> dict[int, int]:
    """Whole nano-dollars by the run's key; a run with any call of unknown cost is not in it.

    Requests that were turned away are left out here too.
    """
    turned_away = Q(status="failed", input_tokens=None, output_tokens=None, ttft_ms=None)
    sums = (
        Call.objects.filter(run__in=list(runs))
        .exclude(turned_away)
        .order_by()
        .values("run_id")
        .annotate(total=Sum("cost_nanos"), unknown=Count("pk", filter=Q(cost_nanos=None)))
    )
    return {row["run_id"]: row["total"] for row in sums if not row["unknown"]}


def _was_turned_away(call: CallRecord) -> bool:
    ended = call.ended
    return ended is not None and ended.status == "failed" and ended.usage is None and ended.ttft_ms is None
