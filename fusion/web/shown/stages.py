"""The top of a run: its state and what can be done, the strip of stages, the countdown to judging."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from fusion.engine.disputes import StopReason
from fusion.engine.types import FinalKind, Mode, RunState
from fusion.live.record import RunRecord
from fusion.runs.costs import run_cost
from fusion.web.shown.debates import debates
from fusion.web.shown.finals import is_partial
from fusion.web.shown.verdicts import judge_task
from fusion.web.shown.words import RUN_WORDS, Word, listed, plural

Progress = Literal["todo", "now", "done", "off", "bad"]


@dataclass(frozen=True, slots=True)
class RunHead:
    """State and the actions that it allows."""

    run_id: str
    word: Word
    is_final: bool
    is_queued: bool


@dataclass(frozen=True, slots=True)
class Clock:
    """A region of its own: what ticks every second must not replace a button that somebody is about to press."""

    elapsed_ms: int | None
    took_ms: int | None
    cost: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    progress: Progress
    detail: str = ""
    of: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class StageStrip:
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class Grace:
    """Seconds until judging starts without the letters in `waiting`; None when nothing is counted down."""

    seconds: int | None
    waiting: str = ""


@dataclass(frozen=True, slots=True)
class Steer:
    run_id: str
    can_judge_now: bool
    can_wait: bool


def run_head(record: RunRecord) -> RunHead:
    return RunHead(record.public_id, RUN_WORDS[record.state], record.is_final, record.state is RunState.QUEUED)


def clock(record: RunRecord) -> Clock:
    """Elapsed time in whole seconds while it runs; afterwards how long it took, by the stored times alone, and its cost
    at a glance."""
    if not record.is_final:
        return Clock(None if record.state is RunState.QUEUED else record.now_ms // 1000 * 1000, None)
    cost = run_cost(record).words
    if record.finished_at is None:
        return Clock(None, None, cost)
    return Clock(None, max(0, int((record.finished_at - record.created_at).total_seconds() * 1000)), cost)


# --- the strip -----------------------------------------------------------------------------------


def stage_strip(record: RunRecord) -> StageStrip:
    stages = [_ask_stage(record), _answers_stage(record)]
    if len(record.answers) > 1:
        stages.append(_judge_stage(record))
        if record.mode is Mode.MERGE:
            stages.append(_write_stage(record))
        if debates(record):
            stages += [_debate_stage(record), _ruling_stage(record)]
    stages.append(_final_stage(record))
    return StageStrip(tuple(stages))


def steer(record: RunRecord) -> Steer:
    """What a person may decide while the panel is open."""
    is_open = record.panel_closed is None and not record.is_final
    usable = sum(column.state.is_usable for column in record.answers.values())
    return Steer(
        run_id=record.public_id,
        can_judge_now=is_open and 2 <= usable < len(record.answers),
        can_wait=is_open and record.grace is not None and not record.waiting_for_all,
    )


def grace(record: RunRecord) -> Grace:
    """The countdown to judging, in whole seconds."""
    started, at_ms = record.grace, record.grace_at_ms
    if started is None or at_ms is None or record.is_final:
        return Grace(None, "all" if record.waiting_for_all and record.panel_closed is None else "")
    left = math.ceil(started.wait_s - (record.now_ms - at_ms) / 1000)
    return Grace(max(0, left), listed(list(started.waiting)))


def _ask_stage(record: RunRecord) -> Stage:
    return Stage("Ask", "now", "queued") if record.state is RunState.QUEUED else Stage("Ask", "done")


def _answers_stage(record: RunRecord) -> Stage:
    columns = record.answers.values()
    ended = sum(column.state.is_final for column in columns)
    usable = sum(column.state.is_usable for column in columns)
    detail = f"{usable} of {len(columns)}"
    if not record.is_final and record.panel_closed is None:
        progress: Progress = "todo" if record.state is RunState.QUEUED else "now"
        return Stage("Answers", progress, detail, (ended, len(columns)))
    return Stage("Answers", "done" if usable else "bad", detail, (ended, len(columns)))


def _judge_stage(record: RunRecord) -> Stage:
    judge = record.judge
    if judge.judgement is not None:
        return Stage("Judge", "done")
    if record.is_final:
        return Stage("Judge", "bad" if judge.failures else "off", "no verdict" if judge.failures else "not judged")
    if judge.endpoint is None:
        return Stage("Judge", "todo")
    return Stage("Judge", "now", judge_task(judge) or _attempt(judge.attempt))


def _attempt(attempt: int) -> str:
    return "reading" if attempt <= 1 else f"fallback {attempt - 1}"


def _write_stage(record: RunRecord) -> Stage:
    final = record.final
    if final.final is not None:
        if final.final.kind is not FinalKind.MERGED:
            return Stage("Merge", "off", "not merged")
        if is_partial(record):
            return Stage("Merge", "bad", "cut off")
        return Stage("Merge", "done", "" if final.final.writer is not None else "nothing to add")
    if record.is_final:
        return Stage("Merge", "off", "not written")
    return Stage("Merge", "todo" if final.started_at_ms is None else "now")


def _debate_stage(record: RunRecord) -> Stage:
    debate = record.debate
    if debate.reason is StopReason.NO_DISPUTE:
        return Stage("Debate", "off", "nothing disputed")
    if debate.reason is not None and not debate.rounds:
        return Stage("Debate", "off", "not held")
    if debate.reason is not None:
        return Stage("Debate", "done", plural(sum(one.ended for one in debate.rounds), "round"))
    if record.is_final:
        return Stage("Debate", "bad" if debate.disputes else "off", "cut off" if debate.disputes else "not held")
    if not debate.disputes:
        return Stage("Debate", "todo")
    return Stage("Debate", "now", f"round {max(1, debate.at_round)} of {debate.rounds_max}")


def _ruling_stage(record: RunRecord) -> Stage:
    ruling = record.ruling
    if ruling.ruling is not None:
        return Stage("Ruling", "done")
    if record.debate.reason is not None and not record.debate.rounds:
        return Stage("Ruling", "off", "not needed")
    if record.is_final:
        return Stage("Ruling", "bad" if ruling.failures else "off", "none" if ruling.failures else "not ruled on")
    if ruling.endpoint is None:
        return Stage("Ruling", "todo")
    return Stage("Ruling", "now", judge_task(ruling) or _attempt(ruling.attempt))


def _final_stage(record: RunRecord) -> Stage:
    if record.final.final is None and record.final.started_at_ms is not None and debates(record):
        return Stage("Final", "now", "being written")
    if is_partial(record):
        return Stage("Final", "bad", "not complete")
    if record.final.final is not None:
        return Stage("Final", "done", "out of date" if record.final.out_of_date else "")
    return Stage("Final", "bad", "none") if record.is_final else Stage("Final", "todo")
