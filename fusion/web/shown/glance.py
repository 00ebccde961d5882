"""Beside the final: in a few lines, how far to trust it and where to look closer."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace

from fusion.engine.disputes import Ruling
from fusion.live.record import RunRecord
from fusion.runs.costs import run_cost
from fusion.web.shown.stages import clock
from fusion.web.shown.verdicts import ScoreRow, Why, why
from fusion.web.shown.words import plural


@dataclass(frozen=True, slots=True)
class Finding:
    """What the judge counted; `asks` for a second look."""

    words: str
    asks: bool


@dataclass(frozen=True, slots=True)
class Glance:
    """Without `judge` nothing is shown. `rows`: the answers by rank; none after a debate, which left that order behind.

    `more`: the element with the whole of it. Time and cost are told once the run has ended.
    """

    judge: str = ""
    standing: str = ""
    tone: str = ""
    rationale: str = ""
    rows: tuple[ScoreRow, ...] = ()
    findings: tuple[Finding, ...] = ()
    more: str = "panel-why"
    took_ms: int | None = None
    cost: str = ""
    calls: int = 0


def glance(record: RunRecord) -> Glance:
    """Nothing before there are a final and a verdict."""
    if record.final.final is None or record.judge.judgement is None:
        return Glance()
    ruling = record.ruling.ruling
    shown = _judged(why(record)) if ruling is None else _ruled(record, ruling)
    if not record.is_final:
        return shown
    return replace(shown, took_ms=clock(record).took_ms, cost=run_cost(record).words, calls=len(record.calls))


def glance_pace(record: RunRecord) -> Hashable:
    """What it is made of stays the same between these."""
    final = record.final
    return (record.judge.judgement is None, record.ruling.ruling is None, final.final is None, record.is_final)


def _judged(verdict: Why) -> Glance:
    return Glance(
        judge=verdict.judge_name,
        standing=verdict.standing,
        tone=verdict.standing_tone,
        rationale=verdict.rationale,
        rows=verdict.rows,
        findings=tuple(_findings(verdict)),
    )


def _findings(verdict: Why) -> Iterator[Finding]:
    if verdict.judgement is None or verdict.judgement.analysis_missing:
        return
    disputed = [one for one in verdict.contradictions if one.material]
    unresolved = sum(not one.resolution for one in disputed)
    if verdict.agreed:
        yield Finding(f"{plural(len(verdict.agreed), 'point')} of consensus", asks=False)
    if disputed:
        left = f", {unresolved} not resolved" if unresolved else ", all resolved"
        yield Finding(f"{plural(len(disputed), 'contradiction')}{left}", asks=unresolved > 0)
    if verdict.unique:
        yield Finding(f"{plural(len(verdict.unique), 'point')} from one answer alone", asks=False)
    if verdict.blind_spots:
        yield Finding(plural(len(verdict.blind_spots), "blind spot"), asks=True)
    if verdict.cautions:
        yield Finding(f"{plural(len(verdict.cautions), 'reason')} to read the verdict with care", asks=True)


def _ruled(record: RunRecord, ruling: Ruling) -> Glance:
    left_open = sum(one.stance is None for one in ruling.rulings)
    settled = len(ruling.rulings) - left_open
    findings = [Finding(f"{plural(settled, 'dispute')} decided", asks=False)] if settled else []
    findings += [Finding(f"{plural(left_open, 'dispute')} left open", asks=True)] if left_open else []
    return Glance(
        judge=record.facts(ruling.judge).name,
        standing="Open" if left_open else "Decided",
        tone="warn" if left_open else "ok",
        rationale=ruling.rationale,
        findings=tuple(findings),
        more="run-debate",
    )
