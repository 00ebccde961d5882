"""The clock that all tests of the engine run by, and what they cannot reach."""

from __future__ import annotations

import asyncio
import socket

import pytest

from . import virtual_time

MONTH_S = 30 * 24 * 60 * 60


async def test_a_month_takes_no_time_and_ends_on_its_instant() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(asyncio.sleep(MONTH_S / part) for part in (1, 3, 7)))
    assert loop.time() - began == MONTH_S


def test_a_test_that_waits_for_nothing_fails_at_once() -> None:
    async def waits() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="idle for too long"):
        virtual_time.run(waits())


@pytest.mark.parametrize("connect", ["connect", "connect_ex"])
def test_nothing_of_the_network_can_be_reached(connect: str) -> None:
    with socket.socket() as closed, pytest.raises(pytest.fail.Exception, match="tried to reach the network"):
        getattr(closed, connect)(("127.0.0.1", 9))
