"""A law: however a run ends, the record loaded from its rows is the record that was live."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from fusion.engine.types import AnswerState, RunState
from fusion.live.record import FinalRecord, RunRecord
from fusion.models import PoolVersion, Run, User
from fusion.runs import services
from fusion.runs.finals import rejudge_run
from fusion.runs.selectors import load_record
from fusion.runs.worker import Worker
from tests.runs.conftest import ask, pool_of
from tests.runs.steering import db, ended, live_record, live_run, until
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)

QUICK, OTHER = "m-b-tokens20", "m-a-tokens30"
SLOW = "m-slow-rate50-tokens5000"
Steer = Callable[[Run, User, Worker], Awaitable[object]]


def comparable(record: RunRecord) -> RunRecord:
    """Without times of the execution that are not stored: when a member was asked, when its first text came."""
    answers = {
        letter: replace(column, asked_at_ms=None, first_text_at_ms=None) for letter, column in record.answers.items()
    }
    final = replace(record.final, started_at_ms=None, ready_at_ms=None) if record.final.final else FinalRecord()
    judge = replace(record.judge, started_at_ms=None, ended_at_ms=None)
    ruling = replace(record.ruling, started_at_ms=None, ended_at_ms=None)
    return replace(record, answers=answers, judge=judge, ruling=ruling, final=final, now_ms=0, grace_at_ms=None)


async def nothing(run: Run, person: User, worker: Worker) -> None:
    """The run ends by itself."""


async def stop_in_answers(run: Run, person: User, worker: Worker) -> None:
    await until(lambda: (record := live_record(run)) and record.answers["B"].text)
    await db(services.stop_run)(run=run, person=person)


async def stop_in_judging(run: Run, person: User, worker: Worker) -> None:
    await until(lambda: (record := live_record(run)) and record.judge.text)
    await db(services.stop_run)(run=run, person=person)


async def stop_in_writing(run: Run, person: User, worker: Worker) -> None:
    await until(lambda: (record := live_record(run)) and record.final.text)
    await db(services.stop_run)(run=run, person=person)


async def interrupt_in_answers(run: Run, person: User, worker: Worker) -> None:
    await until(lambda: (record := live_record(run)) and record.answers["B"].text)
    await worker.stop()


async def interrupt_in_judging(run: Run, person: User, worker: Worker) -> None:
    await until(lambda: (record := live_record(run)) and record.judge.text)
    await worker.stop()


async def interrupt_in_writing(run: Run, person: User, worker: Worker) -> None:
    await until(lambda: (record := live_record(run)) and record.final.text)
    await worker.stop()


def is_at_work(record: RunRecord) -> bool:
    return bool(record.final.text or any(column.state is AnswerState.STREAMING for column in record.answers.values()))


HELD_JUDGE, DOWN = "judge-held1-tokens5", "judge-status401"
FALLBACK = {"judge": DOWN, "fallback_judges": ("custom:judge",)}
UNIQUE = {"judge": "judge-unique-tokens5"}
SLOW_WRITER = {**UNIQUE, "writer": "custom:m-w-rate50-tokens5000"}
WAYS: dict[str, tuple[RunState, str, tuple[str, ...], dict[str, Any], Steer]] = {
    "best-of": (RunState.DONE, "best-of", (QUICK, OTHER, "m-status500"), {}, nothing),
    "merge": (RunState.DONE, "merge", (QUICK, OTHER), {**UNIQUE, "writer": "custom:m-w-tokens9"}, nothing),
    "writer down": (RunState.DONE, "merge", (QUICK, OTHER), {**UNIQUE, "writer": "custom:m-status401"}, nothing),
    "costs": (RunState.DONE, "best-of", ("m-b-cost-tokens9", "m-a-cost-tokens9"), {}, nothing),
    "fallback": (
        RunState.DONE,
        "best-of",
        (QUICK, OTHER),
        {"judge": DOWN, "fallback_judges": ("custom:judge",)},
        nothing,
    ),
    "stopped in answers": (RunState.CANCELLED, "best-of", (QUICK, SLOW), {}, stop_in_answers),
    "stopped in judging": (RunState.CANCELLED, "best-of", (QUICK, OTHER), {"judge": HELD_JUDGE}, stop_in_judging),
    "stopped in writing": (RunState.CANCELLED, "merge", (QUICK, OTHER), SLOW_WRITER, stop_in_writing),
    "failed": (RunState.FAILED, "best-of", ("m-status401", "m-x-status401"), {}, nothing),
    "unjudged": (RunState.UNJUDGED, "best-of", (QUICK, OTHER), {"judge": DOWN}, nothing),
    "unreadable": (RunState.UNJUDGED, "best-of", (QUICK, OTHER), {"judge": "m-j-tokens9"}, nothing),
    "anchor": (RunState.UNJUDGED, "best-of", (QUICK, OTHER), {"judge": DOWN, "on_judge_failure": "anchor"}, nothing),
    "single": (RunState.SINGLE, "best-of", (QUICK, "m-mute"), {}, nothing),
    "short": (
        RunState.SHORT,
        "best-of",
        (QUICK, OTHER, "m-mute"),
        {"quorum": 3, "on_quorum_missed": "stop"},
        nothing,
    ),
    "cut off": (RunState.DONE, "best-of", (QUICK, "m-cut-tokens9"), {}, nothing),
    "interrupted in answers": (RunState.INTERRUPTED, "best-of", (QUICK, SLOW), {}, interrupt_in_answers),
    "interrupted in judging": (
        RunState.INTERRUPTED,
        "best-of",
        (QUICK, OTHER),
        {"judge": HELD_JUDGE},
        interrupt_in_judging,
    ),
    "interrupted in writing": (RunState.INTERRUPTED, "merge", (QUICK, OTHER), SLOW_WRITER, interrupt_in_writing),
}


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_stored_equals_what_was_live(way: str, worker: Worker, upstream: Upstream, person: User) -> None:
    state, mode, members, rules, steer = WAYS[way]
    pool = await db(pool_of)(person, *members, **rules)
    run = await db(ask)(person, pool, mode=mode)
    await steer(run, person, worker)
    stored = await ended(run)
    assert stored.state is state
    assert comparable(stored) == comparable(live_run(run).record)


@pytest.mark.parametrize("way", [way for way in WAYS if WAYS[way][0] not in (RunState.DONE, RunState.SINGLE)])
async def test_it_still_does_after_running_what_was_missing(
    way: str, worker: Worker, upstream: Upstream, person: User
) -> None:
    _, mode, members, rules, steer = WAYS[way]
    pool = await db(pool_of)(person, *members, **rules)
    run = await db(ask)(person, pool, mode=mode)
    await steer(run, person, worker)
    await ended(run)
    first = live_run(run)
    if steer.__name__.startswith("interrupt"):
        await worker.start()
    await db(services.resume_run)(run=run, person=person)
    if SLOW in members or rules == SLOW_WRITER:
        await until(lambda: live_run(run) is not first and is_at_work(live_run(run).record))
        await db(services.stop_run)(run=run, person=person)
    stored = await ended(run, after=first)
    assert comparable(stored) == comparable(live_run(run).record)


@pytest.mark.parametrize("way", WAYS)
async def test_and_after_asking_one_answer_again(way: str, worker: Worker, upstream: Upstream, person: User) -> None:
    _, mode, members, rules, steer = WAYS[way]
    pool = await db(pool_of)(person, *members, **rules)
    run = await db(ask)(person, pool, mode=mode)
    await steer(run, person, worker)
    await ended(run)
    first = live_run(run)
    if steer.__name__.startswith("interrupt"):
        await worker.start()
    await db(services.retry_answer)(run=run, person=person, letter="A")
    if rules == SLOW_WRITER:
        await until(lambda: live_run(run) is not first and live_run(run).record.final.text)
        await db(services.stop_run)(run=run, person=person)
    stored = await ended(run, after=first)
    assert stored.answers["A"].attempt == 2
    assert comparable(stored) == comparable(live_run(run).record)


async def test_and_after_asking_and_stopping_members_of_a_stopped_run(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    """One is asked again, then beside it another that an earlier execution left unfinished; both are stopped."""
    pool = await db(pool_of)(person, SLOW, SLOW)
    run = await db(ask)(person, pool)
    await stop_in_answers(run, person, worker)
    await ended(run)
    first = live_run(run)
    await db(services.retry_answer)(run=run, person=person, letter="A")
    await until(lambda: live_run(run) is not first and live_run(run).record.answers["A"].attempt == 2)
    await until(lambda: live_run(run).record.answers["A"].text)
    await db(services.retry_answer)(run=run, person=person, letter="B")
    await until(lambda: live_run(run).record.answers["B"].attempt == 2)
    for letter in "AB":
        await db(services.stop_answer)(run=run, person=person, letter=letter)
    stored = await ended(run, after=first)
    assert (stored.state, [column.attempt for column in stored.answers.values()]) == (RunState.CANCELLED, [2, 2])
    assert comparable(stored) == comparable(live_run(run).record)


JUDGES = {"a verdict": UNIQUE["judge"], "no verdict": "judge-status403", "none acceptable": "judge-none-tokens5"}


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("failed", "single")])
async def test_and_after_judging_what_is_there_again(
    way: str, judge: str, worker: Worker, upstream: Upstream, person: User
) -> None:
    """Also of the final before: as it was live at its own end, so it is told for ever."""
    _, mode, members, rules, steer = WAYS[way]
    pool = await db(pool_of)(person, *members, **rules)
    run = await db(ask)(person, pool, mode=mode)
    await until(lambda: (record := live_record(run)) and record.answers["A"].state.is_final)
    await steer(run, person, worker)
    before = await ended(run)
    first = live_run(run)
    await db(PoolVersion.objects.update)(writer="")  # which may be a slow one, on purpose
    if steer.__name__.startswith("interrupt"):
        await worker.start()
    await db(rejudge_run)(run=run, person=person, judge=f"custom:{JUDGES[judge]}", mode="merge", rubric="research")
    stored = await ended(run, after=first)
    assert comparable(stored) == comparable(live_run(run).record)
    assert (stored.final.number != before.final.number) == (judge == "a verdict")
    if before.final.number is not None:
        earlier = await db(load_record)(run, final=before.final.number)
        assert told(earlier) == told(before)


def told(record: RunRecord) -> tuple[object, ...]:
    """What is said of how a final came about."""
    judge = replace(record.judge, started_at_ms=None, ended_at_ms=None)
    final = replace(record.final, started_at_ms=None, ready_at_ms=None)
    return (
        record.state,
        record.failure,
        record.mode,
        record.rubric,
        record.panel_closed,
        record.degraded,
        judge,
        final,
    )
