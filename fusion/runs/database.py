"""The run side's way to the database: a small pool of threads of its own.

Django's usual thread for async code is shared by the whole process, so one slow page would stall every run, and it
belongs to the request that started it. Here work goes to `THREADS` threads, each with its own connection.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 4
_POOL = ThreadPoolExecutor(THREADS, thread_name_prefix="fusion-db")


async def in_database(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work`, which may use the ORM, in one of the run side's threads.

    A cancelled caller does not undo work that has begun: it ends in its thread, and its transaction with it.
    """
    return await asyncio.get_running_loop().run_in_executor(_POOL, partial(_with_own_connection, work, *args, **kwargs))


def _with_own_connection(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return work(*args, **kwargs)
    finally:
        _close_unusable_connections()


def _close_unusable_connections() -> None:
    """Keep the thread's connection: these threads live as long as the process, and opening one costs a write's time.

    One that met an error is checked and, if it is broken, opened anew by the next work.
    """
    for connection in connections.all(initialized_only=True):
        connection.close_at = None
        connection.close_if_unusable_or_obsolete()


def close_database_threads() -> None:
    """Close every thread's connection; for a process that is about to end and for tests."""
    everybody_is_here = threading.Barrier(THREADS)

    def close() -> None:
        connections.close_all()
        everybody_is_here.wait(timeout=30)

    for closed in [_POOL.submit(close) for _ in range(THREADS)]:
        closed.result()
