"""Several people doing something at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connections


def at_once(jobs: list[Callable[[], str]]) -> list[str]:
    """What each job gave, all started at the same moment in threads with connections of their own."""
    gate = threading.Barrier(len(jobs))
    outcomes: list[str] = []

    def work(job: Callable[[], str]) -> None:
        gate.wait()
        try:
            outcomes.append(job())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
