"""Every kind of hostile reply, byte for byte over a real socket: how it ends, what is kept, what a person is told."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import orjson
import pytest

from fusion.engine.types import FinishReason
from fusion.errors import (
    ProviderBadRequest,
    ProviderError,
    ProviderMalformed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderStreamCut,
    ProviderTimeout,
    ProviderUnreachable,
)
from fusion.providers.clients import close_shared_clients
from fusion.providers.openai_chat import OpenAIChatProvider
from fusion.providers.reply import ReadLimits
from tests.providers.wire import (
    BODY_END,
    CANARY,
    DONE,
    REQUEST,
    STREAM_HEAD,
    chunk,
    connection,
    event,
    hear,
    http_chunk,
    serving,
    usage_chunk,
)

Step = Callable[[asyncio.StreamWriter], Awaitable[None]]
SHORT_S = 0.1
PATIENT = ReadLimits(pace_s=0.0)
# Each gives up early on one thing only, so that a slow machine cannot make another thing happen first.
SHORT_FIRST, SHORT_IDLE = replace(PATIENT, first_s=SHORT_S), replace(PATIENT, idle_s=SHORT_S)
SHORT_TAIL, SHORT_ERROR = replace(PATIENT, tail_s=SHORT_S), replace(PATIENT, error_s=SHORT_S)


@pytest.fixture(autouse=True)
async def no_connection_is_left() -> AsyncIterator[None]:
    yield
    await close_shared_clients()


# --- what an upstream does, step by step ------------------------------------------------------------------


def send(*pieces: bytes) -> Step:
    async def step(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return step


def stream(*events: bytes) -> Step:
    return send(STREAM_HEAD, *map(http_chunk, events))


async def end(writer: asyncio.StreamWriter) -> None:
    writer.write(BODY_END)


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(writer: asyncio.StreamWriter) -> None:
    """Ends the connection with RST instead of FIN. What was sent before must have arrived: RST overtakes it."""
    await asyncio.sleep(0.02)
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()


async def stall(writer: asyncio.StreamWriter) -> None:
    """Says nothing more, and leaves the connection open until the other side closes it."""


async def keep_alive(writer: asyncio.StreamWriter) -> None:
    """Comments for ever, as OpenRouter sends while it waits for a model."""
    while not writer.is_closing():
        writer.write(http_chunk(b": OPENROUTER PROCESSING\n\n"))
        await writer.drain()
        await asyncio.sleep(0.005)


def response(body: bytes, *, status: str = "200 OK", kind: str = "text/event-stream", headers: str = "") -> Step:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return send(head.encode() + body)


# --- the cases ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """`error` None means a whole answer, with its end mark; `words` stand in the error's sentence."""

    steps: tuple[Step, ...]
    text: str = ""
    error: type[ProviderError] | None = None
    words: str = ""
    limits: ReadLimits = PATIENT


PAR, IS, STOP = event(chunk("Par")), event(chunk("is.")), event(chunk(reason="stop"))
LONG = event(chunk("x" * 1000))
WIDE = "größer – 🙂👩‍👩‍👧 中文"
ALL = (PAR, IS, STOP, DONE)
RAW = event(orjson.dumps(chunk(WIDE))) + STOP + DONE
MULTI_LINE = b'data: {"choices": [{"delta":\ndata:   {"content": "Paris."},\ndata:  "finish_reason": "stop"}]}\n\n'
BEFORE_COMPLETE = "before the answer was complete"

WHOLE = {
    "LF": Case((stream(*ALL), end), "Paris."),
    "CRLF": Case((stream(*(part.replace(b"\n", b"\r\n") for part in ALL)), end), "Paris."),
    "CR": Case((stream(*(part.replace(b"\n", b"\r") for part in ALL)), end), "Paris."),
    "CRLF cut between CR and LF": Case(
        (stream(*[half for part in ALL for half in (part[:-1] + b"\r", b"\n\r", b"\n")]), end), "Paris."
    ),
    "mixed line ends": Case((stream(PAR, IS.replace(b"\n", b"\r"), STOP.replace(b"\n", b"\r\n"), DONE), end), "Paris."),
    "a byte order mark": Case((stream(b"\xef\xbb\xbf" + PAR, IS, STOP, DONE), end), "Paris."),
    "comments": Case((stream(b": hello\n\n:\n", PAR, b":" + b"-" * 9000 + b"\n", IS, STOP, DONE), end), "Paris."),
    "other fields": Case((stream(b"event: message\nid: 7\nretry: 10\n" + PAR, IS, STOP, DONE), end), "Paris."),
    "empty events": Case((stream(b"data:\n\n", PAR, b"data\n\ndata: \n\n", IS, STOP, DONE), end), "Paris."),
    "multi-line data": Case((stream(MULTI_LINE, DONE), end), "Paris."),
    "UTF-8 cut at every byte": Case((stream(*(bytes([byte]) for byte in RAW)), end), WIDE),
    "broken UTF-8": Case((stream(PAR.replace(b"Par", b"P\xff\xc3"), STOP, DONE), end), "P\ufffd\ufffd"),
    "garbage between events": Case(
        (stream(PAR, b"\x00\xff garbage <html>\n\n", b"{}\n", IS, b"\x80\n\n", STOP, DONE), end), "Paris."
    ),
    "[DONE] and closed": Case((stream(PAR, IS, DONE), close), "Paris."),
    "[DONE] and reset": Case((stream(PAR, IS, DONE), reset), "Paris."),
    "[DONE] and nothing more": Case((stream(PAR, IS, DONE), stall), "Paris."),
    "a finish reason and closed": Case((stream(PAR, IS, STOP), close), "Paris."),
    "a finish reason and reset": Case((stream(PAR, IS, STOP), reset), "Paris."),
    "a finish reason and garbage": Case((stream(PAR, IS, STOP, b"data: garbage\n\n"), end), "Paris."),
    "a finish reason and nothing more": Case((stream(PAR, IS, STOP), stall), "Paris.", limits=SHORT_TAIL),
    "HTTP/1.0, ended by closing": Case(
        (send(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", *ALL), close), "Paris."
    ),
    "early hints first": Case(
        (send(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 -\r\n\r\n"), stream(*ALL), end), "Paris."
    ),
    "a 2 MB delta": Case((stream(event(chunk("x" * 2_000_000)), STOP, DONE), end), "x" * 2_000_000),
    "a wide 2 MB delta": Case(
        (stream(event(orjson.dumps(chunk("🙂" + "x" * 1_999_999))), STOP, DONE), end), "🙂" + "x" * 1_999_999
    ),
}

CUT = {
    "closed without an end mark": Case((stream(PAR), close), "Par", ProviderStreamCut, BEFORE_COMPLETE),
    "ended without an end mark": Case((stream(PAR), end), "Par", ProviderStreamCut, BEFORE_COMPLETE),
    "closed without a token": Case((stream(b": hello\n\n"), close), "", ProviderStreamCut, "before the answer"),
    "ended without a token": Case((stream(b": hello\n\n"), end), "", ProviderStreamCut, "before the answer began"),
    "reset in the middle": Case((stream(PAR), reset), "Par", ProviderStreamCut, "broke before the answer was complete"),
    "less than its length": Case(
        (send(STREAM_HEAD.replace(b"Transfer-Encoding: chunked", b"Content-Length: 9999"), PAR), close),
        "Par",
        ProviderStreamCut,
        BEFORE_COMPLETE,
    ),
    "broken HTTP chunks": Case((stream(PAR), send(b"zzz\r\nhello")), "Par", ProviderStreamCut, BEFORE_COMPLETE),
    "JSON cut short by the end": Case((stream(PAR, IS[:30]), end), "Par", ProviderStreamCut, BEFORE_COMPLETE),
    "JSON cut short in an event": Case(
        (stream(PAR, IS[:30] + b"\n\n", IS), end), "Par", ProviderMalformed, "not part of an answer."
    ),
    "words in an event": Case(
        (stream(PAR, b"data: upstream connect error\n\n"), end),
        "Par",
        ProviderMalformed,
        "not part of an answer. It said: “upstream connect error”",
    ),
    "words in place of an event": Case(
        (stream(PAR, b"Internal Server Error"), end),
        "Par",
        ProviderStreamCut,
        "before the answer was complete. It said: “Internal Server Error”",
    ),
    "an error object in place of an event": Case(
        (stream(PAR, b'{"error": {"code": 503, "message": "no GPU left"}}\n'), end),
        "Par",
        ProviderOverloaded,
        "no GPU left",
    ),
    "a line without end": Case(
        (stream(PAR, b"data: ", *[b"x" * 60_000] * 45), stall), "Par", ProviderMalformed, "longer than allowed"
    ),
    "a stream without end": Case(
        (stream(PAR, *[LONG] * 90), stall),
        "Par" + "x" * 80_000,
        ProviderMalformed,
        "more than any answer",
        replace(PATIENT, stream_bytes=len(PAR) + 80 * len(LONG)),
    ),
    "a stall in the middle": Case((stream(PAR), stall), "Par", ProviderTimeout, "nothing more in the time", SHORT_IDLE),
}

NOTHING = {
    "closed at once": Case((close,), "", ProviderUnreachable, "hung up without an answer"),
    "reset at once": Case((reset,), "", ProviderUnreachable, "hung up without an answer"),
    "closed amid the headers": Case(
        (send(b"HTTP/1.1 200 OK\r\nContent-Ty"), close), "", ProviderUnreachable, "hung up without an answer"
    ),
    "another language": Case(
        (send(b"\x15\x03\x01\x00\x02\x02\x16"), stall), "", ProviderMalformed, "cannot be read as HTTP"
    ),
    "an empty stream": Case((response(b""),), "", ProviderStreamCut, "before the answer began"),
    "an empty page": Case((response(b"", kind="text/plain"),), "", ProviderMalformed, "check its address"),
    "an empty document": Case((response(b"", kind="application/json"),), "", ProviderMalformed, "check its address"),
    "204": Case((send(b"HTTP/1.1 204 -\r\n\r\n"),), "", ProviderMalformed, "check its address"),
    "HTML with 200": Case(
        (response(b"<html><title>Welcome</title>", kind="text/html"),), "", ProviderMalformed, "a web page"
    ),
    "HTML that calls itself a stream": Case(
        (response(b"<!doctype html>\n<title>Welcome</title>\n"),), "", ProviderStreamCut, "before the answer began"
    ),
    "words with 200": Case(
        (response(b"No healthy upstream", kind="text/plain"),), "", ProviderMalformed, "It said: “No healthy upstream”"
    ),
    "JSON cut short": Case(
        (response(b'{"choices": [{"mess', kind="application/json"),), "", ProviderMalformed, "not a completion"
    ),
    "an error object with 200": Case(
        (response(b'{"error": {"code": 429, "message": "slow down"}}', kind="application/json"),),
        "",
        ProviderRateLimited,
        "slow down",
    ),
    "an error object that calls itself words": Case(
        (response(b'{"error": {"code": 429, "message": "slow down"}}', kind="text/plain"),),
        "",
        ProviderRateLimited,
        "slow down",
    ),
    "gzip that was not asked for": Case(
        (response(gzip.compress(b"".join(ALL)), headers="Content-Encoding: gzip\r\n"),),
        "",
        ProviderMalformed,
        "compressed reply, which was not asked for",
    ),
    "gzip of the whole transfer": Case(
        (send(STREAM_HEAD.replace(b"chunked", b"gzip, chunked"), http_chunk(gzip.compress(PAR)), BODY_END),),
        "",
        ProviderMalformed,
        "cannot be read as HTTP",
    ),
    "gzip that does not say so": Case(
        (response(gzip.compress(b"".join(ALL))),), "", ProviderStreamCut, "before the answer began"
    ),
    "a stall before the headers": Case((stall,), "", ProviderTimeout, "in the time it had", SHORT_FIRST),
    "a stall amid the headers": Case(
        (send(b"HTTP/1.1 200 OK\r\n"), stall), "", ProviderTimeout, "in the time it had", SHORT_FIRST
    ),
    "a stall before the first token": Case((stream(), stall), "", ProviderTimeout, "in the time it had", SHORT_FIRST),
    "comments in place of a first token": Case(
        (stream(), keep_alive), "", ProviderTimeout, "in the time it had", SHORT_FIRST
    ),
    "a stall amid an error": Case(
        (send(b"HTTP/1.1 400 -\r\nContent-Length: 100\r\n\r\nno such par"), stall),
        "",
        ProviderBadRequest,
        "no such par",
        SHORT_ERROR,
    ),
    **{
        f"a redirect ({status})": Case(
            (response(b"", status=f"{status} -", headers="Location: http://169.254.169.254/\r\n"),),
            "",
            ProviderMalformed,
            f"a redirect ({status}): set its address to where it points",
        )
        for status in (301, 302, 303, 307, 308)
    },
}

CASES = {**WHOLE, **CUT, **NOTHING}
UNHURRIED = replace(REQUEST, timeout_s=60)  # so that it is the case's own limit that ends it


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_a_hostile_reply_ends_in_the_right_way(case: Case) -> None:
    async def script(writer: asyncio.StreamWriter) -> None:
        for step in case.steps:
            await step(writer)

    async with serving(script) as upstream, asyncio.timeout(20):
        heard = await hear(OpenAIChatProvider(connection(base_url=upstream.url), limits=case.limits), UNHURRIED)
        assert heard.text == case.text
        assert type(heard.error) is (case.error or type(None)), heard.error
        assert (heard.finish is None) == (case.error is not None)
        if case.error is None:
            assert heard.finish is not None and heard.finish.reason is FinishReason.STOP
        else:
            assert_fit_to_show(heard.error, case.words)
        assert len(upstream.requests) == 1 or case.limits is SHORT_FIRST
        await close_shared_clients()
        if upstream.requests:
            await upstream.closed.wait()


def assert_fit_to_show(error: Exception | None, words: str) -> None:
    assert isinstance(error, ProviderError)
    message = error.message
    assert words in message, message
    assert "Acme" in message or "The provider" in message
    assert len(message) <= 300 and message.isprintable()
    assert CANARY not in message


async def test_of_a_compressed_error_only_the_status_is_told() -> None:
    body = gzip.compress(b'{"error": {"message": "no"}}')
    script = response(body, status="500 -", headers="Content-Encoding: gzip\r\n")
    async with serving(script) as upstream:
        heard = await hear(OpenAIChatProvider(connection(base_url=upstream.url)))
    assert str(heard.error) == "Acme has a problem of its own (500): ask again in a moment."


# --- error objects in mid-stream, as each dialect writes them -------------------------------------------------

OPENAI = {"error": {"message": "The server had an error", "type": "server_error", "param": None, "code": None}}
OPENROUTER = {
    **chunk("", reason="error"),
    "provider": "Chutes",
    "error": {"code": 502, "message": "Provider disconnected unexpectedly", "metadata": {"provider_name": "Chutes"}},
}
ANTHROPIC = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"}
GOOGLE = [{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}]
OLLAMA = {"error": "llama runner process has terminated: signal: killed"}
VLLM = {"error": {"object": "error", "message": "EngineCore died", "type": "InternalServerError", "code": 500}}
VLLM_BEFORE = {"object": "error", "message": "EngineCore died", "type": "InternalServerError", "code": 500}

MID_STREAM = {
    "OpenAI": (event(OPENAI), "The server had an error"),
    "OpenRouter": (event(OPENROUTER), "Provider disconnected unexpectedly"),
    "Anthropic": (b"event: error\n" + event(ANTHROPIC), "Overloaded"),
    "Google": (event(GOOGLE), "The model is overloaded."),
    "Ollama": (event(OLLAMA), "llama runner process has terminated"),
    "Ollama, without an event": (orjson.dumps(OLLAMA) + b"\n", "llama runner process has terminated"),
    "vLLM": (event(VLLM) + DONE, "EngineCore died"),
    "vLLM of old": (event(VLLM_BEFORE) + DONE, "EngineCore died"),
}


@pytest.mark.parametrize("before", [(), (PAR,)], ids=["at the start", "in the middle"])
@pytest.mark.parametrize(("error", "words"), MID_STREAM.values(), ids=MID_STREAM.keys())
async def test_an_error_object_in_a_stream_is_an_error_whoever_wrote_it(
    error: bytes, words: str, before: tuple[bytes, ...]
) -> None:
    async def script(writer: asyncio.StreamWriter) -> None:
        await stream(*before, error)(writer)
        await end(writer)

    async with serving(script) as upstream:
        heard = await hear(OpenAIChatProvider(connection(base_url=upstream.url), limits=PATIENT))
    assert heard.text == "Par" * len(before) and heard.finish is None
    assert type(heard.error) is ProviderOverloaded
    assert_fit_to_show(heard.error, words)


# --- usage that cannot be true ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -5, "completion_tokens": 2},
        {"prompt_tokens": 5, "completion_tokens": -2},
        {"prompt_tokens": 10**30, "completion_tokens": 2},
        {"prompt_tokens": 5, "completion_tokens": 1e308},
        {"prompt_tokens": 5.5, "completion_tokens": 2},
        {"prompt_tokens": "5", "completion_tokens": 2},
        {"completion_tokens": 2},
        {},
    ],
    ids=["negative input", "negative output", "huge", "huge float", "float", "text", "missing", "empty"],
)
async def test_usage_that_cannot_be_true_is_dropped_and_the_answer_kept(usage: dict[str, object]) -> None:
    async def script(writer: asyncio.StreamWriter) -> None:
        await stream(PAR, IS, STOP, event(usage_chunk(**usage)), DONE)(writer)
        await end(writer)

    async with serving(script) as upstream:
        heard = await hear(OpenAIChatProvider(connection(base_url=upstream.url), limits=PATIENT), REQUEST)
    assert (heard.text, heard.usage, heard.error) == ("Paris.", None, None)
