"""What an execution has to do: whom to ask, which answers are given, and what is taken up of an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from fusion.engine.disputes import Round, Ruling, StopReason
from fusion.engine.types import USABLE, AnswerState, Judgement
from fusion.engine.types import Answer as EngineAnswer
from fusion.live.record import RunRecord
from fusion.models import Run, RunExecution
from fusion.runs.selectors import engine_answer, taken_up_record

KEPT_WHEN_RESUMED = USABLE | {AnswerState.REFUSED, AnswerState.LEFT_OUT}


@dataclass(frozen=True, slots=True)
class Todo:
    """What an execution does. `asked`: letters to ask; `given`: answers that exist; `judgement`: a verdict that does.

    `answers_only`: a final stands, only answers are asked anew. `keeps_final`: one stands unless a new one comes.
    `chosen`: letters that a person wants judged, None for all that can be. `rounds` and `ruling`: what exists of a
    debate on that verdict; `stop`: why it was over.
    """

    asked: frozenset[str]
    given: Mapping[str, EngineAnswer]
    judgement: Judgement | None
    answers_only: bool
    keeps_final: bool = False
    chosen: frozenset[str] | None = None
    rounds: tuple[Round, ...] = ()
    ruling: Ruling | None = None
    stop: StopReason | None = None

    @property
    def keeps_verdict(self) -> bool:
        return self.answers_only or self.judgement is not None


def todo_of(run: Run, execution: RunExecution) -> Todo:
    """What `execution` does: the listed letters anew, or whatever lacks an outcome, or a judging of what is there.

    A verdict is taken up again only as long as every answer that it judged is there.
    """
    rows = {row.letter: engine_answer(row) for row in run.answers.all() if row.is_current}
    rejudges = execution.kind == RunExecution.Kind.REJUDGE
    given = _to_judge(rows, execution.letters) if rejudges else _kept(rows, set(execution.letters))
    asked = frozenset() if rejudges else frozenset(rows.keys() - given.keys())
    chosen = frozenset(execution.letters) if rejudges else None
    taken_up = taken_up_record(run, execution)
    judgement = None if taken_up is None else _standing_verdict(taken_up)
    if taken_up is not None and judgement is not None and set(judgement.order) <= given.keys():
        # The judged ones alone: a late answer must not slip into a final that no judge saw it for.
        judged = {letter: given[letter] for letter in judgement.order}
        return Todo(
            asked=frozenset(),
            given=judged,
            judgement=judgement,
            answers_only=False,
            keeps_final=execution.keeps_final,
            chosen=chosen,
            rounds=taken_up.debate.rounds_ended(),
            ruling=taken_up.ruling.ruling,
            stop=taken_up.debate.reason,
        )
    answers_only = execution.kind == RunExecution.Kind.ANSWERS
    if not answers_only:
        given = {letter: replace(answer, late=False) for letter, answer in given.items()}
    return Todo(asked, given, None, answers_only, keeps_final=execution.keeps_final, chosen=chosen)


def _standing_verdict(record: RunRecord) -> Judgement | None:
    """The verdict to go on from; one that chose no answer is none, unless a debate followed on it."""
    judgement = record.judge.judgement
    goes_on = judgement is not None and (judgement.chosen is not None or bool(record.debate.disputes))
    return judgement if goes_on else None


def _kept(rows: Mapping[str, EngineAnswer], anew: set[str]) -> dict[str, EngineAnswer]:
    """The answers that are not asked for: all but the listed ones, else those that have an outcome."""
    if anew:
        return {letter: row for letter, row in rows.items() if letter not in anew and row.state.is_final}
    return {letter: row for letter, row in rows.items() if row.state in KEPT_WHEN_RESUMED}


def _to_judge(rows: Mapping[str, EngineAnswer], letters: str) -> dict[str, EngineAnswer]:
    """The chosen answers, a broken-off one as what it is, and those without a text, which count as missing."""
    return {
        letter: _as_judged(row) if letter in letters else row
        for letter, row in rows.items()
        if letter in letters or not can_be_judged(row)
    }


class HasText(Protocol):
    """An answer, ended or not, in whatever shape."""

    @property
    def state(self) -> AnswerState: ...

    @property
    def text(self) -> str: ...


def can_be_judged(answer: HasText) -> bool:
    """Whether there is a text that a person may have judged, whole or broken off."""
    return answer.state.is_usable or (answer.state.is_final and bool(answer.text.strip()))


def _as_judged(answer: EngineAnswer) -> EngineAnswer:
    """Stopped or interrupted, a text is judged as one that broke off; a refusal stays one, and counts as no answer
    unless all have refused."""
    if answer.state in (AnswerState.STOPPED, AnswerState.INTERRUPTED, AnswerState.FAILED):
        return replace(answer, state=AnswerState.TRUNCATED)
    return answer
