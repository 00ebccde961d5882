"""Ask the judges, one after another, until one gives a verdict that can be read and believed.

Each judge gets fresh labels and a fresh order. One that replies with something unreadable is asked once to mend it,
then only for a winner; one that fails, refuses, says nothing or stays unreadable is followed by the next fallback. A
judge that chooses an answer which speaks to judges has to choose again, without seeing those words. Every step is an
event, so that no judge is ever swapped silently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fusion.engine.call import Caller, CallResult
from fusion.engine.clean import clean_answer
from fusion.engine.controls import Controls
from fusion.engine.events import Emit, JudgeEnded
from fusion.engine.prompts import FencedAnswer, judge_messages, judge_reask_message, judge_winner_message
from fusion.engine.sitting import Brief, Sitting
from fusion.engine.steering import mask_in_turns, scan_in_turns
from fusion.engine.types import Answer, Endpoint, Failure, Judgement, Message, Plan, Recheck
from fusion.engine.verdict import (
    Reading,
    Rejection,
    Sheet,
    decide,
    read_verdict,
    read_winner,
    verdict_schema,
    winner_schema,
)

JUDGES_MAX = 3
SITTING_REQUESTS_MAX = 5  # the first, again after a failure, again shorter, to mend the reply, only for a winner
QUOTED_REPLY_MAX_CHARS = 60_000


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be judged: the answers as judges read them, by letter, and who tries to steer.

    `masked`: letters whose text is shown without what tries to steer.
    """

    texts: Mapping[str, str]
    suspects: frozenset[str]
    masked: tuple[str, ...] = ()


async def judge_answers(
    plan: Plan, answers: Sequence[Answer], *, emit: Emit, caller: Caller, controls: Controls
) -> Judgement | None:
    """The judgement of the first judge that gives one; None when all fail or a person stops the run.

    Emits JudgeStarted, JudgeGrew, JudgeFailed and, last, JudgeEnded. Each judge has `limits.judge_s` in all, and as
    much again when it has to choose a second time.
    """
    case = await prepare_case(plan, answers)
    judges = plan.judges[:JUDGES_MAX]
    for attempt, endpoint in enumerate(judges, start=1):
        sitting = _Sitting(plan, case, endpoint, attempt, emit=emit, caller=caller, controls=controls)
        outcome = await sitting.hear()
        if isinstance(outcome, Judgement):
            outcome = await _judged_again(sitting, outcome)
        if isinstance(outcome, Judgement):
            emit(JudgeEnded(outcome))
            return outcome
        if outcome is None or controls.all_stopped:
            return None
        sitting.announce(outcome, "fallback" if attempt < len(judges) else "none")
    return None


async def _judged_again(first: _Sitting, judgement: Judgement) -> Judgement | None:
    """What the judgement is worth when it chose an answer that speaks to judges; None when a person stopped it.

    The same judge judges again, under new labels, with such text masked in every answer that has any. That second
    verdict counts, since nothing could steer it; an answer that it does not choose cannot be chosen any more.
    """
    letter = judgement.chosen
    if letter is None or letter not in judgement.suspects:
        return judgement
    masked = await _masked_case(first.plan, first.case, judgement)
    if letter not in masked.masked:
        return replace(judgement, recheck=Recheck(letter, "unseen"))
    again = first.for_case(masked)
    second = await again.hear()
    if second is None or first.controls.all_stopped:
        return None
    if isinstance(second, Failure):
        again.announce(second, "keep")
        return replace(judgement, recheck=Recheck(letter, "failed"))
    second = replace(second, suspects=tuple(sorted({*judgement.suspects, *second.suspects})))
    if _still_chosen(letter, judgement, second):
        return replace(second, recheck=Recheck(letter, "held"))
    return _disqualified(letter, first, second)


async def _masked_case(plan: Plan, case: Case, judgement: Judgement) -> Case:
    """The case without the text that tries to steer, found by our own scan or quoted by the judge itself."""
    texts = await without_steering(plan, case.texts, judgement)
    changed = tuple(letter for letter in sorted(texts) if texts[letter] != case.texts[letter])
    return Case(texts, case.suspects, changed)


async def without_steering(plan: Plan, texts: Mapping[str, str], judgement: Judgement) -> Mapping[str, str]:
    """The cleaned texts, by letter, with what tries to steer masked in those of suspects."""
    masked = dict(texts)
    for letter in texts.keys() & set(judgement.suspects):
        quotes = [note.quote for note in judgement.verdict.integrity if note.letter == letter]
        masked[letter] = await mask_in_turns(texts[letter], prompt=plan.prompt, quotes=quotes)
    return masked


def _still_chosen(letter: str, first: Judgement, second: Judgement) -> bool:
    """A winner must win again; one that was chosen out of a tie may be chosen out of a tie."""
    return second.chosen == letter and (second.verdict.winner == letter or first.standing == second.standing)


def _disqualified(letter: str, sitting: _Sitting, second: Judgement) -> Judgement:
    decision = decide(
        second.verdict,
        inconsistent=second.inconsistent,
        anchor=sitting.plan.anchor,
        texts=sitting.case.texts,
        barred=(letter,),
    )
    recheck = Recheck(letter, "overturned")
    return replace(second, chosen=decision.chosen, standing=decision.standing, recheck=recheck)


async def prepare_case(plan: Plan, answers: Sequence[Answer]) -> Case:
    """Clean and scan the answers; the order in which they arrived leaves no trace.

    A long answer takes some 20 ms, so the loop gets its turn after each step: pages and other runs share it.
    """
    texts: dict[str, str] = {}
    suspects: set[str] = set()
    for answer in sorted(answers, key=lambda answer: answer.letter):
        texts[answer.letter] = clean_answer(answer.text)
        await asyncio.sleep(0)
        if await scan_in_turns(answer.text, prompt=plan.prompt):
            suspects.add(answer.letter)
    return Case(texts, frozenset(suspects))


class _Sitting(Sitting[Reading, Judgement]):
    """A turn that is to give a verdict; when its reply cannot be read twice, it is asked for nothing but a winner."""

    def __init__(
        self,
        plan: Plan,
        case: Case,
        endpoint: Endpoint,
        attempt: int,
        *,
        emit: Emit,
        caller: Caller,
        controls: Controls,
    ) -> None:
        super().__init__(
            plan, case.texts, endpoint, attempt, emit=emit, caller=caller, controls=controls, masked=case.masked
        )
        self.case = case

    def for_case(self, case: Case) -> _Sitting:
        """A new turn of the same judge, on another form of the same case; its requests are counted on."""
        sitting = _Sitting(
            self.plan, case, self.endpoint, self.attempt, emit=self.emit, caller=self.caller, controls=self.controls
        )
        sitting.requests = self.requests
        return sitting

    @property
    def stage(self) -> str:
        return f"judge-{self.attempt}-masked" if self.masked else f"judge-{self.attempt}"

    def names(self) -> tuple[str, ...]:
        return tuple(self.texts)

    def messages(
        self, labels: Mapping[str, str], order: Sequence[str], nonce: str, texts: Mapping[str, str]
    ) -> tuple[Message, ...]:
        return judge_messages(
            rubric=self.plan.rubric,
            judge_instructions=self.plan.judge_instructions,
            question=self.plan.prompt,
            answers=[FencedAnswer(labels[letter], texts[letter]) for letter in order],
            nonce=nonce,
        )

    def schema(self, brief: Brief) -> Mapping[str, Any]:
        return verdict_schema(brief.shown_labels, self._sheet(brief).criteria)

    def read(self, brief: Brief, result: CallResult) -> Reading | Rejection:
        return read_verdict(result.text, finish=result.finish, sheet=self._sheet(brief))

    def corrected(self, brief: Brief, reply: str, rejection: Rejection) -> tuple[Message, ...]:
        """The judge's reply and its errors; the answers again only if it has yet to assess one."""
        reply = reply[-QUOTED_REPLY_MAX_CHARS:]
        reask = judge_reask_message(
            rubric=self.plan.rubric,
            errors=rejection.errors,
            reply=None if rejection.assessments_missing else reply,
            labels=brief.shown_labels,
            nonce=brief.nonce,
        )
        system, user = brief.messages
        if rejection.assessments_missing:
            return system, user, Message("assistant", reply), reask
        return system, reask

    async def unreadable_twice(self, brief: Brief, failure: Failure) -> Judgement | Failure | None:
        """The last request to a judge that could not be read twice: a winner without analysis is better than none."""
        self.announce(failure, "winner_only")
        result = await self.ask(brief, _winner_only(brief), winner_only=winner_schema(brief.shown_labels))
        if result.status == "stopped":
            return None
        if (problem := self.problem(result)) is not None:
            return problem
        verdict = read_winner(result.text, finish=result.finish, labels=brief.labels)
        if verdict is None:
            self.unread = result.text
            return result.failure or self.unreadable()
        return self.outcome(brief, Reading(verdict, "winner_only", (), 0), result.text)

    def outcome(self, brief: Brief, reading: Reading, raw: str, *, parse_path: str | None = None) -> Judgement:
        verdict = reading.verdict
        decision = decide(verdict, inconsistent=reading.inconsistent, anchor=self.plan.anchor, texts=self.texts)
        return Judgement(
            verdict=verdict,
            judge=self.endpoint.ref,
            attempt=self.attempt,
            order=brief.order,
            labels=dict(brief.labels),
            parse_path=parse_path or reading.parse_path,
            chosen=decision.chosen,
            standing=decision.standing,
            inconsistent=reading.inconsistent,
            quote_misses=reading.quote_misses,
            suspects=tuple(sorted(self.case.suspects | {note.letter for note in verdict.integrity})),
            trims=brief.fitted.trims,
            raw=raw,
        )

    def _sheet(self, brief: Brief) -> Sheet:
        return Sheet(brief.labels, self.texts, self.plan.rubric)


def _winner_only(brief: Brief) -> tuple[Message, ...]:
    """The same request and the last question, in one user message; the judge's own replies would only be repeated."""
    system, user = brief.messages
    return system, Message("user", f"{user.content}\n{judge_winner_message(brief.shown_labels).content}")
