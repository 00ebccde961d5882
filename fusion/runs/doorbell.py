"""The doorbell of a run on the channel layer: it says "something is new", never what.

The layer may drop messages (it holds 100 per reader), so no text depends on it: a reader that is rung once reads all.
"""

from __future__ import annotations

import asyncio
import contextvars
from uuid import UUID

from channels.layers import get_channel_layer

_ringing: set[asyncio.Task[None]] = set()


def group_of(public_id: str | UUID) -> str:
    """The channel layer's group for one run."""
    return f"run.{str(public_id).replace('-', '')}"


def ring(public_id: str) -> None:
    """Wake the readers of a run; called on the event loop, never waits."""
    layer = get_channel_layer()
    if layer is None:
        return
    message = {"type": "run.bell", "run": public_id}
    task = asyncio.get_running_loop().create_task(
        layer.group_send(group_of(public_id), message), context=contextvars.Context()
    )
    _ringing.add(task)
    task.add_done_callback(_ringing.discard)
