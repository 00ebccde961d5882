"""How long a run and its parts may take: what the pool says, else what the site does."""

from __future__ import annotations

from dataclasses import replace

from django.conf import settings

from fusion.engine.types import Limits, Mode
from fusion.models import PoolVersion


def limits_of(version: PoolVersion, mode: Mode) -> Limits:
    limits = Limits(
        panel_s=panel_s(version),
        judge_s=judge_s(version),
        writer_s=float(settings.FUSION_WRITER_TIMEOUT_S),
        overall_s=overall_s(version, mode),
        silence_s=float(settings.FUSION_SILENCE_S),
        quorum=version.quorum,
        debate_rounds=version.debate_rounds,
        round_s=float(settings.FUSION_ROUND_TIMEOUT_S),
    )
    if version.grace_s is None:
        return limits
    return replace(limits, grace_min_s=float(version.grace_s), grace_max_s=float(version.grace_s))


def overall_s(version: PoolVersion, mode: Mode) -> float:
    """The time of a whole run. What a pool gives its panel and its judges beyond the site's own times comes on top,
    since a deadline of the run that ended them sooner would make those empty words; so do a debate's rounds and ruling.
    """
    judges = 1 + len(version.fallback_judges)
    more_s = max(0.0, panel_s(version) - settings.FUSION_PANEL_TIMEOUT_S)
    more_s += judges * max(0.0, judge_s(version) - settings.FUSION_JUDGE_TIMEOUT_S)
    whole_s = float(settings.FUSION_RUN_TIMEOUT_S) + more_s
    if mode is not Mode.DEBATE:
        return whole_s
    return whole_s + version.debate_rounds * settings.FUSION_ROUND_TIMEOUT_S + judge_s(version)


def panel_s(version: PoolVersion) -> float:
    return float(version.panel_timeout_s or settings.FUSION_PANEL_TIMEOUT_S)


def judge_s(version: PoolVersion) -> float:
    return float(version.judge_timeout_s or settings.FUSION_JUDGE_TIMEOUT_S)
