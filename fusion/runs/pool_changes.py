"""How a pool came about: its versions, each with what it changed, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from django.db.models import Count

from fusion.catalogue.available import TeamModels, models_of
from fusion.models import Pool, PoolVersion, Run, User
from fusion.models.pool import Mode, PoolMember, RubricKey
from fusion.runs.pool_facts import seat
from fusion.runs.pools import MemberSpec, PoolSpec, spec_of

VERSIONS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """One version in a pool's history; `changes` is empty for the very first. `runs`: those the reader may see."""

    number: int
    author: str
    created_at: datetime
    changes: Sequence[str]
    runs: int


def version_log(user: User, pool: Pool) -> list[VersionEntry]:
    """The latest versions, newest first, with what each changed against the one before it."""
    versions = pool.versions.select_related("author", "pool").prefetch_related("members").order_by("-number")
    shown = list(versions[: VERSIONS_SHOWN + 1])
    specs = {version.pk: spec_of(version) for version in shown}
    models = models_of(pool.team)
    told = {new.pk: changes(specs[old.pk], specs[new.pk], models) for new, old in pairwise(shown)}
    runs = runs_per_version(user, pool)
    return [
        VersionEntry(
            number=version.number,
            author=version.author.get_short_name(),
            created_at=version.created_at,
            changes=told.get(version.pk, []),
            runs=runs.get(version.pk, 0),
        )
        for version in shown[:VERSIONS_SHOWN]
    ]


def runs_per_version(user: User, pool: Pool) -> dict[int, int]:
    """How many readable runs used each version, by the version's key."""
    runs = Run.objects.visible_to(user).filter(pool_version__pool=pool).order_by()
    return dict(runs.values_list("pool_version").annotate(Count("pk")))


def changes(old: PoolSpec, new: PoolSpec, models: TeamModels) -> list[str]:
    """What a version changed, in one sentence per change; empty when the rules are the same."""
    return [*_member_changes(old, new, models), *_rule_changes(old, new, models)]


def _member_changes(old: PoolSpec, new: PoolSpec, models: TeamModels) -> Iterator[str]:
    before, after = by_occurrence(old, models), by_occurrence(new, models)
    for key in after.keys() - before.keys():
        yield f"Added {ref_words(key[0], models)}"
    for key in before.keys() - after.keys():
        yield f"Removed {ref_words(key[0], models)}"
    if before.keys() == after.keys() and list(before) != list(after):
        yield "Members in another order"
    for key in after:
        if key in before:
            yield from _settings_changes(before[key], after[key], models)


def by_occurrence(spec: PoolSpec, models: TeamModels) -> dict[tuple[str, int], MemberSpec]:
    """Members by model and count, because the same model may sit twice."""
    seen: Counter[str] = Counter()
    members = {}
    for member in spec.members:
        model = models.split_ref(member.ref)[0]
        members[model, seen[model]] = member
        seen[model] += 1
    return members


def _settings_changes(old: MemberSpec, new: MemberSpec, models: TeamModels) -> Iterator[str]:
    name = seat(new.ref, models).name
    for what, before, after in seat_lines(old, new, models):
        if before != after:
            yield f"{name}: {what} {before} → {after}"
    if old.system_note != new.system_note:
        yield f"{name}: system note {_edited(old.system_note, new.system_note)}"


def seat_lines(old: MemberSpec, new: MemberSpec, models: TeamModels) -> Iterator[tuple[str, str, str]]:
    """The short settings of one seat in two versions: what, before, after."""
    problems = [seat(one.ref, models).problem or "none" for one in (old, new)]
    if problems != ["none", "none"]:
        yield "simulated problem", problems[0], problems[1]
    yield "temperature", _value(old.temperature), _value(new.temperature)
    yield "token limit", _value(old.max_tokens), _value(new.max_tokens)
    yield "time limit", _value(old.timeout_s, " s"), _value(new.timeout_s, " s")


def rule_lines(spec: PoolSpec, models: TeamModels) -> list[tuple[str, str]]:
    """The rules that are not about one member, as pairs of words."""
    return [
        ("Mode", _mode(spec)),
        ("Rubric", RubricKey(spec.rubric).label),
        ("Judge", ref_words(spec.judge, models)),
        ("Fallback judges", ", ".join(ref_words(ref, models) for ref in spec.fallback_judges) or "none"),
        ("Writer", ref_words(spec.writer, models, "the judge's model")),
        ("Anchor", PoolMember.LETTERS[spec.anchor]),
        ("Quorum", _value(spec.quorum, none="two thirds")),
        ("Grace period", _value(spec.grace_s, " s", "automatic")),
        ("Panel deadline", _value(spec.panel_timeout_s, " s")),
        ("Judge's deadline", _value(spec.judge_timeout_s, " s")),
        ("When too few answer", str(PoolVersion.OnQuorumMissed(spec.on_quorum_missed).label)),
        ("When every judge fails", str(PoolVersion.OnJudgeFailure(spec.on_judge_failure).label)),
    ]


def _mode(spec: PoolSpec) -> str:
    label = str(Mode(spec.mode).label)
    rounds = f"{spec.debate_rounds} round{'s' * (spec.debate_rounds > 1)}"
    return f"{label}, at most {rounds}" if spec.mode == Mode.DEBATE else label


def _rule_changes(old: PoolSpec, new: PoolSpec, models: TeamModels) -> Iterator[str]:
    for (what, before), (_, after) in zip(rule_lines(old, models), rule_lines(new, models), strict=True):
        if before != after:
            yield f"{what}: {before} → {after}"
    if old.judge_instructions != new.judge_instructions:
        yield f"Judge instructions {_edited(old.judge_instructions, new.judge_instructions)}"


def _value(value: object, unit: str = "", none: str = "default") -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}{unit}"
    return none if value is None else f"{value}{unit}"


def _edited(old: str, new: str) -> str:
    if not old:
        return "added"
    return "changed" if new else "removed"


def ref_words(ref: str, models: TeamModels, none: str = "none") -> str:
    """A model as people call it, with what it simulates; `none` where none is named."""
    if not ref:
        return none
    known = seat(ref, models)
    return f"{known.name} (simulates: {known.problem})" if known.problem else known.name
