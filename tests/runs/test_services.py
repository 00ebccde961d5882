"""Starting and steering runs: what is refused, with which sentence, and what is left behind."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from fusion.catalogue.connections import delete_connection
from fusion.engine.types import AnswerState
from fusion.errors import InvalidInput, NotAllowed, PoolUnusable, RunStateConflict, TooManyRuns
from fusion.live.runs import LIVE
from fusion.models import Pool, PoolVersion, Run, RunCommand, User
from fusion.models.team import Role
from fusion.runs import services
from fusion.runs.briefs import mode_of
from fusion.runs.pools import MemberSpec
from fusion.runs.selectors import load_record
from tests import factories
from tests.shelves import make_connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> User:
    return factories.make_user("alice")


@pytest.fixture
def pool(person: User) -> Pool:
    return factories.make_pool(person)


def start(person: User, pool: Pool, prompt: str = "Why?", key: str = "k1") -> Run:
    return services.start_run(author=person, pool=pool, prompt=prompt, idempotency_key=key)


def test_a_started_run_waits_with_one_answer_row_per_member(person: User, pool: Pool) -> None:
    run = start(person, pool)
    assert run.state == Run.State.QUEUED
    assert [row.letter for row in run.answers.all()] == ["A", "B", "C"]
    assert all(row.endpoint["simulated"] for row in run.answers.all())


def test_the_same_key_gives_the_same_run(person: User, pool: Pool) -> None:
    assert start(person, pool).pk == start(person, pool, prompt="Another").pk
    assert Run.objects.count() == 1


def test_the_same_key_of_another_person_is_another_run(person: User, pool: Pool) -> None:
    bob = factories.make_user("bob", team=pool.team, role=Role.MEMBER)
    assert start(person, pool).pk != start(bob, pool).pk


@pytest.mark.parametrize(
    ("prompt", "code"),
    [("", "prompt_empty"), (" \n\t", "prompt_empty"), ("a\0b", "prompt_has_nul"), ("x" * 200_001, "prompt_too_long")],
)
def test_a_prompt_that_cannot_be_sent_is_refused_and_leaves_no_run(
    person: User, pool: Pool, prompt: str, code: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        start(person, pool, prompt)
    assert refused.value.code == code
    assert refused.value.field == "prompt"
    assert not Run.objects.exists()


def test_the_longest_allowed_prompt_is_stored_as_it_is(person: User, pool: Pool) -> None:
    assert start(person, pool, "x" * 200_000).prompt == "x" * 200_000


def test_a_pool_without_members_is_refused(person: User, pool: Pool) -> None:
    assert pool.current is not None
    pool.current.members.all().delete()
    with pytest.raises(PoolUnusable, match="no members"):
        start(person, pool)


def test_a_pool_whose_model_is_gone_is_refused_by_name(person: User, pool: Pool) -> None:
    assert pool.current is not None
    pool.current.members.filter(position=1).update(ref="openrouter:gone/model")
    with pytest.raises(PoolUnusable, match="openrouter:gone/model"):
        start(person, pool)


def test_a_person_has_only_so_many_runs_in_flight(person: User, pool: Pool, settings: Any) -> None:
    settings.FUSION_MAX_RUNS_PER_PERSON = 2
    start(person, pool, key="1")
    start(person, pool, key="2")
    with pytest.raises(TooManyRuns, match="2 runs in flight"):
        start(person, pool, key="3")
    assert Run.objects.count() == 2
    Run.objects.filter(idempotency_key="1").update(state=Run.State.DONE)
    assert start(person, pool, key="3").state == Run.State.QUEUED


def test_when_there_is_room_is_said_of_a_debate_with_its_rounds_and_not_of_a_run_that_began_long_ago(
    person: User, settings: Any
) -> None:
    settings.FUSION_MAX_RUNS_PER_PERSON = 1
    settings.FUSION_RUN_TIMEOUT_S, settings.FUSION_ROUND_TIMEOUT_S, settings.FUSION_JUDGE_TIMEOUT_S = 420, 60, 60
    pool = factories.make_pool(person, mode="debate", debate_rounds=2)
    run = factories.make_run(person, pool=pool, state=Run.State.RUNNING, started_at=timezone.now())
    with pytest.raises(TooManyRuns, match="One ends within 10 minutes"):
        start(person, pool)
    Run.objects.filter(pk=run.pk).update(finished_at=timezone.now())  # judged again, beside its final
    with pytest.raises(TooManyRuns, match=r"stop one\.$"):
        start(person, pool)


def test_a_viewer_may_not_start_or_stop(person: User, pool: Pool) -> None:
    viewer = factories.make_user("victor", team=pool.team, role=Role.VIEWER)
    run = start(person, pool)
    with pytest.raises(NotAllowed):
        start(viewer, pool)
    with pytest.raises(NotAllowed):
        services.stop_run(run=run, person=viewer)


def test_somebody_who_left_the_team_may_not_start(person: User, pool: Pool) -> None:
    person.memberships.update(left_at="2026-01-01T00:00:00Z")
    with pytest.raises(NotAllowed):
        start(person, pool)


def test_stopping_a_queued_run_ends_it_at_once(person: User, pool: Pool) -> None:
    run = start(person, pool)
    services.stop_run(run=run, person=person)
    run.refresh_from_db()
    assert run.state == Run.State.CANCELLED


def test_an_ended_run_cannot_be_stopped(person: User, pool: Pool) -> None:
    run = factories.make_run(person, pool=pool)
    with pytest.raises(RunStateConflict):
        services.stop_run(run=run, person=person)
    assert not RunCommand.objects.exists()


def test_a_letter_that_is_not_in_the_run_is_refused(person: User, pool: Pool) -> None:
    run = factories.make_run(person, pool=pool, state=Run.State.RUNNING)
    with pytest.raises(InvalidInput):
        services.stop_answer(run=run, person=person, letter="H")


@pytest.mark.parametrize(
    ("state", "kind", "words"),
    [
        ("done", "complete", "A has answered"),
        ("cut_off", "complete", "A has answered"),
        ("streaming", "complete", "A is being asked right now"),
        ("failed", "rejudge", "being judged as they are"),
    ],
)
def test_an_answer_that_cannot_be_asked_in_mid_run_is_refused_with_what_to_do(
    person: User, pool: Pool, state: str, kind: str, words: str
) -> None:
    run = factories.make_run(person, pool=pool, state=Run.State.RUNNING)
    run.answers.update(state="done")
    run.answers.filter(letter="A").update(state=state)
    run.executions.update(kind=kind)
    with pytest.raises(RunStateConflict, match=words):
        services.retry_answer(run=run, person=person, letter="A")
    assert not RunCommand.objects.exists()


@pytest.mark.parametrize("state", ["failed", "stopped", "empty", "refused", "interrupted"])
def test_an_answer_without_use_can_be_asked_again_in_mid_run(person: User, pool: Pool, state: str) -> None:
    run = factories.make_run(person, pool=pool, state=Run.State.RUNNING)
    run.answers.filter(letter="A").update(state=state)
    services.retry_answer(run=run, person=person, letter="A")
    assert RunCommand.objects.get().kind == "retry"


def test_an_answer_that_has_just_been_stopped_can_be_asked_again_before_its_row_is_written(
    person: User, pool: Pool
) -> None:
    run = factories.make_run(person, pool=pool, state=Run.State.RUNNING)
    run.answers.filter(letter="A").update(state="streaming")
    live = LIVE.open(load_record(run), lambda _: None)
    live.record.answers["A"].state = AnswerState.STOPPED
    try:
        services.retry_answer(run=run, person=person, letter="A")
    finally:
        LIVE.forget(live)
    assert RunCommand.objects.get().kind == "retry"


def test_a_finished_run_has_nothing_to_resume(person: User, pool: Pool) -> None:
    run = factories.make_run(person, pool=pool)
    run.answers.update(state="done", text="x")
    with pytest.raises(RunStateConflict):
        services.resume_run(run=run, person=person)


def test_a_run_of_a_private_pool_is_private(person: User) -> None:
    pool = factories.make_pool(person, visibility=Pool.Visibility.PRIVATE)
    bob = factories.make_user("bob", team=pool.team, role=Role.MEMBER)
    run = start(person, pool)
    assert Run.objects.visible_to(person).filter(pk=run.pk).exists()
    assert not Run.objects.visible_to(bob).filter(pk=run.pk).exists()


def test_a_connection_that_is_deleted_while_a_run_is_started_leaves_none_behind(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first look at the pool and the transaction that makes the run."""
    own = make_connection(factories.team_of(person), "lab")
    members = (MemberSpec("lab:a"), MemberSpec("lab:b"))
    pool = factories.make_pool(person, members=members, judge="lab:judge", fallback_judges=())
    chosen = mode_of

    def delete_it_then_choose(mode: str) -> object:
        delete_connection(actor=None, connection=own)
        return chosen(mode)

    monkeypatch.setattr(services, "mode_of", delete_it_then_choose)
    with pytest.raises(PoolUnusable, match="no connection “lab”"):
        start(person, pool)
    assert not Run.objects.exists()


def test_a_deleted_run_is_invisible_until_it_is_restored(person: User, pool: Pool) -> None:
    run = factories.make_run(person, pool=pool)
    services.delete_run(run=run, person=person)
    assert not Run.objects.visible_to(person).exists()
    services.restore_run(run=run, person=person)
    assert Run.objects.visible_to(person).count() == 1


def test_a_run_that_is_started_again_while_it_is_deleted_does_not_go_on_unseen(
    person: User, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever starts it does so just before the delete is written."""
    run = factories.make_run(person, pool=pool, state=Run.State.INTERRUPTED)
    clock = timezone.now

    def start_it_then_tell_the_time() -> datetime:
        monkeypatch.setattr(timezone, "now", clock)
        services.resume_run(run=Run.objects.get(pk=run.pk), person=person)
        return clock()

    monkeypatch.setattr(timezone, "now", start_it_then_tell_the_time)
    services.delete_run(run=run, person=person)
    run.refresh_from_db()
    assert run.deleted_at is not None and run.state == Run.State.CANCELLED
    with pytest.raises(RunStateConflict, match="deleted it"):
        services.resume_run(run=run, person=person)


def test_a_member_may_not_delete_what_somebody_else_asked(person: User, pool: Pool) -> None:
    run = factories.make_run(person, pool=pool)
    bob = factories.make_user("bob", team=pool.team, role=Role.MEMBER)
    with pytest.raises(NotAllowed):
        services.delete_run(run=run, person=bob)


def test_a_later_pool_version_does_not_touch_the_run(person: User, pool: Pool) -> None:
    run = start(person, pool)
    assert run.pool_version == PoolVersion.objects.get(pool=pool, number=1)
