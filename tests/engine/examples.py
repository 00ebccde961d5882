"""How many examples a property is tried with: a few when the engine's tests run alone, more in the whole suite."""

from __future__ import annotations

import sys

from hypothesis import settings

ALONE = "pytest_django" not in sys.modules

examples = settings(max_examples=10 if ALONE else 40, deadline=None)
