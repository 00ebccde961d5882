"""Runs of people who are not in the team any more: what was accepted ends properly, nothing new is."""

from __future__ import annotations

import pytest

from fusion.engine.types import RunState
from fusion.errors import NotAllowed
from fusion.models import Membership, Pool, PoolVersion, Run, RunExecution, Team, User
from fusion.models.team import Role
from fusion.runs import services
from fusion.runs.ending import pending_of
from fusion.runs.worker import Worker
from fusion.teams.lifecycle import delete_team
from fusion.teams.members import remove_member
from tests.factories import make_pool, make_run, make_user, team_of
from tests.runs.conftest import ask, pool_of
from tests.runs.steering import db, ended, until
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)


def _colleague(person: User) -> User:
    return make_user("colleague", team=team_of(person), role=Role.MEMBER)


def _remove(person: User, colleague: User) -> None:
    remove_member(person=person, membership=Membership.objects.get(user=colleague))


async def test_a_run_of_somebody_who_is_removed_meanwhile_ends_properly(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool: Pool = await db(pool_of)(person, "m-held1-tokens20", "m-two-held1-tokens20")
    colleague = await db(_colleague)(person)
    run = await db(ask)(colleague, pool)
    await until(lambda: len(upstream.gate.standing) == 2)
    await db(_remove)(person, colleague)
    with pytest.raises(NotAllowed):
        await db(services.stop_run)(run=run, person=colleague)
    upstream.gate.let_on()
    record = await ended(run)
    assert record.state is RunState.DONE and record.final.text
    assert record.author == "Colleague"
    with pytest.raises(NotAllowed):
        await db(ask)(colleague, pool, key="another")


async def test_a_run_that_waits_is_taken_up_although_its_author_was_removed(
    worker: Worker, upstream: Upstream, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool: Pool = await db(pool_of)(person, "m-tokens20", "m-two-tokens20")
    colleague = await db(_colleague)(person)
    with monkeypatch.context() as patched:
        patched.setattr("fusion.runs.services.dispatch_run", lambda pk: None)
        run = await db(ask)(colleague, pool)
    await db(_remove)(person, colleague)
    assert (await db(Run.objects.get)(pk=run.pk)).state == Run.State.QUEUED
    worker.submit(run.pk)
    assert (await ended(run)).state is RunState.DONE


def test_a_run_that_is_started_while_its_team_is_being_deleted_is_not_left_behind_in_it(
    alice: User, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right was looked at, then the team is gone, then the run is to be written."""
    pool, usable = make_pool(alice), services._usable_version

    def deleted_meanwhile(asked: Pool) -> PoolVersion:
        delete_team(person=alice, team=team, typed_name=team.name)
        return usable(asked)

    monkeypatch.setattr("fusion.runs.services._usable_version", deleted_meanwhile)
    with pytest.raises(NotAllowed):
        ask(alice, pool)
    assert not Run.objects.exists()


@pytest.mark.parametrize("how", ["team", "person"])
def test_a_run_is_not_taken_up_again_in_a_team_that_was_deleted_or_left_meanwhile(
    alice: User, team: Team, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The right was looked at, then it is gone, then the run is to be queued once more."""
    colleague = make_user("colleague", team=team, role=Role.MEMBER)
    run = make_run(alice, state=Run.State.INTERRUPTED)

    def gone_meanwhile(asked: Run) -> RunExecution:
        if how == "team":
            delete_team(person=alice, team=team, typed_name=team.name)
        else:
            _remove(alice, colleague)
        return pending_of(asked)

    monkeypatch.setattr("fusion.runs.services.pending_of", gone_meanwhile)
    with pytest.raises(NotAllowed):
        services.resume_run(run=run, person=colleague)
    run.refresh_from_db()
    assert run.state == Run.State.INTERRUPTED and run.executions.count() == 1
