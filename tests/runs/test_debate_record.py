"""A debate in the rows: what is loaded is what was live, wherever it was cut off and however often it was taken up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fusion.engine import events as ev
from fusion.engine.disputes import Round, StopReason
from fusion.engine.types import Limits, Mode, Role, RunState
from fusion.errors import PoolUnusable
from fusion.live.debate import DebateRecord
from fusion.live.folding import apply
from fusion.live.record import RulingRecord, RunRecord
from fusion.live.runs import LiveRun
from fusion.models import Run, RunEvent, User, WorkerLease
from fusion.runs import services, storage
from fusion.runs.ending import close_run, pending_of, recover_runs
from fusion.runs.finals import rejudge_run
from fusion.runs.plan import Execution, prepare
from fusion.runs.selectors import load_record, run_with_rows
from tests import factories
from tests.runs.test_record_law import comparable
from tests.web.run_events import (
    debate_run,
    ledger,
    new_record,
    one_round,
    position,
    ruling,
    whole_run,
    without_dispute,
    written,
)
from tests.web.run_events import ruled as ruled_final

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(db: None) -> User:
    return factories.make_user("alice")


def debating_run(author: User, **rules: object) -> Run:
    """A run of three members that debate, claimed by a process of ours."""
    pool = factories.make_pool(author, **{"mode": "debate", "debate_rounds": 2, "writer": "sim:arbiter", **rules})
    lease = WorkerLease.objects.create(name="here", expires_at="2100-01-01T00:00:00Z")
    run = factories.make_run(author, pool=pool, state=Run.State.RUNNING, worker=lease)
    assert run.answers.count() == 3
    return run


def play(run: Run, record: RunRecord, events: Iterable[ev.Event]) -> None:
    """What an execution does with events: into the record, and all but deltas into the rows. RunEnded ends it."""
    record.endpoints |= new_record().endpoints
    execution = pending_of(run)
    store = storage.Storage(
        run.pk,
        LiveRun(record, ring=lambda _: None),
        lease_pk=_lease(run),
        first_seq=run.events.count(),
        execution=execution.number,
        continues=execution.continues,
    )
    end = ev.RunEnded(RunState.INTERRUPTED)
    for event in events:
        if isinstance(event, ev.RunEnded):
            end = event
            break
        apply(record, event, at_ms=record.now_ms + 10)
        store.note(event)
    storage.write_batch(run.pk, _lease(run), storage.Batch(store._pending, endpoints=record.endpoints))
    ending = close_run(run.pk, _lease(run), end.state, end.failure)
    apply(record, end, at_ms=record.now_ms)
    record.finished_at = ending.finished_at


def _lease(run: Run) -> int:
    return WorkerLease.objects.get(name="here").pk


def begin_again(run: Run) -> Execution:
    """Run what is missing, as the executor begins it."""
    run.refresh_from_db()
    services.resume_run(run=run, person=run.author)
    execution = prepare(run_with_rows(run.pk))
    Run.objects.filter(pk=run.pk).update(state=Run.State.RUNNING, worker_id=_lease(run))
    return execution


def same(run: Run, record: RunRecord) -> bool:
    """Whether the rows say of the debate what was live. (The facts of the models are made up here.)"""
    stored, live = comparable(load_record(run)), comparable(record)
    assert (stored.debate, stored.ruling, stored.judge.judgement) == (live.debate, live.ruling, live.judge.judgement)
    assert stored.final.final == live.final.final
    ended = {key: call.round for key, call in live.calls.items() if call.ended is not None}
    assert {key: call.round for key, call in stored.calls.items()} == ended
    return True


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 3), st.sampled_from(["", "A", "C"]), st.floats(0, 1))
def test_wherever_a_debate_is_cut_off_the_rows_say_what_was_live(rounds: int, failing: str, share: float) -> None:
    author = factories.make_user(f"a{User.objects.count()}")
    WorkerLease.objects.all().delete()
    run = debating_run(author)
    record = load_record(run)
    events = list(debate_run(rounds=rounds, failing=failing))
    play(run, record, events[: 1 + int(share * len(events))])
    assert same(run, record)


@pytest.mark.parametrize("reason", [StopReason.NO_DISPUTE, StopReason.TOO_FEW])
def test_a_debate_that_did_not_take_place_is_stored_as_such(alice: User, reason: StopReason) -> None:
    run = debating_run(alice)
    record = load_record(run)
    events = without_dispute()
    play(run, record, [replace(one, reason=reason) if isinstance(one, ev.DebateEnded) else one for one in events])
    assert same(run, record)
    assert load_record(run).debate.reason is reason


def until(events: Iterable[ev.Event], kind: type[ev.Event], count: int = 1) -> list[ev.Event]:
    """The events up to the count-th of that kind, and including it."""
    found: list[ev.Event] = []
    for event in events:
        found.append(event)
        count -= isinstance(event, kind)
        if count == 0:
            break
    return found


def interrupted(run: Run, events: Iterable[ev.Event]) -> None:
    play(run, load_record(run), events)


def test_interrupted_in_the_second_round_only_that_round_is_asked_anew(alice: User) -> None:
    run = debating_run(alice)
    interrupted(run, until(debate_run(rounds=2), ev.PositionEnded, 4))
    execution = begin_again(run)
    plan = execution.plan
    assert plan.mode is Mode.DEBATE and plan.given_judgement is not None and plan.given_ruling is None
    (given_round,) = plan.given_rounds
    assert given_round == Round(1, tuple(position(x) for x in "ABC"), ledger(moved=True), 1.0)
    assert plan.limits.debate_rounds == 2
    assert all(member.given is not None for member in plan.members)
    assert [one.number for one in execution.record.debate.rounds] == [1]
    again = execution.record
    play(run, again, [ev.RunStarted(Mode.DEBATE, ("A", "B", "C")), *one_round(2)])
    assert same(run, again)
    assert [one.number for one in again.debate.rounds] == [1, 2]


def test_a_round_that_is_asked_anew_leaves_nothing_of_the_one_that_was_cut_off(alice: User) -> None:
    run = debating_run(alice)
    interrupted(run, until(debate_run(rounds=1), ev.PositionEnded, 2))
    execution = begin_again(run)
    assert execution.plan.given_rounds == () and execution.record.debate.rounds == ()
    assert execution.record.debate.disputes == ledger()
    play(run, execution.record, [ev.RunStarted(Mode.DEBATE, ("A", "B", "C")), ev.RoundStarted(1, ("A", "B"))])
    assert same(run, execution.record)
    (begun,) = load_record(run).debate.rounds
    assert [cell.letter for cell in begun.cells] == ["A", "B"] and not any(cell.position for cell in begun.cells)


@pytest.mark.parametrize("cut", [ev.PositionEnded, ev.JudgeFailed])
def test_taken_up_and_cut_off_again_at_once_nothing_of_the_first_half_is_told(alice: User, cut: type[ev.Event]) -> None:
    run = debating_run(alice)
    interrupted(run, until(debate_run(rounds=2), cut, 5 if cut is ev.PositionEnded else 1))
    execution = begin_again(run)
    play(run, execution.record, [ev.RunStarted(Mode.DEBATE, ("A", "B", "C"))])
    assert same(run, execution.record)
    assert all(one.ended for one in load_record(run).debate.rounds) and not load_record(run).ruling.failures


def test_interrupted_while_a_judge_rules_no_further_round_is_held(alice: User) -> None:
    run = debating_run(alice)
    interrupted(run, until(debate_run(rounds=1), ev.JudgeFailed))
    execution = begin_again(run)
    assert len(execution.plan.given_rounds) == 1 and execution.plan.given_stop is StopReason.STABLE
    assert execution.record.ruling == RulingRecord()


def test_with_a_ruling_only_the_writing_is_missing(alice: User) -> None:
    run = debating_run(alice)
    interrupted(run, until(debate_run(rounds=1), ev.RulingEnded))
    execution = begin_again(run)
    assert execution.plan.given_ruling == ruling() == execution.record.ruling.ruling
    record = execution.record
    written_now = [ev.RunStarted(Mode.DEBATE, ("A", "B", "C")), *written(ruled_final())]
    play(run, record, written_now)
    assert same(run, record)
    (final,) = run.finals.all()
    assert (final.kind, final.verdict_id) == ("ruled", run.verdicts.get().pk)


def test_judging_anew_starts_the_debate_anew(alice: User) -> None:
    run = debating_run(alice)
    interrupted(run, until(debate_run(rounds=1), ev.RoundEnded))
    run.answers.filter(letter="A").update(state="stopped")
    execution = begin_again(run)
    assert execution.plan.given_judgement is None and execution.plan.given_rounds == ()
    assert execution.record.debate == DebateRecord()
    play(run, execution.record, debate_run(rounds=1))
    assert same(run, execution.record)


def test_stored_answers_can_be_judged_anew_in_a_debate_and_the_first_final_keeps_its_story(alice: User) -> None:
    run = debating_run(alice, mode="merge")
    interrupted(run, whole_run())
    run.refresh_from_db()
    rejudge_run(run=run, person=alice, mode="debate", idempotency_key="again")
    execution = prepare(run_with_rows(run.pk))
    assert execution.plan.mode is Mode.DEBATE and execution.record.mode is Mode.DEBATE
    Run.objects.filter(pk=run.pk).update(state=Run.State.RUNNING, worker_id=_lease(run))
    play(run, execution.record, [*debate_events_after_answers(), ev.RunEnded(RunState.DONE)])
    assert same(run, execution.record)
    assert load_record(run).debate.rounds and load_record(run).mode is Mode.DEBATE
    first = load_record(run, final=1)
    assert first.debate == DebateRecord() and first.ruling == RulingRecord() and first.mode is Mode.MERGE


def debate_events_after_answers() -> list[ev.Event]:
    """A debate on answers that exist: nobody is asked for one."""
    answering = (ev.AnswerAsked, ev.AnswerRetrying, ev.AnswerGrew, ev.ReasoningGrew, ev.AnswerEnded, ev.GraceStarted)
    events = [event for event in debate_run(rounds=1) if not isinstance(event, (*answering, ev.RunEnded))]
    return [event for event in events if getattr(event, "role", None) is not Role.PANEL]


def test_what_a_debate_still_needs_must_be_there(alice: User) -> None:
    run = debating_run(alice)
    interrupted(run, until(debate_run(rounds=2), ev.RoundEnded))
    run.pool_version.members.filter(position=1).update(ref="gone:member")
    with pytest.raises(PoolUnusable, match="gone:member"):
        begin_again(run)
    run.refresh_from_db()
    assert run.state == Run.State.INTERRUPTED


def test_once_the_debate_is_over_no_member_is_needed_but_a_judge_is(alice: User) -> None:
    run = debating_run(alice)
    interrupted(run, until(debate_run(rounds=2), ev.DebateEnded))
    run.pool_version.members.filter(position=1).update(ref="gone:member")
    run.pool_version.judge = "gone:judge"
    run.pool_version.save()
    with pytest.raises(PoolUnusable, match="gone:judge") as refused:
        begin_again(run)
    assert "gone:member" not in str(refused.value)


def test_a_debate_has_time_for_its_rounds_and_its_ruling(alice: User) -> None:
    run = debating_run(alice)
    limits = prepare(run_with_rows(run.pk)).plan.limits
    run.executions.update(mode="merge")
    merging = prepare(run_with_rows(run.pk)).plan.limits
    assert limits.debate_rounds == 2 and limits.round_s == Limits().round_s
    assert limits.overall_s == merging.overall_s + 2 * limits.round_s + limits.judge_s


def test_rows_that_nobody_of_ours_wrote_are_refused(alice: User) -> None:
    run = debating_run(alice)
    RunEvent.objects.create(run=run, seq=0, at_ms=0, kind="DebateStarted", data={"disputes": "many", "rounds_max": 1})
    with pytest.raises(ValidationError):
        load_record(run)


def test_a_rebuttals_call_knows_its_round_after_a_resumption_too(alice: User) -> None:
    run = debating_run(alice)
    play(run, load_record(run), debate_run(rounds=2))
    record = load_record(run)
    rounds = {call.started.call_id: call.round for call in record.calls.values() if call.started.role is Role.REBUTTAL}
    assert rounds == {f"r{number}{letter}": number for number in (1, 2) for letter in "ABC"}


def test_what_a_dead_process_left_under_way_stands_on_the_receipt_with_its_round(alice: User) -> None:
    run = debating_run(alice)
    events = until(debate_run(rounds=1), ev.RoundStarted)
    judge = ev.CallStarted("j9", Role.JUDGE, "gone:judge", 1)
    play(run, load_record(run), [*events, ev.CallStarted("r9", Role.REBUTTAL, "acme:a", 1, "A"), judge])
    Run.objects.filter(pk=run.pk).update(state=Run.State.RUNNING, worker=None)
    assert recover_runs() == 1
    calls = load_record(run).calls
    assert (calls["r9"].round, calls["j9"].round) == (1, 0)
    assert calls["j9"].endpoint.name == "judge" and calls["j9"].ended is not None
