"""Noticing that nothing comes: people are told, nothing is ended by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

CLOCK_S = 0.001  # a timer may fire this much early


class Silence:
    """Calls `tell` once for each stretch of `between_s` without a token; the first token may take `first_s`.

    One timer that looks again, instead of one that is set anew for each of a hundred tokens a second.
    """

    def __init__(self, *, first_s: float, between_s: float, tell: Callable[[float], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._between_s = between_s
        self._tell = tell
        self._limit_s = first_s
        self._heard_at = self._loop.time()
        self._alarm: asyncio.TimerHandle | None = self._loop.call_later(first_s, self._look)

    def heard(self) -> None:
        """A token came."""
        self._heard_at, self._limit_s = self._loop.time(), self._between_s
        if self._alarm is None:
            self._alarm = self._loop.call_later(self._between_s, self._look)

    def close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _look(self) -> None:
        due = self._heard_at + self._limit_s
        if self._loop.time() < due - CLOCK_S:
            self._alarm = self._loop.call_at(due, self._look)
            return
        self._alarm = None
        self._tell(self._limit_s)
