"""What reading a token stream costs, in one run: plain httpx beside the paced reading that Fusion uses.

    python benchmarks/read.py [--streams 60] [--rate 100] [--tokens 200] [--rounds 3] [--uvloop]

An upstream of our own runs in a subprocess and sends every token as an event of its own, each stream at its own beat.
Every reader parses every token out of the JSON. The figures are CPU time of this process per token (median of the
rounds), and how long after the upstream wrote its last byte the reader knew that the stream was over; the last column
compares with the first way.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import httpx
import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fusion.engine.types import CompletionRequest, Finish, Message, TextDelta
from fusion.providers.clients import new_client
from fusion.providers.connection import Connection
from fusion.providers.openai_chat import OpenAIChatProvider
from fusion.providers.reply import ReadLimits
from fusion.providers.sse import SSEParser

Reader = Callable[[httpx.AsyncClient, str], Awaitable[tuple[int, float]]]


# --- the upstream --------------------------------------------------------------------------------


async def serve() -> None:
    """Prints its port, then serves completions: POST /v1/chat/completions/RATE/TOKENS."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=2000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next((line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b":0")
            await reader.readexactly(int(length.split(b":")[1]))
            rate, tokens = (int(part) for part in head.split(b" ")[1].split(b"/")[2:4])
            await _stream(writer, rate, tokens)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _stream(writer: asyncio.StreamWriter, rate: int, tokens: int) -> None:
    """Every token in an event and an HTTP chunk of its own; the last text is the time at which it was written."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head)
    loop = asyncio.get_running_loop()
    beat = loop.time()
    for index in range(tokens):
        writer.write(_chunk(_event(f" tok{index}")))
        beat += 1 / rate
        await asyncio.sleep(max(0.0, beat - loop.time()))
    end = [_event(f" {time.time()!r}"), _event("", "stop"), b"data: [DONE]\n\n"]
    writer.write(b"".join(map(_chunk, end)) + b"0\r\n\r\n")
    await writer.drain()


def _event(text: str, reason: str | None = None) -> bytes:
    delta = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    body = {"id": "chatcmpl-benchmark", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + json.dumps({**body, "choices": [choice]}).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


# --- the ways of reading -------------------------------------------------------------------------


async def read_lines(client: httpx.AsyncClient, url: str) -> tuple[int, float]:
    """Plain httpx as its documentation shows it."""
    count, last = 0, ""
    async with client.stream("POST", url + "/chat/completions", json={"stream": True}) as response:
        async for line in response.aiter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            if text := json.loads(line[6:])["choices"][0]["delta"]["content"]:
                count, last = count + 1, text
    return count, time.time() - float(last)


async def read_bytes(client: httpx.AsyncClient, url: str) -> tuple[int, float]:
    """Plain httpx, raw bytes, our event parser, a fast JSON parser."""
    return await _read_pieces(client, url, 0.0)


async def read_sleeping(client: httpx.AsyncClient, url: str) -> tuple[int, float]:
    """The same, sleeping 50 ms between reads: what pacing costs without knowing where the stream ends."""
    return await _read_pieces(client, url, 0.05)


async def _read_pieces(client: httpx.AsyncClient, url: str, pause_s: float) -> tuple[int, float]:
    count, last, parser = 0, "", SSEParser()
    async with client.stream("POST", url + "/chat/completions", json={"stream": True}) as response:
        slept = time.monotonic()
        async for piece in response.aiter_raw():
            for payload in parser.feed(piece):
                if payload != b"[DONE]" and (text := orjson.loads(payload)["choices"][0]["delta"]["content"]):
                    count, last = count + 1, text
            if pause_s and time.monotonic() - slept > 0.002:  # this piece was waited for, it was not in the buffer
                await asyncio.sleep(pause_s)
                slept = time.monotonic()
            elif pause_s:
                slept = time.monotonic()
    return count, time.time() - float(last)


def provider_reader(pace_s: float) -> Reader:
    """Fusion's own adapter, with everything that it checks."""

    async def read(client: httpx.AsyncClient, url: str) -> tuple[int, float]:
        connection = Connection("bench", "openai-compatible", "Benchmark", url, local=True)
        provider = OpenAIChatProvider(connection, client=lambda: client, limits=ReadLimits(pace_s=pace_s))
        request = CompletionRequest("m", (Message("user", "Go"),), max_tokens=10, timeout_s=600)
        count, last = 0, ""
        async with aclosing(provider.stream(request)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, TextDelta):
                    count, last = count + 1, chunk.text
                elif isinstance(chunk, Finish):
                    late = time.time() - float(last)
        return count, late

    return read


def plain_client() -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=2000, max_keepalive_connections=20)
    return httpx.AsyncClient(trust_env=False, timeout=None, limits=limits)


def local_client() -> httpx.AsyncClient:
    return new_client(local=True)


WAYS: dict[str, tuple[Reader, Callable[[], httpx.AsyncClient]]] = {
    "httpx, aiter_lines + json": (read_lines, plain_client),
    "httpx, raw bytes + orjson": (read_bytes, plain_client),
    "httpx, raw bytes, sleeping 50 ms": (read_sleeping, plain_client),
    "Fusion, no pause": (provider_reader(0.0), local_client),
    "Fusion, 30 ms": (provider_reader(0.03), local_client),
    "Fusion, 50 ms (default)": (provider_reader(0.05), local_client),
    "Fusion, 100 ms": (provider_reader(0.1), local_client),
}


# --- the run -------------------------------------------------------------------------------------


async def measure(reader: Reader, client: httpx.AsyncClient, url: str, streams: int) -> tuple[float, list[float]]:
    """CPU microseconds per token, and the delay of each stream's end in milliseconds."""

    async def one(index: int) -> tuple[int, float]:
        await asyncio.sleep(index * 0.0013)
        return await reader(client, url)

    async with client:
        began = time.process_time()
        results = await asyncio.gather(*(one(index) for index in range(streams)))
        spent = time.process_time() - began
    return spent / sum(count for count, _ in results) * 1e6, [late * 1000 for _, late in results]


@contextmanager
def upstream(options: argparse.Namespace) -> Iterator[str]:
    """The address of an upstream in a process of its own."""
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1/{options.rate}/{options.tokens}"
        finally:
            server.terminate()


async def run(options: argparse.Namespace) -> None:
    print(
        f"{options.streams} streams, {options.rate} tokens/s each, {options.tokens} tokens, "
        f"{'uvloop' if options.uvloop else 'asyncio'}, Python {sys.version.split()[0]}\n"
    )
    print(f"{'way':36}{'CPU/token':>12}{'end p50':>12}{'end max':>12}{'ratio':>9}")
    found: dict[str, list[tuple[float, list[float]]]] = {name: [] for name in WAYS}
    with upstream(options) as url:
        for _ in range(options.rounds):  # in turns, so that a busy moment of the machine hits every way alike
            for name, (reader, make_client) in WAYS.items():
                found[name].append(await measure(reader, make_client(), url, options.streams))
    costs = {name: statistics.median(cpu for cpu, _ in rounds) for name, rounds in found.items()}
    for name, rounds in found.items():
        ends = [end for _, round_ends in rounds for end in round_ends]
        share = costs[name] / next(iter(costs.values()))
        print(f"{name:36}{costs[name]:>9.1f} µs{statistics.median(ends):>9.1f} ms{max(ends):>9.1f} ms{share:>9.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--streams", type=int, default=60)
    parser.add_argument("--rate", type=int, default=100, help="tokens per second and stream")
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3, help="the figures are medians over so many")
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    work = serve() if options.serve else run(options)
    if options.uvloop:
        import uvloop

        uvloop.run(work)
    else:
        asyncio.run(work)


if __name__ == "__main__":
    main()
