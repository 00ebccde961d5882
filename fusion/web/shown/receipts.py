"""The receipt: every upstream request of a run, with what it used and what it cost."""

from __future__ import annotations

from dataclasses import dataclass

from fusion.engine.types import Failure, Role, Usage
from fusion.live.record import CallRecord, RunRecord
from fusion.runs.costs import Cost, run_cost, was_turned_away
from fusion.web.shown.words import Word

_STATUS = {
    "ok": Word("ok", "check", "ok"),
    "truncated": Word("broke off", "cut", "warn"),
    "refused": Word("refused", "skip"),
    "failed": Word("failed", "cross", "bad"),
    "stopped": Word("stopped", "stop"),
}
_ROLE_WORDS = {Role.PANEL: "Answer", Role.JUDGE: "Judge", Role.REBUTTAL: "Rebuttal", Role.WRITER: "Writer"}
_ROLES = tuple(_ROLE_WORDS)
_RUNNING = Word("under way", "pen", "info")


@dataclass(frozen=True, slots=True)
class Line:
    """One call. `cost_source`: `upstream` (the provider said so) or `price` (tokens times price). `is_unpaid`: it was
    turned away before anything came back, or it is still under way."""

    role: str
    letter: str | None
    attempt: int
    round: int
    name: str
    model_id: str
    provider: str
    simulated: bool
    word: Word
    usage: Usage | None
    total_ms: int | None
    cost_nanos: int | None
    cost_source: str
    is_unpaid: bool
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """`cost`: of all ended calls; a lower bound when a part is unknown. `sources`: where the known ones are from.
    `paid_by`: whose keys.
    """

    lines: tuple[Line, ...]
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: Cost
    sources: frozenset[str]
    estimated: bool
    simulated: bool
    paid_by: str = ""


def receipt(record: RunRecord) -> Receipt:
    lines = tuple(_line(call) for call in sorted(record.calls.values(), key=_place))
    usages = [line.usage for line in lines if line.usage is not None]
    return Receipt(
        lines=lines,
        input_tokens=sum(usage.input_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        reasoning_tokens=sum(usage.reasoning_tokens for usage in usages),
        cost=run_cost(record),
        sources=frozenset(line.cost_source for line in lines if line.cost_source),
        estimated=any(usage.estimated for usage in usages),
        simulated=record.simulated,
        paid_by=_paid_by(record),
    )


def _paid_by(record: RunRecord) -> str:
    """Each key that a call was made with, the team's own first; nothing of runs from before this was written down."""
    keys = {(call.endpoint.payer, call.endpoint.provider) for call in record.calls.values() if call.endpoint.payer}
    ordered = sorted(keys, key=lambda key: (key[0] != "team", key[1]))
    return " and ".join(f"the {payer}'s key ({provider})" for payer, provider in ordered)


def _place(call: CallRecord) -> tuple[int, int, str, int, str]:
    """Answers by letter, the judge, rebuttals by round, the writer: when a call started or ended says nothing here."""
    begun = call.started
    return (_ROLES.index(begun.role), call.round, begun.letter or "", begun.attempt, begun.call_id)


def _line(call: CallRecord) -> Line:
    begun, ended, facts = call.started, call.ended, call.endpoint
    return Line(
        role=_ROLE_WORDS[begun.role],
        letter=begun.letter,
        attempt=begun.attempt,
        round=call.round,
        name=facts.name,
        model_id=facts.model_id,
        provider=facts.provider,
        simulated=facts.simulated,
        word=_RUNNING if ended is None else _STATUS[ended.status],
        usage=None if ended is None else _shown(ended.usage),
        total_ms=None if ended is None else ended.total_ms,
        cost_nanos=None if ended is None else ended.cost_nanos,
        cost_source="" if ended is None else call.cost_source,
        is_unpaid=ended is None or was_turned_away(call),
        failure=None if ended is None else ended.failure,
    )


def _shown(usage: Usage | None) -> Usage | None:
    """The cost inside a usage is not stored with it; the line has its own."""
    if usage is None:
        return None
    return Usage(
        usage.input_tokens, usage.output_tokens, reasoning_tokens=usage.reasoning_tokens, estimated=usage.estimated
    )
