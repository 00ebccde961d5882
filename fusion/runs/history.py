"""What the list of runs shows: one row per run, read with a fixed number of queries however long the page is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.functions import Substr
from django.utils import timezone

from fusion.models import Answer, FinalAnswer, Pool, PromptImage, Run, Team, User
from fusion.models.pool import PoolQuerySet
from fusion.models.run import RunQuerySet
from fusion.runs.costs import Cost, costs_of
from fusion.runs.pool_facts import names_a_seat
from fusion.teams.rights import Action, allows, is_editor, roles_of
from fusion.teams.selectors import former_members

EXCERPT_CHARS = 280
UNDO_S = 10


@dataclass(frozen=True, slots=True)
class MemberChip:
    letter: str
    name: str
    state: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One run in a list. `ms`: from its start to its final. `cost`: of its ended calls, in words and exactly.

    `found_in`: answers and final in which the searched words stand.
    """

    public_id: str
    excerpt: str
    state: str
    mode_label: str
    pool_name: str
    pool_public_id: str | None
    pool_version: int
    author: str
    author_left: bool
    created_at: datetime
    ms: int | None
    cost: Cost
    members: tuple[MemberChip, ...]
    found_in: tuple[str, ...]
    is_private: bool
    may_delete: bool
    images: int = 0

    @property
    def day(self) -> date:
        """The day it was asked on, where the reader's clock is."""
        return timezone.localdate(self.created_at)

    @property
    def simulated(self) -> bool:
        return any(member.simulated for member in self.members)


def for_list(runs: RunQuerySet) -> RunQuerySet:
    """The runs without their full prompts, which may be long; the beginning comes as `beginning`."""
    return runs.annotate(beginning=Substr("prompt", 1, EXCERPT_CHARS + 1)).defer("prompt")


def history_rows(user: User, runs: Sequence[Run], *, query: str = "") -> list[HistoryRow]:
    """Rows for `runs`, which come from `for_list`; five queries, two more when something is searched for."""
    ids = [run.pk for run in runs]
    members, costs, found = _members(ids), costs_of(ids), _found_in(ids, query)
    roles, images = roles_of(user), _images(ids)
    gone = former_members((run.team_id, run.author_id) for run in runs)
    return [
        HistoryRow(
            public_id=str(run.public_id),
            excerpt=_excerpt(run.beginning),  # type: ignore[attr-defined]  # annotated by for_list
            state=run.state,
            mode_label=run.get_mode_display(),
            pool_name=run.pool_version.pool.name,
            pool_public_id=_pool_link(run, user),
            pool_version=run.pool_version.number,
            author=run.author.get_short_name(),
            author_left=(run.team_id, run.author_id) in gone,
            created_at=run.created_at,
            ms=_ms(run),
            cost=costs.get(run.pk, Cost()),
            members=tuple(members[run.pk]),
            found_in=tuple(found[run.pk]),
            is_private=run.is_private,
            may_delete=_may_delete(user, run, roles),
            images=images.get(run.pk, 0),
        )
        for run in runs
    ]


def pools_with_runs(user: User, team: Team | None) -> PoolQuerySet:
    """The team's pools to filter by: those the person may see, deleted ones included, that some readable run used."""
    used = Run.objects.visible_to(user).filter(pool_version__pool=OuterRef("pk"))
    seen = Pool.objects.filter(Q(visibility=Pool.Visibility.TEAM) | Q(author=user))
    return seen.filter(Exists(used), team=team).order_by("name", "pk")


def just_deleted(user: User) -> Run | None:
    """The newest run that the person may bring back and that was deleted within the last `UNDO_S` seconds."""
    roles = roles_of(user)
    mine = Q(author=user, team__in=[team for team, role in roles.items() if allows(role, Action.RUN)])
    led = Q(is_private=False, team__in=[team for team, role in roles.items() if allows(role, Action.DELETE_RUNS)])
    since = timezone.now() - timedelta(seconds=UNDO_S)
    return for_list(Run.objects.filter(mine | led, deleted_at__gt=since)).order_by("-deleted_at").first()


def _members(ids: list[int]) -> dict[int, list[MemberChip]]:
    rows = Answer.objects.filter(run__in=ids, is_current=True).order_by("run", "letter")
    chips: dict[int, list[MemberChip]] = defaultdict(list)
    for run_id, letter, facts, ref, state in rows.values_list("run_id", "letter", "endpoint", "ref", "state"):
        name = facts.get("name") or names_a_seat(ref)
        chips[run_id].append(MemberChip(letter, name, state, bool(facts.get("simulated"))))
    return chips


def _images(ids: list[int]) -> dict[int, int]:
    counts = PromptImage.objects.filter(run__in=ids).order_by().values("run_id").annotate(number=Count("pk"))
    return {row["run_id"]: row["number"] for row in counts}


def _found_in(ids: list[int], query: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    if not query:
        return found
    finals = FinalAnswer.objects.filter(run__in=ids, is_current=True, text__icontains=query)
    for run_id in finals.values_list("run_id", flat=True):
        found[run_id].append("the final")
    answers = Answer.objects.filter(run__in=ids, is_current=True, text__icontains=query).order_by("letter")
    for run_id, letter in answers.values_list("run_id", "letter"):
        found[run_id].append(f"answer {letter}")
    return found


def _excerpt(beginning: str) -> str:
    text = " ".join(beginning[:EXCERPT_CHARS].split())
    return f"{text}…" if len(beginning) > EXCERPT_CHARS else text


def _pool_link(run: Run, user: User) -> str | None:
    pool = run.pool_version.pool
    hidden = pool.visibility == Pool.Visibility.PRIVATE and pool.author_id != user.pk
    return None if pool.deleted_at is not None or hidden else str(pool.public_id)


def _ms(run: Run) -> int | None:
    end = run.final_ready_at or run.finished_at
    start = run.started_at or run.created_at
    return int((end - start).total_seconds() * 1000) if end is not None and end >= start else None


def _may_delete(user: User, run: Run, roles: dict[int, str]) -> bool:
    role = roles.get(run.team_id)
    return is_editor(role, is_author=run.author_id == user.pk, action=Action.DELETE_RUNS)
