"""What a person may ask of a run while it runs: stop, stop one, judge now, wait for all, ask one again, end the debate.

The room above holds a `Controls` and calls its first six methods; the engine obeys through the others. Everything here
belongs to one event loop: from another thread, go through `loop.call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol


class Steered(Protocol):
    """A running panel, as far as a person steers it."""

    def steer(self) -> bool:
        """Obey the wishes as they stand now; False when the panel is closed and no wish matters any more."""
        ...

    def under_way(self, letter: str) -> bool: ...

    def ask_again(self, letter: str) -> bool: ...

    def ask_again_once_ended(self, letter: str) -> bool:
        """Ask a member that is under way, and silent, again when its call has ended without an answer."""
        ...


class Debated(Protocol):
    """A debate under way, as far as a person steers it."""

    def under_way(self, letter: str) -> bool:
        """Whether this member is being asked in the present round."""
        ...


@dataclass(frozen=True, slots=True)
class _Stoppable:
    """Whose work a scope holds, and how long after a stop it ends."""

    letter: str | None
    after_s: float


class Controls:
    """A person's wishes for one run: each may come at any time, also before the run starts or after it ended.

    A stop is not a cancellation. Each wait that a stop may end is an `asyncio.timeout` scope registered with `stops`;
    a stop moves its deadline to now. So a stop ends exactly that scope, and a real cancellation is never mistaken
    for one.
    """

    def __init__(self) -> None:
        self._all_stopped = False
        self._stopped_letters: set[str] = set()
        self._judge_now = False
        self._wait_for_all = False
        self._ended = False
        self._end_debate = False
        self._debate_over = False
        self._panel: Steered | None = None
        self._debate: Debated | None = None
        self._scopes: dict[asyncio.Timeout, _Stoppable] = {}

    # --- what a person asks: True when it had an effect, False when there was nothing (more) to do --------

    def stop_all(self) -> bool:
        """End every upstream call now, keep the text that came, and end the run."""
        if self._ended or self._all_stopped:
            return False
        self._all_stopped = True
        self._end_scopes(list(self._scopes))
        self._steer()
        return True

    def stop_member(self, letter: str) -> bool:
        """End one member's call now and keep the text that came; the others go on.

        In a round of a debate the member keeps its stances, and takes part no further.
        """
        if self._ended or letter in self._stopped_letters or not self._is_under_way(letter):
            return False
        self._stopped_letters.add(letter)
        self._end_scopes([scope for scope, stoppable in self._scopes.items() if stoppable.letter == letter])
        return True

    def judge_now(self) -> bool:
        """Close the panel as soon as two usable answers exist; takes back an earlier `wait_for_all`."""
        if self._ended or self._judge_now:
            return False
        before = self._judge_now, self._wait_for_all
        self._judge_now, self._wait_for_all = True, False
        return self._steer(else_restore=before)

    def wait_for_all(self) -> bool:
        """Wait for every member until the panel's deadline; takes back an earlier `judge_now`."""
        if self._ended or self._wait_for_all:
            return False
        before = self._judge_now, self._wait_for_all
        self._judge_now, self._wait_for_all = False, True
        return self._steer(else_restore=before)

    def retry_member(self, letter: str) -> bool:
        """Ask a member that gave nothing to judge once more; after the panel closed, its answer counts as late.

        One that is silent is stopped first: whoever asks it again does not wait for it any more.
        """
        if self._ended or self._all_stopped or self._panel is None:
            return False
        if self._panel.under_way(letter):
            asked = self._panel.ask_again_once_ended(letter)
            if asked:
                self.stop_member(letter)  # unless it is being stopped already
            return asked
        was_stopped = letter in self._stopped_letters
        self._stopped_letters.discard(letter)
        asked = self._panel.ask_again(letter)
        if was_stopped and not asked:
            self._stopped_letters.add(letter)
        return asked

    def end_debate(self) -> bool:
        """No round after the present one; before the debate begins: no round at all."""
        if self._ended or self._debate_over or self._end_debate:
            return False
        self._end_debate = True
        return True

    # --- how the engine obeys ----------------------------------------------------------------------------

    @property
    def all_stopped(self) -> bool:
        return self._all_stopped

    @property
    def wants_judge_now(self) -> bool:
        return self._judge_now

    @property
    def wants_all(self) -> bool:
        return self._wait_for_all

    @property
    def wants_debate_end(self) -> bool:
        return self._end_debate

    def is_stopped(self, letter: str | None = None) -> bool:
        """Whether work for this letter (None: work for the run as a whole) was stopped by a person."""
        return self._all_stopped or letter in self._stopped_letters

    @contextmanager
    def stops(self, scope: asyncio.Timeout, letter: str | None = None, *, after_s: float = 0.0) -> Iterator[None]:
        """While inside, a stop ends `scope`, which must be entered already, `after_s` seconds later.

        A stop that came before counts as one that comes now.
        """
        self._scopes[scope] = _Stoppable(letter, after_s)
        if self.is_stopped(letter):
            self._end_scopes([scope])
        try:
            yield
        finally:
            del self._scopes[scope]

    def attach(self, panel: Steered) -> None:
        self._panel = panel

    def attach_debate(self, debate: Debated) -> None:
        self._debate = debate

    def close_debate(self) -> None:
        """There is no round any more, or there never will be one."""
        self._debate_over = True
        self._debate = None

    def close(self) -> None:
        """The run has ended: from now on every wish is refused."""
        self._ended = True
        self._panel = None

    def _is_under_way(self, letter: str) -> bool:
        """Whether this member is being asked; before the run starts everybody will be."""
        if self._panel is None or self._panel.under_way(letter):
            return True
        return self._debate is not None and self._debate.under_way(letter)

    def _steer(self, *, else_restore: tuple[bool, bool] | None = None) -> bool:
        """Tell the panel; a wish that came too late is forgotten, so that no later question finds it."""
        if self._panel is None or self._panel.steer():
            return True
        if else_restore is not None:
            self._judge_now, self._wait_for_all = else_restore
        return False

    def _end_scopes(self, scopes: list[asyncio.Timeout]) -> None:
        """A scope may only come to end sooner by this, never later."""
        for scope in scopes:
            ends_at = asyncio.get_running_loop().time() + self._scopes[scope].after_s
            if not scope.expired():
                scope.reschedule(ends_at if (planned := scope.when()) is None else min(planned, ends_at))
