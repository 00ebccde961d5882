"""Live runs: how often readers are told, that they are told everything, and when a run is forgotten."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from fusion.engine import events as ev
from fusion.engine.types import Answer, AnswerState, Mode, Role, RunState
from fusion.live.folding import apply
from fusion.live.record import AnswerRecord, EndpointFacts, RunRecord
from fusion.live.runs import KEPT_AFTER_END_S, PAUSE_S, TICKS_PER_S, LiveRun, LiveRuns

FACTS = EndpointFacts("lab:m", "m", "M", "Lab")


def record() -> RunRecord:
    return RunRecord(
        public_id="run-1",
        prompt="Why?",
        mode=Mode.MERGE,
        pool_name="Pool",
        pool_public_id="pool-1",
        pool_version=1,
        rubric="general",
        author="Alice",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        endpoints={"lab:m": FACTS},
        answers={letter: AnswerRecord(letter, FACTS) for letter in "AB"},
    )


class Bell:
    """Remembers when it rang and what a reader would have read then."""

    def __init__(self) -> None:
        self.rings: list[float] = []

    def __call__(self, public_id: str) -> None:
        assert public_id == "run-1"
        self.rings.append(asyncio.get_running_loop().time())


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def live(bell: Bell) -> LiveRun:
    return LiveRun(record(), bell)


async def test_many_deltas_ring_at_most_nine_times_a_second(live: LiveRun, bell: Bell) -> None:
    for _ in range(1000):
        live.add(ev.AnswerGrew("A", "x"))
        await asyncio.sleep(0.002)
    await asyncio.sleep(PAUSE_S / 2)
    assert 15 <= len(bell.rings) <= 2 * TICKS_PER_S + 1
    assert all(later - earlier >= 1 / TICKS_PER_S - 1e-6 for earlier, later in pairwise(bell.rings))
    assert live.record.answers["A"].text == "x" * 1000


async def test_the_last_delta_is_told_without_another_event(live: LiveRun, bell: Bell) -> None:
    live.add(ev.AnswerGrew("A", "one"))
    await asyncio.sleep(0.01)
    live.add(ev.AnswerGrew("A", " two"))
    seq = live.seq
    await asyncio.sleep(PAUSE_S / 2)
    assert live.seq == seq + 1 and len(bell.rings) == 2


async def test_a_text_that_pauses_is_told_once_more_to_those_who_read_it_at_a_slower_pace(
    live: LiveRun, bell: Bell
) -> None:
    live.add(ev.AnswerGrew("A", "one"))
    await asyncio.sleep(PAUSE_S / 2)
    live.add(ev.AnswerAsked("B"))
    await asyncio.sleep(60)
    assert [at - bell.rings[0] for at in bell.rings] == pytest.approx([0, PAUSE_S / 2, PAUSE_S])
    live.add(ev.AnswerGrew("A", " two"))
    live.add(ev.RunEnded(RunState.CANCELLED))
    await asyncio.sleep(60)
    assert live.seq == len(bell.rings) == 4, "something rang after the end"


async def test_a_stage_event_rings_at_once(live: LiveRun, bell: Bell) -> None:
    live.add(ev.AnswerGrew("A", "one"))
    await asyncio.sleep(0.01)
    live.add(ev.AnswerGrew("A", " two"))
    before = asyncio.get_running_loop().time()
    live.add(ev.AnswerEnded(Answer("A", AnswerState.DONE, "one two")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert bell.rings[-1] - before < 0.001


async def test_stage_events_of_one_instant_ring_once(live: LiveRun, bell: Bell) -> None:
    for letter in "AB":
        live.add(ev.AnswerAsked(letter))
    await asyncio.sleep(1)
    assert len(bell.rings) == live.seq == 1


async def test_nothing_new_rings_nothing(live: LiveRun, bell: Bell) -> None:
    live.flush()
    await asyncio.sleep(1)
    assert bell.rings == [] and live.seq == 0


async def test_the_bell_rings_without_the_lock_held() -> None:
    free: list[bool] = []

    def ring(_: str) -> None:
        other = threading.Thread(target=lambda: free.append(rung.lock.acquire(timeout=1)))
        other.start()
        other.join()

    rung = LiveRun(record(), ring)
    rung.add(ev.AnswerAsked("A"))
    rung.flush()
    assert free == [True]


async def test_a_reader_in_another_thread_never_sees_half_an_event(live: LiveRun) -> None:
    torn: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with live.lock:
                column = live.record.answers["A"]
                if len(column.text) % 2:
                    torn.append(column.text)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(2000):
        live.add(ev.AnswerGrew("A", "xy"))
    done.set()
    reader.join()
    assert torn == []


async def test_an_ended_run_is_kept_a_while_then_forgotten() -> None:
    runs = LiveRuns()
    live = runs.open(record(), lambda _: None)
    runs.close_later(live)
    await asyncio.sleep(KEPT_AFTER_END_S - 1)
    assert runs.get("run-1") is live
    await asyncio.sleep(2)
    assert runs.get("run-1") is None


async def test_forgetting_an_earlier_execution_leaves_the_later_one() -> None:
    runs = LiveRuns()
    first = runs.open(record(), lambda _: None)
    second = runs.open(record(), lambda _: None)
    runs.forget(first)
    assert runs.get("run-1") is second


def test_an_ended_run_has_nothing_under_way() -> None:
    run = record()
    apply(run, ev.AnswerAsked("A"), at_ms=1)
    apply(run, ev.AnswerGrew("A", "half"), at_ms=2)
    apply(run, ev.JudgeGrew('{"notes'), at_ms=3)
    apply(run, ev.FinalStarted("lab:m", "A"), at_ms=4)
    apply(run, ev.FinalGrew("half a final"), at_ms=5)
    apply(run, ev.RunEnded(RunState.INTERRUPTED), at_ms=6)
    assert [column.state for column in run.answers.values()] == [AnswerState.INTERRUPTED] * 2
    assert run.answers["A"].text == "half"
    assert (run.judge.text, run.final.text, run.final.started_at_ms) == ("", "", None)


def test_a_final_that_is_written_anew_starts_empty() -> None:
    run = record()
    for words in ("first", "second"):
        apply(run, ev.FinalStarted("lab:m", "A"), at_ms=1)
        apply(run, ev.FinalGrew(words), at_ms=2)
    assert run.final.text == "second"


def test_what_a_reader_must_know_is_said_once() -> None:
    run = record()
    for _ in range(2):
        apply(run, ev.Degraded("late", "C was late."), at_ms=1)
    assert len(run.degraded) == 1


def test_an_answer_asked_anew_is_another_attempt_and_one_that_is_retried_is_not() -> None:
    run = record()
    apply(run, ev.AnswerAsked("A"), at_ms=1)
    apply(run, ev.CallStarted("c1", Role.PANEL, "lab:m", 1, "A"), at_ms=1)
    apply(run, ev.AnswerEnded(Answer("A", AnswerState.STOPPED, "half")), at_ms=2)
    apply(run, ev.AnswerAsked("A"), at_ms=3)
    assert (run.answers["A"].attempt, run.answers["A"].text) == (2, "")


@pytest.mark.parametrize("piece", [ev.JudgeGrew("x"), ev.AnswerGrew("A", "x"), ev.FinalGrew("x")])
def test_a_piece_costs_the_same_however_long_the_text_already_is(
    piece: ev.JudgeGrew | ev.AnswerGrew | ev.FinalGrew,
) -> None:
    grown = record()
    apply(grown, replace(piece, text="x" * 8_000_000), at_ms=1)
    began = time.process_time()
    for _ in range(1_000):
        apply(grown, piece, at_ms=2)
    assert time.process_time() - began < 0.5, "each piece copies the text: that takes seconds"
