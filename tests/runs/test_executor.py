"""A run from dispatch to its stored end, against a model server of our own."""

from __future__ import annotations

import pytest

from fusion.engine.types import AnswerState, RunState
from fusion.live.runs import LIVE
from fusion.models import RunCommand, User
from fusion.runs import services
from fusion.runs.selectors import load_record
from fusion.runs.worker import Worker
from tests.runs.conftest import ask, pool_of
from tests.runs.steering import db, ended, live_record, live_run, until
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_best_of_run_ends_with_a_members_answer_byte_for_byte(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, "m-b-tokens20", "m-a-tokens30")
    run = await db(ask)(person, pool)
    record = await ended(run)
    assert record.state is RunState.DONE
    assert record.final.final is not None
    assert record.final.text == record.answers["B"].text != ""
    assert record.judge.judgement is not None and record.judge.judgement.chosen == "B"
    assert [call.started.role for call in record.calls.values()] == ["panel", "panel", "judge"]


async def test_what_is_stored_equals_what_was_live(worker: Worker, upstream: Upstream, person: User) -> None:
    pool = await db(pool_of)(person, "m-b-tokens20", "m-a-tokens30", "m-status500")
    run = await db(ask)(person, pool, mode="merge")
    stored = await ended(run)
    live = LIVE.get(str(run.public_id))
    assert live is not None
    assert {letter: (a.state, a.text, a.usage, a.failure) for letter, a in stored.answers.items()} == {
        letter: (a.state, a.text, a.usage, a.failure) for letter, a in live.record.answers.items()
    }
    assert stored.final.final == live.record.final.final
    assert stored.judge.judgement == live.record.judge.judgement
    assert stored.degraded == live.record.degraded
    assert stored.calls == live.record.calls
    assert (stored.state, stored.failure) == (live.record.state, live.record.failure)


async def test_stop_closes_the_upstream_connections_and_keeps_the_text(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, "m-rate50-tokens5000", "m-two-rate50-tokens5000")
    run = await db(ask)(person, pool)
    await until(lambda: (record := live_record(run)) and all(a.text for a in record.answers.values()))
    await db(services.stop_run)(run=run, person=person)
    record = await ended(run)
    await until(lambda: upstream.stats.open == 0)
    assert record.state is RunState.CANCELLED
    assert {answer.state for answer in record.answers.values()} == {AnswerState.STOPPED}
    assert all(answer.text for answer in record.answers.values())
    assert upstream.stats.closed_early == 2
    assert await db(RunCommand.objects.filter(run=run, kind="stop").count)() == 1


async def test_stopping_one_answer_lets_the_others_go_on(worker: Worker, upstream: Upstream, person: User) -> None:
    pool = await db(pool_of)(person, "m-b-tokens20", "m-a-tokens30", "m-hang")
    run = await db(ask)(person, pool)
    await until(lambda: upstream.stats.asked["m-hang"])
    await db(services.stop_answer)(run=run, person=person, letter="C")
    record = await ended(run)
    assert record.state is RunState.DONE
    assert record.answers["C"].state is AnswerState.STOPPED


async def test_a_run_that_was_interrupted_asks_only_for_what_is_missing(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, "m-b-tokens20", "m-slow-rate20-tokens5000")
    run = await db(ask)(person, pool)
    await until(
        lambda: (record := live_record(run)) and record.answers["A"].state.is_final and record.answers["B"].text
    )
    left = await worker.stop()
    assert left == 1
    record = await db(load_record)(run)
    assert record.state is RunState.INTERRUPTED
    assert record.answers["A"].state is AnswerState.DONE
    assert record.answers["B"].state is AnswerState.INTERRUPTED and record.answers["B"].text

    await worker.start()
    asked_before = dict(upstream.stats.asked)
    await db(services.resume_run)(run=run, person=person)
    await until(lambda: upstream.stats.asked["m-slow-rate20-tokens5000"] == 2)
    await db(services.stop_answer)(run=run, person=person, letter="B")
    record = await ended(run)
    assert upstream.stats.asked["m-b-tokens20"] == asked_before["m-b-tokens20"] == 1
    assert record.answers["B"].attempt == 2
    assert record.state is RunState.SINGLE


async def test_retrying_one_answer_after_the_end_marks_the_final_out_of_date(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, "m-b-tokens20", "m-a-tokens30")
    run = await db(ask)(person, pool)
    before = await ended(run)
    first = live_run(run)
    await db(services.retry_answer)(run=run, person=person, letter="A")
    after = await ended(run, after=first)
    assert upstream.stats.asked["m-b-tokens20"] == 2
    assert after.state is RunState.DONE
    assert after.final.out_of_date and after.final.text == before.final.text
    assert after.answers["A"].attempt == 2
    assert upstream.stats.asked["m-a-tokens30"] == 1
    assert upstream.stats.asked["judge-tokens5"] == 1
    assert len(after.calls) == 4


async def test_every_member_failing_says_so_for_each(worker: Worker, upstream: Upstream, person: User) -> None:
    pool = await db(pool_of)(person, "m-status401", "m-x-status401")
    run = await db(ask)(person, pool)
    record = await ended(run)
    assert record.state is RunState.FAILED
    assert record.failure is not None and record.failure.message
    assert all(answer.failure and answer.failure.code == "provider_auth_failed" for answer in record.answers.values())


async def test_a_judge_that_is_down_leaves_the_answers_and_no_final(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, "m-b-tokens20", "m-a-tokens30", judge="judge-status401")
    run = await db(ask)(person, pool)
    record = await ended(run)
    assert record.state is RunState.UNJUDGED
    assert record.final.final is None
    assert all(answer.text for answer in record.answers.values())
    assert record.judge.failures


async def test_a_run_is_executed_once_however_often_it_is_dispatched(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, "m-b-tokens20", "m-a-tokens30")
    run = await db(ask)(person, pool)
    worker.submit(run.pk)
    other = Worker(picks_up=False)
    await other.start()
    other.submit(run.pk)
    await ended(run)
    await other.stop()
    assert dict(upstream.stats.asked) == {"m-b-tokens20": 1, "m-a-tokens30": 1, "judge-tokens5": 1}


async def test_a_later_run_estimates_tokens_by_what_the_earlier_one_counted(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, "m-b-tokens60", "m-a-tokens60")
    first = await ended(await db(ask)(person, pool, key="first"))
    second = await db(ask)(person, pool, key="second")
    await ended(second)
    record = live_record(second)
    assert record is not None
    assert record.answers["A"].chars_per_token == pytest.approx(len(first.answers["A"].text) / 60)
