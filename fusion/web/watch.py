"""Where the screen of a run comes from: the live run of this process, or the rows that another one writes."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from typing import Final
from weakref import WeakKeyDictionary

from fusion.live.record import RunRecord
from fusion.live.runs import LIVE, LiveRun
from fusion.models import Run
from fusion.runs.selectors import load_record
from fusion.web.screen import Screen

STORED_KEPT: Final = 64
NOT_STORED: Final = "not_stored"

_lock = threading.Lock()
_of_live: WeakKeyDictionary[LiveRun, Screen] = WeakKeyDictionary()
_of_stored: OrderedDict[str, Screen] = OrderedDict()


def screen_for(run: Run) -> Screen:
    """The screen of a run as it is now. Reads rows unless the run is alive in this process."""
    if run.is_in_flight:
        return live_screen(str(run.public_id)) or stored_screen(run)
    return Screen(load_record(run))


def screen_of_final(run: Run, number: int) -> Screen | None:
    """The screen of a run with one of its finals; None when it has no such final.

    One that the run's page does not show by itself stands still, whatever happens to the run.
    """
    record = load_record(run, final=number)
    if record.final.number != number:
        return None
    return Screen(record) if record.is_final else screen_for(run)


def screen_to_follow(run: Run, token: str) -> Screen:
    """The screen that a page in the state `token` continues from; also for a while after the run has ended here."""
    live = LIVE.get(str(run.public_id))
    if live is not None:
        screen = caught_up(live)
        if screen.is_final != run.is_in_flight and screen.frames_after(token) is not None:
            return screen
    return screen_for(run)


def live_screen(public_id: str) -> Screen | None:
    """The screen of a run that is under way in this process, brought up to date; touches no database."""
    live = LIVE.get(public_id)
    if live is None:
        return None
    screen = caught_up(live)
    # An ended one is an earlier execution, as the rows say that the run is under way; unless they could not be written.
    return screen if not screen.is_final or screen.failure_code == NOT_STORED else None


def screen_after_end(public_id: str) -> Screen | None:
    """The screen of another execution of a run that ended here; None when there is none."""
    run = Run.objects.select_related("pool_version__pool", "author").get(public_id=public_id)
    return screen_for(run) if run.is_in_flight else None


def caught_up(live: LiveRun) -> Screen:
    """The one screen of a live run, showing its newest version."""
    with _lock:
        screen = _of_live.get(live)
    if screen is not None and screen.seq >= live.seq and not screen.is_behind:
        return screen
    with live.lock:
        record, seq = still(live.record), live.seq
    with _lock:
        screen = _of_live.get(live)
        if screen is None:
            screen = _of_live[live] = Screen(record, seq)
            return screen
    screen.update(record, seq)
    return screen


def still(record: RunRecord) -> RunRecord:
    """A copy that later events do not change; the texts and values in it are shared."""
    copied = copy.copy(record)
    copied.answers = {letter: copy.copy(column) for letter, column in record.answers.items()}
    copied.judge, copied.final = copy.copy(record.judge), copy.copy(record.final)
    copied.judge.failures = list(record.judge.failures)
    copied.debate, copied.ruling = copy.copy(record.debate), copy.copy(record.ruling)
    copied.ruling.failures = list(record.ruling.failures)
    copied.calls, copied.degraded = dict(record.calls), list(record.degraded)
    return copied


def stored_screen(run: Run) -> Screen:
    """The screen of a run that another process executes, from the rows as they are now."""
    record, public_id = load_record(run), str(run.public_id)
    with _lock:
        screen = _of_stored.get(public_id)
        if screen is None or screen.is_final:
            screen = _of_stored[public_id] = Screen(record)
            while len(_of_stored) > STORED_KEPT:
                _of_stored.popitem(last=False)
            return screen
        _of_stored.move_to_end(public_id)
    screen.update(record, screen.seq + 1)
    return screen
