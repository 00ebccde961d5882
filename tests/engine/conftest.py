"""Engine tests run in virtual time: an hour of waiting costs nothing, and a deadline falls on its exact instant."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent

# Time moves on as soon as nothing is left to do; a test that waits for nothing at all fails instead of hanging.
VIRTUAL_TIME = pytest.mark.looptime(start=1000, noop_cycles=1, idle_step=60, idle_timeout=600)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(VIRTUAL_TIME)
