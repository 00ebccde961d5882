"""A process that executes runs: its lease, its tasks, recovery of what others left, the background rounds.

`start` is awaited once the event loop runs; `stop` on the way down. A lease says which runs are ours; it is renewed
every few seconds.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

from django.utils import timezone

from fusion.engine.controls import Controls
from fusion.live.runs import LiveRun
from fusion.models import Run, RunCommand
from fusion.providers.clients import close_shared_clients
from fusion.runs import dispatch
from fusion.runs.database import in_database
from fusion.runs.ending import close_lost, recover_runs, runs_of
from fusion.runs.executor import Watch, execute_run
from fusion.runs.images import sweep_images
from fusion.runs.leases import drop_lease, keep_lease, take_lease
from fusion.runs.listing import refresh_lists
from fusion.runs.pools import add_default_pools_everywhere

log = logging.getLogger(__name__)

RENEW_S = 5.0
POLL_S = 1.0
CATALOGUE_S = 3600.0
CATALOGUE_RETRY_S = 30.0
SWEEP_S = 3600.0


class Worker:
    """Executes the runs of this process. Everything but `submit` and `deliver` belongs to its event loop.

    `picks_up`: also takes runs that other processes created and nobody executes. `on_start` is told of every run.
    """

    def __init__(self, *, picks_up: bool = True, on_start: Watch | None = None) -> None:
        self._picks_up = picks_up
        self._on_start = on_start
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lease_pk = 0
        self._tasks: dict[int, asyncio.Task[object]] = {}
        self._controls: dict[str, Controls] = {}
        self._public_ids: dict[int, str] = {}
        self._again: set[int] = set()
        self._obeyed: set[int] = set()
        self._rounds: set[asyncio.Task[None]] = set()
        self._accepting = False
        self._detach: Callable[[], None] = lambda: None

    # --- from any thread ---------------------------------------------------------------------------

    def submit(self, run_pk: int) -> None:
        """Execute a queued run here."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._spawn, run_pk)

    def deliver(self, command_pk: int, public_id: str, kind: str, letter: str) -> None:
        """Obey a command at once if its run is alive here."""
        if self._loop is not None and public_id in self._controls:
            self._loop.call_soon_threadsafe(self._obey_and_mark, command_pk, public_id, kind, letter)

    # --- on the loop -------------------------------------------------------------------------------

    async def start(self) -> int:
        """Take a lease, recover what earlier processes left, start the background rounds; returns runs recovered."""
        self._loop = asyncio.get_running_loop()
        self._lease_pk = await in_database(take_lease)
        recovered = await in_database(recover_runs)
        self._accepting = True
        self._detach = dispatch.attach(self)
        self._every(RENEW_S, self._renew)
        self._every(POLL_S, self._poll)
        if self._picks_up:
            self._every(CATALOGUE_S, refresh_catalogue, at_once=True)
            self._every(CATALOGUE_RETRY_S, refresh_what_failed)
            self._every(SWEEP_S, sweep_unused_images, at_once=True)
        return recovered

    async def stop(self, timeout_s: float = 8.0) -> int:
        """Take no more work, let running executions store what they have, give the lease back; returns runs left."""
        self._accepting = False
        self._detach()
        left = list(self._tasks.values())
        for task in (*left, *self._rounds):
            task.cancel()
        if left or self._rounds:
            await asyncio.wait([*left, *self._rounds], timeout=timeout_s)
        self._loop = None
        await close_shared_clients()
        await in_database(drop_lease, self._lease_pk)
        return len(left)

    async def until_ended(self, run_pk: int) -> None:
        """Return once a run that was dispatched here has ended; raises what it raised."""
        task = self._tasks.get(run_pk)
        if task is not None:
            await task

    def _spawn(self, run_pk: int) -> None:
        if not self._accepting:
            return
        if run_pk in self._tasks:
            self._again.add(run_pk)  # it may be taken up again in the very moment in which it ends
            return
        work = execute_run(run_pk, lease_pk=self._lease_pk, on_start=self._watching(run_pk))
        # A fresh context: one inherited from a request would tie the run's database work to that request.
        task: asyncio.Task[object] = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._tasks[run_pk] = task
        task.add_done_callback(lambda done: self._ended(run_pk, done))

    def _watching(self, run_pk: int) -> Watch:
        def started(live: LiveRun, controls: Controls) -> None:
            self._controls[live.record.public_id] = controls
            self._public_ids[run_pk] = live.record.public_id
            if self._on_start is not None:
                self._on_start(live, controls)

        return started

    def _ended(self, run_pk: int, task: asyncio.Task[object]) -> None:
        self._tasks.pop(run_pk, None)
        self._controls.pop(self._public_ids.pop(run_pk, ""), None)
        if not task.cancelled() and task.exception() is not None:
            log.error("Run %s ended with an error", run_pk, exc_info=task.exception())
        if run_pk in self._again:
            self._again.discard(run_pk)
            self._spawn(run_pk)

    def _obey_and_mark(self, command_pk: int, public_id: str, kind: str, letter: str) -> None:
        if self._obey_once(command_pk, public_id, kind, letter):
            self._background(self._mark([command_pk]))

    def _obey_once(self, command_pk: int, public_id: str, kind: str, letter: str) -> bool:
        """A command may come twice, from the door and from the table; a later wish must not be undone by its echo."""
        if command_pk in self._obeyed:
            return False
        obeyed = obey(self._controls.get(public_id), kind, letter)
        if obeyed:
            self._obeyed.add(command_pk)
        return obeyed

    async def _mark(self, command_pks: list[int]) -> None:
        await in_database(_mark_handled, command_pks)
        self._obeyed.difference_update(command_pks)

    def _every(self, seconds: float, work: Callable[[], Awaitable[object]], *, at_once: bool = False) -> None:
        self._background(_repeat(seconds, work, at_once))

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._rounds.add(task)
        task.add_done_callback(self._round_ended)

    def _round_ended(self, task: asyncio.Task[None]) -> None:
        self._rounds.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("A command could not be marked as handled", exc_info=task.exception())

    async def _renew(self) -> None:
        await in_database(keep_lease, self._lease_pk)
        await in_database(recover_runs)
        held = await in_database(runs_of, self._lease_pk)
        lost = {run_pk: number for run_pk, number in held.items() if run_pk not in self._tasks}
        if lost:
            await in_database(close_lost, self._lease_pk, lost)

    async def _poll(self) -> None:
        """Find commands from other processes for our runs, and queued runs that nobody took."""
        commands, queued = await in_database(_waiting_for, self._lease_pk)
        handled = [command[0] for command in commands if self._obey_once(*command)]
        if self._picks_up:
            for run_pk in queued:
                if run_pk not in self._tasks:
                    self._spawn(run_pk)
        if handled:
            await self._mark(handled)


def obey(controls: Controls | None, kind: str, letter: str) -> bool:
    """Pass a stored command on to a run's controls; False when the run is not here."""
    if controls is None:
        return False
    commands: dict[str, Callable[[], bool]] = {
        "stop": controls.stop_all,
        "stop-answer": lambda: controls.stop_member(letter),
        "judge-now": controls.judge_now,
        "wait-for-all": controls.wait_for_all,
        "end-debate": controls.end_debate,
        "retry": lambda: controls.retry_member(letter),
    }
    commands[kind]()
    return True


async def _repeat(seconds: float, work: Callable[[], Awaitable[object]], at_once: bool) -> None:
    if not at_once:
        await asyncio.sleep(seconds)
    failing = False
    while True:
        try:
            await work()
            failing = False
        except Exception:
            if not failing:
                log.exception("A background round failed; it is tried again every %.0f s", seconds)
            failing = True
        await asyncio.sleep(seconds)


async def refresh_catalogue() -> None:
    """Fetch every connection's models, then give teams the default pools that became possible."""
    await refresh_lists()
    await in_database(add_default_pools_everywhere)


async def refresh_what_failed() -> None:
    """Ask again the connections that gave no list: a model server may come up after us."""
    if await refresh_lists(failed_only=True):
        await in_database(add_default_pools_everywhere)


async def sweep_unused_images() -> None:
    """Uploads that nobody asked with, and files of runs that are gone."""
    await in_database(sweep_images)


# --- in a database thread ----------------------------------------------------------------------------


def _waiting_for(lease_pk: int) -> tuple[list[tuple[int, str, str, str]], list[int]]:
    commands = RunCommand.objects.filter(run__worker_id=lease_pk, handled_at=None)
    rows = [
        (pk, str(public_id), kind, letter)
        for pk, public_id, kind, letter in commands.values_list("pk", "run__public_id", "kind", "letter")
    ]
    patience = timezone.now() - timedelta(seconds=POLL_S)
    queued = Run.objects.filter(state=Run.State.QUEUED, worker=None, created_at__lt=patience)
    return rows, list(queued.values_list("pk", flat=True))


def _mark_handled(command_pks: list[int]) -> None:
    RunCommand.objects.filter(pk__in=command_pks, handled_at=None).update(handled_at=timezone.now())
