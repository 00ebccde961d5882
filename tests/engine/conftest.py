"""Engine tests run in virtual time: an hour of waiting costs nothing, and a deadline falls on its exact instant.

`pytest tests/engine` reads the `pytest.ini` beside this file and loads nothing of Django, and of pytest's plugins only
what these tests need; as a part of the whole suite the same tests run under its settings.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Iterator
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.engine import virtual_time

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """No loop of its own for the main thread: pytest-asyncio would make one, remember it and never close it."""
    asyncio.set_event_loop(None)
    if _is_alone(config):
        gc.disable()  # none of what is imported and collected is garbage


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.pluginmanager.hasplugin("asyncio"):
        virtual_time.mark(items, room=HERE)


def pytest_collection_finish(session: pytest.Session) -> None:
    """From now on there is garbage, but not among what is there already."""
    if _is_alone(session.config):
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Run what is still a coroutine: pytest-asyncio, which makes three fixtures for each test, is not loaded alone."""
    if iscoroutinefunction(test := pyfuncitem.obj):
        pyfuncitem.obj = _synchronous(test)


def _is_alone(config: pytest.Config) -> bool:
    return config.rootpath == HERE


def _synchronous(test: Any) -> Any:
    return lambda **arguments: virtual_time.run(test(**arguments))


@pytest.fixture(scope="package", autouse=True)
def _no_network() -> Iterator[None]:
    """The engine reaches nobody by itself, not even this machine."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("connect", "connect_ex"):
            patched.setattr(socket.socket, name, _refuse)
        yield


def _refuse(*args: object) -> NoReturn:
    pytest.fail(f"The engine tried to reach the network: {args[1:]}")
