"""The final on the page: what it is, where it comes from, and what stands in its place until it is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fusion.engine.types import Final, FinalKind, Mode, RunState
from fusion.live.record import RunRecord
from fusion.web.shown.verdicts import JudgeAtWork, judge_at_work


@dataclass(frozen=True, slots=True)
class FinalHead:
    """`label`: where the text comes from, in a few words; `flags`: (tone, words) that a reader must see first."""

    run_id: str
    phase: Literal["waiting", "judging", "writing", "ready", "none"]
    label: str
    letter: str | None
    flags: tuple[tuple[str, str], ...]
    words: int | None
    has_chips: bool
    is_partial: bool
    number: int | None = None
    out_of_date: bool = False


@dataclass(frozen=True, slots=True)
class FinalWait:
    """What stands where the final will stand; `kind` is `plan`, `judge`, `none` or `gone` (a final is there)."""

    kind: Literal["plan", "judge", "none", "gone"]
    text: str = ""
    judge: JudgeAtWork | None = None


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
        is_partial=final is not None and record.state is RunState.CANCELLED and final.truncated,
        number=record.final.number,
        out_of_date=final is not None and record.final.out_of_date,
    )


def _phase(record: RunRecord) -> Literal["waiting", "judging", "writing", "ready", "none"]:
    if record.final.final is not None:
        return "ready"
    if record.is_final:
        return "none"
    if record.final.started_at_ms is not None:
        return "writing"
    return "judging" if record.judge.endpoint is not None else "waiting"


def _label(record: RunRecord, final: Final) -> str:
    if final.kind is FinalKind.MERGED and final.writer is None:
        return f"{final.letter} as it is: the others have nothing to add"
    if final.kind is FinalKind.MERGED:
        writer = record.final.endpoint.name if record.final.endpoint else "the writer"
        return f"Merged by {writer}" + (f", built on {final.letter}" if final.letter else "")
    if final.kind is FinalKind.SINGLE:
        return f"The only answer, from {final.letter}"
    if final.kind is FinalKind.ANCHOR:
        return f"The anchor's answer, {final.letter}"
    if final.kind is FinalKind.PICKED:
        return f"{final.letter}, picked by {record.final.picked_by}"
    return f"Verbatim from {final.letter}"


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


def final_wait(record: RunRecord) -> FinalWait:
    if record.final.final is not None or record.final.text:
        return FinalWait("gone")
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
    if record.judge.judgement is not None:
        return "The judge has decided. The final is being prepared."
    if len(record.answers) == 1:
        return "This pool has one member: its answer will be the final."
    if record.mode is Mode.MERGE:
        return "Once the answers are in, a judge compares them and a writer merges the best of them into one."
    return "Once the answers are in, a judge compares them and the best one is shown here, word for word."
