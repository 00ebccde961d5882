"""The sockets under httpx: a network backend that lets the tokens of a stream gather before it wakes the reader.

What reading a stream costs is paid per wake-up of httpx more than per byte: a token that is read alone costs much more
than it does among others. Sleeping between two reads would gather tokens too, but it would also sleep over the end of
the stream, and what waits for that end is a judge. So the bytes are taken from the socket as they come, which is cheap,
and the reader is woken when its pause is over, or at once when the bytes look like the end of a body.

This is also the one place that opens connections to providers, so it is where addresses are refused (`addresses.py`):
a name is resolved once, every address of it is checked, and the socket is opened to a checked one. The certificate and
the Host header still are those of the name.

httpx reaches a backend through httpcore's documented `network_backend`; everything above this file is plain httpx.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar, cast

import httpcore
from httpcore import SOCKET_OPTION

from fusion.providers.addresses import AddressRefused, require_allowed

MAX_BUFFERED = 256 * 1024
ADDRESS_TRY_S = 3.0  # for each address of a name but the last: a dead IPv6 route must not use up the whole time
_BODY_END = b"\r\n0\r\n\r\n"  # the last chunk of a chunked body (RFC 9112, section 7.1)
_STREAM_END = b"[DONE]"

T = TypeVar("T")


class _Inbox(asyncio.Protocol):
    """Collects what arrives and wakes its one reader when there is a reason to."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.pace_s = 0.0
        self._taken_at = 0.0
        self._buffer = bytearray()
        self._reader: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reading_paused = False
        self._writer: asyncio.Future[None] | None = None
        self._writing_paused = False
        self.ended = False
        self.lost: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.ended:
            return
        self._buffer += data
        if len(self._buffer) > MAX_BUFFERED and self.transport is not None and not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()
        if self._reader is not None and (self._timer is None or self._looks_ended()):
            self._wake_when_due()

    def eof_received(self) -> bool:
        self.ended = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self.lost = exc
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    @property
    def has_something(self) -> bool:
        return self.ended or bool(self._buffer)

    async def wait_until_due(self) -> None:
        """Returns when there is something worth waking the reader for."""
        self._reader = self._loop.create_future()
        try:
            if self._buffer:
                self._wake_when_due()
            await self._reader
        finally:
            self._reader = None
            self._stop_timer()

    def take(self, max_bytes: int) -> bytes:
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        self._taken_at = self._loop.time()
        if self._reading_paused and len(self._buffer) <= MAX_BUFFERED and self.transport is not None:
            self._reading_paused = False
            if not self.ended:
                self.transport.resume_reading()
        return data

    def discard(self) -> None:
        """What has arrived and was not read is of no use any more."""
        self.ended = True
        self._buffer.clear()

    async def wait_until_writable(self) -> None:
        if self._writing_paused and not self.ended:
            self._writer = self._loop.create_future()
            try:
                await self._writer
            finally:
                self._writer = None

    @property
    def is_due(self) -> bool:
        if self.ended or self._reading_paused:
            return True
        return bool(self._buffer) and (self._loop.time() >= self._taken_at + self.pace_s or self._looks_ended())

    def _looks_ended(self) -> bool:
        return self._buffer.endswith(_BODY_END) or self._buffer.find(_STREAM_END, -32) >= 0

    def _wake_when_due(self) -> None:
        if self.is_due:
            self._wake()
        elif self._timer is None:
            self._timer = self._loop.call_at(self._taken_at + self.pace_s, self._wake)

    def _wake(self) -> None:
        self._stop_timer()
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class PacedStream(httpcore.AsyncNetworkStream):
    """One connection. `pace_s`: the least time between two reads, unless the body seems to end; 0 is no pause.

    `read_until`: the time of the loop after which no read waits any longer. Both hold for the exchange they were set
    for: writing the next request takes them back.
    """

    def __init__(self, inbox: _Inbox) -> None:
        self._inbox = inbox
        self.read_until: float | None = None

    @property
    def pace_s(self) -> float:
        return self._inbox.pace_s

    @pace_s.setter
    def pace_s(self, seconds: float) -> None:
        self._inbox.pace_s = seconds

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not self._inbox.is_due:
            if self.read_until is not None:
                timeout = max(0.0, self.read_until - asyncio.get_running_loop().time())
            await _within(timeout, self._inbox.wait_until_due(), httpcore.ReadTimeout)
        data = self._inbox.take(max_bytes)
        if not data and self._inbox.lost is not None:
            raise httpcore.ReadError(str(self._inbox.lost)) from self._inbox.lost
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        self._inbox.pace_s, self.read_until = 0.0, None
        transport = self._inbox.transport
        if transport is None or self._inbox.ended or transport.is_closing():
            raise httpcore.WriteError("The connection is closed.")
        transport.write(buffer)
        await _within(timeout, self._inbox.wait_until_writable(), httpcore.WriteTimeout)

    async def aclose(self) -> None:
        # Aborting instead of closing: a TLS peer that never says goodbye would keep the connection open.
        self._inbox.discard()
        if self._inbox.transport is not None:
            self._inbox.transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        assert self._inbox.transport is not None
        try:
            upgraded = await _within(
                timeout,
                loop.start_tls(self._inbox.transport, self._inbox, ssl_context, server_hostname=server_hostname),
                httpcore.ConnectTimeout,
            )
        except OSError as exc:  # ssl.SSLError is one
            await self.aclose()
            raise httpcore.ConnectError(str(exc)) from exc
        except BaseException:
            await self.aclose()
            raise
        if upgraded is None:
            raise httpcore.ConnectError("The connection was closed during the TLS handshake.")
        self._inbox.transport = upgraded
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # asked of an idle connection: bytes or an end there mean that it is of no use
            return self._inbox.has_something
        names = {"ssl_object": "ssl_object", "client_addr": "sockname", "server_addr": "peername", "socket": "socket"}
        transport = self._inbox.transport
        return transport.get_extra_info(names[info]) if transport is not None and info in names else None


class PacedBackend(httpcore.AsyncNetworkBackend):
    """Opens PacedStreams on the running asyncio or uvloop event loop.

    `local`: may also open them to this machine and to private networks, see `Connection.local`.
    """

    def __init__(self, *, local: bool = False) -> None:
        self._local = local

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            inbox = await _within(timeout, _connect(host, port, self._local), httpcore.ConnectTimeout)
        except (OSError, UnicodeError, AddressRefused) as exc:  # UnicodeError: a host name that IDNA cannot encode
            raise httpcore.ConnectError(str(exc)) from exc
        stream = PacedStream(inbox)
        for option in socket_options or ():
            stream.get_extra_info("socket").setsockopt(*option)
        return stream

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _connect(host: str, port: int, local: bool) -> _Inbox:
    """Tries the addresses of `host` one after the other, IPv4 and IPv6 in turns. Raises OSError, AddressRefused."""
    found = await _resolve(host, port)
    require_allowed([address for address, _ in found], port, local=local)
    addresses = _in_turns(found)
    for address, family in addresses[:-1]:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(ADDRESS_TRY_S):
                return await _open(address, port, family)
    return await _open(addresses[-1][0], port, addresses[-1][1])


async def _resolve(host: str, port: int) -> list[tuple[str, socket.AddressFamily]]:
    """The addresses of a name, asked for once: a second answer may be another one."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(str(sockaddr[0]), family) for family, _, _, _, sockaddr in found]


async def _open(address: str, port: int, family: socket.AddressFamily) -> _Inbox:
    """A connection to exactly this address: AI_NUMERICHOST keeps the loop from looking up anything again."""
    loop = asyncio.get_running_loop()
    return (await loop.create_connection(_Inbox, address, port, family=family, flags=socket.AI_NUMERICHOST))[1]


def _in_turns(addresses: list[tuple[str, socket.AddressFamily]]) -> list[tuple[str, socket.AddressFamily]]:
    """The resolver's order, but with the families alternating, its first choice first (RFC 8305, section 4)."""
    unique = list(dict.fromkeys(addresses))
    first = [entry for entry in unique if entry[1] == unique[0][1]]
    others = [entry for entry in unique if entry[1] != unique[0][1]]
    return [
        entry
        for index in range(max(len(first), len(others)))
        for entry in (*first[index : index + 1], *others[index : index + 1])
    ]


async def _within(timeout: float | None, work: Awaitable[T], error: type[Exception]) -> T:
    if timeout is None:
        return await work
    try:
        async with asyncio.timeout(timeout):
            return await work
    except TimeoutError as exc:
        raise error(f"Nothing within {timeout:g} s.") from exc
