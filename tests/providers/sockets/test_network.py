"""Reading from real sockets: pacing, ends, cancelling, keeping and closing connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from fusion.engine.types import CompletionRequest, Finish, TextDelta
from fusion.errors import ProviderStreamCut, ProviderTimeout, ProviderUnreachable
from fusion.providers import network
from fusion.providers.clients import close_shared_clients, new_client, shared_client
from fusion.providers.openai_chat import OpenAIChatProvider
from fusion.providers.reply import ReadLimits
from tests.providers.wire import (
    BODY_END,
    DONE,
    PARIS,
    REQUEST,
    STREAM_HEAD,
    Script,
    chunk,
    connection,
    event,
    hear,
    http_chunk,
    serving,
    soon,
)

# No test waits for this pause: only an end of the stream can cut it short, else the request runs out of its time.
SLOW = ReadLimits(pace_s=3600.0)


@pytest.fixture(autouse=True)
async def no_connection_is_left() -> AsyncIterator[None]:
    yield
    await close_shared_clients()


def provider_at(url: str, limits: ReadLimits | None = None) -> OpenAIChatProvider:
    return OpenAIChatProvider(connection(base_url=url), limits=limits)


def sending(*pieces: bytes) -> Script:
    """A script that sends a chunked stream, each piece in a write and a chunk of its own."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD)
        for piece in pieces:
            writer.write(http_chunk(piece))
            await writer.drain()
        writer.write(BODY_END)
        await writer.drain()

    return script


async def test_a_completion_over_a_socket() -> None:
    async with serving(sending(PARIS)) as upstream:
        heard = await hear(provider_at(upstream.url))
    assert heard.text == "Paris." and heard.finish is not None


async def test_a_connection_is_used_again_after_a_whole_stream() -> None:
    async with serving(sending(PARIS)) as upstream:
        for _ in range(3):
            assert (await hear(provider_at(upstream.url))).text == "Paris."
        assert (upstream.connections, len(upstream.requests)) == (1, 3)


async def test_the_pause_between_reads_does_not_delay_the_end() -> None:
    pieces = [event(chunk(str(index))) for index in range(20)]
    async with serving(sending(*pieces, event(chunk(reason="stop")), DONE)) as upstream:
        heard = await hear(provider_at(upstream.url, SLOW))
    assert heard.text == "".join(map(str, range(20)))


async def test_the_end_of_a_body_without_done_ends_the_pause_too() -> None:
    async with serving(sending(event(chunk("a")), event(chunk("b", reason="stop")))) as upstream:
        assert (await hear(provider_at(upstream.url, SLOW))).text == "ab"


async def test_a_connection_that_is_closed_in_mid_answer_ends_the_pause_and_is_a_cut() -> None:
    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + http_chunk(event(chunk("a"))))
        await writer.drain()
        writer.write(http_chunk(event(chunk("b"))))
        writer.close()

    async with serving(script) as upstream:
        heard = await hear(provider_at(upstream.url, SLOW))
    assert heard.text == "ab" and isinstance(heard.error, ProviderStreamCut)


async def test_the_first_token_is_given_at_once_and_later_ones_gather() -> None:
    second_sent, go_on = asyncio.Event(), asyncio.Event()

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + http_chunk(event(chunk("first"))))
        await writer.drain()
        await second_sent.wait()
        for index in range(5):
            writer.write(http_chunk(event(chunk(str(index)))))
            await writer.drain()
        await go_on.wait()
        writer.write(http_chunk(event(chunk(reason="stop")) + DONE) + BODY_END)

    async with (
        serving(script) as upstream,
        aclosing(provider_at(upstream.url, SLOW).stream(REQUEST)) as stream,
    ):
        assert await anext(stream) == TextDelta("first")
        second_sent.set()
        waiting = asyncio.ensure_future(anext(stream))
        done, _ = await asyncio.wait({waiting}, timeout=0.05)
        assert not done  # the pause holds them back
        go_on.set()
        rest = [await waiting] + [piece async for piece in stream]
        assert rest[:-1] == [TextDelta(str(index)) for index in range(5)]
        assert isinstance(rest[-1], Finish)


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(STREAM_HEAD + http_chunk(event(chunk("on and on"))))
    await writer.drain()


async def test_closing_the_iterator_closes_the_upstream_connection() -> None:
    async with serving(endless) as upstream:
        stream = provider_at(upstream.url, SLOW).stream(REQUEST)
        assert await anext(stream) == TextDelta("on and on")
        await stream.aclose()
        assert await soon(upstream.closed.is_set)


async def test_cancelling_the_reader_closes_the_upstream_connection_also_during_a_pause() -> None:
    began = asyncio.Event()

    async def read(provider: OpenAIChatProvider) -> None:
        async with aclosing(provider.stream(REQUEST)) as stream:
            async for _ in stream:
                began.set()

    async with serving(endless) as upstream:
        task = asyncio.ensure_future(read(provider_at(upstream.url, SLOW)))
        await began.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert await soon(upstream.closed.is_set)


async def test_cancelling_before_the_first_byte_closes_the_upstream_connection() -> None:
    asked = asyncio.Event()

    async def hang(writer: asyncio.StreamWriter) -> None:
        asked.set()

    async with serving(hang) as upstream:
        task = asyncio.ensure_future(hear(provider_at(upstream.url)))
        await asked.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert await soon(upstream.closed.is_set)


async def test_no_task_is_left_when_a_stream_is_closed_early() -> None:
    async with serving(endless) as upstream:
        before = asyncio.all_tasks()
        stream = provider_at(upstream.url).stream(REQUEST)
        await anext(stream)
        await stream.aclose()
        await upstream.closed.wait()
        ours = {task for task in asyncio.all_tasks() - before if "handle" not in repr(task.get_coro())}
        assert not ours


async def test_a_stream_that_falls_silent_is_given_up_and_its_connection_closed() -> None:
    async with serving(endless) as upstream:
        heard = await hear(provider_at(upstream.url, ReadLimits(idle_s=0.05, pace_s=0)))
        assert heard.text == "on and on" and isinstance(heard.error, ProviderTimeout)
        assert await soon(upstream.closed.is_set)


async def test_the_total_time_bounds_a_stream_that_never_ends() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD)
        while not writer.is_closing():
            writer.write(http_chunk(b": still here\n"))
            await writer.drain()
            await asyncio.sleep(0)

    request = CompletionRequest("m", REQUEST.messages, 10, timeout_s=0.1)
    async with serving(drip) as upstream:
        assert isinstance((await hear(provider_at(upstream.url), request)).error, ProviderTimeout)


async def test_a_refused_connection_says_where_and_what_to_check() -> None:
    async with serving(sending(PARIS)) as upstream:
        url = upstream.url
    error = (await hear(provider_at(url))).error
    assert isinstance(error, ProviderUnreachable) and url in error.message and "check the address" in error.message


async def test_a_name_that_does_not_resolve_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(network, "_connect", resolve)
    error = (await hear(provider_at("http://nowhere.invalid/v1"))).error
    assert isinstance(error, ProviderUnreachable) and "no such host was found" in error.message


async def test_a_connection_closed_while_idle_is_not_used_again() -> None:
    async def once(writer: asyncio.StreamWriter) -> None:
        await sending(PARIS)(writer)
        writer.close()
        await writer.wait_closed()

    async with serving(once) as upstream:
        for _ in range(2):
            assert (await hear(provider_at(upstream.url))).error is None
            await asyncio.sleep(0)
        assert upstream.connections == 2


async def test_a_large_reply_waits_in_the_socket_not_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "MAX_BUFFERED", 4096)
    pieces = [event(chunk("x" * 500)) for _ in range(400)]
    async with serving(sending(*pieces, event(chunk(reason="stop")))) as upstream:
        heard = await hear(provider_at(upstream.url, SLOW))
    assert heard.text == "x" * 200_000 and heard.error is None


async def test_a_large_prompt_is_sent_whole() -> None:
    request = CompletionRequest("m", (REQUEST.messages[0].__class__("user", "é" * 1_000_000),), 10)
    async with serving(sending(PARIS)) as upstream:
        assert (await hear(provider_at(upstream.url), request)).text == "Paris."
        assert "é".encode() * 1_000_000 in upstream.requests[0]


@pytest.mark.parametrize("local", [False, True])
async def test_each_loop_has_one_client_of_a_kind_until_it_is_closed(local: bool) -> None:
    client = shared_client(local=local)
    assert shared_client(local=local) is client and shared_client(local=not local) is not client
    await close_shared_clients()
    assert client.is_closed and shared_client(local=local) is not client


async def test_tls_streams_are_paced_ended_and_closed_like_plain_ones(
    certificate: Path, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with serving(sending(event(chunk("a")), event(chunk("b")), PARIS), tls=server_tls) as upstream:
        for _ in range(2):
            assert (await hear(provider_at(upstream.url, SLOW))).text == "abParis."
        assert upstream.connections == 1
        closing = asyncio.ensure_future(close_shared_clients())
        assert await soon(lambda: closing.done() and upstream.closed.is_set())


async def test_an_early_close_of_a_tls_stream_does_not_wait_for_the_other_side(
    certificate: Path, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with serving(endless, tls=server_tls) as upstream:
        stream = provider_at(upstream.url, SLOW).stream(REQUEST)
        assert await anext(stream) == TextDelta("on and on")
        await stream.aclose()
        assert await soon(upstream.closed.is_set)


async def test_a_certificate_that_nobody_trusts_is_refused(server_tls: ssl.SSLContext) -> None:
    async with serving(sending(PARIS), tls=server_tls) as upstream:
        error = (await hear(provider_at(upstream.url))).error
    assert isinstance(error, ProviderUnreachable) and "certificate" in error.message.lower()


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with serving(sending(PARIS)) as upstream:
        assert (await hear(provider_at(upstream.url))).error is None


async def test_a_client_follows_no_redirect_and_asks_for_no_compression() -> None:
    async with new_client(transport=httpx.MockTransport(lambda _: httpx.Response(302))) as client:
        assert client.headers["accept-encoding"] == "identity" and not client.follow_redirects
