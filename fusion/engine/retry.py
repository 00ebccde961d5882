"""The one rule for asking again after a failure that may pass: once, before the first token, not sooner than told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from fusion.engine.call import CallResult
from fusion.engine.controls import Controls
from fusion.engine.types import Failure

RETRY_WAIT_S = (0.5, 1.5)


async def ask_patiently(
    ask: Callable[[], Awaitable[CallResult]],
    *,
    dice: str,
    deadline: float,
    wait_max_s: float,
    controls: Controls,
    letter: str | None = None,
    tell: Callable[[Failure, float], object] = lambda failure, wait_s: None,
) -> CallResult:
    """What `ask` brings, or brings when it is asked once more where `retry_wait` gives a wait.

    `tell` gets the failure and the wait before that begins. A person's stop ends the wait, of this member or (None) of
    the run, and whoever is asked then says that it was stopped.
    """
    result = await ask()
    wait_s = retry_wait(result, dice=dice, deadline=deadline, wait_max_s=wait_max_s)
    if wait_s is None or result.failure is None:
        return result
    tell(result.failure, wait_s)
    await _pause(wait_s, controls, letter)
    return await ask()


def retry_wait(result: CallResult, *, dice: str, deadline: float, wait_max_s: float) -> float | None:
    """Seconds until the one retry; None when there is none to make, or when it would not fit the time left.

    `dice` seeds the jitter, `deadline` is loop time. A longer Retry-After than `wait_max_s` means no retry: coming back
    early is what it forbids.
    """
    if not result.retryable:
        return None
    jitter = round(Random(dice).uniform(*RETRY_WAIT_S), 3)  # noqa: S311 - jitter is no secret
    asked_for = result.retry_after_s or 0.0
    wait_s = asked_for + jitter  # on top: members that were sent away together must not come back together
    fits = asyncio.get_running_loop().time() + wait_s < deadline
    return wait_s if fits and asked_for <= wait_max_s else None


async def _pause(wait_s: float, controls: Controls, letter: str | None) -> None:
    """Wait, but not longer than until a person stops this member (None: the run)."""
    try:
        async with asyncio.timeout(wait_s) as scope:
            with controls.stops(scope, letter):
                await asyncio.get_running_loop().create_future()
    except TimeoutError:
        return
