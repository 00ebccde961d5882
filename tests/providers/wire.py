"""What the tests of the providers share: bytes as upstreams send them, and a server that sends them as told."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from fusion.engine.types import (
    Chunk,
    CompletionRequest,
    Finish,
    Message,
    ReasoningDelta,
    TextDelta,
    Usage,
)
from fusion.providers.clients import new_client
from fusion.providers.connection import Connection
from fusion.providers.openai_chat import OpenAIChatProvider
from fusion.providers.reply import ReadLimits

CANARY = "sk-or-v1-canary0123456789abcdefCANARY"
REQUEST = CompletionRequest("acme/model-1", (Message("user", "Capital of France?"),), max_tokens=100, timeout_s=60)

SSE = {"content-type": "text/event-stream"}
Handler = Callable[[httpx.Request], httpx.Response]


def event(payload: object) -> bytes:
    return b"data: " + (payload if isinstance(payload, bytes) else json.dumps(payload).encode()) + b"\n\n"


def chunk(text: str | None = None, reason: str | None = None, **delta: Any) -> dict[str, Any]:
    if text is not None:
        delta["content"] = text
    return {
        "id": "gen-1",
        "model": "acme/model-1-0801",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }


def usage_chunk(**usage: Any) -> dict[str, Any]:
    return {"id": "gen-1", "choices": [], "usage": usage}


DONE = b"data: [DONE]\n\n"
PARIS = (
    event(chunk(role="assistant", content=""))
    + event(chunk("Par"))
    + event(chunk("is."))
    + event(chunk(reason="stop"))
    + event(usage_chunk(prompt_tokens=7, completion_tokens=2, total_tokens=9))
    + DONE
)


def connection(**changes: Any) -> Connection:
    facts: dict[str, Any] = {
        "slug": "custom",
        "preset": "openai-compatible",
        "label": "Acme",
        "base_url": "http://acme.test/v1",
        "api_key": CANARY,
        "key_name": "FUSION_PROVIDER_KEY",
        "local": True,
    }
    return Connection(**{**facts, **changes})


def provider_of(handler: Handler, limits: ReadLimits | None = None, **changes: Any) -> OpenAIChatProvider:
    """A provider whose HTTP ends in `handler`."""
    client = new_client(transport=httpx.MockTransport(lambda request: unread(handler(request))))
    return OpenAIChatProvider(connection(**changes), client=lambda: client, limits=limits)


def unread(response: httpx.Response) -> httpx.Response:
    """The same response as the network would give it: its body still to be read."""
    if not response.is_stream_consumed:
        return response
    return httpx.Response(response.status_code, headers=response.headers, content=in_pieces([response.content]))


def provider_sending(*pieces: bytes, **changes: Any) -> OpenAIChatProvider:
    """A provider whose upstream answers with an event stream made of these pieces."""
    return provider_of(lambda _: httpx.Response(200, headers=SSE, content=in_pieces(pieces)), **changes)


async def in_pieces(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def chunks_of(provider: OpenAIChatProvider, request: CompletionRequest = REQUEST) -> list[Chunk]:
    async with aclosing(provider.stream(request)) as stream:
        return [piece async for piece in stream]


@dataclass(slots=True)
class Heard:
    """One completion, put together."""

    text: str = ""
    reasoning: str = ""
    usage: Usage | None = None
    finish: Finish | None = None
    error: Exception | None = None


async def hear(provider: OpenAIChatProvider, request: CompletionRequest = REQUEST) -> Heard:
    """Everything that a completion gave, with the error that ended it, if one did."""
    heard = Heard()
    async with aclosing(provider.stream(request)) as stream:
        try:
            async for piece in stream:
                add(heard, piece)
        except Exception as exc:
            heard.error = exc
    return heard


def add(heard: Heard, piece: Chunk) -> None:
    match piece:
        case TextDelta():
            heard.text += piece.text
        case ReasoningDelta():
            heard.reasoning += piece.text
        case Usage():
            heard.usage = piece
        case Finish():
            heard.finish = piece


@dataclass(slots=True)
class Upstream:
    """A server on a real socket. `closed` is set when the client's side of a connection goes away."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)


async def soon(condition: Callable[[], object]) -> bool:
    """Whether it comes true within half a second in which this loop runs; both ends of a connection are in it.

    Turns of the loop are counted instead of time: a machine that is busy, or stands still, makes them longer, not more.
    """
    for _ in range(50):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return bool(condition())


Script = Callable[[asyncio.StreamWriter], Awaitable[None]]

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY_END = b"0\r\n\r\n"


def http_chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@asynccontextmanager
async def serving(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """An upstream that runs `script` for every request and then waits for the next one or for the end."""
    upstream = Upstream()
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(length[0].split(b":")[1])) if length else b""
                upstream.requests.append(head + body)
                watch = asyncio.ensure_future(script(writer))
                handlers.add(watch)
                await watch
        except (asyncio.IncompleteReadError, ConnectionError):
            upstream.closed.set()
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    scheme = "https" if tls else "http"
    upstream.url = f"{scheme}://localhost:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield upstream
    finally:
        for task in handlers:
            task.cancel()
        server.close()
        await server.wait_closed()
