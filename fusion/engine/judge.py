"""Ask the judges, one after another, until one gives a verdict that can be read and believed.

Each judge gets fresh labels and a fresh order. One that replies with something unreadable is asked once to mend it;
one that fails, refuses, says nothing or stays unreadable is followed by the next fallback. Every step is an event, so
that no judge is ever swapped silently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fusion.engine.budget import (
    MIN_SHARE_TOKENS,
    Fitted,
    answer_budget,
    assumed_context,
    estimate_tokens,
    fit,
)
from fusion.engine.call import Caller, CallResult
from fusion.engine.clean import clean_answer, scan
from fusion.engine.controls import Controls
from fusion.engine.events import Emit, JudgeEnded, JudgeFailed, JudgeGrew, JudgeStarted
from fusion.engine.labels import derive_seed, draw_labels, draw_nonce, shuffle
from fusion.engine.prompts import (
    FencedAnswer,
    judge_messages,
    judge_reask_message,
    judge_too_long_message,
)
from fusion.engine.retry import pause, retry_wait
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
    Role,
)
from fusion.engine.verdict import Reading, Rejection, Sheet, decide, read_verdict, verdict_schema
from fusion.errors import ProviderContextTooLong

JUDGES_MAX = 3
SHRINK = 0.8
OUTPUT_SHARE = 4  # a judge's reply may take a quarter of its context
QUOTED_REPLY_MAX_CHARS = 60_000


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be judged: the answers as judges read them, by letter, and who tries to steer."""

    texts: Mapping[str, str]
    suspects: frozenset[str]


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

    Emits JudgeStarted, JudgeGrew, JudgeFailed and, last, JudgeEnded. Each judge has `limits.judge_s` in all.
    """
    case = await prepare_case(plan, answers)
    judges = plan.judges[:JUDGES_MAX]
    for attempt, endpoint in enumerate(judges, start=1):
        sitting = _Sitting(plan, case, endpoint, attempt, emit=emit, caller=caller, controls=controls)
        outcome = await sitting.hear()
        if isinstance(outcome, Judgement):
            emit(JudgeEnded(outcome))
            return outcome
        if outcome is None or controls.all_stopped:
            return None
        emit(JudgeFailed(endpoint.ref, attempt, outcome, "fallback" if attempt < len(judges) else "none"))
    return None


async def prepare_case(plan: Plan, answers: Sequence[Answer]) -> Case:
    """Clean and scan the answers; the order in which they arrived leaves no trace.

    A long answer takes some 20 ms, so the loop gets its turn after each step: pages and other runs share it.
    """
    texts: dict[str, str] = {}
    suspects: set[str] = set()
    for answer in sorted(answers, key=lambda answer: answer.letter):
        texts[answer.letter] = clean_answer(answer.text)
        await asyncio.sleep(0)
        if scan(answer.text, prompt=plan.prompt):
            suspects.add(answer.letter)
        await asyncio.sleep(0)
    return Case(texts, frozenset(suspects))


class _Sitting:
    """One judge's turn: one request, again after a failure that may pass, at most one more to mend its reply or to fit
    its context."""

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
            self._announce_second_try(result.failure)
            result = await self._ask(brief, brief.messages)
        return await self._conclude(brief, result)

    async def _ask_patiently(self, brief: _Brief) -> CallResult:
        """Ask, and once more after a passing failure: a fallback judge is another opinion, not a second line."""
        result = await self._ask(brief, brief.messages)
        dice = f"{self.plan.seed}:judge:{self.attempt}"
        wait_s = retry_wait(result, dice=dice, deadline=self.deadline, wait_max_s=self.plan.limits.retry_wait_max_s)
        if wait_s is None or result.failure is None:
            return result
        self.emit(JudgeFailed(self.endpoint.ref, self.attempt, result.failure, "retry"))
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
        return _problem(self.endpoint, result) or _read(brief, result)

    async def _mend(self, brief: _Brief, first: CallResult, rejection: Rejection) -> Judgement | Failure | None:
        """One more request to the same judge, with what was wrong."""
        was_cut = first.finish is FinishReason.LENGTH
        self._announce_second_try(_cut_off(self.endpoint) if was_cut else _unreadable(self.endpoint))
        messages = _shorter(brief) if was_cut else _corrected(brief, first.text, rejection)
        result = await self._ask(brief, messages, max_tokens=_larger_limit(brief) if was_cut else None, reask=True)
        heard = self._heard(brief, result)
        if isinstance(heard, Reading):
            return self._judgement(brief, heard, result.text, parse_path="reasked")
        if isinstance(heard, Rejection):
            return result.failure or _unreadable(self.endpoint)
        return heard

    async def _ask(
        self, brief: _Brief, messages: tuple[Message, ...], *, max_tokens: int | None = None, reask: bool = False
    ) -> CallResult:
        self.requests += 1
        self.emit(
            JudgeStarted(
                self.endpoint.ref, self.attempt, brief.order, brief.sheet.labels, brief.fitted.trims, reask=reask
            )
        )
        request = CompletionRequest(
            model_id=self.endpoint.model_id,
            messages=messages,
            max_tokens=max_tokens or brief.max_tokens,
            temperature=0.0,
            timeout_s=self.plan.limits.judge_s,
            response_schema=verdict_schema(brief.shown_labels, brief.sheet.criteria),
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
        seed = derive_seed(plan.seed, f"judge-{self.attempt}", draw)
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

    def _announce_second_try(self, failure: Failure | None) -> None:
        self.emit(JudgeFailed(self.endpoint.ref, self.attempt, failure or _unreadable(self.endpoint), "reask"))


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


def _unreadable(endpoint: Endpoint) -> Failure:
    return Failure("judge_unreadable", f"{endpoint.name} did not return a verdict that can be read.")


def _cut_off(endpoint: Endpoint) -> Failure:
    return Failure("judge_cut_off", f"The verdict of {endpoint.name} was cut off at its token limit.")


def _no_room(endpoint: Endpoint) -> Failure:
    return Failure(
        "judge_context_too_small",
        f"The context of {endpoint.name} is too small for the question and these answers.",
    )
