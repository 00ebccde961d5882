"""How many examples a property is tried with."""

from __future__ import annotations

from hypothesis import settings

examples = settings(max_examples=40)
