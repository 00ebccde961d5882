"""The runs that are alive in this process: their records, a version number each, and a doorbell.

The engine's events change the record at once; at most `TICKS_PER_S` times a second the version (`seq`) goes up and the
doorbell rings. Readers never get text from the bell: they read the record, under its lock, from wherever they stand.
Stage events ring at once, deltas wait for the tick. A while after the last of them it rings once more: what readers
look at less often than it grows would else stand still behind a text that pauses.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fusion.engine import events as ev
from fusion.live.folding import apply
from fusion.live.record import RunRecord

TICKS_PER_S = 9.0
PAUSE_S = 1.0  # as long as the slowest pace at which a region of the page is read
KEPT_AFTER_END_S = 90.0

Ring = Callable[[str], None]


@dataclass(eq=False)
class LiveRun:
    """One run that is alive here. Everything is read and changed under `lock`; `ring` is called without it.

    Events come in on the loop that owns the run; readers may sit in other threads.
    """

    record: RunRecord
    ring: Ring
    seq: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    started: float = field(default_factory=time.monotonic)
    _dirty: bool = False
    _has_grown: bool = False
    _pause: asyncio.Handle | None = None
    _bell: asyncio.Handle | None = None
    _bell_at: float = 0.0
    _last_bell: float = float("-inf")

    def at_ms(self) -> int:
        """Milliseconds since this execution started."""
        return int((time.monotonic() - self.started) * 1000)

    def add(self, event: ev.Event) -> None:
        """Apply one event and see to it that readers are told in time."""
        is_delta = isinstance(event, ev.DELTAS)
        with self.lock:
            apply(self.record, event, at_ms=self.at_ms())
            self._dirty = True
            self._has_grown |= is_delta
        self._schedule(at_once=not is_delta)

    def _schedule(self, *, at_once: bool) -> None:
        loop = asyncio.get_running_loop()
        wait = 0.0 if at_once else max(0.0, self._last_bell + 1 / TICKS_PER_S - loop.time())
        due = loop.time() + wait
        if self._bell is not None:
            if self._bell_at <= due:
                return
            self._bell.cancel()
        self._bell, self._bell_at = loop.call_at(due, self.flush), due

    def flush(self) -> None:
        """Give what happened since the last flush a version number and ring."""
        if self._bell is not None:
            self._bell.cancel()
            self._bell = None
        self._last_bell = asyncio.get_running_loop().time()
        with self.lock:
            if not self._dirty:
                return
            self._dirty = False
            self.record.now_ms = max(self.record.now_ms, self.at_ms())
            self.seq += 1
        self._await_pause()
        self.ring(self.record.public_id)

    def _await_pause(self) -> None:
        if self._pause is not None and (self._has_grown or self.record.is_final):
            self._pause.cancel()
        if self._has_grown and not self.record.is_final:
            self._pause = asyncio.get_running_loop().call_later(PAUSE_S, self._paused)
        self._has_grown = False

    def _paused(self) -> None:
        self._dirty = True
        self.flush()


class LiveRuns:
    """The live runs of this process, by public id. Ended ones are kept a while for readers that reconnect."""

    def __init__(self) -> None:
        self._runs: dict[str, LiveRun] = {}
        self._lock = threading.Lock()

    def open(self, record: RunRecord, ring: Ring, *, started: float | None = None) -> LiveRun:
        """Start a live run; an older one of the same id (an earlier execution) is replaced.

        `started`: when the execution began, on the monotonic clock, if that was not now.
        """
        live = LiveRun(record, ring) if started is None else LiveRun(record, ring, started=started)
        with self._lock:
            self._runs[record.public_id] = live
        return live

    def get(self, public_id: str) -> LiveRun | None:
        with self._lock:
            return self._runs.get(public_id)

    def close_later(self, live: LiveRun) -> None:
        """Forget `live` once readers had time to catch up; called on the loop that owns it."""
        asyncio.get_running_loop().call_later(KEPT_AFTER_END_S, self.forget, live)

    def forget(self, live: LiveRun) -> None:
        with self._lock:
            if self._runs.get(live.record.public_id) is live:
                del self._runs[live.record.public_id]


LIVE = LiveRuns()
