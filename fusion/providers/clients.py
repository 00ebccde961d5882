"""The one HTTP client of each event loop: made once, kept, and closed when its loop's work is over.

Making a client costs about 17 ms (it loads certificates), a request on a kept connection well under one.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import weakref
from http.cookiejar import CookieJar, DefaultCookiePolicy

import certifi
import httpcore
import httpx

from fusion.providers.network import PacedBackend

MAX_CONNECTIONS = 2000
MAX_KEPT = 20  # the pool's bookkeeping grows with every connection that it keeps
KEPT_FOR_S = 30.0
CONNECT_S = 10.0

_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[int, httpx.AsyncClient]] = (
    weakref.WeakKeyDictionary()
)


def shared_client() -> httpx.AsyncClient:
    """The running loop's client; a forked child never uses its parent's."""
    loop = asyncio.get_running_loop()
    owner, client = _clients.get(loop, (0, None))
    if client is None or client.is_closed or owner != os.getpid():
        client = new_client()
        _clients[loop] = (os.getpid(), client)
    return client


async def close_shared_client() -> None:
    """Closes the running loop's client with all its connections, if it has one."""
    _, client = _clients.pop(asyncio.get_running_loop(), (0, None))
    if client is not None:
        await client.aclose()


def new_client(*, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client that trusts no environment, follows no redirect, keeps no cookie and asks for no compression.

    Time limits other than the one for connecting are set per request by whoever reads.
    """
    return httpx.AsyncClient(
        transport=transport or _PacedTransport(),
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        timeout=httpx.Timeout(None, connect=CONNECT_S),
        headers={"Accept-Encoding": "identity", "User-Agent": "fusion"},
    )


class _PacedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport on our network backend, which its constructor has no argument for."""

    def __init__(self) -> None:
        context = _tls_context()
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_KEPT,
            keepalive_expiry=KEPT_FOR_S,
            network_backend=PacedBackend(),
        )


def _tls_context() -> ssl.SSLContext:
    """Trusts the bundled authorities and the system's: a bare machine has none, a company may have its own."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context
