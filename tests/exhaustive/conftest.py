"""What is tried in every way: any input at all, each attack of the corpus, each law at every instant, text that grows.

The engine's own tests (`tests/engine`) hold a sample of each; these take some ten times as long.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.conftest import VIRTUAL_TIME

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(VIRTUAL_TIME)
