"""Judges the written answers of a bundled question, recognised by what they say, by what is written about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fusion.providers.simulated.appraisal import Appraisal, Claim, Dispute, Fault, Side
from fusion.providers.simulated.fences import FencedAnswer
from fusion.providers.simulated.questions import (
    WrittenContradiction,
    WrittenPoint,
    WrittenQuestion,
    WrittenStance,
    normalised,
)

RECOGNISED_SHARE = 0.6  # of an answer's characters stand on lines of the written one
NEARLY_WHOLE = 0.9
HALF = 0.5
MISSED_POINTS_TOLD = 2


@dataclass(frozen=True, slots=True)
class Known:
    """A fenced answer and the model that it was written for; `whole`: the share of the written text that is there."""

    label: str
    text: str
    model: str
    whole: float


def recognise(answer: FencedAnswer, written: WrittenQuestion) -> Known | None:
    """Whose written answer this is, by its lines: it may have been trimmed in the middle or cut at the end."""
    lines = _weights(answer.text)
    total = sum(lines.values())
    for model, text in written.answers.items():
        own = _weights(text)
        shared = sum(weight for line, weight in own.items() if line in lines)
        if total and shared / total >= RECOGNISED_SHARE:
            return Known(label=answer.label, text=answer.text, model=model, whole=shared / sum(own.values()))
    return None


def appraise(known: Known, written: WrittenQuestion) -> Appraisal:
    """The written view of this answer; problems whose quote was trimmed away are not held against it."""
    told = written.judgement.assessments[known.model]
    problems = (Fault(p.quote, p.issue, p.severity) for p in told.problems if p.quote in known.text)
    return Appraisal(
        label=known.label,
        text=known.text,
        strengths=told.strengths if known.whole >= HALF else told.strengths[:1],
        problems=tuple(problems),
        fatal_flaw=told.fatal_flaw,
        scores=_lowered(told.scores, known.whole),
        merit=told.merit.format(label=known.label),
        shortfall=told.shortfall.format(label=known.label),
    )


def claims(known: tuple[Known, ...], written: WrittenQuestion) -> tuple[Claim, ...]:
    found = (_claim(point, known) for point in written.judgement.points)
    return tuple(claim for claim in found if claim is not None)


def disputes(known: tuple[Known, ...], written: WrittenQuestion) -> tuple[Dispute, ...]:
    """The written contradictions of which at least two sides are present."""
    found = (_dispute(contradiction, known) for contradiction in written.judgement.contradictions)
    return tuple(dispute for dispute in found if len(dispute.sides) > 1)


def blind_spots(known: tuple[Known, ...], written: WrittenQuestion) -> tuple[str, ...]:
    """What no written answer says, then true points that only absent members would have made."""
    missed = [
        f"Nobody on this panel says it: {point.text}"
        for point in written.judgement.points
        if point.standing == "supported" and not _holders(point.quotes, known)
    ]
    return (*written.judgement.blind_spots, *missed[:MISSED_POINTS_TOLD])


def _weights(text: str) -> Mapping[str, int]:
    return {line: len(line) for line in map(normalised, text.splitlines()) if line}


def _lowered(scores: Mapping[str, int], whole: float) -> Mapping[str, int]:
    """An answer that is cut short loses a point on everything, one with less than half of its text two."""
    loss = 0 if whole >= NEARLY_WHOLE else 1 if whole >= HALF else 2
    return {name: max(1, score - loss) for name, score in scores.items()}


def _holders(quotes: Mapping[str, str], known: Iterable[Known]) -> tuple[tuple[str, str], ...]:
    """Label and quote of each answer that still contains its quote."""
    return tuple(
        (answer.label, quotes[answer.model])
        for answer in known
        if answer.model in quotes and quotes[answer.model] in answer.text
    )


def _claim(point: WrittenPoint, known: Iterable[Known]) -> Claim | None:
    holders = _holders(point.quotes, known)
    if not holders:
        return None
    return Claim(
        text=point.text, labels=tuple(label for label, _ in holders), quote=holders[0][1], standing=point.standing
    )


def _dispute(told: WrittenContradiction, known: tuple[Known, ...]) -> Dispute:
    taken = [(stance, _holders(stance.quotes, known)) for stance in told.stances]
    return Dispute(
        topic=told.topic,
        material=told.material,
        sides=tuple(_side(stance, holders) for stance, holders in taken if holders),
        resolution=told.resolution,
        resolved_for=tuple(label for stance, holders in taken if stance.right for label, _ in holders),
        basis=told.basis,
    )


def _side(stance: WrittenStance, holders: tuple[tuple[str, str], ...]) -> Side:
    return Side(labels=tuple(label for label, _ in holders), stance=stance.stance, quote=holders[0][1])
