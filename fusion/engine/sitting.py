"""One judge's turn, whatever it is asked to decide: a verdict on the answers, or a ruling on a debate.

What all turns share: labels and order drawn anew, the answers fitted to the judge's context, one request, again after a
failure that may pass or to fit the context, one more to mend a reply that cannot be read. Every step is an event.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from fusion.engine.budget import (
    MIN_SHARE_TOKENS,
    Fitted,
    answer_budget,
    assumed_context,
    estimate_tokens,
    fit,
)
from fusion.engine.call import Caller, CallResult
from fusion.engine.controls import Controls
from fusion.engine.events import Emit, JudgeFailed, JudgeGrew, JudgeStarted, NextStep
from fusion.engine.labels import derive_seed, draw_labels, draw_nonce, shuffle
from fusion.engine.prompts import judge_too_long_message
from fusion.engine.prompts.images import images_tokens, with_images
from fusion.engine.retry import ask_patiently
from fusion.engine.types import CompletionRequest, Endpoint, Failure, FinishReason, Message, Mode, Plan, Role
from fusion.engine.verdict import Rejection, judge_prose
from fusion.errors import ProviderContextTooLong

SHRINK = 0.8
OUTPUT_SHARE = 4  # a judge's reply may take a quarter of its context
SHOWN_REPLY_MAX_CHARS = 8_000  # of a reply that nobody could read, for people to look at
UNREADABLE, CUT_OFF = "judge_unreadable", "judge_cut_off"

R = TypeVar("R")  # what a reply is read as
O = TypeVar("O")  # noqa: E741 - what the turn comes to


@dataclass(frozen=True, slots=True)
class Brief:
    """One set of labels, in an order, with the messages that show the answers under them."""

    labels: Mapping[str, str]
    order: tuple[str, ...]
    nonce: str
    fitted: Fitted
    messages: tuple[Message, ...]
    max_tokens: int
    context_tokens: int

    @property
    def shown_labels(self) -> tuple[str, ...]:
        """The answers' labels, in the order in which they are shown."""
        return tuple(self.labels[letter] for letter in self.order)


class Sitting(ABC, Generic[R, O]):
    """`texts`: the answers as this judge may read them, by letter. Each turn has `limits.judge_s` in all."""

    decision: ClassVar[str] = "verdict"
    rules: ClassVar[bool] = False

    def __init__(
        self,
        plan: Plan,
        texts: Mapping[str, str],
        endpoint: Endpoint,
        attempt: int,
        *,
        emit: Emit,
        caller: Caller,
        controls: Controls,
        masked: tuple[str, ...] = (),
    ) -> None:
        self.plan = plan
        self.texts = texts
        self.masked = masked
        self.endpoint = endpoint
        self.attempt = attempt
        self.emit = emit
        self.caller = caller
        self.controls = controls
        self.deadline = min(asyncio.get_running_loop().time() + plan.limits.judge_s, caller.deadline)
        self.requests = 0
        self.labels: Mapping[str, str] = {}
        self.unread = ""

    # --- what a kind of turn has of its own --------------------------------------------------------------

    @property
    @abstractmethod
    def stage(self) -> str:
        """What the labels are drawn for; unique in the run."""

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Whatever gets a label: the letters first."""

    @abstractmethod
    def messages(
        self, labels: Mapping[str, str], order: Sequence[str], nonce: str, texts: Mapping[str, str]
    ) -> tuple[Message, ...]: ...

    @abstractmethod
    def schema(self, brief: Brief) -> Mapping[str, Any]: ...

    @abstractmethod
    def read(self, brief: Brief, result: CallResult) -> R | Rejection: ...

    @abstractmethod
    def corrected(self, brief: Brief, reply: str, rejection: Rejection) -> tuple[Message, ...]:
        """The request to mend a reply."""

    @abstractmethod
    def outcome(self, brief: Brief, reading: R, raw: str, *, parse_path: str | None = None) -> O: ...

    async def unreadable_twice(self, brief: Brief, failure: Failure) -> O | Failure | None:
        """What becomes of a judge whose mended reply cannot be read either."""
        return failure

    # --- the turn ----------------------------------------------------------------------------------------

    async def hear(self) -> O | Failure | None:
        """The outcome, why there is none, or None when a person stopped it."""
        brief = self._brief(draw=0)
        if isinstance(brief, Failure):
            return brief
        result = await self._ask_patiently(brief)
        if _is_too_long_for_context(result):
            brief = self._brief(draw=1, shrink=SHRINK)
            if isinstance(brief, Failure):
                return brief
            self.announce(result.failure or self.unreadable(), "reask")
            result = await self.ask(brief, brief.messages)
        return await self._conclude(brief, result)

    async def _ask_patiently(self, brief: Brief) -> CallResult:
        """Ask, and once more after a passing failure: a fallback judge is another opinion, not a second line."""
        return await ask_patiently(
            lambda: self.ask(brief, brief.messages),
            dice=f"{self.plan.seed}:{'ruling' if self.rules else 'judge'}:{self.attempt}",
            deadline=self.deadline,
            wait_max_s=self.plan.limits.retry_wait_max_s,
            controls=self.controls,
            tell=lambda failure, wait_s: self.announce(failure, "retry"),
        )

    async def _conclude(self, brief: Brief, result: CallResult) -> O | Failure | None:
        heard = self._heard(brief, result)
        if heard is None or isinstance(heard, Failure):
            return heard
        if not isinstance(heard, Rejection):
            return self.outcome(brief, heard, result.text)
        if result.status != "ok":
            return result.failure or self.unreadable()
        return await self._mend(brief, result, heard)

    def _heard(self, brief: Brief, result: CallResult) -> R | Rejection | Failure | None:
        """What a reply is: a decision, one that cannot be read, not worth reading, or None when a person stopped it.

        A reply that hit its token limit is not read at all: what looks whole in it may be a draft.
        """
        if result.status == "stopped":
            return None
        if (problem := self.problem(result)) is not None:
            return problem
        if result.finish is FinishReason.LENGTH:
            heard: R | Rejection = Rejection(("The reply was cut off at its token limit.",), assessments_missing=True)
        else:
            heard = self.read(brief, result)
        self.unread = result.text if isinstance(heard, Rejection) else ""
        return heard

    async def _mend(self, brief: Brief, first: CallResult, rejection: Rejection) -> O | Failure | None:
        """One more request to the same judge, with what was wrong."""
        was_cut = first.finish is FinishReason.LENGTH
        self.announce(self._unusable(first), "reask")
        messages = _shorter(brief) if was_cut else self.corrected(brief, first.text, rejection)
        max_tokens = _larger_limit(brief, pictures=self._pictures()) if was_cut else None
        result = await self.ask(brief, messages, max_tokens=max_tokens, reask=True)
        heard = self._heard(brief, result)
        if heard is None or isinstance(heard, Failure):
            return heard
        if not isinstance(heard, Rejection):
            return self.outcome(brief, heard, result.text, parse_path="reasked")
        return result.failure or await self.unreadable_twice(brief, self._unusable(result))

    async def ask(
        self,
        brief: Brief,
        messages: tuple[Message, ...],
        *,
        max_tokens: int | None = None,
        reask: bool = False,
        winner_only: Mapping[str, Any] | None = None,
    ) -> CallResult:
        """`winner_only`: the schema of the question for nothing but a winner, when this is that question."""
        self.requests += 1
        self.labels = brief.labels
        started = JudgeStarted(
            self.endpoint.ref,
            self.attempt,
            brief.order,
            brief.labels,
            brief.fitted.trims,
            reask=reask,
            ruling=self.rules,
            winner_only=winner_only is not None,
            masked=self.masked,
            sight=self.caller.sight(self.endpoint, images=bool(self.plan.images)),
        )
        self.emit(started)
        messages, unseen = self._illustrated(brief, messages)
        request = CompletionRequest(
            model_id=self.endpoint.model_id,
            messages=messages,
            unseen=unseen,
            max_tokens=max_tokens or brief.max_tokens,
            temperature=0.0,
            timeout_s=self.plan.limits.judge_s,
            response_schema=winner_only or self.schema(brief),
        )
        result = await self.caller.call(
            role=Role.JUDGE,
            endpoint=self.endpoint,
            request=request,
            attempt=self.requests,
            on_text=lambda text: self.emit(JudgeGrew(text)),
            deadline=self.deadline,
        )
        self.requests += result.requests - 1
        return result

    def _illustrated(
        self, brief: Brief, messages: tuple[Message, ...]
    ) -> tuple[tuple[Message, ...], tuple[Message, ...] | None]:
        """The images go with the question; a request to mend a reply that does not repeat it needs none."""
        if not messages[1].content.startswith(brief.messages[1].content):
            return messages, None
        return with_images(messages, self.plan.images, "judge")

    def announce(self, failure: Failure, next_step: NextStep) -> None:
        """Say why this judge decided nothing, with its reply where that could not be read, and what happens now."""
        raw = self.unread if failure.code in (UNREADABLE, CUT_OFF) else ""
        shown = self.prose(raw[:SHOWN_REPLY_MAX_CHARS])
        self.emit(JudgeFailed(self.endpoint.ref, self.attempt, failure, next_step, ruling=self.rules, raw=shown))

    def prose(self, text: str) -> str:
        """The judge's words without labels, as people may read them."""
        return judge_prose(text, self.labels)

    # --- what the judge is shown -------------------------------------------------------------------------

    def _brief(self, *, draw: int, shrink: float = 1.0) -> Brief | Failure:
        """Draw labels and order, fit the answers; a Failure when too little of them would be left to judge by."""
        plan, texts = self.plan, self.texts
        seed = derive_seed(plan.seed, self.stage, draw)
        labels = draw_labels(self.names(), seed, forbidden_text=[plan.prompt, plan.judge_instructions, *self.told()])
        order, nonce = shuffle(tuple(texts), seed), draw_nonce(seed)
        overhead = _overhead(self.messages(labels, order, nonce, dict.fromkeys(texts, ""))) + self._pictures()
        context, max_tokens = self._context(overhead)
        room = answer_budget(context_tokens=context, max_output_tokens=max_tokens, overhead_tokens=overhead)
        needed = sum(estimate_tokens(text) for text in texts.values())
        if shrink < 1:  # what was sent was too long, so it must become shorter than that, whatever the room on paper
            room = int(min(room, needed) * shrink)
        if needed > room and room < MIN_SHARE_TOKENS * len(texts):
            return _no_room(self.endpoint)
        fitted = fit(texts, room, prompt=plan.prompt, uniform=plan.mode is Mode.BEST_OF)
        return Brief(
            labels=labels,
            order=order,
            nonce=nonce,
            fitted=fitted,
            messages=self.messages(labels, order, nonce, fitted.texts),
            max_tokens=max_tokens,
            context_tokens=context,
        )

    def told(self) -> Sequence[str]:
        """All text of others that the judge is shown; no label occurs in it."""
        return tuple(self.texts.values())

    def _pictures(self) -> int:
        return images_tokens(self.plan.images)

    def _context(self, overhead: int) -> tuple[int, int]:
        """The judge's context and the output limit of its first request, in tokens."""
        limit = self.plan.limits.judge_max_tokens
        context = self.endpoint.context_tokens or assumed_context(
            overhead_tokens=overhead, max_output_tokens=limit, answers=len(self.texts)
        )
        return context, min(limit, context // OUTPUT_SHARE)

    # --- failures ----------------------------------------------------------------------------------------

    def problem(self, result: CallResult) -> Failure | None:
        """Why this reply is not even worth reading: refused, failed, empty, or to a prompt that was not read whole."""
        if result.status in ("refused", "failed") or _is_too_long_for_context(result):
            return result.failure or self.unreadable()
        if not result.text.strip():
            empty = Failure("judge_empty", f"{self.endpoint.name} returned an empty {self.decision}.")
            return result.failure or empty
        return None

    def unreadable(self) -> Failure:
        return Failure(UNREADABLE, f"{self.endpoint.name} did not return a {self.decision} that can be read.")

    def _unusable(self, result: CallResult) -> Failure:
        if result.finish is not FinishReason.LENGTH:
            return self.unreadable()
        return Failure(CUT_OFF, f"The {self.decision} of {self.endpoint.name} was cut off at its token limit.")


def _is_too_long_for_context(result: CallResult) -> bool:
    return result.failure is not None and result.failure.code == ProviderContextTooLong.code


def _shorter(brief: Brief) -> tuple[Message, ...]:
    """The same request and a call for brevity, in one user message: some providers take no two in a row."""
    system, user = brief.messages
    return system, Message("user", f"{user.content}\n{judge_too_long_message().content}")


def _larger_limit(brief: Brief, *, pictures: int) -> int:
    """Twice the first limit, as far as the context has room beside the prompt."""
    room = brief.context_tokens - _overhead(brief.messages) - pictures
    return max(brief.max_tokens, min(2 * brief.max_tokens, room))


def _overhead(messages: Sequence[Message]) -> int:
    return sum(estimate_tokens(message.content) for message in messages)


def _no_room(endpoint: Endpoint) -> Failure:
    return Failure(
        "judge_context_too_small",
        f"The context of {endpoint.name} is too small for the question and these answers.",
    )
