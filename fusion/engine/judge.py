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

from fusion.engine.budget import (
    MIN_SHARE_TOKENS,
    Fitted,
    answer_budget,
    assumed_context,
    estimate_tokens,
    fit,
)
from fusion.engine.call import Caller, CallResult
from fusion.engine.clean import clean_answer
from fusion.engine.controls import Controls
from fusion.engine.events import Emit, JudgeEnded, JudgeFailed, JudgeGrew, JudgeStarted, NextStep
from fusion.engine.labels import derive_seed, draw_labels, draw_nonce, shuffle
from fusion.engine.prompts import (
    FencedAnswer,
    judge_messages,
    judge_reask_message,
    judge_too_long_message,
    judge_winner_message,
)
from fusion.engine.retry import pause, retry_wait
from fusion.engine.steering import mask, scan_in_turns
from fusion.engine.types import (
    Answer,
    CompletionRequest,
    Endpoint,
    Failure,
    FinishReason,
    Judgement,
    Message,
    Mode,
    Plan,
    Recheck,
    Role,
)
from fusion.engine.verdict import (
    Reading,
    Rejection,
    Sheet,
    decide,
    judge_prose,
    read_verdict,
    read_winner,
    verdict_schema,
    winner_schema,
)
from fusion.errors import ProviderContextTooLong

JUDGES_MAX = 3
SITTING_REQUESTS_MAX = 5  # the first, again after a failure, again shorter, to mend the reply, only for a winner
SHRINK = 0.8
OUTPUT_SHARE = 4  # a judge's reply may take a quarter of its context
QUOTED_REPLY_MAX_CHARS = 60_000
SHOWN_REPLY_MAX_CHARS = 8_000  # of a reply that nobody could read, for people to look at
UNREADABLE, CUT_OFF = "judge_unreadable", "judge_cut_off"


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be judged: the answers as judges read them, by letter, and who tries to steer.

    `masked`: letters whose text is shown without what tries to steer.
    """

    texts: Mapping[str, str]
    suspects: frozenset[str]
    masked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Brief:
    """One set of labels, in an order, with the messages that show the answers under them."""

    sheet: Sheet
    order: tuple[str, ...]
    nonce: str
    fitted: Fitted
    messages: tuple[Message, ...]
    max_tokens: int
    context_tokens: int

    @property
    def shown_labels(self) -> tuple[str, ...]:
        return tuple(self.sheet.labels[letter] for letter in self.order)


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
            outcome = await _without_steering(sitting, outcome)
        if isinstance(outcome, Judgement):
            emit(JudgeEnded(outcome))
            return outcome
        if outcome is None or controls.all_stopped:
            return None
        sitting.announce(outcome, "fallback" if attempt < len(judges) else "none")
    return None


async def _without_steering(first: _Sitting, judgement: Judgement) -> Judgement | None:
    """What the judgement is worth when it chose an answer that speaks to judges; None when a person stopped it.

    The same judge judges again, under new labels, with such text masked in every answer that has any. Only a choice
    that comes out the same stands; otherwise the second verdict counts, and the answer cannot be chosen any more.
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
    if _still_chosen(letter, judgement, second):
        return replace(judgement, recheck=Recheck(letter, "held"))
    return _disqualified(letter, first, judgement, second)


async def _masked_case(plan: Plan, case: Case, judgement: Judgement) -> Case:
    """The case without the text that tries to steer, by our own scan and by what the judge itself quoted."""
    texts = dict(case.texts)
    for letter in judgement.suspects:
        quotes = [note.quote for note in judgement.verdict.integrity if note.letter == letter]
        texts[letter] = mask(texts[letter], prompt=plan.prompt, quotes=quotes)
        await asyncio.sleep(0)
    changed = tuple(letter for letter in sorted(texts) if texts[letter] != case.texts[letter])
    return Case(texts, case.suspects, changed)


def _still_chosen(letter: str, first: Judgement, second: Judgement) -> bool:
    """A winner must win again; one that was chosen out of a tie may be chosen out of a tie."""
    return second.chosen == letter and (second.verdict.winner == letter or first.standing == second.standing)


def _disqualified(letter: str, sitting: _Sitting, first: Judgement, second: Judgement) -> Judgement:
    decision = decide(
        second.verdict,
        inconsistent=second.inconsistent,
        anchor=sitting.plan.anchor,
        texts=sitting.case.texts,
        barred=(letter,),
    )
    return replace(
        second,
        chosen=decision.chosen,
        standing=decision.standing,
        suspects=tuple(sorted({*first.suspects, *second.suspects})),
        recheck=Recheck(letter, "overturned"),
    )


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


class _Sitting:
    """One judge's turn: one request, again after a failure that may pass or to fit its context; when its reply cannot
    be read, one more to mend it, and one last that asks for nothing but a winner."""

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
        self.plan = plan
        self.case = case
        self.endpoint = endpoint
        self.attempt = attempt
        self.emit = emit
        self.caller = caller
        self.controls = controls
        self.deadline = asyncio.get_running_loop().time() + plan.limits.judge_s
        self.requests = 0
        self.labels: Mapping[str, str] = {}
        self.unread = ""

    def for_case(self, case: Case) -> _Sitting:
        """A new turn of the same judge, on another form of the same case; its requests are counted on."""
        sitting = _Sitting(
            self.plan, case, self.endpoint, self.attempt, emit=self.emit, caller=self.caller, controls=self.controls
        )
        sitting.requests = self.requests
        return sitting

    async def hear(self) -> Judgement | Failure | None:
        """The judgement, why there is none, or None when a person stopped it."""
        brief = self._brief(draw=0)
        if isinstance(brief, Failure):
            return brief
        result = await self._ask_patiently(brief)
        if _is_too_long_for_context(result):
            brief = self._brief(draw=1, shrink=SHRINK)
            if isinstance(brief, Failure):
                return brief
            self.announce(result.failure or _unreadable(self.endpoint), "reask")
            result = await self._ask(brief, brief.messages)
        return await self._conclude(brief, result)

    async def _ask_patiently(self, brief: _Brief) -> CallResult:
        """Ask, and once more after a passing failure: a fallback judge is another opinion, not a second line."""
        result = await self._ask(brief, brief.messages)
        dice = f"{self.plan.seed}:judge:{self.attempt}"
        wait_s = retry_wait(result, dice=dice, deadline=self.deadline, wait_max_s=self.plan.limits.retry_wait_max_s)
        if wait_s is None or result.failure is None:
            return result
        self.announce(result.failure, "retry")
        await pause(wait_s, self.controls)
        return await self._ask(brief, brief.messages)

    async def _conclude(self, brief: _Brief, result: CallResult) -> Judgement | Failure | None:
        heard = self._heard(brief, result)
        if isinstance(heard, Reading):
            return self._judgement(brief, heard, result.text)
        if not isinstance(heard, Rejection):
            return heard
        if result.status != "ok":
            return result.failure or _unreadable(self.endpoint)
        return await self._mend(brief, result, heard)

    def _heard(self, brief: _Brief, result: CallResult) -> Reading | Rejection | Failure | None:
        """What a reply is: a verdict, one that cannot be read, not worth reading, or None when a person stopped it."""
        if result.status == "stopped":
            return None
        heard = _problem(self.endpoint, result) or _read(brief, result)
        self.unread = result.text if isinstance(heard, Rejection) else ""
        return heard

    async def _mend(self, brief: _Brief, first: CallResult, rejection: Rejection) -> Judgement | Failure | None:
        """One more request to the same judge, with what was wrong."""
        was_cut = first.finish is FinishReason.LENGTH
        self.announce(_no_verdict(self.endpoint, first), "reask")
        messages = _shorter(brief) if was_cut else _corrected(brief, first.text, rejection)
        result = await self._ask(brief, messages, max_tokens=_larger_limit(brief) if was_cut else None, reask=True)
        heard = self._heard(brief, result)
        if isinstance(heard, Reading):
            return self._judgement(brief, heard, result.text, parse_path="reasked")
        if isinstance(heard, Rejection):
            return result.failure or await self._name_winner(brief, _no_verdict(self.endpoint, result))
        return heard

    async def _name_winner(self, brief: _Brief, failure: Failure) -> Judgement | Failure | None:
        """The last request to a judge that could not be read twice: a winner without analysis is better than none."""
        self.announce(failure, "winner_only")
        result = await self._ask(brief, _winner_only(brief), winner_only=True)
        if result.status == "stopped":
            return None
        if (problem := _problem(self.endpoint, result)) is not None:
            return problem
        verdict = read_winner(result.text, finish=result.finish, labels=brief.sheet.labels)
        if verdict is None:
            self.unread = result.text
            return result.failure or _unreadable(self.endpoint)
        return self._judgement(brief, Reading(verdict, "winner_only", (), 0), result.text)

    async def _ask(
        self,
        brief: _Brief,
        messages: tuple[Message, ...],
        *,
        max_tokens: int | None = None,
        reask: bool = False,
        winner_only: bool = False,
    ) -> CallResult:
        self.requests += 1
        self.labels = brief.sheet.labels
        self.emit(
            JudgeStarted(
                self.endpoint.ref,
                self.attempt,
                brief.order,
                brief.sheet.labels,
                brief.fitted.trims,
                reask=reask,
                winner_only=winner_only,
                masked=self.case.masked,
            )
        )
        schema = verdict_schema(brief.shown_labels, brief.sheet.criteria)
        request = CompletionRequest(
            model_id=self.endpoint.model_id,
            messages=messages,
            max_tokens=max_tokens or brief.max_tokens,
            temperature=0.0,
            timeout_s=self.plan.limits.judge_s,
            response_schema=winner_schema(brief.shown_labels) if winner_only else schema,
        )
        return await self.caller.call(
            role=Role.JUDGE,
            endpoint=self.endpoint,
            request=request,
            attempt=self.requests,
            on_text=lambda text: self.emit(JudgeGrew(text)),
            deadline=self.deadline,
        )

    def _brief(self, *, draw: int, shrink: float = 1.0) -> _Brief | Failure:
        """Draw labels and order, fit the answers; a Failure when too little of them would be left to judge by."""
        plan, texts = self.plan, self.case.texts
        stage = f"judge-{self.attempt}-masked" if self.case.masked else f"judge-{self.attempt}"
        seed = derive_seed(plan.seed, stage, draw)
        labels = draw_labels(tuple(texts), seed, forbidden_text=[plan.prompt, plan.judge_instructions, *texts.values()])
        order, nonce = shuffle(tuple(texts), seed), draw_nonce(seed)
        overhead = _overhead(self._messages(labels, order, nonce, dict.fromkeys(texts, "")))
        context, max_tokens = self._context(overhead)
        room = answer_budget(context_tokens=context, max_output_tokens=max_tokens, overhead_tokens=overhead)
        needed = sum(estimate_tokens(text) for text in texts.values())
        if shrink < 1:  # what was sent was too long, so it must become shorter than that, whatever the room on paper
            room = int(min(room, needed) * shrink)
        if needed > room and room < MIN_SHARE_TOKENS * len(texts):
            return _no_room(self.endpoint)
        fitted = fit(texts, room, prompt=plan.prompt, uniform=plan.mode is Mode.BEST_OF)
        return _Brief(
            sheet=Sheet(labels, texts, plan.rubric),
            order=order,
            nonce=nonce,
            fitted=fitted,
            messages=self._messages(labels, order, nonce, fitted.texts),
            max_tokens=max_tokens,
            context_tokens=context,
        )

    def _messages(
        self, labels: Mapping[str, str], order: Sequence[str], nonce: str, texts: Mapping[str, str]
    ) -> tuple[Message, ...]:
        return judge_messages(
            rubric=self.plan.rubric,
            judge_instructions=self.plan.judge_instructions,
            question=self.plan.prompt,
            answers=[FencedAnswer(labels[letter], texts[letter]) for letter in order],
            nonce=nonce,
        )

    def _context(self, overhead: int) -> tuple[int, int]:
        """The judge's context and the output limit of its first request, in tokens."""
        limit = self.plan.limits.judge_max_tokens
        context = self.endpoint.context_tokens or assumed_context(
            overhead_tokens=overhead, max_output_tokens=limit, answers=len(self.case.texts)
        )
        return context, min(limit, context // OUTPUT_SHARE)

    def _judgement(self, brief: _Brief, reading: Reading, raw: str, *, parse_path: str | None = None) -> Judgement:
        verdict = reading.verdict
        decision = decide(verdict, inconsistent=reading.inconsistent, anchor=self.plan.anchor, texts=self.case.texts)
        return Judgement(
            verdict=verdict,
            judge=self.endpoint.ref,
            attempt=self.attempt,
            order=brief.order,
            labels=dict(brief.sheet.labels),
            parse_path=parse_path or reading.parse_path,
            chosen=decision.chosen,
            standing=decision.standing,
            inconsistent=reading.inconsistent,
            quote_misses=reading.quote_misses,
            suspects=tuple(sorted(self.case.suspects | {note.letter for note in verdict.integrity})),
            trims=brief.fitted.trims,
            raw=raw,
        )

    def announce(self, failure: Failure, next_step: NextStep) -> None:
        """Say why this judge gave no verdict, with its reply where that could not be read, and what happens now."""
        raw = self.unread if failure.code in (UNREADABLE, CUT_OFF) else ""
        shown = judge_prose(raw[:SHOWN_REPLY_MAX_CHARS], self.labels)
        self.emit(JudgeFailed(self.endpoint.ref, self.attempt, failure, next_step, raw=shown))


# --- reading a result ----------------------------------------------------------------------------


def _problem(endpoint: Endpoint, result: CallResult) -> Failure | None:
    """Why this reply is not even worth reading: refused, failed or empty."""
    if result.status in ("refused", "failed"):
        return result.failure or _unreadable(endpoint)
    if not result.text.strip():
        return result.failure or Failure("judge_empty", f"{endpoint.name} returned an empty verdict.")
    return None


def _read(brief: _Brief, result: CallResult) -> Reading | Rejection:
    """A reply that hit its token limit is not read at all: what looks whole in it may be a draft."""
    if result.finish is FinishReason.LENGTH:
        return Rejection(("The reply was cut off at its token limit.",), assessments_missing=True)
    return read_verdict(result.text, finish=result.finish, sheet=brief.sheet)


def _is_too_long_for_context(result: CallResult) -> bool:
    return result.failure is not None and result.failure.code == ProviderContextTooLong.code


# --- the second request --------------------------------------------------------------------------


def _shorter(brief: _Brief) -> tuple[Message, ...]:
    """The same request and a call for brevity, in one user message: some providers take no two in a row."""
    system, user = brief.messages
    return system, Message("user", f"{user.content}\n{judge_too_long_message().content}")


def _winner_only(brief: _Brief) -> tuple[Message, ...]:
    """The same request and the last question, in one user message; the judge's own replies would only be repeated."""
    system, user = brief.messages
    return system, Message("user", f"{user.content}\n{judge_winner_message(brief.shown_labels).content}")


def _corrected(brief: _Brief, reply: str, rejection: Rejection) -> tuple[Message, ...]:
    """The judge's reply and its errors; the answers again only if it has yet to assess one."""
    reply = reply[-QUOTED_REPLY_MAX_CHARS:]
    reask = judge_reask_message(
        rubric=brief.sheet.rubric,
        errors=rejection.errors,
        reply=None if rejection.assessments_missing else reply,
        labels=brief.shown_labels,
        nonce=brief.nonce,
    )
    system, user = brief.messages
    if rejection.assessments_missing:
        return system, user, Message("assistant", reply), reask
    return system, reask


def _larger_limit(brief: _Brief) -> int:
    """Twice the first limit, as far as the context has room beside the prompt."""
    room = brief.context_tokens - _overhead(brief.messages)
    return max(brief.max_tokens, min(2 * brief.max_tokens, room))


def _overhead(messages: Sequence[Message]) -> int:
    return sum(estimate_tokens(message.content) for message in messages)


# --- failures ------------------------------------------------------------------------------------


def _no_verdict(endpoint: Endpoint, result: CallResult) -> Failure:
    return _cut_off(endpoint) if result.finish is FinishReason.LENGTH else _unreadable(endpoint)


def _unreadable(endpoint: Endpoint) -> Failure:
    return Failure(UNREADABLE, f"{endpoint.name} did not return a verdict that can be read.")


def _cut_off(endpoint: Endpoint) -> Failure:
    return Failure(CUT_OFF, f"The verdict of {endpoint.name} was cut off at its token limit.")


def _no_room(endpoint: Endpoint) -> Failure:
    return Failure(
        "judge_context_too_small",
        f"The context of {endpoint.name} is too small for the question and these answers.",
    )
