"""The final on the page: what it is, where it comes from, and what stands in its place until it is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fusion.engine.disputes import StopReason
from fusion.engine.types import Final, FinalKind, Mode, RunState
from fusion.live.record import RunRecord
from fusion.web.shown.verdicts import JudgeAtWork, judge_at_work
from fusion.web.shown.words import plural

Phase = Literal["waiting", "judging", "debating", "ruling", "writing", "ready", "none"]


@dataclass(frozen=True, slots=True)
class FinalHead:
    """`label`: where the text comes from, in a few words; `flags`: (tone, words) that a reader must see first.

    `is_kept`: another one was to come and did not, so nothing is new about this one.
    """

    run_id: str
    phase: Phase
    label: str
    letter: str | None
    flags: tuple[tuple[str, str], ...]
    words: int | None
    has_chips: bool
    is_partial: bool
    number: int | None = None
    out_of_date: bool = False
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class FinalWait:
    """What stands where the final will stand; `gone`: a final is there, `is_partial` one that was cut short."""

    kind: Literal["plan", "judge", "none", "gone"]
    text: str = ""
    judge: JudgeAtWork | None = None
    is_partial: bool = False


def final_head(record: RunRecord) -> FinalHead:
    final = record.final.final
    return FinalHead(
        run_id=record.public_id,
        phase=_phase(record),
        label="" if final is None else _label(record, final),
        letter=final.letter if final is not None and final.writer is None else None,
        flags=() if final is None else tuple(_flags(record, final)),
        words=None if final is None else len(final.text.split()),
        has_chips=final is not None and final.writer is not None and bool(final.spans),
        is_partial=is_partial(record),
        number=record.final.number,
        out_of_date=final is not None and record.final.out_of_date,
        is_kept=final is not None and record.attempted is not None,
    )


def is_partial(record: RunRecord) -> bool:
    """Whether the final was stopped while it was written."""
    final = record.final.final
    return final is not None and record.state is RunState.CANCELLED and final.truncated


def _phase(record: RunRecord) -> Phase:
    if record.final.final is not None:
        return "ready"
    if record.is_final:
        return "none"
    if record.final.started_at_ms is not None:
        return "writing"
    if record.ruling.endpoint is not None:
        return "ruling"
    if record.debate.disputes:
        return "debating"
    return "judging" if record.judge.endpoint is not None else "waiting"


def _label(record: RunRecord, final: Final) -> str:
    if final.kind is FinalKind.MERGED and final.writer is None:
        return f"{final.letter} as it is: the others have nothing to add"
    if final.kind is FinalKind.MERGED:
        writer = record.final.endpoint.name if record.final.endpoint else "the writer"
        return f"Merged by {writer}" + (f", built on {final.letter}" if final.letter else "")
    if final.kind is FinalKind.RULED:
        return _ruled_label(record, final)
    if final.kind is FinalKind.SINGLE:
        return f"The only answer, from {final.letter}"
    if final.kind is FinalKind.ANCHOR:
        return f"The anchor's answer, {final.letter}"
    if final.kind is FinalKind.PICKED:
        return f"{final.letter}, picked by {record.final.picked_by}"
    return f"Verbatim from {final.letter}"


def _ruled_label(record: RunRecord, final: Final) -> str:
    """Who ruled, what it is built on, and who wrote it when that was another."""
    ruling, writer = record.ruling.ruling, record.final.endpoint
    if writer is None:
        return f"{final.letter} as it is: the ruling leaves nothing to change in it"
    judge = record.facts(ruling.judge).name if ruling is not None else "the judge"
    built = f", built on {final.letter}" if final.letter else ""
    written = f", written by {writer.name}" if writer.name != judge else ""
    return f"Ruled by {judge}{built}{written}"


def _flags(record: RunRecord, final: Final) -> list[tuple[str, str]]:
    flags = []
    if final.kind in (FinalKind.SINGLE, FinalKind.PICKED):
        flags.append(("warn", "not judged"))
    if final.kind is FinalKind.ANCHOR:
        flags.append(("warn", "no verdict"))
    if record.state is RunState.CANCELLED and final.truncated:
        flags.append(("warn", "stopped while it was written"))
    elif final.truncated:
        flags.append(("warn", "not complete"))
    judgement = record.judge.judgement
    if final.kind is FinalKind.RULED:
        return [*flags, *_ruled_flags(record)]
    if judgement is not None and judgement.standing == "close" and not judgement.analysis_missing:
        flags.append(("info", "close"))
    if judgement is not None and judgement.standing == "could_not_separate":
        flags.append(("info", "could not separate"))
    if judgement is not None and judgement.attempt > 1:
        flags.append(("warn", "judged by a fallback"))
    if judgement is not None and judgement.analysis_missing:
        flags.append(("warn", "no analysis"))
    if judgement is not None and final.letter in judgement.suspects:
        flags.append(("warn", "contains text that tries to steer a judge"))
    return flags


def _ruled_flags(record: RunRecord) -> Iterator[tuple[str, str]]:
    """What the debate decided counts here, not how close the answers were before it."""
    ruling = record.ruling.ruling
    left_open = 0 if ruling is None else sum(one.stance is None for one in ruling.rulings)
    if left_open:
        yield "info", f"{plural(left_open, 'dispute')} left open"
    if ruling is not None and ruling.attempt > 1:
        yield "warn", "ruled on by a fallback"


def final_wait(record: RunRecord) -> FinalWait:
    if record.final.final is not None or record.final.text:
        return FinalWait("gone", is_partial=is_partial(record))
    if record.is_final:
        return FinalWait("none", _NO_FINAL.get(record.state, "This run has no final."))
    at_work = judge_at_work(record)
    if at_work is not None:
        return FinalWait("judge", judge=at_work)
    return FinalWait("plan", _next_step(record))


_NO_FINAL = {
    RunState.UNJUDGED: "No answer was chosen, so there is no final. The answers are yours to read.",
    RunState.SHORT: "Too few members answered, so nothing was judged yet.",
    RunState.FAILED: "There is no final, because there is no answer to build it on.",
    RunState.CANCELLED: "The run was stopped before a final was there.",
    RunState.INTERRUPTED: "The run was interrupted before a final was there.",
    RunState.ANSWERED: "No judge has been asked about these answers yet.",
}


def _next_step(record: RunRecord) -> str:
    if record.ruling.ruling is not None:
        return "The judge has ruled. The final is being written from the ruling."
    if record.debate.reason is StopReason.NO_DISPUTE:
        return "The answers contradict each other in nothing that matters, so there is no debate. The final follows."
    if record.debate.reason is not None and record.debate.rounds:
        return "The debate is over. The judge rules on it next."
    if record.debate.reason is not None:
        return "There was no round of debate, so the final is merged from the verdict."
    if record.debate.disputes:
        return "The members are debating. The judge rules once they are done, and the final is written from the ruling."
    if record.judge.judgement is not None:
        return "The judge has decided. The final is being prepared."
    if len(record.answers) == 1:
        return "This pool has one member: its answer will be the final."
    if record.mode is Mode.DEBATE:
        return (
            "Once the answers are in, a judge compares them. What they contradict each other on is debated; the judge "
            "rules, and the final is written from the ruling."
        )
    if record.mode is Mode.MERGE:
        return "Once the answers are in, a judge compares them and a writer merges the best of them into one."
    return "Once the answers are in, a judge compares them and the best one is shown here, word for word."
