"""Whether rules can be run with the models of a team, and whose connections they mean."""

from __future__ import annotations

from fusion.catalogue.available import TeamModels
from fusion.engine.rubrics import RUBRICS
from fusion.errors import InvalidInput
from fusion.models import Pool, PoolVersion
from fusion.models.pool import DEBATE_ROUNDS_MAX, FALLBACK_JUDGES_MAX, MEMBERS_MAX
from fusion.runs.pools.spec import PoolSpec


def check_spec(spec: PoolSpec, models: TeamModels) -> None:
    """Raises InvalidInput, naming the field, unless the rules can be run with these models."""
    if not spec.name.strip():
        raise InvalidInput("Give the pool a name.", field="name")
    if not 1 <= len(spec.members) <= MEMBERS_MAX:
        raise InvalidInput(f"A pool has 1 to {MEMBERS_MAX} members.", field="members")
    if not 0 <= spec.anchor < len(spec.members):
        raise InvalidInput("The anchor must be one of the members.", field="anchor")
    if len(spec.members) > 1 and not spec.judge:
        raise InvalidInput("Choose a judge: two or more answers need one.", field="judge")
    if len(spec.fallback_judges) > FALLBACK_JUDGES_MAX:
        raise InvalidInput(f"At most {FALLBACK_JUDGES_MAX} fallback judges.", field="fallback_judges")
    if spec.quorum is not None and not 1 <= spec.quorum <= len(spec.members):
        raise InvalidInput("The quorum must lie between 1 and the number of members.", field="quorum")
    if not 1 <= spec.debate_rounds <= DEBATE_ROUNDS_MAX:
        raise InvalidInput(f"A debate has 1 to {DEBATE_ROUNDS_MAX} rounds.", field="debate_rounds")
    if spec.rubric not in RUBRICS:
        raise InvalidInput("Choose one of the rubrics.", field="rubric")
    if spec.visibility == Pool.Visibility.PRIVATE and spec.editors != Pool.Editors.AUTHOR:
        raise InvalidInput("Only its author sees a private pool, so nobody else can edit it.", field="editors")
    _check_refs(spec, models)


def _check_refs(spec: PoolSpec, models: TeamModels) -> None:
    for field, ref in named_refs(spec):
        if ref and (reason := models.why_not(ref)):
            raise InvalidInput(f"“{ref[:120]}” cannot be asked here. {reason}", field=field)
    if any(not member.ref for member in spec.members):
        raise InvalidInput("Choose a model for every member.", field="members")


def named_refs(spec: PoolSpec) -> list[tuple[str, str]]:
    """Every model that the rules name, with the editor's field that names it."""
    named = [(f"members-{position}-ref", member.ref) for position, member in enumerate(spec.members)]
    named += [("judge", spec.judge), ("writer", spec.writer)]
    return named + [(f"fallback_judge_{number}", ref) for number, ref in enumerate(spec.fallback_judges, start=1)]


def why_not(ref: str, version: PoolVersion | None, models: TeamModels) -> str:
    """Why rules may not ask `ref`, in a sentence; empty when they may. `version`: the stored rules, which keep to the
    payers that they were saved with."""
    slug = ref.partition(":")[0]
    lost = "" if version is None else models.why_not_paid(slug, payers=version.payers, since=version.created_at)
    return lost or models.why_not(ref)


def payers_of(spec: PoolSpec, models: TeamModels) -> dict[str, str]:
    """Whose connection each slug in the rules means now: {slug: `team` or `site`}."""
    slugs = sorted({ref.partition(":")[0] for _, ref in named_refs(spec) if ref})
    return {slug: payer for slug in slugs if (payer := models.payer_of(slug))}
