"""The way from a browser to the server, with what stands in it: a proxy that treats websockets as some networks do."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS_OPEN = 5.0
HELD_S = {"silent": 3600.0, "late": 1.0}
END_OF_HEAD = b"\r\n\r\n"


class Network:
    """A proxy on a port of its own; `way` says what becomes of sockets, and may change at any moment.

    `open`: nothing is in the way. `200`, `403` and so on: the answer to each upgrade. `silent`: no answer at all.
    `late`: the upgrade takes a second. `swallowing`: it works, nothing else arrives. `cutting`: a
    connection lasts five seconds. `down`: nothing at all gets through, pages neither; what is open is cut.
    """

    def __init__(self) -> None:
        self.port = 0
        self.upgrades = 0
        self.is_listening = threading.Event()
        self._way = "open"
        self._open: set[asyncio.Task[None]] = set()
        self._sockets: set[asyncio.Task[None]] = set()
        self._transports: set[asyncio.WriteTransport] = set()

    @property
    def way(self) -> str:
        return self._way

    @way.setter
    def way(self, way: str) -> None:
        """What is open of the kind that is blocked now ends, as when somebody changes networks."""
        self._way = way
        ended = self._open if way == "down" else self._sockets if way != "open" else set()
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in list(ended)])

    async def live(self) -> None:
        """Listen until `close` is called."""
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.is_listening.set()
        await self._ended.wait()
        server.close()
        while left := list(self._open):
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        # One that still holds what nobody reads would wait for its reader for ever, past the end of this loop.
        for transport in self._transports:
            transport.abort()
        await asyncio.sleep(0)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Known from its first moment, and closed even if it ends before it began."""

        def over(task: asyncio.Task[None]) -> None:
            self._open.discard(task)
            self._sockets.discard(task)
            writer.close()

        self._transports.add(writer.transport)
        task = asyncio.ensure_future(self._connection(reader, writer))
        self._open.add(task)
        task.add_done_callback(over)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._serve(reader, writer, task)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]
    ) -> None:
        if self._way == "down":
            return
        head = await reader.readuntil(END_OF_HEAD)
        method, target, _ = head.split(b" ", 2)
        address = target
        if method == b"CONNECT":  # how a browser reaches for a socket through a proxy
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            head = await reader.readuntil(END_OF_HEAD)
        else:
            address = target.split(b"/")[2]
            head = head.replace(b"http://" + address, b"", 1)
            head = re.sub(rb"(?im)^(proxy-)?connection:.*\r\n", b"", head)
            head = head.replace(END_OF_HEAD, b"\r\nConnection: close" + END_OF_HEAD)
        is_socket = b"upgrade: websocket" in head.lower()
        if is_socket:
            self._sockets.add(task)
            self.upgrades += 1
            if await self._is_refused(writer):
                return
        await self._pass_on(address, head, reader, writer, is_socket=is_socket)

    async def _is_refused(self, writer: asyncio.StreamWriter) -> bool:
        if self._way in HELD_S:
            await asyncio.sleep(HELD_S[self._way])
        if self._way.isdigit():
            writer.write(f"HTTP/1.1 {self._way} So\r\nContent-Length: 2\r\nConnection: close\r\n\r\nNo".encode())
            await writer.drain()
        return self._way.isdigit()

    async def _pass_on(
        self,
        address: bytes,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_socket: bool,
    ) -> None:
        host, _, port = address.decode().rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        self._transports.add(back.transport)
        try:
            back.write(head)
            if is_socket:
                writer.write(await there.readuntil(END_OF_HEAD))
            async with asyncio.timeout(SECONDS_OPEN if is_socket and self._way == "cutting" else None):
                async with asyncio.TaskGroup() as both:
                    forth = both.create_task(_pump(reader, back))
                    await (_swallow(there) if is_socket and self._way == "swallowing" else _pump(there, writer))
                    forth.cancel()
        except (TimeoutError, ExceptionGroup):
            pass
        finally:
            back.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(65536):
        sink.write(piece)
        await sink.drain()


async def _swallow(source: asyncio.StreamReader) -> None:
    while await source.read(65536):
        pass


@contextmanager
def network() -> Iterator[Network]:
    """A proxy that lives as long as the block."""
    made = Network()
    thread = threading.Thread(target=lambda: asyncio.run(made.live()))
    thread.start()
    made.is_listening.wait()
    try:
        yield made
    finally:
        made.close()
        thread.join(10)
