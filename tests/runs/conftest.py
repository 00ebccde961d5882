"""Executing runs for real in tests: a worker on the test's loop, and a model server of our own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from fusion.catalogue import available
from fusion.models import Pool, Run, User
from fusion.runs.database import close_database_threads
from fusion.runs.pools import MemberSpec
from fusion.runs.services import start_run
from fusion.runs.worker import Worker
from tests import factories
from tests.upstream import Upstream

Ask = Callable[..., Awaitable[Run]]


@pytest.fixture
async def upstream(settings: Any) -> AsyncIterator[Upstream]:
    """A model server on loopback, reached as the connection `custom`."""
    async with Upstream() as server:
        settings.FUSION_PROVIDER_ENV = {"FUSION_PROVIDER_URL": server.url}
        available.reset()
        yield server
    available.reset()


@pytest.fixture
async def worker(transactional_db: None) -> AsyncIterator[Worker]:
    """This process executes runs, on the test's loop."""
    made = Worker(picks_up=False)
    await made.start()
    yield made
    await made.stop()
    await sync_to_async(close_database_threads)()


@pytest.fixture
def person(transactional_db: None) -> User:
    return factories.make_user("alice")


def pool_of(author: User, *models: str, judge: str = "judge-tokens5", **rules: Any) -> Pool:
    """A pool of the model server's models."""
    members = tuple(MemberSpec(f"custom:{model}") for model in models)
    rules.setdefault("fallback_judges", ())
    return factories.make_pool(author, members=members, judge=f"custom:{judge}", **rules)


def ask(author: User, pool: Pool, *, mode: str = "best-of", prompt: str = "Why?", key: str = "k1") -> Run:
    return start_run(author=author, pool=pool, prompt=prompt, mode=mode, idempotency_key=key)
