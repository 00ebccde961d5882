"""What is tried in every way: any input at all, each attack of the corpus, each law at every instant, text that grows.

The engine's own tests (`tests/engine`) hold a sample of each; these take some ten times as long.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine import virtual_time

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    virtual_time.mark(items, room=HERE)
