"""A debate in the live record: what each event changes, and what a copy of it keeps."""

from __future__ import annotations

import copy
from typing import get_args

from fusion.engine import events as ev
from fusion.engine.disputes import StopReason
from fusion.engine.types import Mode, RunState
from fusion.live.debate import CellRecord
from fusion.live.folding import _APPLY, apply
from fusion.live.record import RunRecord
from tests.web.run_events import REBUTTAL, debate_run, ledger, new_record, position


def played(*, until: type[ev.Event] | None = None) -> RunRecord:
    record = new_record(mode=Mode.DEBATE)
    for event in debate_run(rounds=1):
        apply(record, event, at_ms=record.now_ms + 10)
        if until is not None and isinstance(event, until):
            break
    return record


def test_every_kind_of_event_reaches_the_record() -> None:
    assert set(_APPLY) == set(get_args(ev.Event))


def test_replies_grow_in_their_cells_and_become_positions() -> None:
    record = played(until=ev.RoundStarted)
    for piece in (REBUTTAL[:9], REBUTTAL[9:]):
        apply(record, ev.PositionGrew(1, "B", piece), at_ms=1)
    (begun,) = record.debate.rounds
    assert begun.cells == (CellRecord("A"), CellRecord("B", REBUTTAL), CellRecord("C"))
    apply(record, ev.PositionEnded(1, "B", position("B")), at_ms=1)
    assert record.debate.rounds[0].cells[1] == CellRecord("B", "", True, position("B"))
    assert not record.debate.rounds[0].ended


def test_a_copy_of_a_debate_does_not_change_with_it() -> None:
    record = played(until=ev.RoundStarted)
    before = copy.copy(record.debate)
    apply(record, ev.PositionGrew(1, "A", "{"), at_ms=1)
    apply(record, ev.DebateEnded(StopReason.ASKED, 0, ledger()), at_ms=1)
    assert before.rounds[0].cells[0].text == "" and before.reason is None


def test_the_ledger_is_the_latest_one() -> None:
    assert played(until=ev.RoundStarted).debate.ledger == ledger()
    assert played(until=ev.RoundEnded).debate.ledger == ledger(moved=True)
    assert played().debate.ledger == ledger(moved=True)


def test_two_sittings_of_the_judge_do_not_mix() -> None:
    record = played(until=ev.JudgeFailed)
    assert record.judge.failures == [] and len(record.ruling.failures) == 1
    assert record.judge.judgement is not None and record.ruling.ruling is None
    assert record.ruling.text and not record.judge.text


def test_a_run_that_ends_in_a_round_keeps_whole_replies_only() -> None:
    record = played(until=ev.RoundStarted)
    apply(record, ev.PositionGrew(1, "A", "{"), at_ms=1)
    apply(record, ev.PositionEnded(1, "B", position("B")), at_ms=1)
    apply(record, ev.RunEnded(RunState.CANCELLED), at_ms=1)
    (cut,) = record.debate.rounds
    assert cut.cells == (CellRecord("A"), CellRecord("B", ended=True, position=position("B")), CellRecord("C"))
    assert record.debate.taken_up().rounds == ()
