"""How the calls to each model went lately, for a word of warning before a question is sent. Kept in this process."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from fusion.engine.events import CallEnded
from fusion.errors import ProviderContextTooLong, ProviderImagesRefused

LATELY_S = 900.0
KEPT = 50
ENOUGH = 3  # fewer calls say nothing
FAILING = 0.3

_calls: dict[str, deque[tuple[float, bool]]] = {}
_lock = threading.Lock()
_ABOUT_THE_QUESTION = (ProviderContextTooLong.code, ProviderImagesRefused.code)


@dataclass(frozen=True, slots=True)
class Failing:
    """So many of the latest calls to a model failed."""

    failed: int
    calls: int


def note(ref: str, *, failed: bool) -> None:
    """Remember how a call to a model ended."""
    with _lock:
        _calls.setdefault(ref, deque(maxlen=KEPT)).append((time.monotonic(), failed))


def note_end(event: CallEnded) -> None:
    """Remember a call, unless its ending says nothing of the model: a person's stop, a question without room for it, or
    images that it does not take."""
    is_about_question = event.failure is not None and event.failure.code in _ABOUT_THE_QUESTION
    if event.status != "stopped" and not is_about_question:
        note(event.ref, failed=event.status in ("failed", "truncated"))


def failing(ref: str) -> Failing | None:
    """None unless at least three calls were made in the last quarter of an hour and 30 % of them failed."""
    since = time.monotonic() - LATELY_S
    with _lock:
        lately = [failed for at, failed in _calls.get(ref, ()) if at >= since]
    failed = sum(lately)
    return Failing(failed, len(lately)) if len(lately) >= ENOUGH and failed >= FAILING * len(lately) else None


def forget() -> None:
    """Start without knowledge; for tests."""
    with _lock:
        _calls.clear()
