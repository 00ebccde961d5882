"""The only place that decides where a run executes: here, when this process serves; else it waits for one that does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Executes(Protocol):
    """A worker of this process; its methods may be called from any thread."""

    def submit(self, run_pk: int) -> None: ...

    def deliver(self, command_pk: int, public_id: str, kind: str, letter: str) -> None: ...


_worker: Executes | None = None


def attach(worker: Executes | None) -> Callable[[], None]:
    """Make `worker` the one that executes what this process dispatches; returns how to detach it."""
    global _worker
    _worker = worker
    return lambda: _detach(worker)


def _detach(worker: Executes | None) -> None:
    global _worker
    if _worker is worker:
        _worker = None


def dispatch_run(run_pk: int) -> None:
    """Start the run here if this process executes runs; a process that serves finds the others within a second."""
    if _worker is not None:
        _worker.submit(run_pk)


def deliver_command(command_pk: int, public_id: str, kind: str, letter: str) -> None:
    """Hand a command to the run if it is alive here; the process that executes it reads the others from the table."""
    if _worker is not None:
        _worker.deliver(command_pk, public_id, kind, letter)
