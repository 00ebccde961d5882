"""What every test shares: nobody outside is reached, and three people to be."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from hypothesis import HealthCheck, settings

from fusion.catalogue import available, health
from fusion.models import Team, User
from fusion.models.team import Role
from fusion.runs import calibration
from tests.factories import make_user, team_of

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOOPBACK = ("127.0.0.1", "::1", "localhost", "")

# The same examples in every run, here as in CI, and no limit of time, which only a slow machine would meet. To look for
# new ones: `pytest --hypothesis-profile=exploring`.
settings.register_profile(
    "steady", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("exploring", settings.get_profile("steady"), derandomize=False)
settings.load_profile("steady")


class ReachedOutside(BaseException):
    """A test tried to reach another host; not an Exception, so that no code under test swallows it."""


def pytest_configure() -> None:
    """No loop of its own for the main thread: pytest-asyncio would make one, remember it and never close it."""
    asyncio.set_event_loop(None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with browser tests go first: they take longest, and started last they would keep one worker waiting.

    Without Chromium the browser tests are skipped with the reason; in CI, where it can be installed, they fail.
    """
    slow = {item.path for item in items if item.get_closest_marker("browser")}
    items.sort(key=lambda item: item.path not in slow)
    if any(map(shutil.which, CHROMIUM_NAMES)) or os.environ.get("CI") == "true":
        return
    reason = "no Chromium on this machine: apt-get install chromium"
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the system's Chromium; fails where none is."""
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        pytest.fail("Browser tests need Chromium: apt-get install chromium")
    return path


@pytest.fixture(autouse=True)
def _no_other_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting to, and asking for the address of, any other host ends the test."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def checked_connect(self: socket.socket, address: Any) -> None:
        _require_loopback(self.family, address)
        connect(self, address)

    def checked_connect_ex(self: socket.socket, address: Any) -> int:
        _require_loopback(self.family, address)
        return connect_ex(self, address)

    def checked_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        _require_loopback(socket.AF_INET, (host,))
        return getaddrinfo(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", checked_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", checked_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", checked_getaddrinfo)


def _require_loopback(family: int, address: Any) -> None:
    if family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = address[0].decode() if isinstance(address[0], bytes) else address[0]
    if host is not None and host not in LOOPBACK and not host.startswith("127."):
        raise ReachedOutside(f"A test tried to reach {host}")


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """Rate limits, model lists and what was learned of models live in the process; each test starts without."""
    yield
    cache.clear()
    available.reset()
    health.forget()
    calibration.forget()


@pytest.fixture
def alice(db: None) -> User:
    """Owns the team."""
    return make_user("alice")


@pytest.fixture
def team(alice: User) -> Team:
    return team_of(alice)


@pytest.fixture
def bob(team: Team) -> User:
    """A member of alice's team."""
    return make_user("bob", team=team, role=Role.MEMBER)


@pytest.fixture
def charlie(db: None) -> User:
    """A stranger, with a team of their own."""
    return make_user("charlie")
