"""Pools to start from, as data, and what they come to with the models that a team really has.

A template says what kind of models sit where; `offers` chooses them: the recommended ones first, other families before
the same again, a known price where it is about prices. Nothing here names a model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from fusion.accounting.prices import cost_nanos
from fusion.catalogue.available import TeamModels
from fusion.catalogue.entries import CatalogueEntry
from fusion.engine.types import Role, Usage
from fusion.models.pool import FALLBACK_JUDGES_MAX, Mode, RubricKey
from fusion.providers.recommendation import preferred
from fusion.providers.simulated import SIMULATED_POOL
from fusion.runs.pool_estimates import ASSUMED_ANSWER, ASSUMED_QUESTION, Habits
from fusion.runs.pools.calls import CallPlan, planned_calls
from fusion.runs.pools.spec import MemberSpec, PoolSpec

Pick = Literal["best", "cheap", "fast", "same"]

# What providers call their small models; a size in billions of parameters up to 14 counts too.
_SMALL = re.compile(r"mini|nano|flash|lite|haiku|small|tiny|turbo|instant|\b(?:\d|1[0-4])(?:\.\d)?b\b", re.IGNORECASE)
_SMALLEST = re.compile(r"nano|lite|tiny|\b[0-4](?:\.\d)?b\b", re.IGNORECASE)


CHEAP_UP_TO = 8  # times the cheapest
PLAIN = MemberSpec("")


@dataclass(frozen=True, slots=True)
class Template:
    """A pool to start from. `pick`: by what its models are chosen; at least `members_min` different ones are needed.

    `rules`: what differs from an ordinary pool. `notes`: one system note per seat.
    """

    slug: str
    name: str
    purpose: str
    pick: Pick
    members: int
    members_min: int
    rules: PoolSpec
    notes: tuple[str, ...] = ()
    seat: MemberSpec = PLAIN


@dataclass(frozen=True, slots=True)
class Offer:
    """A template with the models that it would take here; `spec` None: it is not possible here, `problem` says why."""

    template: Template
    spec: PoolSpec | None
    problem: str = ""

    @property
    def calls(self) -> CallPlan | None:
        return None if self.spec is None else planned_calls(self.spec)


def _rules(mode: Mode, rubric: RubricKey = RubricKey.GENERAL) -> PoolSpec:
    return PoolSpec(name="", members=(), mode=mode, rubric=rubric)


TEMPLATES: tuple[Template, ...] = (
    Template(
        "quality",
        "Quality",
        "The strongest models of different families; the final is written from the best answer and what others add.",
        "best",
        members=3,
        members_min=2,
        rules=_rules(Mode.MERGE),
    ),
    Template(
        "budget",
        "Budget",
        "The cheapest models whose price is known, and no call to write a final.",
        "cheap",
        members=3,
        members_min=2,
        rules=_rules(Mode.BEST_OF),
        seat=MemberSpec("", max_tokens=1_500),
    ),
    Template(
        "fast",
        "Fast",
        "The models that answer soonest; whoever is late is not waited for.",
        "fast",
        members=3,
        members_min=2,
        rules=replace(_rules(Mode.BEST_OF), grace_s=2, panel_timeout_s=45, judge_timeout_s=45),
        seat=MemberSpec("", max_tokens=1_200),
    ),
    Template(
        "code-review",
        "Code review",
        "Three reviewers, each with an eye of its own, merged into one list of findings.",
        "best",
        members=3,
        members_min=2,
        rules=_rules(Mode.MERGE, RubricKey.CODE_REVIEW),
        notes=(
            "Review for correctness first: wrong results, edge cases, races, lost errors. Point at lines.",
            "Review for security and data loss first: input, rights, secrets, migrations. Point at lines.",
            "Review for design first: what can be deleted, simpler shapes, names, missing tests. Point at lines.",
        ),
    ),
    Template(
        "research",
        "Research",
        "Families that share no blind spots; where they contradict each other they argue it out, and a judge rules.",
        "best",
        members=3,
        members_min=2,
        rules=replace(_rules(Mode.DEBATE, RubricKey.RESEARCH), debate_rounds=2),
        seat=MemberSpec("", system_note="Say what each claim rests on, and how sure you are of it."),
    ),
    Template(
        "creative",
        "Creative",
        "Four drafts that dare to differ; the best one ships word for word.",
        "best",
        members=4,
        members_min=2,
        rules=_rules(Mode.BEST_OF, RubricKey.CREATIVE),
        seat=MemberSpec("", temperature=Decimal("1.0")),
    ),
    Template(
        "self-fusion",
        "Self-fusion of your best model",
        "One strong model asked three times: its samples differ, and a judge merges what they found.",
        "same",
        members=3,
        members_min=1,
        rules=_rules(Mode.MERGE),
    ),
)


def template_named(slug: str) -> Template | None:
    return next((template for template in TEMPLATES if template.slug == slug), None)


def offers(models: TeamModels, habits: Habits) -> list[Offer]:
    """Every template with what it would take here; `habits` may be empty."""
    shelf = Shelf(models, habits)
    return [offer(template, shelf) for template in TEMPLATES]


def offer(template: Template, shelf: Shelf) -> Offer:
    """One template with what it would take here."""
    ranked = shelf.ranked(template.pick)
    if len(ranked) < template.members_min:
        return Offer(template, None, _problem(template, ranked))
    fit = shelf.fit(template.pick, ranked)
    ranked = fit if len(fit) >= template.members_min else ranked
    judge = _judge(template, ranked, shelf)
    panel = _panel(template, ranked, judge)
    fallbacks = [entry.ref for entry in _others(shelf.ranked("best"), panel, judge)]
    return Offer(
        template,
        replace(
            template.rules,
            name=template.name,
            members=tuple(_seats(template, panel)),
            judge=judge.ref,
            fallback_judges=tuple(fallbacks[:FALLBACK_JUDGES_MAX]),
        ),
    )


class Shelf:
    """The models that a team can ask, in the orders that templates choose by; simulated ones only where no real one
    is."""

    def __init__(self, models: TeamModels, habits: Habits) -> None:
        listed = models.all()
        real = [entry for entry in listed if not entry.simulated]
        self.models, self.habits = models, habits
        self.entries: list[CatalogueEntry] = [entry for entry in real or listed if _writes_text(entry)]
        self._strong = {ref: place for place, ref in enumerate(dict.fromkeys(_recommended_refs(models)))}

    def ranked(self, pick: Pick) -> list[CatalogueEntry]:
        """The models of that kind, the fittest first."""
        if pick == "cheap":
            priced = [entry for entry in self.entries if entry.price is not None]  # unknown is not cheap
            return sorted(priced, key=_asking_price)
        key: Callable[[CatalogueEntry], tuple[float, ...]] = self._by_speed if pick == "fast" else self._by_strength
        return sorted(self.entries, key=key)

    def fit(self, pick: Pick, ranked: Sequence[CatalogueEntry]) -> list[CatalogueEntry]:
        """Those that deserve the name: another family is no reason to take a dear model for cheap or a large one for
        fast."""
        if pick == "cheap":
            most = CHEAP_UP_TO * _asking_price(ranked[0])
            return [entry for entry in ranked if _asking_price(entry) <= most]
        if pick == "fast":
            return [entry for entry in ranked if self._is_quick(entry)]
        return list(ranked)

    def _is_quick(self, entry: CatalogueEntry) -> bool:
        return (entry.ref, Role.PANEL.value) in self.habits or bool(_SMALL.search(entry.model_id))

    def _by_strength(self, entry: CatalogueEntry) -> tuple[float, ...]:
        """The provider's recommended ones, then by price: nothing else is known of a model beforehand."""
        small = bool(_SMALL.search(entry.model_id))
        return self._strong.get(entry.ref, len(self._strong)), small, -_asking_price(entry)

    def _by_speed(self, entry: CatalogueEntry) -> tuple[float, ...]:
        """As measured; models that were never asked come after those, the small ones first."""
        habit = self.habits.get((entry.ref, Role.PANEL.value))
        size = -bool(_SMALLEST.search(entry.model_id)) - bool(_SMALL.search(entry.model_id))
        measured = float("inf") if habit is None or habit.ttft_ms is None else float(habit.ttft_ms)
        return measured, size, _asking_price(entry) if entry.price is not None else float("inf")


def _recommended_refs(models: TeamModels) -> Iterator[str]:
    """What the presets recommend and really exists, each connection's judge before its members."""
    for source in models.connections():
        known = [model.model_id for model in preferred(source.made.preset, models.listed_at(source.slug))]
        if source.is_simulated:
            known = [SIMULATED_POOL.judge, *SIMULATED_POOL.members]
        yield from (f"{source.slug}:{model_id}" for model_id in known)


def _writes_text(entry: CatalogueEntry) -> bool:
    return not entry.output_modalities or "text" in entry.output_modalities


def _asking_price(entry: CatalogueEntry) -> int:
    """What a usual question costs there, in nano-dollars; 0 where it is not known."""
    return cost_nanos(Usage(ASSUMED_QUESTION, ASSUMED_ANSWER), entry.price) or 0


def _judge(template: Template, ranked: Sequence[CatalogueEntry], shelf: Shelf) -> CatalogueEntry:
    """Somebody who does not sit on the panel, of another family where that is possible; of the template's own kind."""
    if template.pick == "best":
        return ranked[0]  # the panel is filled from the others
    candidates = shelf.ranked("best") if template.pick == "same" else ranked
    panel = _panel(template, ranked, None)
    return next(_others(candidates, panel, None), ranked[0])


def _panel(template: Template, ranked: Sequence[CatalogueEntry], judge: CatalogueEntry | None) -> list[CatalogueEntry]:
    """New families first. A judge sits on the panel only where there are too few models without it."""
    if template.pick == "same":
        return [ranked[0]] * template.members
    others = [entry for entry in ranked if judge is None or entry.ref != judge.ref]
    if len(others) < template.members_min:
        others = list(ranked)
    first = _of_new_families(others)
    rest = [entry for entry in others if entry not in first]
    return [*first, *rest][: template.members]


def _of_new_families(entries: Iterable[CatalogueEntry]) -> list[CatalogueEntry]:
    found: dict[str, CatalogueEntry] = {}
    for entry in entries:
        found.setdefault(entry.family or entry.ref, entry)
    return list(found.values())


def _others(
    candidates: Iterable[CatalogueEntry], panel: Sequence[CatalogueEntry], judge: CatalogueEntry | None
) -> Iterator[CatalogueEntry]:
    """Who does not sit anywhere yet, other families first; then, as second best, who sits on the panel."""
    taken = {entry.ref for entry in panel}
    families = {entry.family for entry in panel}
    left = [entry for entry in candidates if judge is None or entry.ref != judge.ref]
    yield from (entry for entry in left if entry.ref not in taken and entry.family not in families)
    yield from (entry for entry in left if entry.ref not in taken and entry.family in families)
    yield from dict.fromkeys(entry for entry in panel if judge is not None and entry.ref != judge.ref)


def _seats(template: Template, panel: Sequence[CatalogueEntry]) -> Iterator[MemberSpec]:
    for at, entry in enumerate(panel):
        note = template.notes[at % len(template.notes)] if template.notes else template.seat.system_note
        yield replace(template.seat, ref=entry.ref, system_note=note)


def _problem(template: Template, ranked: Sequence[CatalogueEntry]) -> str:
    needed = "one model" if template.members_min == 1 else f"{template.members_min} different models"
    kind = " with a known price" if template.pick == "cheap" else ""
    there = "none" if not ranked else "only one" if len(ranked) == 1 else str(len(ranked))
    help_ = "Set prices in the catalogue." if template.pick == "cheap" else "Connect a provider first."
    if template.pick != "cheap" and ranked:
        help_ = "Use the self-fusion of your best model, or connect another provider."
    return f"It needs {needed}{kind}; there is {there} here. {help_}"
