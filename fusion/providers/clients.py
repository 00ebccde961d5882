"""The HTTP clients of each event loop: made once, kept, and closed when their loop's work is over.

There are two, one that reaches only the open internet and one for connections that an administrator marked as local.
Each keeps connections of its own, so that one that was opened on that word never serves a request that lacks it.

Making a client costs about 17 ms (it loads certificates), a request on a kept connection well under one.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import weakref
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy

import certifi
import httpcore
import httpx

from fusion.providers.network import PacedBackend

MAX_CONNECTIONS = 2000
MAX_KEPT = 20  # the pool's bookkeeping grows with every connection that it keeps
KEPT_FOR_S = 30.0
CONNECT_S = 10.0


@dataclass(slots=True)
class _Clients:
    """The clients of one loop in one process, by whether they are for local connections."""

    owner: int = field(default_factory=os.getpid)
    by_local: dict[bool, httpx.AsyncClient] = field(default_factory=dict)


_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Clients] = weakref.WeakKeyDictionary()


def shared_client(*, local: bool) -> httpx.AsyncClient:
    """The running loop's client for local connections or for all others; a forked child never uses its parent's."""
    loop = asyncio.get_running_loop()
    ours = _clients.get(loop)
    if ours is None or ours.owner != os.getpid():
        ours = _clients[loop] = _Clients()
    client = ours.by_local.get(local)
    if client is None or client.is_closed:
        client = ours.by_local[local] = new_client(local=local)
    return client


async def close_shared_clients() -> None:
    """Closes the running loop's clients with all their connections."""
    ours = _clients.pop(asyncio.get_running_loop(), _Clients())
    for client in ours.by_local.values():
        await client.aclose()


def new_client(*, local: bool = False, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client that trusts no environment, follows no redirect, keeps no cookie and asks for no compression.

    Time limits other than the one for connecting are set per request by whoever reads.
    """
    return httpx.AsyncClient(
        transport=transport or _PacedTransport(local=local),
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        timeout=httpx.Timeout(None, connect=CONNECT_S),
        headers={"Accept-Encoding": "identity", "User-Agent": "fusion"},
    )


class _PacedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport on our network backend, which its constructor has no argument for."""

    def __init__(self, *, local: bool) -> None:
        context = _tls_context()
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_KEPT,
            keepalive_expiry=KEPT_FOR_S,
            network_backend=PacedBackend(local=local),
        )


def _tls_context() -> ssl.SSLContext:
    """Trusts the bundled authorities and the system's: a bare machine has none, a company may have its own."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context
