"""The record that an execution starts from: what is given stays, what will be asked starts empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fusion.catalogue.available import TeamModels
from fusion.live.debate import DebateRecord
from fusion.live.folding import mark_out_of_date
from fusion.live.record import AnswerRecord, EndpointFacts, FinalRecord, JudgeRecord, RulingRecord, RunRecord
from fusion.models import PoolVersion, Run, RunExecution
from fusion.runs.calibration import chars_per_token
from fusion.runs.plan.asking import MODES
from fusion.runs.plan.making import UsualMs
from fusion.runs.plan.todo import Todo
from fusion.runs.pools.checking import why_not
from fusion.runs.selectors import judge_refs, taken_up_record


def fresh_record(
    run: Run, earlier: RunRecord, execution: RunExecution, todo: Todo, models: TeamModels, usual_ms: UsualMs
) -> RunRecord:
    """The record at the start of this execution: what is given stays, what will be asked starts empty."""
    record = replace(
        earlier,
        answers={letter: _fresh_column(column, todo, usual_ms) for letter, column in earlier.answers.items()},
        calls=dict(earlier.calls),
        endpoints=_paid_now(earlier.endpoints, run.pool_version, models),
        attempted=None,
        grace=None,
        waiting_for_all=False,
        failure=None,
        finished_at=None,
        now_ms=0,
    )
    if todo.answers_only:
        record.judge, record.final = replace(earlier.judge), replace(earlier.final)
        record.debate, record.ruling = earlier.debate.taken_up(), earlier.ruling.taken_up()
        record.degraded = list(earlier.degraded)
    else:
        _begin_stages(run, record, execution, todo)
    mark_out_of_date(record)
    return record


def _paid_now(known: Mapping[str, EndpointFacts], version: PoolVersion, models: TeamModels) -> dict[str, EndpointFacts]:
    """What people see of each model, with whose key this execution uses: an earlier one may have used another."""
    now = models.facts_of(ref for ref in known if not why_not(ref, version, models))
    return {
        ref: replace(facts, payer=now[ref].payer, provider=now[ref].provider)
        if ref in now
        else replace(facts, payer="")
        for ref, facts in known.items()
    }


def _begin_stages(run: Run, record: RunRecord, execution: RunExecution, todo: Todo) -> None:
    """The stages as they are before the judge, or, when a verdict is taken up, as it left them."""
    record.mode, record.rubric = MODES[execution.mode], execution.rubric
    record.judge_refs = judge_refs(run.pool_version, execution.judge)
    record.final = FinalRecord()
    taken_up = taken_up_record(run, execution) if todo.judgement is not None else None
    record.judge = taken_up.judge if taken_up is not None else JudgeRecord()
    record.debate = taken_up.debate.taken_up() if taken_up is not None else DebateRecord()
    record.ruling = taken_up.ruling.taken_up() if taken_up is not None else RulingRecord()
    record.panel_closed = taken_up.panel_closed if taken_up is not None else None
    record.degraded = taken_up.degraded if taken_up is not None else []


def _fresh_column(column: AnswerRecord, todo: Todo, usual_ms: UsualMs) -> AnswerRecord:
    if column.letter in todo.asked:
        return AnswerRecord(
            column.letter,
            column.endpoint,
            column.attempt + int(column.state.is_final),
            chars_per_token=chars_per_token(column.endpoint.ref),
            usual_ttft_ms=usual_ms.get(column.endpoint.ref),
        )
    return replace(column, late=column.late and (todo.keeps_verdict or todo.chosen is not None))
