"""However a run ends, nothing is left behind: each way to end it, at every instant and between any two of its steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fusion.engine.controls import Controls
from fusion.engine.types import Mode, RunState
from tests.engine.laws import (
    WRITTEN,
    cancelled_after_event,
    cancelled_at,
    event_count,
    out_of_time_at,
    stopped_after_event,
    stopped_and_asked_again_at,
    stopped_at,
    wished_at,
)

INSTANTS = [0.0, 0.05, 1.0, 2.0, 3.0, *(0.8 * step for step in range(1, 33))]
STEP = {Mode.MERGE: 1, Mode.DEBATE: 2}  # a debate has twice the events


@pytest.mark.parametrize("mode", WRITTEN)
async def test_a_stop_at_any_instant_keeps_the_laws_and_ends_the_run_at_once(mode: Mode) -> None:
    states = {await stopped_at(instant, mode) for instant in INSTANTS}
    assert states == {RunState.CANCELLED, RunState.DONE}


@pytest.mark.parametrize("mode", WRITTEN)
async def test_a_cancellation_at_any_instant_keeps_the_laws_and_comes_through(mode: Mode) -> None:
    for instant in INSTANTS:
        await cancelled_at(instant, mode)


@pytest.mark.parametrize("mode", WRITTEN)
async def test_a_stop_and_a_cancellation_in_the_same_instant_are_a_cancellation(mode: Mode) -> None:
    for instant in INSTANTS[:20]:
        await cancelled_at(instant, mode, stop_too=True)


@pytest.mark.parametrize("mode", WRITTEN)
async def test_an_overall_deadline_at_any_instant_keeps_the_laws_and_is_kept(mode: Mode) -> None:
    for instant in INSTANTS:
        await out_of_time_at(instant, mode)


@pytest.mark.parametrize("mode", [Mode.BEST_OF, Mode.DEBATE])
@pytest.mark.parametrize("letter", list("ABCDE"))
async def test_stopping_and_retrying_a_member_at_any_instant_keeps_the_laws(letter: str, mode: Mode) -> None:
    for instant in INSTANTS[::3]:
        await stopped_and_asked_again_at(instant, letter, mode)


@pytest.mark.parametrize("mode", WRITTEN)
@pytest.mark.parametrize("wish", [Controls.judge_now, Controls.wait_for_all, Controls.end_debate])
async def test_a_wish_at_any_instant_keeps_the_laws(wish: Callable[[Controls], bool], mode: Mode) -> None:
    for instant in INSTANTS[::2]:
        await wished_at(instant, wish, mode)


@pytest.mark.parametrize("mode", WRITTEN)
async def test_a_stop_between_any_two_events_keeps_the_laws(mode: Mode) -> None:
    for index in range(0, await event_count(mode), STEP[mode]):
        await stopped_after_event(index, mode)


@pytest.mark.parametrize("mode", WRITTEN)
async def test_a_cancellation_between_any_two_events_keeps_the_laws(mode: Mode) -> None:
    for index in range(0, await event_count(mode) - 1, STEP[mode]):
        await cancelled_after_event(index, mode)
