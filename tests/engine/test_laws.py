"""However a run ends, nothing is left behind: each way to end it, in each of its stages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fusion.engine.controls import Controls
from fusion.engine.events import CallStarted
from fusion.engine.types import Mode, RunState
from tests.engine.laws import (
    WRITTEN,
    World,
    cancelled_after_event,
    cancelled_at,
    event_count,
    out_of_time_at,
    stopped_after_event,
    stopped_and_asked_again_at,
    stopped_at,
    wished_at,
)

# Before the retry and in it, while all write, in the grace, with each judge, in the rounds, in the writing, at the end.
STAGES = [0.0, 0.5, 2.5, 6.0, 9.6, 12.0, 25.0]
EVENTS_APART = 9


@pytest.mark.parametrize("mode", list(Mode))
async def test_an_undisturbed_run_keeps_the_laws(mode: Mode) -> None:
    world = World(mode=mode)
    assert await world.run() is RunState.DONE
    world.check_laws()
    calls = {Mode.BEST_OF: 8, Mode.MERGE: 9, Mode.DEBATE: 9 + 5 + 4 + 2}  # two rounds, a ruling
    assert len(world.log.of(CallStarted)) == calls[mode]


@pytest.mark.parametrize("mode", WRITTEN)
async def test_a_stop_in_any_stage_keeps_the_laws_and_ends_the_run_at_once(mode: Mode) -> None:
    states = {await stopped_at(instant, mode) for instant in STAGES}
    assert states == {RunState.CANCELLED, RunState.DONE}


@pytest.mark.parametrize("mode", WRITTEN)
@pytest.mark.parametrize("stop_too", [False, True], ids=["alone", "with a stop"])
async def test_a_cancellation_in_any_stage_keeps_the_laws_and_comes_through(mode: Mode, stop_too: bool) -> None:
    for instant in STAGES[stop_too::2]:
        await cancelled_at(instant, mode, stop_too=stop_too)


@pytest.mark.parametrize("mode", WRITTEN)
async def test_an_overall_deadline_in_any_stage_keeps_the_laws_and_is_kept(mode: Mode) -> None:
    for instant in STAGES[:-1]:
        await out_of_time_at(instant, mode)


async def test_stopping_and_retrying_any_member_keeps_the_laws() -> None:
    for instant, letter in zip(STAGES, "ABCDEBD", strict=True):
        await stopped_and_asked_again_at(instant, letter, Mode.BEST_OF)


@pytest.mark.parametrize("wish", [Controls.judge_now, Controls.wait_for_all, Controls.end_debate])
async def test_a_wish_in_any_stage_keeps_the_laws(wish: Callable[[Controls], bool]) -> None:
    for instant in STAGES[1::2]:
        await wished_at(instant, wish, Mode.DEBATE)


async def test_a_stop_or_a_cancellation_between_two_events_keeps_the_laws() -> None:
    for index in range(0, await event_count(Mode.MERGE) - 1, EVENTS_APART):
        await stopped_after_event(index, Mode.MERGE)
        await cancelled_after_event(index + EVENTS_APART // 2, Mode.MERGE)
