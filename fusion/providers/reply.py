"""Reading the body of one completion: bytes in, the engine's chunks out, within limits of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import httpx

from fusion.engine.types import Chunk
from fusion.errors import ProviderMalformed, ProviderTimeout
from fusion.providers.chunks import ChunkReader
from fusion.providers.connection import Connection
from fusion.providers.failures import TRANSPORT_FAULTS, transport_error
from fusion.providers.network import PacedStream
from fusion.providers.sse import MAX_EVENT_BYTES, SSEParser

DRAIN_S = 0.02  # after [DONE]: the end of the body is all but here, and with it the connection can be used again


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How long and how much of a reply is read.

    `first_s`: to the first piece of text or reasoning; `idle_s`: between two reads after it; `tail_s`: for usage and
    the end mark after the finish reason; `error_s` and `error_bytes`: for an error body; `stream_bytes` and
    `document_bytes`: of a reply that comes as a stream, or whole. The request's own `timeout_s` bounds everything
    together. `pace_s`: the least time between two reads once text flows (see `network.py`).
    """

    first_s: float = 300.0
    idle_s: float = 60.0
    tail_s: float = 5.0
    error_s: float = 5.0
    error_bytes: int = 64 * 1024
    stream_bytes: int = 64 * 1024 * 1024
    document_bytes: int = MAX_EVENT_BYTES
    pace_s: float = 0.05


class Reply:
    """One good response, read piece by piece: an event stream, or a completion that came whole.

    `deadline` is in the running loop's time. `is_over` turns true when nothing can follow.
    """

    def __init__(
        self,
        response: httpx.Response,
        connection: Connection,
        model_id: str,
        *,
        limits: ReadLimits,
        deadline: float,
        images: bool = False,
    ) -> None:
        self.reader = ChunkReader(connection, model_id, images=images)
        self.is_over = False
        self._response = response
        self._label = connection.label
        self._connection = connection
        self._limits = limits
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._first_by = self._loop.time() + limits.first_s
        self._pieces = cast(AsyncGenerator[bytes, None], response.aiter_raw())
        self._events = SSEParser()
        network = response.extensions.get("network_stream")
        self._network = network if isinstance(network, PacedStream) else None
        self._size = 0
        self._is_read = False
        self._found: list[Chunk] = []
        self._kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def next_chunks(self) -> list[Chunk]:
        """What the next read brings. Raises ProviderError; `rescued` has what came before the fault in that read."""
        self._found = []
        if self._size == 0:
            self._check_headers()
        if self._kind.endswith("json"):
            await self._read_document()
        else:
            await self._read_events()
        return self._found

    def rescued(self) -> list[Chunk]:
        return self._found

    async def close(self) -> None:
        """Gives the connection back when the body was read to its end, else closes it at once."""
        if not self._is_read:
            await self._break_off()
        await self._response.aclose()

    async def _break_off(self) -> None:
        """Closes the connection first and lets the reading end by that.

        httpx nests half a dozen generators; left half-read, the interpreter would close them in tasks of their own.
        """
        if self._network is None:
            await self._pieces.aclose()
            return
        await self._network.aclose()
        with suppress(*TRANSPORT_FAULTS):
            async for _ in self._pieces:
                pass

    def _check_headers(self) -> None:
        if is_compressed(self._response):
            raise ProviderMalformed(f"{self._label} sent a compressed reply, which was not asked for; it was not read.")
        if self._kind in ("text/html", "application/xhtml+xml"):
            raise ProviderMalformed(f"{self._label} answered with a web page: check its address.")

    async def _read_events(self) -> None:
        piece = await self._read_piece()
        if piece:
            for payload in self._events.feed(piece):
                self._found += self.reader.feed(payload)
        else:
            self.is_over = True
            for payload in self._events.finish():
                self._found += self.reader.feed_tail(payload)
            was_stream = self.reader.has_payloads or self._kind == "text/event-stream"
            self.reader.end_by(self._events.stray, was_stream=was_stream)
        self._adapt()

    async def _read_document(self) -> None:
        """Some servers do not stream, whatever they are asked: the whole completion is one piece then."""
        document = bytearray()
        while piece := await self._read_piece():
            document += piece
            if len(document) > self._limits.document_bytes:
                raise ProviderMalformed(f"{self._label} sent a reply that is larger than allowed; it was not read.")
        self.is_over = True
        payload = bytes(document)
        document.clear()
        self._found = self.reader.feed(payload)
        if not self.reader.has_choices:
            raise ProviderMalformed(f"{self._label} sent something that is not a completion: check its address.")
        self.reader.is_done = True

    async def _read_piece(self) -> bytes:
        """The next bytes, empty at the end. A fault after the finish reason counts as the end: the text is whole."""
        patient_until = self._loop.time() + self._limits.idle_s if self.reader.has_output else self._first_by
        until = min(self._deadline, patient_until)
        try:
            if self._network is None:
                async with asyncio.timeout_at(until):
                    piece = await anext(self._pieces, b"")
            else:  # its reads keep the time themselves: a timer for each of the many pieces of one read is too dear
                self._network.read_until = until
                piece = await anext(self._pieces, b"")
        except (TimeoutError, httpx.ReadTimeout) as exc:
            if self._is_whole:
                return b""
            sentence = f"{self._label} sent nothing more in the time it had: ask again, or give it more time."
            raise ProviderTimeout(sentence) from exc
        except TRANSPORT_FAULTS as exc:
            if self._is_whole:
                return b""
            raise transport_error(self._connection, exc, started=True) from exc
        self._is_read = not piece
        self._size += len(piece)
        if self._size > self._limits.stream_bytes:
            raise ProviderMalformed(f"{self._label} sent more than any answer may have; it was cut.")
        return piece

    @property
    def _is_whole(self) -> bool:
        return self.reader.has_reason or self.reader.is_done

    def _adapt(self) -> None:
        """Reads in the rhythm of a page once text flows, and does not wait long for what follows its end."""
        if self.reader.is_done:
            self._deadline = min(self._deadline, self._loop.time() + DRAIN_S)
        elif self.reader.has_reason:
            self._deadline = min(self._deadline, self._loop.time() + self._limits.tail_s)
        elif self.reader.has_output:
            self._set_pace(self._limits.pace_s)

    def _set_pace(self, pace_s: float) -> None:
        if self._network is not None:
            self._network.pace_s = pace_s


def is_compressed(response: httpx.Response) -> bool:
    """Whether the body is packed in a way that we did not ask for. It is never unpacked: it may be a bomb."""
    return response.headers.get("content-encoding", "identity").lower() not in ("", "identity")
