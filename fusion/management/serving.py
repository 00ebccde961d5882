"""Daphne with a beginning and an end: it does not speak ASGI's lifespan, so starting and stopping work is done here."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import uvloop
from channels.routing import get_default_application

from fusion.management.bodies import bounded_factory, raise_file_limit
from fusion.runs.worker import Worker

log = logging.getLogger(__name__)

# A thread that renders holds the interpreter for this long before the loop, which reads from providers, gets its turn.
# With Python's 5 ms, what watching adds to the time of twenty runs at once was twice as much or more.
SWITCH_S = 0.0005
STOP_WORK_S = 7.0  # for what is under way to be stored
STOP_HARD_S = 9.5  # from the first signal to the end, whatever hangs
SAME_WISH_S = 0.5
SOCKET_LIFE_S = 12 * 3600
# A page sends a word now and then; what it is sent, a whole run at worst, counts against the limit of messages too.
SOCKET_FRAME_BYTES = 64 * 1024
SOCKET_MESSAGE_BYTES = 16 * 1024 * 1024


class Serving:
    """Serves pages and executes runs until a signal comes. One per process, because Twisted's reactor runs once."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        max_body_bytes: int,
        max_upload_bytes: int,
        upload_paths: Collection[str],
        worker: Worker,
        ready: Callable[[int], None],
        say: Callable[[str], None],
    ):
        self._host = host
        self._port = port
        self._max_body_bytes = max_body_bytes
        self._max_upload_bytes = max_upload_bytes
        self._upload_paths = upload_paths
        self._worker = worker
        self._ready = ready
        self._say = say
        self._ports: list[Any] = []
        self._steps: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._stopping_since = 0.0
        self.refusal = ""
        self.exit_code = 0

    def run(self) -> int:
        """Blocks until the server ended; returns its exit code. `refusal` says why it could not listen."""
        sys.setswitchinterval(SWITCH_S)
        # Before daphne.server is imported: it makes the process's event loop while it is being imported.
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        from daphne import server as daphne_server
        from daphne.endpoints import build_endpoint_description_strings

        daphne_server.HTTPFactory = bounded_factory(  # there is no argument for it
            self._max_body_bytes, self._max_upload_bytes, self._upload_paths, highest_file=raise_file_limit()
        )
        server = daphne_server.Server(
            application=get_default_application(),
            endpoints=build_endpoint_description_strings(host=self._host, port=self._port),
            signal_handlers=False,
            ready_callable=self._begin,
            server_name="fusion",
            websocket_timeout=SOCKET_LIFE_S,
            websocket_max_message_size=SOCKET_MESSAGE_BYTES,
            websocket_max_frame_size=SOCKET_FRAME_BYTES,
            verbosity=0,
        )
        server.listen_success = self._ports.append
        server.listen_error = lambda failure: self._refused(server, failure)
        server.kill_all_applications = lambda: _cancel_applications(server.connections)
        server.run()
        return self.exit_code

    def _refused(self, server: Any, failure: Any) -> None:
        reason = getattr(failure.value, "socketError", failure.value)
        self.refusal = f"{getattr(reason, 'strerror', None) or reason}. {_way_out(getattr(reason, 'errno', None))}"
        self.exit_code = 1
        server.stop()

    # --- on the loop -------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Called with the sockets open and the loop about to run."""
        loop = asyncio.get_event_loop_policy().get_event_loop()
        self._step(loop, self._start())

    def _step(self, loop: asyncio.AbstractEventLoop, work: Any) -> None:
        task = loop.create_task(work)
        self._steps.add(task)
        task.add_done_callback(self._steps.discard)

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, loop)
        try:
            self._ready(await self._worker.start())
        except Exception:
            log.exception("The server could not start")
            self.exit_code = 1
            self._on_signal(loop)

    def _on_signal(self, loop: asyncio.AbstractEventLoop) -> None:
        """The first one ends the server in order, a later one at once.

        Two at the same moment are one wish: a service manager signals `make` and the server, and `make` passes it on.
        """
        if self._stopping and time.monotonic() - self._stopping_since < SAME_WISH_S:
            return
        if self._stopping:
            os._exit(130)
        self._stopping, self._stopping_since = True, time.monotonic()
        deadline = threading.Timer(STOP_HARD_S, os._exit, (self.exit_code,))
        deadline.daemon = True
        deadline.start()
        self._step(loop, self._stop())

    async def _stop(self) -> None:
        from twisted.internet import reactor as chosen  # exists only once daphne.server chose it

        self._say("Stopping: no new work, storing what is under way. Ctrl-C again ends at once.")
        for port in self._ports:
            port.stopListening()
        try:
            left = await self._worker.stop(STOP_WORK_S)
        except Exception:
            log.exception("The runs under way could not be stored in order")
            self.exit_code = 1
        else:
            self._say(_farewell(left))
        reactor: Any = chosen
        _ignore_signals()
        reactor.stop()


def _ignore_signals() -> None:
    """Everything is stored: what is left takes a moment, and a late signal would only spoil the exit status."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)


def _way_out(number: int | None) -> str:
    """What to do about an address that cannot be listened on."""
    if number == errno.EADDRINUSE:
        return "Is Fusion running already? Else choose another port, like `make run PORT=8001`, or end what uses it."
    if number == errno.EACCES:
        return "Ports below 1024 are kept for the system: choose a higher one, like `make run PORT=8001`."
    return "Set HOST to an address of this machine: 127.0.0.1 for this machine alone, 0.0.0.0 for every one of its own."


def _farewell(left: int) -> str:
    if not left:
        return "Stopped. No run was under way."
    runs = "1 run was" if left == 1 else f"{left} runs were"
    return f"Stopped. {runs} under way: what was answered is stored, the rest can be run from its page."


def _cancel_applications(connections: dict[Any, dict[str, Any]]) -> Any:
    """End every open request and socket; Daphne's own way trips over connections whose application has ended."""
    from twisted.internet import defer  # importing it earlier would choose the reactor

    running = [details.get("application_instance") for details in connections.values()]
    waiting = [instance for instance in running if instance is not None and not instance.done()]
    for instance in waiting:
        instance.cancel()
    if not waiting:
        return None
    return defer.Deferred.fromFuture(asyncio.gather(*waiting, return_exceptions=True))
