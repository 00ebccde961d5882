"""Debates executed for real, against a model server: live equals stored, and a resumption asks only what is missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fusion.engine.disputes import StopReason
from fusion.engine.types import FinalKind, Mode, Role, RunState
from fusion.models import Run, User
from fusion.runs import services
from fusion.runs.finals import rejudge_run
from fusion.runs.worker import Worker
from tests.runs.conftest import ask, pool_of
from tests.runs.steering import db, ended, live_record, live_run, until
from tests.runs.test_record_law import comparable
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)

FIRST, SECOND, THIRD = "m-a-tokens30", "m-b-yields-tokens20", "m-c-caves-tokens20"
JUDGE = "judge-disputes-tokens5"
WRITER = {"writer": "custom:m-w-tokens9"}
SLOW_MEMBER, SLOW_JUDGE = "m-c-slowly-tokens20", "judge-disputes-slowly-tokens5"
FINDING_JUDGE = "judge-disputes-unique-tokens5"  # so that the writer has work
SLOW_WRITER = "m-w-rate50-tokens5000"
Steer = Callable[[Run, User, Worker], Awaitable[object]]


async def debate(person: User, *members: str, judge: str = JUDGE, **rules: Any) -> Run:
    pool = await db(pool_of)(person, *members, judge=judge, **{"debate_rounds": 2, **WRITER, **rules})
    run: Run = await db(ask)(person, pool, mode="debate")
    return run


async def test_a_debate_runs_from_its_answers_to_a_written_ruling(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    run = await debate(person, FIRST, SECOND, THIRD)
    record = await ended(run)
    assert record.state is RunState.DONE, record.failure
    final = record.final.final
    assert final is not None and (final.kind, final.letter) == (FinalKind.RULED, "A")
    (first, *_) = record.debate.rounds
    moves = {cell.letter: cell.position.moves[0] for cell in first.cells if cell.position is not None}
    assert {letter: (move.action, move.soft) for letter, move in moves.items()} == {
        "A": ("hold", False),
        "B": ("concede", False),
        "C": ("concede", True),
    }
    assert record.ruling.ruling is not None and record.ruling.ruling.rulings[0].stance == "d1s1"
    assert comparable(record) == comparable(live_run(run).record)
    roles = [call.started.role for call in record.calls.values()]
    rounds = len(record.debate.rounds)
    assert roles.count(Role.REBUTTAL) == 3 * rounds and roles.count(Role.JUDGE) == 2
    assert {call.round for call in record.calls.values()} == {0, *range(1, rounds + 1)}


async def test_without_a_dispute_a_debate_is_a_merge(worker: Worker, upstream: Upstream, person: User) -> None:
    record = await ended(run := await debate(person, FIRST, SECOND, judge="judge-unique-tokens5"))
    assert record.debate.reason is StopReason.NO_DISPUTE and record.debate.rounds == ()
    assert record.final.final is not None and record.final.final.kind is FinalKind.MERGED
    assert not any(call.started.role is Role.REBUTTAL for call in record.calls.values())
    assert comparable(record) == comparable(live_run(run).record)


async def test_a_person_ends_a_debate_after_the_round_under_way(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    run = await debate(person, FIRST, SECOND, "m-c-caves-held2-tokens20", debate_rounds=3)
    await until(lambda: upstream.gate.standing)
    await db(services.end_debate)(run=run, person=person)
    upstream.gate.let_on()
    record = await ended(run)
    assert record.debate.reason is StopReason.ASKED and len(record.debate.rounds) == 1
    assert record.final.final is not None and record.final.final.kind is FinalKind.RULED


def a_reply_grows(run: Run) -> bool:
    record = live_record(run)
    return record is not None and any(one.cells[-1].text for one in record.debate.rounds[-1:])


def a_ruling_grows(run: Run) -> bool:
    record = live_record(run)
    return record is not None and bool(record.ruling.text)


def a_final_grows(run: Run) -> bool:
    record = live_record(run)
    return record is not None and bool(record.final.text)


CUTS: dict[str, tuple[tuple[str, ...], dict[str, Any], Callable[[Run], bool], dict[str, int]]] = {
    "in a round": ((FIRST, SLOW_MEMBER), {}, a_reply_grows, {SLOW_MEMBER: 3, JUDGE: 1}),
    "in the ruling": ((FIRST, SECOND), {"judge": SLOW_JUDGE}, a_ruling_grows, {FIRST: 2, SECOND: 2, SLOW_JUDGE: 3}),
    "in writing": (
        (FIRST, SECOND),
        {"judge": FINDING_JUDGE, "writer": f"custom:{SLOW_WRITER}"},
        a_final_grows,
        {FIRST: 2, SECOND: 2, FINDING_JUDGE: 2, SLOW_WRITER: 2},
    ),
}


@pytest.mark.parametrize("how", ["interrupted", "stopped"])
@pytest.mark.parametrize("cut", CUTS)
async def test_cut_off_and_taken_up_a_debate_asks_only_what_is_missing(
    cut: str, how: str, worker: Worker, upstream: Upstream, person: User
) -> None:
    members, rules, grows, asked = CUTS[cut]
    run = await debate(person, *members, debate_rounds=1, **rules)
    await until(lambda: grows(run))
    await (worker.stop() if how == "interrupted" else db(services.stop_run)(run=run, person=person))
    stored = await ended(run)
    assert stored.state is (RunState.INTERRUPTED if how == "interrupted" else RunState.CANCELLED)
    first = live_run(run)
    assert comparable(stored) == comparable(first.record)
    if how == "interrupted":
        await worker.start()
    await db(services.resume_run)(run=run, person=person)
    await until(lambda: live_run(run) is not first and grows(run))
    await db(services.stop_run)(run=run, person=person)
    stored = await ended(run, after=first)
    assert comparable(stored) == comparable(live_run(run).record)
    assert {model: upstream.stats.asked[model] for model in asked} == asked


async def test_a_merge_can_be_judged_anew_as_a_debate_on_the_same_answers(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, FIRST, SECOND, judge=JUDGE, **WRITER)
    run = await db(ask)(person, pool, mode="merge")
    await ended(run)
    first = live_run(run)
    await db(run.refresh_from_db)()
    await db(rejudge_run)(run=run, person=person, mode="debate", idempotency_key="again")
    record = await ended(run, after=first)
    assert record.mode is Mode.DEBATE and record.debate.rounds and record.ruling.ruling is not None
    assert record.final.final is not None and record.final.final.kind is FinalKind.RULED
    assert comparable(record) == comparable(live_run(run).record)
    assert len(record.finals) == 2
    answers = [call for call in record.calls.values() if call.started.role is Role.PANEL]
    assert len(answers) == 2, "nobody is asked for an answer again"
