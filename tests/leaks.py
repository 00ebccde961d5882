"""A model server that tells everybody the key that it was asked with, and the search for where that key went.

The server answers in as many ways as there are to repeat a secret: which one stands in the model's name (`leak-KIND`),
or, for a list of models, in the path (`/KIND/v1/models`).
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import quote

WINDOW = 12  # this many characters of a canary in a row are a leak

TLS_HELLO = b"\x16"

Leak = Callable[[str, str], bytes]  # the key and the head of the request; what is sent


def make_canary(name: str, *, chars: int = 36) -> str:
    """A secret that looks like nothing, so that it is found by its value or not at all."""
    letters = secrets.token_hex(chars)
    return f"{name}{letters}"[:chars]


@dataclass(slots=True)
class Canaries:
    """Every secret that must not be anywhere, by what it is; `seek` tells which of them a text holds."""

    values: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, value: str = "") -> str:
        self.values[what] = value or make_canary("Zq")
        return self.values[what]

    def seek(self, haystack: str | bytes) -> list[str]:
        """What is found, also encoded, escaped, or in part."""
        text = haystack if isinstance(haystack, bytes) else haystack.encode("utf-8", "replace")
        return [what for what, value in self.values.items() if any(piece in text for piece in _pieces(value))]


@cache
def _pieces(value: str) -> list[bytes]:
    forms = {value, quote(value, safe="")}
    windows = [form[start : start + WINDOW].encode() for form in forms for start in range(len(form) - WINDOW + 1)]
    encoded = base64.b64encode(value.encode())
    return [*windows, encoded[: len(encoded) // 4 * 3]]


# --- the ways ---------------------------------------------------------------------------------------


def _response(status: int, body: str, *headers: str, kind: str = "application/json") -> bytes:
    raw = body.encode()
    lines = "".join(f"{line}\r\n" for line in (f"Content-Type: {kind}", f"Content-Length: {len(raw)}", *headers))
    return f"HTTP/1.1 {status} -\r\n{lines}\r\n".encode() + raw


def _error(status: int, message: object, *headers: str, **more: object) -> bytes:
    return _response(status, json.dumps({"error": {"message": message, **more}}), *headers)


def _stream(*events: object, end: bytes = b"0\r\n\r\n") -> bytes:
    chunks = [b"data: " + (event if isinstance(event, bytes) else json.dumps(event).encode()) for event in events]
    framed = b"".join(f"{len(chunk) + 2:x}\r\n".encode() + chunk + b"\n\n\r\n" for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + framed + end


def _said(text: str, **facts: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **facts}


def _headers(head: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)


LEAKS: dict[str, Leak] = {
    "401": lambda key, _: _error(401, f"Incorrect API key provided: {key}.", code="invalid_api_key", param=key),
    "400": lambda key, _: _error(400, f"Unsupported value: “{key}”", param="temperature"),
    "402": lambda key, _: _error(402, f"The account of {key} has no credit", f"X-Key: {key}"),
    "429": lambda key, _: _error(429, f"Slow down, {key[:20]}… or …{key[14:]}", f"Retry-After: {key}"),
    "headers": lambda _, head: _error(500, str(_headers(head)), headers=_headers(head)),
    "head": lambda _, head: _response(500, head, kind="text/plain"),
    "curl": lambda key, _: _error(
        500, f'curl "https://host/v1/models?key={quote(key)}" -H "Authorization: Bearer {key}"'
    ),
    "escaped": lambda key, _: _error(500, json.dumps({"raw": json.dumps({"message": "\u200b".join(key)})})),
    "long": lambda key, _: _error(500, "x" * 280 + key + "y" * 3700 + key),
    "page": lambda key, _: _response(502, f"<html><title>{key}</title><p>{key}", kind="text/html"),
    "redirect": lambda key, _: _response(302, key, f"Location: http://127.0.0.1:9/?key={key}", f"Set-Cookie: k={key}"),
    "status-line": lambda key, _: f"HTTP/9.9 {key}\r\n\r\n".encode(),
    "header-line": lambda key, _: f"HTTP/1.1 200 OK\r\n{key}\r\n\r\n".encode(),
    "chunk-size": lambda key, _: _stream(_said("half"), end=f"{key}\r\n".encode()),
    "stream-error": lambda key, _: _stream(_said("half"), {"error": {"message": f"{key} is out", "code": key}}),
    "stray": lambda key, _: _stream(_said("half"), f"upstream error for {key}".encode()),
    "words": lambda key, _: _response(200, f"no route for {key}", kind="text/plain"),
    "name": lambda key, _: _stream(_said("A whole answer.", id=key, model=f"m-{key}"), b"[DONE]"),
    "list": lambda key, _: _response(200, json.dumps({"data": [{"id": f"m-{key}"}, {"id": "m", "name": key}]})),
}


class TellTale:
    """The server; `async with TellTale() as server`. `heard` has every key that it was asked with."""

    def __init__(self) -> None:
        self.heard: set[str] = set()
        self.asked: set[str] = set()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> TellTale:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def url(self, kind: str = "") -> str:
        return f"http://127.0.0.1:{self.port}{f'/{kind}' if kind else ''}/v1"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._answer(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if (first := await reader.readexactly(1)) == TLS_HELLO:
                writer.write(b"HTTP/1.1 400 -\r\n\r\n")
                return
            head = (first + await reader.readuntil(b"\r\n\r\n")).decode().removesuffix("\r\n\r\n")
            headers = {name.lower(): value for name, value in _headers(head).items()}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            key = headers.get("authorization", "").removeprefix("Bearer ")
            kind = json.loads(body)["model"].removeprefix("leak-") if body else head.split("/")[1]
            self.heard.add(key)
            self.asked.add(kind)
            await self._tell(kind, key, head, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _tell(self, kind: str, key: str, head: str, writer: asyncio.StreamWriter) -> None:
        if kind == "hang":
            await asyncio.Event().wait()
        writer.write(LEAKS[kind.split("+")[0]](key, head))
        await writer.drain()
