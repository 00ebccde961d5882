"""What is worth knowing of rules that can be run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.utils.text import get_text_list

from fusion.catalogue.available import TeamModels
from fusion.runs.pools.spec import PoolSpec


@dataclass(frozen=True, slots=True)
class PoolWarning:
    """Something worth knowing before a pool is asked; never a reason to refuse."""

    code: str
    message: str


def pool_warnings(spec: PoolSpec, models: TeamModels) -> list[PoolWarning]:
    """What a careful colleague would point out about these rules."""
    warnings = [*_judging_warnings(spec, models), *_model_warnings(spec, models)]
    if len(spec.members) == 1:
        warnings.append(PoolWarning("single", "One member: its answer is the final, nothing is judged."))
    return [*warnings, *_time_warnings(spec)]


def _time_warnings(spec: PoolSpec) -> list[PoolWarning]:
    """A member that may take longer than the panel stays open is not waited for."""
    panel_s = spec.panel_timeout_s or settings.FUSION_PANEL_TIMEOUT_S
    slow = [member.timeout_s for member in spec.members if member.timeout_s and member.timeout_s > panel_s]
    if not slow:
        return []
    return [
        PoolWarning(
            "longer_than_panel",
            f"A member may take {max(slow)} s, but the panel closes after {panel_s:g} s: raise the panel deadline too.",
        )
    ]


def _judging_warnings(spec: PoolSpec, known: TeamModels) -> list[PoolWarning]:
    refs = [member.ref for member in spec.members]
    models = {known.split_ref(ref)[0] for ref in refs}
    warnings = []
    if len(refs) > 1 and known.split_ref(spec.judge)[0] in models:
        warnings.append(
            PoolWarning(
                "judge_on_panel",
                "The judge also sits on the panel. Answers are anonymous to it, but judges tend to prefer their own.",
            )
        )
    elif len(refs) > 1 and (family := _family(spec.judge, known)) and family in {_family(ref, known) for ref in refs}:
        warnings.append(PoolWarning("judge_in_family", f"The judge is of the same family as a member ({family})."))
    if len(refs) > 1 and not spec.fallback_judges:
        warnings.append(PoolWarning("no_fallback", "No fallback judge: if the judge fails, the run stays unjudged."))
    return warnings


def _model_warnings(spec: PoolSpec, models: TeamModels) -> list[PoolWarning]:
    refs = [member.ref for member in spec.members if member.ref]
    warnings = []
    families = {_family(ref, models) for ref in refs}
    if len(refs) > 1 and len(set(refs)) > 1 and len(families) == 1 and "" not in families:
        warnings.append(
            PoolWarning("one_family", "All members are of one family: they tend to make the same mistakes.")
        )
    return [*warnings, *_listing_warnings([*refs, spec.judge], models)]


def _listing_warnings(refs: Sequence[str], models: TeamModels) -> list[PoolWarning]:
    """One for each provider that does not list what these rules name, whatever number of models that is."""
    missing: dict[str, list[str]] = {}
    for ref in dict.fromkeys(refs):
        known = models.entry(ref) if ref else None
        if known is not None and not known.listed and known.vanished_at is None:  # else it is a trouble
            missing.setdefault(known.provider, []).append(f"“{known.model_id[:80]}”")
    return [
        PoolWarning("unlisted", f"{provider} does not list {get_text_list(names, 'or')}.")
        for provider, names in missing.items()
    ]


def _family(ref: str, models: TeamModels) -> str:
    known = models.entry(ref) if ref else None
    return known.family if known is not None else ""
