"""What a run cost, added up from its calls in whole nano-dollars, and how that is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Q, Sum

from fusion.engine.types import Role
from fusion.live.record import CallRecord, RunRecord
from fusion.models import Call

NANOS = 1_000_000_000
UNKNOWN = "$?"


@dataclass(frozen=True, slots=True)
class Cost:
    """What several calls cost: the sum of what is known, in nano-dollars, and of how many calls it is (not) known.

    Unknown is not zero: with an unknown part the sum is only a lower bound.
    """

    nanos: int = 0
    known: int = 0
    unknown: int = 0

    @property
    def words(self) -> str:
        """For a line of text: `$0.0123`, `at least $0.01`, `$?`; empty where nothing was called."""
        return self._words(short_usd(self.nanos))

    @property
    def exact_words(self) -> str:
        """`words` with every digit."""
        return self._words(exact_usd(self.nanos))

    def _words(self, amount: str) -> str:
        if self.known:
            return f"at least {amount}" if self.unknown else amount
        return UNKNOWN if self.unknown else ""


def exact_usd(nanos: int | None) -> str:
    """Dollars with every digit that counts: `$0.000000001`, `$1.50`, `$0`; `$?` where the amount is unknown."""
    if nanos is None:
        return UNKNOWN
    if nanos == 0:
        return "$0"
    sign, (whole, rest) = "-" * (nanos < 0), divmod(abs(nanos), NANOS)
    return f"{sign}${whole}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')}"


def short_usd(nanos: int | None) -> str:
    """Dollars for a glance: cents from a dollar on, else two digits that count and at least four places.

    Rounded half up in whole numbers; what is not zero never reads as zero.
    """
    if nanos is None:
        return UNKNOWN
    if nanos == 0:
        return "$0"
    amount = abs(nanos)
    places = 2 if amount >= NANOS else max(4, 11 - len(str(amount)))
    places = min(places, 9)
    step: int = 10 ** (9 - places)
    whole, rest = divmod((amount + step // 2) // step, 10**places)
    return f"{'-' * (nanos < 0)}${whole}.{rest:0{places}d}"


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


def run_cost(record: RunRecord) -> Cost:
    """What the run's ended calls cost together."""
    return cost_of(record.calls.values())


def cost_of(calls: Iterable[CallRecord]) -> Cost:
    """The ended ones added up; a request that was turned away before anything came back is left out."""
    ended = [call.ended for call in calls if call.ended is not None and not was_turned_away(call)]
    known = [one.cost_nanos for one in ended if one.cost_nanos is not None]
    return Cost(sum(known), len(known), len(ended) - len(known))


def sum_cost_nanos(calls: Iterable[CallRecord]) -> int | None:
    """The sum of what the calls cost. Unknown is not zero: one unknown cost makes the sum None, and so does no call.

    A request that was turned away before anything came back consumed nothing and is left out.
    """
    counted = [call.ended for call in calls if not was_turned_away(call)]
    costs = [None if ended is None else ended.cost_nanos for ended in counted]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None


def costs_of(runs: Iterable[int]) -> dict[int, Cost]:
    """What the ended calls of each run cost, by the run's key. Requests that were turned away are left out here too."""
    turned_away = Q(status="failed", input_tokens=None, output_tokens=None, ttft_ms=None)
    sums = (
        Call.objects.filter(run__in=list(runs))
        .exclude(turned_away)
        .order_by()
        .values("run_id")
        .annotate(total=Sum("cost_nanos"), known=Count("cost_nanos"), calls=Count("pk"))
    )
    return {row["run_id"]: Cost(row["total"] or 0, row["known"], row["calls"] - row["known"]) for row in sums}


def known_costs(runs: Iterable[int]) -> dict[int, int]:
    """Whole nano-dollars by the run's key; a run with any call of unknown cost is not in it."""
    return {run: cost.nanos for run, cost in costs_of(runs).items() if not cost.unknown}


def was_turned_away(call: CallRecord) -> bool:
    """Refused before anything came back: nothing was consumed."""
    ended = call.ended
    return ended is not None and ended.status == "failed" and ended.usage is None and ended.ttft_ms is None
