"""What became of the models that a pool names, and what the pool does about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone
from django.utils.formats import date_format
from rapidfuzz import fuzz, process

from fusion.catalogue.available import TeamModels
from fusion.catalogue.entries import CatalogueEntry
from fusion.engine.grace import quorum_of
from fusion.engine.types import Limits
from fusion.models import PoolVersion
from fusion.models.pool import PoolMember
from fusion.runs.pools.checking import named_refs, why_not
from fusion.runs.pools.spec import PoolSpec

NEAREST = 3


@dataclass(frozen=True, slots=True)
class Trouble:
    """One model of a pool that is gone, or that its provider does not list any more.

    `field`: the editor's field that names it; `reason` and `effect` are sentences. `blocks`: no run can start.
    """

    field: str
    who: str
    ref: str
    name: str
    reason: str
    effect: str
    blocks: bool

    @property
    def sentence(self) -> str:
        return f"{self.reason} {self.effect}"


def troubles_of(spec: PoolSpec, models: TeamModels, version: PoolVersion | None = None) -> list[Trouble]:
    """What is wrong with the models of rules, stored as `version` or typed only, in the order of the editor."""
    named = named_refs(spec)
    used = named if len(spec.members) > 1 else named[: len(spec.members)]
    return [found for field, ref in used if ref and (found := _trouble(field, ref, spec, models, version))]


def _trouble(field: str, ref: str, spec: PoolSpec, models: TeamModels, version: PoolVersion | None) -> Trouble | None:
    who, known = _who(field), models.entry(ref)
    name = known.name if known is not None else ref.partition(":")[2] or ref
    if reason := why_not(ref, version, models):
        gone = f"{who} “{name[:120]}” cannot be asked here. {reason}"
        if field.startswith("fallback"):
            return Trouble(field, who, ref, name, gone, "Runs start without it.", blocks=False)
        return Trouble(field, who, ref, name, gone, "Runs cannot start until it is replaced.", blocks=True)
    if known is None or known.vanished_at is None:
        return None
    since = date_format(timezone.localtime(known.vanished_at), "j M")
    unlisted = f"{who} “{name[:120]}” is not listed by {known.provider} since {since}."
    return Trouble(field, who, ref, name, unlisted, _effect(field, spec, models), blocks=False)


def _who(field: str) -> str:
    """`B` for a member; the others by what they do."""
    if field.startswith("members-"):
        return PoolMember.LETTERS[int(field.split("-")[1])]
    return {"judge": "The judge", "writer": "The writer"}.get(field, "The fallback judge")


def _effect(field: str, spec: PoolSpec, models: TeamModels) -> str:
    """What a run does with a model that may fail: it is still asked, and then this."""
    if field.startswith("members-"):
        return f"It is still asked; {_without_a_member(spec)}"
    if field == "judge":
        return f"It is still asked first; {_without_the_judge(spec, models)}"
    if field == "writer":
        return "It is still asked to write; if that fails, the best answer is the final as it stands."
    return "It is asked only if a judge before it fails."


def _without_a_member(spec: PoolSpec) -> str:
    members = len(spec.members)
    quorum = quorum_of(members, Limits(quorum=spec.quorum))
    if members == 1:
        return "if that fails, the run fails."
    if members == 2:
        return "if that fails, the other answer is the final, without a verdict."
    if members - 1 >= quorum:
        return f"if that fails, the others answer (quorum {quorum} of {members})."
    if spec.on_quorum_missed == PoolVersion.OnQuorumMissed.STOP:
        return f"if that fails, the quorum of {quorum} is missed and the run stops to ask."
    return f"if that fails, the quorum of {quorum} is missed and the others are judged all the same, labelled so."


def _without_the_judge(spec: PoolSpec, models: TeamModels) -> str:
    if spec.fallback_judges:
        known = models.entry(spec.fallback_judges[0])
        return f"if that fails, {known.name if known else spec.fallback_judges[0]} judges."
    if spec.on_judge_failure == PoolVersion.OnJudgeFailure.ANCHOR:
        return "if that fails, the anchor's answer is shipped, labelled as not judged."
    return "if that fails, the answers are shown without a verdict."


def nearest(ref: str, models: TeamModels) -> list[CatalogueEntry]:
    """Models that may stand in for `ref`: those whose ids are most like its own, its own family first."""
    known = models.entry(ref)
    family = known.family if known is not None else ""
    wanted = ref.partition(":")[2] or ref
    choices = {entry.ref: entry.model_id for entry in _to_offer(models) if entry.ref != ref}
    found = process.extract(wanted, choices, scorer=fuzz.WRatio, limit=NEAREST * 3)
    entries = [entry for _, _, key in found if (entry := models.entry(key)) is not None]
    return sorted(entries, key=lambda entry: not family or entry.family != family)[:NEAREST]


def _to_offer(models: TeamModels) -> Iterator[CatalogueEntry]:
    """Real models only, where there are such: nobody wants a simulated one instead of a real one."""
    listed = models.all()
    real = [entry for entry in listed if not entry.simulated]
    yield from real or listed
