"""A pool is a grant: what its models need is checked when it is saved and again when it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from fusion.catalogue.available import models_of
from fusion.engine.types import RunState
from fusion.errors import InvalidInput, NotAllowed, PoolUnusable
from fusion.models import AuditEvent, Connection, Membership, Pool, Run, User
from fusion.models.team import Role
from fusion.runs.pools import MemberSpec, PoolSpec, create_pool, duplicate_pool, save_pool, spec_of
from fusion.runs.pools.troubles import troubles_of
from fusion.runs.worker import Worker
from tests.factories import make_user, team_of
from tests.runs.conftest import ask
from tests.runs.steering import db, ended
from tests.shelves import change_connection, make_connection
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)
MODELS = ("m-a-tokens5", "m-b-tokens6", "judge-tokens5")


def _spec(slug: str = "lab", **changes: object) -> PoolSpec:
    members = tuple(MemberSpec(f"{slug}:{model}") for model in MODELS[:2])
    values = {"name": "Review", "members": members, "judge": f"{slug}:{MODELS[2]}"} | changes
    return PoolSpec(**values)  # type: ignore[arg-type]


def _shared(person: User, upstream: Upstream, *, of_site: bool = False) -> tuple[Pool, Connection]:
    team = team_of(person)
    row = make_connection(None if of_site else team, models=MODELS, base_url=upstream.url)
    return create_pool(author=person, team=team, spec=_spec()), row


def _refused(person: User, pool: Pool) -> str:
    """What somebody who asks is told; no run is left."""
    with pytest.raises(PoolUnusable) as refused:
        ask(person, Pool.objects.get(pk=pool.pk))
    assert not Run.objects.exists()
    return refused.value.message


async def test_a_model_withdrawn_from_the_team_is_not_asked_by_a_pool_that_names_it(
    upstream: Upstream, person: User
) -> None:
    pool, row = await db(_shared)(person, upstream, of_site=True)
    await db(change_connection)(row, for_all_teams=False)
    message = await db(_refused)(person, pool)
    assert "There is no connection “lab” here" in message and "edit the pool" in message
    assert upstream.stats.begun == 0


async def test_a_connection_that_was_switched_off_is_not_asked(upstream: Upstream, person: User) -> None:
    pool, row = await db(_shared)(person, upstream)
    await db(change_connection)(row, is_enabled=False)
    assert "“Lab” is switched off" in await db(_refused)(person, pool)
    assert upstream.stats.begun == 0


async def test_the_site_does_not_pay_for_what_a_team_paid_before_until_the_pool_is_saved_again(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool, row = await db(_shared)(person, upstream)
    await db(make_connection)(None, models=MODELS, base_url=upstream.url)
    await db(row.delete)()
    await db(change_connection)(row)
    assert "The team's own connection “lab” is gone; the site has one" in await db(_refused)(person, pool)
    assert upstream.stats.begun == 0
    version = await db(save_pool)(pool=pool, author=person, spec=_spec())
    assert (version.number, version.payers) == (2, {"lab": "site"})
    run = await db(ask)(person, await db(Pool.objects.get)(pk=pool.pk))
    assert (await ended(run)).state is RunState.DONE


async def test_a_fallback_judge_that_is_gone_stops_nobody_and_nothing_is_sent_to_it(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    def shared() -> Pool:
        team = team_of(person)
        make_connection(team, models=(*MODELS, "judge-status401"), base_url=upstream.url)
        gone = make_connection(team, "gone", models=("judge-tokens5",), base_url=upstream.url)
        spec = _spec(judge="lab:judge-status401", fallback_judges=("gone:judge-tokens5", "lab:judge-tokens5"))
        pool = create_pool(author=person, team=team, spec=spec)
        change_connection(gone, is_enabled=False)
        (trouble,) = troubles_of(spec, models_of(team), pool.current)
        assert not trouble.blocks and trouble.sentence.endswith("Runs start without it.")
        return pool

    run = await db(ask)(person, await db(shared)())
    record = await ended(run)
    assert record.state is RunState.DONE and record.judge.judgement is not None
    assert record.judge.judgement.judge == "lab:judge-tokens5"
    assert [failed.ref for failed in record.judge.failures] == ["lab:judge-status401", "gone:judge-tokens5"]
    assert "cannot be asked here any more" in record.judge.failures[1].failure.message
    assert upstream.stats.asked == dict.fromkeys((*MODELS, "judge-status401"), 1)


@pytest.mark.parametrize("field", ["members", "judge", "writer", "fallback_judges"])
def test_a_pool_is_not_saved_with_a_model_that_its_team_may_not_use(person: User, field: str) -> None:
    team = team_of(person)
    make_connection(team, models=MODELS)
    make_connection(make_user("zoe").memberships.get().team, "theirs", models=("secret",))
    pool = create_pool(author=person, team=team, spec=_spec())
    theirs: dict[str, object] = {
        "members": (MemberSpec("lab:m-a-tokens5"), MemberSpec("theirs:secret")),
        "fallback_judges": ("theirs:secret",),
    }
    changes: dict[str, Any] = {field: theirs.get(field, "theirs:secret")}
    with pytest.raises(InvalidInput) as refused:
        save_pool(pool=pool, author=person, spec=_spec(**changes))
    assert "theirs:secret" in refused.value.message and refused.value.field is not None
    assert refused.value.field.startswith(field[:7])
    assert Pool.objects.get(pk=pool.pk).current == pool.current


@pytest.mark.parametrize("ref", ["pool:review", "pools:review", "review"])
def test_a_pool_cannot_sit_in_a_pool(person: User, ref: str) -> None:
    team = team_of(person)
    make_connection(team, models=MODELS)
    create_pool(author=person, team=team, spec=_spec())
    with pytest.raises(InvalidInput, match="A pool cannot be part of a pool"):
        create_pool(author=person, team=team, spec=_spec(members=(MemberSpec(ref),)))


def test_a_copy_in_another_team_is_checked_with_that_teams_models_and_payers(person: User) -> None:
    team = team_of(person)
    make_connection(team, models=MODELS)
    pool = create_pool(author=person, team=team, spec=_spec())
    other = make_user("zoe").memberships.get().team
    with pytest.raises(NotAllowed):
        duplicate_pool(pool=pool, author=person, team=other)
    Membership.objects.create(team=other, user=person, role=Role.MEMBER)
    with pytest.raises(InvalidInput, match="no connection “lab”"):
        duplicate_pool(pool=pool, author=person, team=other)
    make_connection(None, models=MODELS)
    copy = duplicate_pool(pool=pool, author=person, team=other)
    assert copy.team == other and copy.current is not None and pool.current is not None
    assert (pool.current.payers, copy.current.payers) == ({"lab": "team"}, {"lab": "site"})
    assert spec_of(copy.current).members == spec_of(pool.current).members


def test_what_became_of_a_pool_is_in_the_audit_log_without_its_instructions(person: User) -> None:
    team = team_of(person)
    make_connection(team, models=MODELS)
    pool = create_pool(author=person, team=team, spec=_spec(visibility="private"))
    save_pool(pool=pool, author=person, spec=_spec(judge_instructions="Very private words"))
    kinds = AuditEvent.objects.filter(target=f"pool:{pool.public_id}").order_by("pk")
    assert [event.action for event in kinds] == ["pool.create", "pool.change"]
    change = kinds[1]
    assert (change.before["visibility"], change.after["visibility"]) == ("private", "team")
    assert (change.before["version"], change.after["version"]) == (1, 2)
    assert "Very private words" not in str(change.before) + str(change.after)
