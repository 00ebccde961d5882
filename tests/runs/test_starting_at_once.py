"""Many threads at once: one key starts one run, and the limit of runs in flight is exact."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from fusion.errors import InvalidInput, TooManyRuns
from fusion.models import Pool, Run, User
from fusion.models.pool import Mode
from fusion.runs import services
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def person() -> User:
    return factories.make_user("alice")


@pytest.fixture
def pool(person: User) -> Pool:
    return factories.make_pool(person)


def at_once(count: int, work: Callable[[int], object]) -> list[object]:
    """What each of `count` threads got or raised; all begin in the same moment."""
    barrier = threading.Barrier(count)

    def one(number: int) -> object:
        barrier.wait()
        try:
            return work(number)
        except TooManyRuns as exc:
            return exc
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def start(person: User, pool: Pool, key: str) -> int:
    return services.start_run(author=person, pool=pool, prompt="Why?", idempotency_key=key).pk


def test_the_same_form_sent_200_times_at_once_is_one_run(person: User, pool: Pool, settings: Any) -> None:
    settings.FUSION_MAX_RUNS_PER_PERSON = 1
    assert len(set(at_once(200, lambda _: start(person, pool, "same")))) == 1
    assert Run.objects.count() == 1


def test_of_50_questions_at_once_exactly_4_are_let_in(person: User, pool: Pool) -> None:
    results = at_once(50, lambda number: start(person, pool, f"key-{number}"))
    assert sum(isinstance(result, int) for result in results) == Run.objects.count() == 4


def test_a_run_that_exists_is_given_also_to_somebody_at_the_limit(person: User, pool: Pool, settings: Any) -> None:
    settings.FUSION_MAX_RUNS_PER_PERSON = 1
    first = start(person, pool, "k")
    assert pool.current is not None
    again = services._create_run(
        author=person, version=pool.current, prompt="Why?", mode=Mode.MERGE, key="k", private=False
    )
    assert again.pk == first


def test_a_run_taken_up_by_somebody_else_counts_for_who_asked_it(person: User, pool: Pool, settings: Any) -> None:
    settings.FUSION_MAX_RUNS_PER_PERSON = 1
    bob = factories.make_user("bob", team=pool.team, role="member")
    run = factories.make_run(person, pool=pool, state=Run.State.INTERRUPTED)
    start(person, pool, "k")
    with pytest.raises(TooManyRuns, match="Alice has 1 run in flight"):
        services.resume_run(run=run, person=bob)


@pytest.mark.parametrize(("key", "mode", "prompt"), [("", None, "Why?"), ("k", "nope", "Why?"), ("k", None, "\udcff")])
def test_what_no_form_would_send_is_refused_with_a_sentence(
    person: User, pool: Pool, key: str, mode: str | None, prompt: str
) -> None:
    with pytest.raises(InvalidInput):
        services.start_run(author=person, pool=pool, prompt=prompt, mode=mode, idempotency_key=key)
    assert not Run.objects.exists()


def test_deleting_a_run_that_has_just_ended_is_no_error(
    person: User, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = factories.make_run(person, pool=pool, state=Run.State.RUNNING)
    command = services._command

    def ends_first(*args: Any) -> None:
        Run.objects.filter(pk=run.pk).update(state=Run.State.DONE)
        command(*args)

    monkeypatch.setattr(services, "_command", ends_first)
    services.delete_run(run=run, person=person)
    run.refresh_from_db()
    assert run.deleted_at is not None


def test_a_queued_run_that_is_stopped_has_no_answer_under_way(person: User, pool: Pool) -> None:
    run = factories.make_run(person, pool=pool, state=Run.State.QUEUED)
    services.stop_run(run=run, person=person)
    assert set(run.answers.values_list("state", flat=True)) == {"stopped"}
