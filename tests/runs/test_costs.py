"""A run is priced by the prices that held when it began; who paid, and over which connection, stands on each call."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from fusion.catalogue.edits import TypedPrice, add_model, set_price
from fusion.catalogue.sources import Source, source_of, sources_from_settings
from fusion.models import Call, Connection, Run, User
from fusion.runs import executor
from fusion.runs.pools import MemberSpec
from fusion.runs.services import start_run
from fusion.runs.worker import Worker
from tests import factories
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)
FIRST, SECOND = TypedPrice("priced", "2", "10"), TypedPrice("priced", "400", "900")
MODEL = "m-tokens30"


def run_of_one(person: User, slug: str, key: str) -> Run:
    pool = factories.make_pool(person, members=(MemberSpec(f"{slug}:{MODEL}"),), judge="", fallback_judges=())
    return start_run(author=person, pool=pool, prompt="Why?", mode="best-of", idempotency_key=key)


def custom() -> Source:
    return next(source for source in sources_from_settings() if source.slug == "custom")


def expected(call: Call, input_picos: int, output_picos: int) -> int:
    assert call.input_tokens and call.output_tokens
    return (call.input_tokens * input_picos + call.output_tokens * output_picos + 500) // 1000


async def test_a_price_changed_during_a_run_does_not_change_it_and_old_rows_stay(
    person: User, worker: Worker, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.is_staff = True
    await sync_to_async(person.save)()
    row = await sync_to_async(add_model)(person=person, source=custom(), model_id=MODEL, price=FIRST)
    loaded = executor._load

    def load_and_then_the_price_changes(run_pk: int) -> Any:
        found = loaded(run_pk)
        set_price(person=person, source=custom(), row=row, price=SECOND)
        return found

    monkeypatch.setattr(executor, "_load", load_and_then_the_price_changes)
    first = await sync_to_async(run_of_one)(person, "custom", "k1")
    await worker.until_ended(first.pk)
    call = await Call.objects.aget(run=first)
    assert call.cost_nanos == expected(call, 2_000_000, 10_000_000) and call.cost_source == "price"
    before = await Call.objects.filter(run=first).values().aget()

    monkeypatch.setattr(executor, "_load", loaded)
    second = await sync_to_async(run_of_one)(person, "custom", "k2")
    await worker.until_ended(second.pk)
    dearer = await Call.objects.aget(run=second)
    assert dearer.cost_nanos == expected(dearer, 400_000_000, 900_000_000)
    assert await Call.objects.filter(run=first).values().aget() == before


async def test_a_call_names_the_connection_and_the_payer(person: User, worker: Worker, upstream: Upstream) -> None:
    team = await sync_to_async(factories.team_of)(person)
    lab = await Connection.objects.acreate(
        slug="lab", team=team, label="Lab", preset="openai-compatible", base_url=upstream.url, local=True
    )
    await sync_to_async(add_model)(person=person, source=source_of(lab), model_id=MODEL)
    for slug, key in (("lab", "k1"), ("custom", "k2")):
        run = await sync_to_async(run_of_one)(person, slug, key)
        await worker.until_ended(run.pk)
    calls = [call async for call in Call.objects.order_by("pk").values_list("connection", "payer", "cost_nanos")]
    assert calls == [(lab.pk, "team", None), (None, "site", None)]  # no price: unknown, not zero


async def test_a_price_that_is_free_costs_nothing_and_says_so(person: User, worker: Worker, upstream: Upstream) -> None:
    person.is_staff = True
    await sync_to_async(person.save)()
    await sync_to_async(add_model)(person=person, source=custom(), model_id=MODEL, price=TypedPrice("free"))
    run = await sync_to_async(run_of_one)(person, "custom", "k1")
    await worker.until_ended(run.pk)
    call = await Call.objects.aget(run=run)
    assert (call.cost_nanos, call.cost_source) == (0, "price")
