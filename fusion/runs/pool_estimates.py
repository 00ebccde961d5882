"""How long a run of some rules will take and what it will cost, from what the same models did before.

Where nothing was measured, times are unknown and costs are reckoned with assumed lengths; an unknown price is unknown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from fusion.accounting.prices import cost_nanos
from fusion.catalogue.available import TeamModels
from fusion.engine.types import Role, Usage
from fusion.models import Call, Team
from fusion.runs.pools.calls import CallPlan, planned_calls
from fusion.runs.pools.spec import PoolSpec

LATEST_CALLS = 500
ASSUMED_QUESTION = 400
ASSUMED_ANSWER = 700
ASSUMED_INSTRUCTIONS = 1_500


@dataclass(frozen=True, slots=True)
class Habit:
    """What the calls to one model in one role usually took."""

    ms: int
    ttft_ms: int | None
    input_tokens: int | None
    output_tokens: int | None


Habits = Mapping[tuple[str, str], Habit]  # by ref and engine role


@dataclass(frozen=True, slots=True)
class Estimate:
    """One run, when all goes well. `ms` None: not every model was timed yet. `nanos` None: some price is not known,
    namely of the models in `unpriced`. `nanos_max`: with every round of a debate. `assumed`: lengths were assumed.
    """

    ms: int | None
    nanos: int | None
    nanos_max: int | None
    unpriced: tuple[str, ...] = ()
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """One call of a run: who is asked, in which role, and how long its text is when nobody knows better."""

    ref: str
    role: Role
    assumed: Usage


def habits_of(team: Team, refs: Iterable[str] | None = None) -> Habits:
    """What the latest calls of this team took, to these models if some are named. One query."""
    rows = Call.objects.filter(run__team=team, status="ok").order_by("-ended_at", "-pk")
    if refs is not None:
        rows = rows.filter(ref__in=set(refs))
    found: dict[tuple[str, str], list[tuple[int, int | None, int | None, int | None]]] = defaultdict(list)
    columns = ("ref", "role", "total_ms", "ttft_ms", "input_tokens", "output_tokens")
    for ref, role, *measured in rows.values_list(*columns)[:LATEST_CALLS]:
        found[ref, role].append((measured[0], measured[1], measured[2], measured[3]))
    return {key: _habit(calls) for key, calls in found.items()}


def _habit(calls: list[tuple[int, int | None, int | None, int | None]]) -> Habit:
    total, ttft, sent, received = zip(*calls, strict=True)
    return Habit(int(median(total)), _middle(ttft), _middle(sent), _middle(received))


def _middle(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return int(median(known)) if known else None


def estimate(spec: PoolSpec, models: TeamModels, habits: Habits) -> Estimate:
    """What one run of these rules would take and cost."""
    plan = planned_calls(spec)
    usual, debated = list(_parts(spec, plan)), list(_debate_parts(spec, plan))
    nanos, more = _cost(usual, models, habits), _cost(debated, models, habits)
    return Estimate(
        ms=_time(usual, habits),
        nanos=nanos,
        nanos_max=None if nanos is None or more is None else nanos + more,
        unpriced=tuple(dict.fromkeys(_unpriced([*usual, *debated], models))),
        assumed=any((part.ref, part.role.value) not in habits for part in usual),
    )


def _parts(spec: PoolSpec, plan: CallPlan) -> Iterator[_Part]:
    read = ASSUMED_INSTRUCTIONS + ASSUMED_QUESTION + ASSUMED_ANSWER * len(spec.members)
    for member in spec.members:
        length = min(ASSUMED_ANSWER, member.max_tokens or ASSUMED_ANSWER)
        yield _Part(member.ref, Role.PANEL, Usage(ASSUMED_QUESTION, length))
    if plan.judge:
        yield _Part(spec.judge, Role.JUDGE, Usage(read, ASSUMED_ANSWER))
    if plan.writer:
        yield _Part(spec.writer or spec.judge, Role.WRITER, Usage(read, ASSUMED_ANSWER))


def _debate_parts(spec: PoolSpec, plan: CallPlan) -> Iterator[_Part]:
    read = ASSUMED_INSTRUCTIONS + ASSUMED_QUESTION + ASSUMED_ANSWER * len(spec.members)
    for member in spec.members * plan.rounds:
        yield _Part(member.ref, Role.REBUTTAL, Usage(ASSUMED_INSTRUCTIONS, ASSUMED_ANSWER // 2))
    if plan.ruling:
        yield _Part(spec.judge, Role.JUDGE, Usage(read, ASSUMED_ANSWER))


def _cost(parts: Iterable[_Part], models: TeamModels, habits: Habits) -> int | None:
    """None as soon as one price is not known: a sum without it would look cheaper than it is."""
    total = 0
    for part in parts:
        known = models.entry(part.ref)
        nanos = cost_nanos(_usage(part, habits), known.price) if known is not None else None
        if nanos is None:
            return None
        total += nanos
    return total


def _usage(part: _Part, habits: Habits) -> Usage:
    habit = habits.get((part.ref, part.role.value))
    if habit is None:
        return part.assumed
    sent = part.assumed.input_tokens if habit.input_tokens is None else habit.input_tokens
    received = part.assumed.output_tokens if habit.output_tokens is None else habit.output_tokens
    return Usage(sent, received)


def _time(parts: Iterable[_Part], habits: Habits) -> int | None:
    """The slowest member, then one after the other; the rounds of a debate depend on what is disputed."""
    by_role: dict[Role, int] = {}
    for part in parts:
        habit = habits.get((part.ref, part.role.value))
        if habit is None:
            return None
        by_role[part.role] = max(by_role.get(part.role, 0), habit.ms)
    return sum(by_role.values()) or None


def _unpriced(parts: Iterable[_Part], models: TeamModels) -> Iterator[str]:
    for part in parts:
        known = models.entry(part.ref)
        if part.ref and (known is None or known.price is None):
            yield known.name if known is not None else part.ref
