"""A person's wishes may come at any time, any number of times, and say whether they had an effect."""

from __future__ import annotations

import asyncio

import pytest

from fusion.engine.controls import Controls


class FakePanel:
    def __init__(self, *, is_open: bool = True) -> None:
        self.is_open = is_open
        self.steered = 0
        self.asked: list[str] = []

    def steer(self) -> bool:
        self.steered += 1
        return self.is_open

    def under_way(self, letter: str) -> bool:
        return letter == "A"

    def ask_again(self, letter: str) -> bool:
        self.asked.append(letter)
        return letter == "B"

    def ask_again_once_ended(self, letter: str) -> bool:
        return False


async def test_wishes_before_the_run_are_remembered() -> None:
    controls = Controls()
    assert controls.judge_now()
    assert controls.stop_member("A")
    assert controls.wants_judge_now
    assert controls.is_stopped("A")
    assert not controls.is_stopped("B")
    assert not controls.retry_member("A")
    assert controls.is_stopped("A")


async def test_a_wish_said_twice_has_an_effect_once() -> None:
    controls = Controls()
    controls.attach(FakePanel())
    wishes = [controls.judge_now, controls.wait_for_all, lambda: controls.stop_member("A"), controls.stop_all]
    assert [(wish(), wish()) for wish in wishes] == [(True, False)] * 4


async def test_after_the_end_every_wish_is_refused() -> None:
    controls = Controls()
    controls.attach(FakePanel())
    controls.close()
    assert not controls.stop_all()
    assert not controls.stop_member("A")
    assert not controls.judge_now()
    assert not controls.wait_for_all()
    assert not controls.retry_member("B")
    assert not controls.all_stopped


async def test_a_wish_for_a_closed_panel_has_no_effect_but_stopping_has() -> None:
    controls = Controls()
    controls.attach(FakePanel(is_open=False))
    assert not controls.judge_now()
    assert not controls.wait_for_all()
    assert not controls.wants_judge_now
    assert not controls.wants_all
    assert controls.stop_all()


async def test_only_a_member_under_way_can_be_stopped() -> None:
    controls = Controls()
    controls.attach(FakePanel())
    assert controls.stop_member("A")
    assert not controls.stop_member("B")
    assert not controls.is_stopped("B")


async def test_asking_again_lifts_the_stop_only_if_it_works() -> None:
    controls = Controls()
    controls.stop_member("B")
    controls.stop_member("C")
    controls.attach(FakePanel())
    assert controls.retry_member("B")
    assert not controls.retry_member("C")
    assert (controls.is_stopped("B"), controls.is_stopped("C")) == (False, True)


async def test_nothing_is_asked_again_after_stop_all() -> None:
    controls, panel = Controls(), FakePanel()
    controls.attach(panel)
    controls.stop_all()
    assert not controls.retry_member("B")
    assert panel.asked == []


@pytest.mark.parametrize("stopped_first", [True, False])
async def test_a_stop_ends_the_scopes_of_its_letter_and_no_other(stopped_first: bool) -> None:
    controls = Controls()
    ended: dict[str, float] = {}

    async def wait(letter: str) -> None:
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(9) as scope:
                with controls.stops(scope, letter):
                    await asyncio.sleep(100)
        except TimeoutError:
            ended[letter] = asyncio.get_running_loop().time() - started

    if stopped_first:
        controls.stop_member("A")
    else:
        asyncio.get_running_loop().call_later(3, controls.stop_member, "A")
    await asyncio.gather(wait("A"), wait("B"))
    assert ended == {"A": 0 if stopped_first else 3, "B": 9}


async def test_the_last_wish_takes_the_earlier_one_back() -> None:
    controls = Controls()
    controls.wait_for_all()
    controls.judge_now()
    assert (controls.wants_judge_now, controls.wants_all) == (True, False)
    controls.wait_for_all()
    assert (controls.wants_judge_now, controls.wants_all) == (False, True)


async def test_a_second_stop_while_the_first_is_unwinding_changes_nothing() -> None:
    controls = Controls()
    seen: list[bool] = []

    async def slow_to_close() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(5)

    asyncio.get_running_loop().call_later(1, controls.stop_member, "A")
    asyncio.get_running_loop().call_later(3, lambda: seen.append(controls.stop_all()))
    started = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(9) as scope:
            with controls.stops(scope, "A"):
                await slow_to_close()
    assert (asyncio.get_running_loop().time() - started, seen) == (6, [True])


async def test_stopping_twice_in_one_instant_is_one_stop() -> None:
    controls = Controls()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(9) as scope:
            with controls.stops(scope, "A"):
                controls.stop_member("A")
                controls.stop_all()
                await asyncio.sleep(100)
    await asyncio.sleep(0)
