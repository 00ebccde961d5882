"""Loops whose clock moves on as soon as nothing is left to do; whoever waits for nothing at all fails at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import looptime
import pytest

CLOCK = {"start": 1000, "noop_cycles": 0, "idle_step": 0, "idle_timeout": 0}

new_loop = partial(looptime.new_event_loop, **CLOCK)


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test in a loop of its own, and close that with whatever the test left in it."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(test)


def mark(items: Iterable[pytest.Item], *, room: Path) -> None:
    """Have pytest-asyncio run the tests of a room in such loops."""
    for item in items:
        if item.path.is_relative_to(room):
            item.add_marker(pytest.mark.looptime(**CLOCK))
