"""Whose key pays for a run: the one that the connection's short name means to the team when the run is executed."""

from __future__ import annotations

from typing import Any

import pytest

from fusion.catalogue.connections import create_connection, delete_connection, switch_connection
from fusion.catalogue.specs import ConnectionSpec
from fusion.errors import PoolUnusable
from fusion.models import Call, Connection, Pool, Run, Team, User
from fusion.models.sealing import seal
from fusion.runs import services
from fusion.runs.worker import Worker
from fusion.web.shown.receipts import receipt
from tests.factories import client_of, team_of
from tests.runs.conftest import ask, pool_of
from tests.runs.steering import db, ended, live_run
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)

ONE, OTHER, JUDGE = "m-a-tokens5", "m-b-tokens5", "judge-tokens5"


@pytest.fixture
def team(person: User) -> Team:
    return team_of(person)


def connect(upstream: Upstream, team: Team | None, label: str) -> Connection:
    spec = ConnectionSpec(preset="openai-compatible", slug="custom", label=label, base_url=upstream.url, local=True)
    return create_connection(actor=None, team=team, spec=spec, key="sk-0123456789", agrees_to_pay=True)


def payers(run: Run) -> set[tuple[str, int | None]]:
    return set(Call.objects.filter(run=run).values_list("payer", "connection"))


def pool(person: User, **rules: Any) -> Pool:
    return pool_of(person, ONE, OTHER, judge=JUDGE, **rules)


def page_of(person: User, run: Run) -> str:
    return str(client_of(person).get(f"/r/{run.public_id}").content.decode())


async def test_the_receipt_names_the_teams_key_live_stored_and_on_the_page(
    worker: Worker, upstream: Upstream, person: User, team: Team
) -> None:
    own = await db(connect)(upstream, team, "Our lab")
    run = await db(ask)(person, await db(pool)(person))
    stored = await ended(run)

    assert await db(payers)(run) == {("team", own.pk)}
    assert receipt(live_run(run).record).paid_by == receipt(stored).paid_by == "the team's key (Our lab)"
    assert "Paid by the team&#x27;s key (Our lab)." in await db(page_of)(person, run)


async def test_a_connection_of_the_site_or_of_the_environment_is_the_sites(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    made = await db(pool)(person)
    first = await db(ask)(person, made)
    await ended(first)
    theirs = await db(connect)(upstream, None, "Site lab")
    second = await db(ask)(person, made, key="k2")
    stored = await ended(second)

    assert await db(payers)(first) == {("site", None)}
    assert await db(payers)(second) == {("site", theirs.pk)}
    assert receipt(stored).paid_by == "the site's key (Site lab)"


async def test_a_run_that_is_asked_anew_names_the_key_that_paid_for_each_call(
    worker: Worker, upstream: Upstream, person: User, team: Team
) -> None:
    run = await db(ask)(person, await db(pool)(person))
    await ended(run)
    before = live_run(run)
    own = await db(connect)(upstream, team, "Our lab")
    await db(services.retry_answer)(run=run, person=person, letter="A")
    stored = await ended(run, after=before)

    assert await db(payers)(run) == {("site", None), ("team", own.pk)}
    assert receipt(stored).paid_by.startswith("the team's key (Our lab) and the site's key (")
    assert receipt(live_run(run).record).paid_by == receipt(stored).paid_by


async def test_nothing_is_asked_with_a_connection_that_is_off_or_gone(
    worker: Worker, upstream: Upstream, person: User, team: Team
) -> None:
    own = await db(connect)(upstream, team, "Our lab")
    made = await db(pool)(person)

    await db(switch_connection)(actor=None, connection=own, on=False)
    with pytest.raises(PoolUnusable, match="switched off"):
        await db(ask)(person, made)
    await db(delete_connection)(actor=None, connection=own)
    with pytest.raises(PoolUnusable, match="the site has one of that name"):
        await db(ask)(person, made)

    assert not upstream.stats.asked


async def test_a_key_that_cannot_be_opened_ends_the_run_with_the_reason(
    worker: Worker, upstream: Upstream, person: User, team: Team
) -> None:
    own = await db(connect)(upstream, team, "Our lab")
    made = await db(pool)(person)
    foreign = Connection.objects.filter(pk=own.pk)
    await db(foreign.update)(secret_sealed=seal("sk-0123456789", owner="connection:another"))
    run = await db(ask)(person, made)
    await ended_somehow(worker, run)

    await db(run.refresh_from_db)()
    assert (run.state, run.failure_code) == (Run.State.FAILED, "secret_unreadable")
    assert not upstream.stats.asked


async def ended_somehow(worker: Worker, run: Run) -> None:
    """A run that cannot be begun is never alive."""
    await worker.until_ended(run.pk)
