"""Facts about pools for their pages: what they are made of, how they were used, what they would do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median

from django.db.models import Count, Max

from fusion.catalogue.available import TeamModels, models_by_team
from fusion.catalogue.entries import CatalogueEntry
from fusion.engine.rubrics import RUBRICS
from fusion.engine.types import Message, Rubric
from fusion.models import Pool, PoolVersion, Run, User
from fusion.models.pool import Mode, PoolMember, RubricKey
from fusion.models.run import RunQuerySet
from fusion.runs.pools import CallPlan, PoolSpec, PoolWarning, judge_preview, planned_calls, pool_warnings
from fusion.teams.rights import Action, is_editor, roles_of

TIMED_RUNS = 500


@dataclass(frozen=True, slots=True)
class Seat:
    """One member as people see it; `known` False: its connection or model is gone; `problem`: what it simulates."""

    letter: str
    ref: str
    name: str
    provider: str
    simulated: bool
    known: bool
    is_anchor: bool = False
    settings: tuple[str, ...] = ()
    system_note: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """How a pool was used, as far as the reader may see. `median_ms`: from the start of a run to its final."""

    runs: int = 0
    last_used: datetime | None = None
    median_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PoolCard:
    """A pool as the list and its own page show it."""

    pool: Pool
    version: PoolVersion
    seats: Sequence[Seat]
    judge: Seat | None
    usage: PoolUsage
    may_edit: bool

    @property
    def simulated(self) -> bool:
        return any(one.simulated for one in self.seats) or (self.judge is not None and self.judge.simulated)


@dataclass(frozen=True, slots=True)
class CriterionLine:
    """One criterion in a line: its weight in percent and the question that it asks."""

    name: str
    percent: int
    question: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """What rules would do before anything is asked. `smallest`: the member or judge with the least room for text.

    `prompt`: the exact messages of the judge, with sample answers; empty where nothing is judged.
    """

    plan: CallPlan
    mode_label: str
    rubric: str
    criteria: Sequence[CriterionLine]
    smallest: CatalogueEntry | None
    families: Sequence[str]
    warnings: Sequence[PoolWarning]
    prompt: Sequence[Message]


def seat(ref: str, models: TeamModels, position: int = 0) -> Seat:
    """What is known of the model at a position of a panel."""
    known = models.entry(ref)
    letter = PoolMember.LETTERS[position]
    if known is None:
        return Seat(letter, ref, names_a_seat(ref), ref.partition(":")[0], simulated=False, known=False)
    problem = known.problem.words if known.problem is not None else ""
    return Seat(letter, ref, known.name, known.provider, known.simulated, known=True, problem=problem)


def seats(version: PoolVersion, models: TeamModels) -> list[Seat]:
    """The members of a version with their settings, in order."""
    return [
        replace(
            seat(member.ref, models, member.position),
            is_anchor=member.position == version.anchor,
            settings=tuple(_settings(member)),
            system_note=member.system_note,
        )
        for member in version.members.all()
    ]


def _settings(member: PoolMember) -> Iterator[str]:
    if member.temperature is not None:
        yield f"temperature {member.temperature.normalize():f}"
    if member.max_tokens is not None:
        yield f"at most {member.max_tokens:,} tokens"
    if member.timeout_s is not None:
        yield f"at most {member.timeout_s} s"


def names_a_seat(ref: str) -> str:
    """A short name for `connection:model-id` where nothing better is known."""
    return ref.partition(":")[2] or ref


def pool_usage(user: User, pools: Iterable[Pool]) -> dict[int, PoolUsage]:
    """Usage by the pool's key, from the runs that the person may read; medians over the latest `TIMED_RUNS` of them."""
    runs = Run.objects.visible_to(user).filter(pool_version__pool__in=[pool.pk for pool in pools]).order_by()
    times = _times(runs)
    counted = runs.values_list("pool_version__pool").annotate(Count("pk"), Max("created_at"))
    return {pool: PoolUsage(runs, last_used, times.get(pool)) for pool, runs, last_used in counted}


def _times(runs: RunQuerySet) -> dict[int, int]:
    """The median time to the final, in milliseconds, by the pool's key."""
    spent: dict[int, list[float]] = defaultdict(list)
    ended = runs.exclude(started_at=None).exclude(final_ready_at=None).order_by("-created_at")
    for pool, start, end in ended.values_list("pool_version__pool", "started_at", "final_ready_at")[:TIMED_RUNS]:
        if start is not None and end is not None and end >= start:  # an earlier execution's final is not this one's
            spent[pool].append((end - start).total_seconds())
    return {pool: int(median(seconds) * 1000) for pool, seconds in spent.items()}


def pool_cards(user: User, pools: Sequence[Pool]) -> list[PoolCard]:
    """Cards for `pools`, which come from `visible_pools`; four queries however many there are."""
    usage, roles, models = pool_usage(user, pools), roles_of(user), models_by_team({pool.team for pool in pools})
    return [
        PoolCard(
            pool=pool,
            version=pool.current,
            seats=seats(pool.current, models[pool.team_id]),
            judge=seat(pool.current.judge, models[pool.team_id]) if pool.current.judge else None,
            usage=usage.get(pool.pk, PoolUsage()),
            may_edit=is_editor(roles.get(pool.team_id), is_author=pool.author_id == user.pk, action=Action.EDIT_POOLS),
        )
        for pool in pools
        if pool.current is not None
    ]


def pool_outlook(spec: PoolSpec, models: TeamModels) -> Outlook:
    """What these rules would do; a rubric that does not exist counts as the general one."""
    if spec.rubric not in RUBRICS:
        spec = replace(spec, rubric=RubricKey.GENERAL)
    known = [entry for ref in _refs(spec) if (entry := models.entry(ref)) is not None]
    sized = [entry for entry in known if entry.context_tokens is not None]
    return Outlook(
        plan=planned_calls(spec),
        mode_label=Mode(spec.mode).label,
        rubric=RUBRICS[spec.rubric].title,
        criteria=criterion_lines(RUBRICS[spec.rubric]),
        smallest=min(sized, key=lambda entry: entry.context_tokens or 0, default=None),
        families=tuple(dict.fromkeys(_families(spec, models))),
        warnings=pool_warnings(spec, models),
        prompt=judge_preview(spec) if len(spec.members) > 1 else (),
    )


def criterion_lines(rubric: Rubric) -> list[CriterionLine]:
    """A rubric for people: without the anchored levels that only the judge needs."""
    return [
        CriterionLine(one.name, round(one.weight * 100), one.question.partition("\n")[0]) for one in rubric.criteria
    ]


def _refs(spec: PoolSpec) -> list[str]:
    return [*(member.ref for member in spec.members), *([spec.judge] if spec.judge else [])]


def _families(spec: PoolSpec, models: TeamModels) -> list[str]:
    entries = [models.entry(member.ref) for member in spec.members]
    return [entry.family for entry in entries if entry is not None and entry.family]
