"""What the model server of `tests.upstream` does wrong when a model is called `broken-KIND`.

Each fault writes one whole HTTP response, or as much of one as it will ever write. One that returns leaves the
connection open for the next request; one that raises ConnectionResetError has ended it; one that never returns is
ended when the client hangs up.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

Fault = Callable[[asyncio.StreamWriter], Awaitable[None]]

HALF = "z: half an answer"  # sorts behind every whole answer, so that the test judge does not choose it
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PAGE = b"<!doctype html><title>Down for maintenance</title><h1>We'll be back</h1>"


def fault_of(model: str) -> Fault | None:
    """The fault of a model of this name, if it has one."""
    return FAULTS.get(model.partition("broken-")[2])


def event(**payload: Any) -> bytes:
    data = b"data: " + json.dumps({"id": "chatcmpl-test", "model": "test", **payload}).encode() + b"\n\n"
    return http_chunk(data)


def delta(reason: str | None = None, **fields: str) -> bytes:
    return event(choices=[{"index": 0, "delta": fields, "finish_reason": reason}])


def http_chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def response(status: int, body: object, *headers: str, kind: str = "application/json") -> Fault:
    """A whole response; a body that is not bytes is JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = "".join(f"{line}\r\n" for line in (f"Content-Type: {kind}", f"Content-Length: {len(raw)}", *headers))

    async def fault(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} -\r\n{lines}\r\n".encode() + raw)

    return fault


def error(status: int, message: str, *headers: str, **more: object) -> Fault:
    return response(status, {"error": {"message": message, **more}}, *headers)


def stream(*pieces: bytes, then: Fault | None = None) -> Fault:
    """A stream of these pieces that ends in order, unless `then` says how else it goes on."""

    async def fault(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + b"".join(pieces))
        await writer.drain()
        await (then or finish)(writer)

    return fault


async def finish(writer: asyncio.StreamWriter) -> None:
    writer.write(b"0\r\n\r\n")


async def stall(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    raise ConnectionResetError


async def reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN; it overtakes what was sent just before, so that is given time to arrive."""
    await asyncio.sleep(0.2)
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    await close(writer)


async def write_on(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(delta(content=" and on" * 1000))
        await writer.drain()


async def pour_comments(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(http_chunk(b": still here\n\n"))
        await writer.drain()
        await asyncio.sleep(0.01)


STOP = delta("stop")
DONE = http_chunk(b"data: [DONE]\n\n")

FAULTS: dict[str, Fault] = {
    "400": error(400, "messages: at least one is required"),
    "401": error(401, "Incorrect API key provided", code="invalid_api_key"),
    "402": error(402, "Insufficient credits"),
    "403": error(403, "Your plan does not include this"),
    "404": error(404, "The model `broken` does not exist", code="model_not_found"),
    "408": error(408, "Request timed out"),
    "413": error(413, "Request too large"),
    "429": error(429, "Slow down", "Retry-After: 3600"),
    "500": error(500, "Internal error"),
    "503-page": response(503, PAGE, kind="text/html"),
    "529": response(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    "page": response(200, PAGE, kind="text/html"),
    "words": response(200, b"no healthy upstream", kind="text/plain"),
    "nothing": response(200, b"", kind="text/event-stream"),
    "half-json": response(200, b'{"choices": [{"message": {"con'),
    "redirect": response(307, b"", "Location: http://169.254.169.254/latest/meta-data"),
    "gzip-bomb": response(200, gzip.compress(bytes(5_000_000)), "Content-Encoding: gzip", kind="text/event-stream"),
    "other-protocol": lambda writer: close_after(writer, b"220 mail.example.com ESMTP\r\n"),
    "hang-up": close,
    "reset-at-once": reset,
    "error-object": stream(delta(content=HALF), event(error={"code": 502, "message": "Provider disconnected"})),
    "cut": stream(delta(content=HALF), then=close),
    "reset": stream(delta(content=HALF), then=reset),
    "garbage": stream(delta(content=HALF), http_chunk(b"data: \x00\xff\xfe garbage\n\n"), STOP),
    "line-without-end": stream(delta(content=HALF), http_chunk(b"data: " + b"x" * 3_000_000), then=stall),
    "stall-before-headers": stall,
    "stall-before-text": stream(http_chunk(b": hello\n\n"), then=stall),
    "comments-before-text": stream(then=pour_comments),
    "stall-in-text": stream(delta(content=HALF), then=stall),
    "endless": stream(delta(content=HALF), then=write_on),
    "empty": stream(STOP, DONE),
    "length": stream(delta(content=HALF), delta("length"), DONE),
    "only-reasoning": stream(delta(reasoning="Hm, let me see."), delta("length"), DONE),
    "filtered": stream(delta(content=HALF), delta("content_filter"), DONE),
}


async def close_after(writer: asyncio.StreamWriter, last_words: bytes) -> None:
    writer.write(last_words)
    await writer.drain()
    await close(writer)
