"""Facts about pools for their pages: what they are made of, how they were used, what they would do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fusion.catalogue.available import TeamModels, models_by_team
from fusion.catalogue.entries import CatalogueEntry
from fusion.engine.rubrics import RUBRICS
from fusion.engine.types import Message, Rubric
from fusion.models import Pool, PoolVersion, Team, User
from fusion.models.pool import Mode, PoolMember, RubricKey
from fusion.runs.pool_estimates import Estimate, Habits, estimate, habits_of
from fusion.runs.pool_usage import PoolUsage, pool_usage
from fusion.runs.pools import (
    CallPlan,
    PoolSpec,
    PoolWarning,
    Trouble,
    judge_preview,
    planned_calls,
    pool_warnings,
    spec_of,
    troubles_of,
)
from fusion.runs.pools.checking import named_refs
from fusion.runs.templates import Offer, offers
from fusion.teams.rights import edits_pool, manages_pool, roles_of


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
class PoolCard:
    """A pool as the list and its own page show it."""

    pool: Pool
    version: PoolVersion
    seats: Sequence[Seat]
    judge: Seat | None
    usage: PoolUsage
    may_edit: bool
    may_manage: bool
    troubles: Sequence[Trouble]

    @property
    def blocked(self) -> bool:
        """Whether no run can start."""
        return any(trouble.blocks for trouble in self.troubles)

    @property
    def searched(self) -> str:
        """What a search looks through, casefolded."""
        named = [*self.seats, *([self.judge] if self.judge else [])]
        words = [self.pool.name, self.version.get_mode_display()]
        words += [f"{one.name} {one.provider} {one.ref}" for one in named]
        return " ".join(words).casefold()

    @property
    def simulated(self) -> bool:
        return any(one.simulated for one in self.seats) or (self.judge is not None and self.judge.simulated)


@dataclass(frozen=True, slots=True)
class OfferCard:
    """A template as people choose it: with the models that it would take here, or with why it is not possible."""

    offer: Offer
    mode_label: str
    seats: Sequence[Seat]
    judge: Seat | None
    estimate: Estimate | None


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
    estimate: Estimate
    simulated: bool
    troubles: Sequence[Trouble]
    warnings: Sequence[PoolWarning]
    prompt: Sequence[Message]

    @property
    def notes(self) -> int:
        """How many things there are to mind."""
        return len(self.troubles) + len(self.warnings)


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


def pool_cards(user: User, pools: Sequence[Pool]) -> list[PoolCard]:
    """Cards for `pools`, which come from `visible_pools`, those used last first; few queries however many there are."""
    usage, roles, models = pool_usage(user, pools), roles_of(user), models_by_team({pool.team for pool in pools})
    cards = [
        _card(user, pool, pool.current, models[pool.team_id], usage.get(pool.pk, PoolUsage()), roles.get(pool.team_id))
        for pool in pools
        if pool.current is not None
    ]
    return sorted(cards, key=lambda card: card.usage.last_used or card.pool.created_at, reverse=True)


def _card(
    user: User, pool: Pool, version: PoolVersion, models: TeamModels, usage: PoolUsage, role: str | None
) -> PoolCard:
    version.pool = pool  # as it is; asking for it would be a query for each card
    return PoolCard(
        pool=pool,
        version=version,
        seats=seats(version, models),
        judge=seat(version.judge, models) if version.judge else None,
        usage=usage,
        may_edit=edits_pool(role, user, pool),
        may_manage=manages_pool(role, user, pool),
        troubles=troubles_of(spec_of(version), models, version),
    )


def matching(cards: Sequence[PoolCard], *, query: str = "", mode: str = "") -> list[PoolCard]:
    """The cards whose name or models hold every word of `query`, in that mode if one is named."""
    words = query.casefold().split()
    return [
        card
        for card in cards
        if (not mode or card.version.mode == mode) and all(word in card.searched for word in words)
    ]


def offer_cards(team: Team, models: TeamModels) -> list[OfferCard]:
    """What every template would come to in this team."""
    habits = habits_of(team)
    return [_offer_card(one, models, habits) for one in offers(models, habits)]


def _offer_card(one: Offer, models: TeamModels, habits: Habits) -> OfferCard:
    mode_label = str(Mode(one.template.rules.mode).label)
    if one.spec is None:
        return OfferCard(one, mode_label, (), None, None)
    return OfferCard(
        offer=one,
        mode_label=mode_label,
        seats=[seat(member.ref, models, at) for at, member in enumerate(one.spec.members)],
        judge=seat(one.spec.judge, models) if one.calls and one.calls.judge else None,
        estimate=estimate(one.spec, models, habits),
    )


def pool_outlook(
    spec: PoolSpec, models: TeamModels, *, team: Team | None = None, version: PoolVersion | None = None
) -> Outlook:
    """What these rules would do; a rubric that does not exist counts as the general one. `team`: whose calls tell how
    long the models take."""
    if spec.rubric not in RUBRICS:
        spec = replace(spec, rubric=RubricKey.GENERAL)
    known = [entry for ref in _refs(spec) if (entry := models.entry(ref)) is not None]
    sized = [entry for entry in known if entry.context_tokens is not None]
    habits = habits_of(team, [ref for _, ref in named_refs(spec)]) if team is not None else {}
    return Outlook(
        plan=planned_calls(spec),
        mode_label=Mode(spec.mode).label,
        rubric=RUBRICS[spec.rubric].title,
        criteria=criterion_lines(RUBRICS[spec.rubric]),
        smallest=min(sized, key=lambda entry: entry.context_tokens or 0, default=None),
        families=tuple(dict.fromkeys(_families(spec, models))),
        estimate=estimate(spec, models, habits),
        simulated=any(entry.simulated for entry in known),
        troubles=troubles_of(spec, models, version),
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
