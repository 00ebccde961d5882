"""How much memory one hostile reply can take: a process of its own reads it, and tells how far it grew."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pytest

from tests.processes import ROOT
from tests.providers.reading import STATUS, Reading
from tests.providers.wire import BODY_END, DONE, PARIS, STREAM_HEAD, Script, chunk, event, http_chunk, serving

LIMIT_BYTES = 16 * 1024 * 1024
MEGABYTE = 1_000_000
WRITE_BYTES = 64 * 1024

pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="this system does not tell how much memory was used")


def chunked(body: Iterable[bytes], head: bytes = STREAM_HEAD) -> Iterator[bytes]:
    """A response in HTTP chunks, until its body ends or the reader goes."""
    yield head
    for piece in body:
        yield http_chunk(piece)
    yield BODY_END


def json_head(status: str = "200 OK", **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{lines}Transfer-Encoding: chunked\r\n\r\n"
    return head.encode()


def delta(size: int, first: str = "x", **more: object) -> bytes:
    """An event with a delta of about `size` bytes; a wide first character makes Python hold all of it wide."""
    text = first + "x" * (size - len(first.encode()))
    return b"data: " + json.dumps({**chunk(text, reason="stop"), **more}, ensure_ascii=False).encode() + b"\n\n"


def structure(size: int) -> bytes:
    """An event that is small on the wire and large as Python objects."""
    return b'data: {"choices": [' + b"[]," * (size // 3) + b"[]]}\n\n"


def for_ever(piece: bytes) -> Iterator[bytes]:
    return itertools.repeat(piece)


@dataclass(frozen=True, slots=True)
class Case:
    """`reply` makes the bytes; `status` and `words` are how the call ends, `chars` the length of its text at least."""

    reply: Callable[[], Iterable[bytes]]
    status: str
    words: str = ""
    chars: int = 0


CASES = {
    "a 2 MB delta": Case(lambda: chunked([delta(2 * MEGABYTE), DONE]), "ok", chars=2 * MEGABYTE),
    "a wide 2 MB delta": Case(
        lambda: chunked([delta(2 * MEGABYTE, "🙂", usage={"prompt_tokens": 1, "completion_tokens": 1}), DONE]),
        "ok",
        chars=2 * MEGABYTE - 3,
    ),
    "a wide 2 MB thought": Case(lambda: chunked([delta(2 * MEGABYTE, "  <think>🙂"), DONE]), "ok"),
    "a line without end": Case(lambda: chunked(for_ever(b"data: " + b"x" * 50_000)), "failed", "longer than allowed"),
    "a line without end in tiny pieces": Case(
        lambda: chunked(itertools.chain([b"data: "], (b"x" * 16 for _ in itertools.count()))), "failed", "longer than"
    ),
    "an event of endless lines": Case(lambda: chunked(for_ever(b"data:xy\n" * 5_000)), "failed", "larger than allowed"),
    "a stream without end": Case(
        lambda: chunked(for_ever(event(chunk("x" * 1000)) * 50)), "truncated", "more text than", 2 * MEGABYTE
    ),
    "very many tiny tokens": Case(
        lambda: chunked([event({"choices": [{"delta": {"content": "ab"}}]}) * 1000] * 200),
        "truncated",
        "before the answer was complete",
        400_000,
    ),
    "comments without end": Case(lambda: chunked(for_ever(b": still here\n\n" * 5_000)), "failed", "it was cut"),
    "garbage without end": Case(lambda: chunked(for_ever(bytes(range(256)) * 200)), "failed", "it was cut"),
    "huge reasoning": Case(
        lambda: chunked(for_ever(event(chunk(reasoning="x" * 1000)) * 50)), "failed", "more text than"
    ),
    "reasoning in a block that never closes": Case(
        lambda: chunked(itertools.chain([event(chunk("<think>"))], for_ever(event(chunk("x" * 1000)) * 50))),
        "failed",
        "more text than",
    ),
    "JSON that is all structure": Case(lambda: chunked([structure(2 * MEGABYTE)]), "failed", "not a completion"),
    "a document without end": Case(
        lambda: chunked(for_ever(b'{"choices": [], "x": "' + b"x" * 50_000), json_head()), "failed", "larger than"
    ),
    "a huge error body": Case(
        lambda: chunked(for_ever(b'{"error": "' + b"x" * 50_000), json_head("400 -")), "failed", "did not accept"
    ),
    "a gzip bomb": Case(
        lambda: chunked([gzip.compress(bytes(40 * MEGABYTE))] * 50, json_head(Content_Encoding="gzip")),
        "failed",
        "compressed reply",
    ),
    "a gzip bomb as an error": Case(
        lambda: chunked([gzip.compress(bytes(40 * MEGABYTE))] * 50, json_head("500 -", Content_Encoding="gzip")),
        "failed",
        "problem of its own",
    ),
    "headers without end": Case(
        lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n"], for_ever(b"X-Header: " + b"x" * 5_000 + b"\r\n")),
        "failed",
        "cannot be read as HTTP",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_a_hostile_reply_takes_less_than_16_megabytes(case: Case) -> None:
    reading = await read_in_a_process(first_normal_then(case.reply()))
    assert reading.grew_bytes < LIMIT_BYTES
    assert (reading.status, case.words in reading.failure) == (case.status, True), reading
    assert reading.chars >= case.chars


def first_normal_then(reply: Iterable[bytes]) -> Script:
    replies = iter([chunked([PARIS]), reply])

    async def script(writer: asyncio.StreamWriter) -> None:
        for piece in next(replies):
            for start in range(0, len(piece), WRITE_BYTES):
                writer.write(piece[start : start + WRITE_BYTES])
            await writer.drain()

    return script


async def read_in_a_process(script: Script) -> Reading:
    async with asyncio.timeout(60), serving(script) as upstream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.providers.reading", upstream.url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        told, _ = await process.communicate()
    assert process.returncode == 0
    return Reading(**json.loads(told))
