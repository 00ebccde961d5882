"""A connection leads where it may and nowhere else: tried against a listener on this machine that must see nothing."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fusion.errors import ProviderAddressRefused, ProviderError, ProviderMalformed, ProviderUnreachable
from fusion.providers import network
from fusion.providers.clients import close_shared_clients
from fusion.providers.connection import Connection
from fusion.providers.openai_chat import OpenAIChatProvider
from fusion.providers.registry import list_models
from tests.providers.test_addresses import LOOPBACK_SPELLINGS, NEAR, NEVER
from tests.providers.wire import (
    CANARY,
    DONE,
    STREAM_HEAD,
    Upstream,
    chunk,
    connection,
    event,
    hear,
    http_chunk,
    serving,
)

RESOLVER = socket.getaddrinfo  # the machine's own, before the tests are cut off from others
PARIS = STREAM_HEAD + b"".join(map(http_chunk, (event(chunk("Paris.")), DONE))) + b"0\r\n\r\n"
LIST = b'{"data": [{"id": "m"}]}'


@pytest.fixture(autouse=True)
async def no_connection_is_left() -> AsyncIterator[None]:
    yield
    await close_shared_clients()


@pytest.fixture
async def listener() -> AsyncIterator[Upstream]:
    """A model server on loopback, at a port that any connection might use."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(PARIS)

    async with serving(answer) as upstream:
        yield upstream


async def _complete(made: Connection) -> None:
    error = (await hear(OpenAIChatProvider(made))).error
    if error is not None:
        raise error


async def _list(made: Connection) -> None:
    await list_models(made)


@pytest.fixture(params=[_complete, _list], ids=["completing", "listing"])
def ask(request: pytest.FixtureRequest) -> Callable[[Connection], Awaitable[None]]:
    """The two things that a connection is asked for."""
    asking: Callable[[Connection], Awaitable[None]] = request.param
    return asking


def port_of(upstream: Upstream) -> int:
    port = urlsplit(upstream.url).port
    assert port is not None
    return port


class Resolver:
    """Answers with the first list of addresses, then with the next one; the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[tuple[str, socket.AddressFamily]]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(found, socket.AF_INET6 if ":" in found else socket.AF_INET) for found in answer]


async def test_a_connection_that_is_not_local_does_not_reach_this_machine(
    listener: Upstream, ask: Callable[[Connection], Awaitable[None]]
) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]"):
        with pytest.raises(ProviderAddressRefused) as caught:
            await ask(connection(base_url=f"http://{host}:{port_of(listener)}/v1", local=False))
        assert caught.value.code == "provider_address_refused" and not caught.value.retryable
        assert "ask an administrator to mark the connection as local" in caught.value.message
    assert listener.connections == 0


async def test_an_administrators_word_reaches_this_machine(listener: Upstream) -> None:
    heard = await hear(OpenAIChatProvider(connection(base_url=listener.url, local=True)))
    assert heard.text == "Paris." and listener.connections == 1


async def test_a_list_of_models_comes_from_this_machine_on_an_administrators_word() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LIST) + LIST)

    async with serving(answer) as upstream:
        assert [info.model_id for info in await list_models(connection(base_url=upstream.url))] == ["m"]


async def test_no_spelling_of_loopback_gets_past_the_connector(
    listener: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form is not asked here: whatever httpx and the resolver make of a spelling, nothing arrives."""

    async def resolve(host: str, port: int) -> list[tuple[str, socket.AddressFamily]]:
        numeric = 0 if host.rstrip(".").endswith("localhost") else socket.AI_NUMERICHOST  # no name server is asked
        found = RESOLVER(host, port, type=socket.SOCK_STREAM, flags=numeric)
        return [(str(sockaddr[0]), family) for family, _, _, _, sockaddr in found]

    monkeypatch.setattr(network, "_resolve", resolve)
    refused = set()
    for spelling in (*LOOPBACK_SPELLINGS, "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"):
        made = connection(base_url=f"http://{spelling}:{port_of(listener)}/v1", local=False)
        error = (await hear(OpenAIChatProvider(made))).error
        assert isinstance(error, ProviderError), spelling
        if isinstance(error, ProviderAddressRefused):
            refused.add(spelling)
    assert listener.connections == 0
    assert refused >= {"127.1", "2130706433", "0x7f.1", "127。0。0。1", "[::ffff:7f00:1]"}  # they got as far as that


async def test_a_name_that_resolves_to_a_refused_address_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[Connection], Awaitable[None]]
) -> None:
    opened = count_openings(monkeypatch)
    for address in (*NEAR, *NEVER):
        for answer in ([address], ["8.8.8.8", address], [address, "2606:4700:4700::1111"]):
            monkeypatch.setattr(network, "_resolve", Resolver(answer))
            with pytest.raises(ProviderAddressRefused) as caught:
                await ask(connection(base_url="https://models.example.com/v1", local=False))
            assert address not in caught.value.message  # what an inner name resolves to is nobody's business
    assert opened == []


async def test_even_a_local_connection_does_not_reach_metadata_or_multicast(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = count_openings(monkeypatch)
    for address in NEVER:
        monkeypatch.setattr(network, "_resolve", Resolver(["127.0.0.1", address]))
        made = connection(base_url="http://models.example.com/v1", local=True)
        assert isinstance((await hear(OpenAIChatProvider(made))).error, ProviderAddressRefused), address
    assert opened == []


def count_openings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address that a socket would be opened to; none is."""
    opened: list[str] = []

    async def refuse(address: str, port: int, family: socket.AddressFamily) -> None:
        opened.append(address)
        raise ConnectionRefusedError(111, "refused by the test")

    monkeypatch.setattr(network, "_open", refuse)
    return opened


async def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_that_is_asked(
    listener: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: the second answer would be this machine, and nobody asks for a second answer."""
    opened, resolver = count_openings(monkeypatch), Resolver(["8.8.8.8"], ["127.0.0.1"])
    monkeypatch.setattr(network, "_resolve", resolver)
    made = connection(base_url=f"http://models.example.com:{port_of(listener)}/v1", local=False)
    assert isinstance((await hear(OpenAIChatProvider(made))).error, ProviderUnreachable)
    assert (resolver.asked, opened) == (["models.example.com"], ["8.8.8.8"])
    assert isinstance((await hear(OpenAIChatProvider(made))).error, ProviderAddressRefused)
    assert opened == ["8.8.8.8"] and listener.connections == 0


async def test_opening_a_checked_address_never_asks_a_name_server(listener: Upstream) -> None:
    with pytest.raises(OSError):  # a name is none, though this one would lead to the listener
        await network._open("localhost", port_of(listener), socket.AF_INET)
    assert listener.connections == 0


async def test_a_redirect_leads_nowhere(listener: Upstream) -> None:
    places = (listener.url, f"//127.0.0.1:{port_of(listener)}/v1", "http://169.254.169.254/latest/meta-data/")
    answers = [(status, place) for status in (301, 302, 303, 307, 308) for place in places for _ in range(2)]
    left = iter(answers)

    async def redirect(writer: asyncio.StreamWriter) -> None:
        status, place = next(left)
        writer.write(f"HTTP/1.1 {status} -\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())

    async with serving(redirect) as upstream:
        made = connection(base_url=upstream.url, local=True)
        for _ in range(len(answers) // 2):
            assert isinstance((await hear(OpenAIChatProvider(made))).error, ProviderMalformed)
            with pytest.raises(ProviderMalformed):
                await list_models(made)
        assert len(upstream.requests) == len(answers)
    assert listener.connections == 0


async def test_a_kept_connection_of_a_local_one_never_serves_one_that_is_not(listener: Upstream) -> None:
    """The same origin, a warm connection to it, and a request without an administrator's word."""
    trusted = OpenAIChatProvider(connection(base_url=listener.url, local=True))
    assert (await hear(trusted)).text == "Paris."
    stranger = OpenAIChatProvider(connection(base_url=listener.url, local=False))
    assert isinstance((await hear(stranger)).error, ProviderAddressRefused)
    assert len(listener.requests) == 1
    assert (await hear(trusted)).text == "Paris."
    assert (listener.connections, len(listener.requests)) == (1, 2)  # it really was kept


async def test_the_name_stays_in_the_host_header_and_in_the_certificate(
    certificate: Path, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr(network, "_resolve", Resolver(["127.0.0.1"]))
    asked: list[str | None] = []
    server_tls.sni_callback = lambda _, name, __: asked.append(name)

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(PARIS)

    async with serving(answer, tls=server_tls) as upstream:
        made = connection(base_url=upstream.url, local=True)
        assert (await hear(OpenAIChatProvider(made))).text == "Paris."
        assert f"host: localhost:{port_of(upstream)}".encode() in upstream.requests[0].lower()
        other = connection(base_url=upstream.url.replace("localhost", "other.example.com"), local=True)
        assert "certificate is not trusted" in str((await hear(OpenAIChatProvider(other))).error)
    assert asked == ["localhost", "other.example.com"]
    assert not any(CANARY.encode() in request for request in upstream.requests[1:])
