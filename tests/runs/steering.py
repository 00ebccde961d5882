"""Waiting for a run that this process executes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asgiref.sync import sync_to_async

from fusion.live.record import RunRecord
from fusion.live.runs import LIVE, LiveRun
from fusion.models import Run
from fusion.runs.selectors import load_record

db = sync_to_async
PATIENCE_S = 60.0  # for what comes in any case, on a machine that is busy with something else


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that other tasks bring about; there is no event to wait for."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def live_run(run: Run) -> LiveRun:
    live = LIVE.get(str(run.public_id))
    assert live is not None
    return live


def live_record(run: Run) -> RunRecord | None:
    live = LIVE.get(str(run.public_id))
    return None if live is None else live.record


async def ended(run: Run, *, after: LiveRun | None = None) -> RunRecord:
    """Wait until an execution here (a later one than `after`) has ended, then read what is stored."""

    def is_over() -> bool:
        live = LIVE.get(str(run.public_id))
        return live is not None and live is not after and live.record.is_final

    await until(is_over)
    return await db(load_record)(run)
