"""Engine tests run in virtual time: an hour of waiting costs nothing, and a deadline falls on its exact instant.

`pytest tests/engine` reads the `pytest.ini` beside this file and loads nothing of Django; as a part of the whole suite
the same tests run under its settings.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

HERE = Path(__file__).parent

# Time moves on as soon as nothing is left to do; a test that waits for nothing at all fails instead of hanging.
VIRTUAL_TIME = pytest.mark.looptime(start=1000, noop_cycles=1, idle_step=60, idle_timeout=600)


def pytest_configure() -> None:
    """No loop of its own for the main thread: pytest-asyncio would make one, remember it and never close it."""
    asyncio.set_event_loop(None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(VIRTUAL_TIME)


@pytest.fixture(scope="package", autouse=True)
def _no_network() -> Iterator[None]:
    """The engine reaches nobody by itself, not even this machine."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("connect", "connect_ex"):
            patched.setattr(socket.socket, name, _refuse)
        yield


def _refuse(*args: object) -> NoReturn:
    pytest.fail(f"The engine tried to reach the network: {args[1:]}")
