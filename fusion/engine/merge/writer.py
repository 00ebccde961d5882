"""Merge: patch the best answer with what the others add, in one streamed call, and say what comes from where."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fusion.engine.budget import ASSUMED_CONTEXTS, SAFETY_SHARE, estimate_tokens
from fusion.engine.call import Caller, CallResult
from fusion.engine.clean import clean_answer
from fusion.engine.controls import Controls
from fusion.engine.events import Emit, FinalGrew, FinalStarted
from fusion.engine.labels import derive_seed, draw_nonce
from fusion.engine.merge.attribute import Source, attribute
from fusion.engine.merge.markers import MarkerParser, without_markers
from fusion.engine.merge.plan import Patch, plan_patches
from fusion.engine.prompts import FencedPatch, writer_messages
from fusion.engine.prompts.images import for_writer
from fusion.engine.retry import ask_patiently
from fusion.engine.types import (
    Answer,
    AnswerState,
    CompletionRequest,
    Endpoint,
    Final,
    FinalKind,
    FinishReason,
    Judgement,
    Message,
    Plan,
    Role,
    Span,
)

GROWTH = 1.5  # a final is rarely longer than this times its base
GROWTH_TOKENS = 1_000
WRITER_TEMPERATURE = 0.2


async def write_merge(
    plan: Plan, answers: Sequence[Answer], judgement: Judgement, *, emit: Emit, caller: Caller, controls: Controls
) -> Final | None:
    """The merged final on the judgement's chosen answer, as `write_final` gives it; None without such an answer."""
    base = next((answer for answer in answers if answer.letter == judgement.chosen), None)
    if base is None:
        return None
    patches = plan_patches(judgement, base.letter)
    task = WritingTask(FinalKind.MERGED, base, patches, judgement.judge)
    return await write_final(plan, task, emit=emit, caller=caller, controls=controls)


@dataclass(frozen=True, slots=True)
class WritingTask:
    """What is to be written. `judge`: ref of the judge that decided, who writes unless the pool names a writer."""

    kind: FinalKind
    base: Answer
    patches: Sequence[Patch]
    judge: str


async def write_final(plan: Plan, task: WritingTask, *, emit: Emit, caller: Caller, controls: Controls) -> Final | None:
    """The written final, streamed as FinalStarted and FinalGrew; None when no text can be had and the base should ship.

    With nothing to patch the base is the final, byte for byte, without a call, and truncated if it was itself not
    complete. A writer that fails, or is cut off by time, connection or its token limit, gives None: half a text is
    worth less than the whole base. Only a person's stop keeps what was written, marked truncated.
    """
    writer = plan.writer or next((judge for judge in plan.judges if judge.ref == task.judge), None)
    if writer is None or controls.all_stopped:
        return None
    if not task.patches:
        return _unchanged(task)
    return await _Writing(plan, task, writer, emit=emit, caller=caller, controls=controls).run()


def _unchanged(task: WritingTask) -> Final:
    base = task.base
    span = Span(0, len(base.text), "base", (base.letter,))
    truncated = base.state is not AnswerState.DONE
    return Final(task.kind, base.text, base.letter, spans=(span,), truncated=truncated)


class _Writing:
    """One writer call, again after a failure that may pass, from prompt to attributed final."""

    def __init__(
        self,
        plan: Plan,
        task: WritingTask,
        writer: Endpoint,
        *,
        emit: Emit,
        caller: Caller,
        controls: Controls,
    ) -> None:
        self.plan = plan
        self.writer = writer
        self.emit = emit
        self.caller = caller
        self.controls = controls
        self.calls = 0
        self.kind = task.kind
        self.source = _source(plan, task)
        self.parser = MarkerParser(_told(self.source))

    async def run(self) -> Final | None:
        messages = self._messages()
        max_tokens = self._output_limit(messages)
        if max_tokens < estimate_tokens(self.source.base):
            return None  # the writer could not even repeat the base
        self.emit(FinalStarted(self.writer.ref, self.source.letter))
        result = await self._ask_patiently(messages, max_tokens)
        if not _is_usable(result):
            return None
        truncated = result.status == "stopped"
        self._grew(self.parser.finish(is_cut=truncated))
        return self._final(truncated=truncated)

    async def _ask_patiently(self, messages: tuple[Message, ...], max_tokens: int) -> CallResult:
        """Ask, and once more after a passing failure before the first token: nothing has been shown by then."""
        limits = self.plan.limits
        deadline = min(asyncio.get_running_loop().time() + limits.writer_s, self.caller.deadline)
        return await ask_patiently(
            lambda: self._call(messages, max_tokens, deadline=deadline),
            dice=f"{self.plan.seed}:writer",
            deadline=deadline,
            wait_max_s=limits.retry_wait_max_s,
            controls=self.controls,
        )

    async def _call(self, messages: tuple[Message, ...], max_tokens: int, *, deadline: float) -> CallResult:
        self.calls += 1
        request = CompletionRequest(
            model_id=self.writer.model_id,
            messages=messages,
            max_tokens=max_tokens,
            temperature=WRITER_TEMPERATURE,
            timeout_s=self.plan.limits.writer_s,
        )
        return await self.caller.call(
            role=Role.WRITER,
            endpoint=self.writer,
            request=request,
            attempt=self.calls,
            on_text=lambda chunk: self._grew(self.parser.feed(chunk)),
            deadline=deadline,
        )

    def _grew(self, text: str) -> None:
        if text:
            self.emit(FinalGrew(text))

    def _final(self, *, truncated: bool) -> Final | None:
        text = self.parser.text
        if not text.strip():
            return None
        spans = attribute(text, self.parser.marks, self.source)
        return Final(self.kind, text, self.source.letter, spans=spans, writer=self.writer.ref, truncated=truncated)

    def _messages(self) -> tuple[Message, ...]:
        messages = writer_messages(
            question=self.plan.prompt,
            base=self.source.base,
            patches=[FencedPatch(patch.id, patch.kind, patch.claim, patch.quote) for patch in self.source.patches],
            nonce=draw_nonce(derive_seed(self.plan.seed, "writer", 1)),
        )
        return for_writer(messages, self.plan.images)

    def _output_limit(self, messages: Sequence[Message]) -> int:
        """Room for the base with its patches, even above the usual limit, as far as the writer's context allows."""
        wanted = int(estimate_tokens(self.source.base) * GROWTH) + GROWTH_TOKENS
        context = self.writer.context_tokens or ASSUMED_CONTEXTS[1]
        prompt = sum(estimate_tokens(message.content) for message in messages)
        room = int(context * (1 - SAFETY_SHARE)) - prompt
        return min(max(self.plan.limits.writer_max_tokens, wanted), room)


def _source(plan: Plan, task: WritingTask) -> Source:
    """What the writer is given, without marks that members wrote: they would pass for the writer's own."""
    patches = tuple(
        replace(patch, claim=without_markers(patch.claim), quote=without_markers(patch.quote)) for patch in task.patches
    )
    base = without_markers(clean_answer(task.base.text))
    return Source(task.base.letter, base, without_markers(plan.prompt), patches)


def _told(source: Source) -> str:
    claims = (text for patch in source.patches for text in (patch.claim, patch.quote))
    return "\n".join((source.base, source.question, *claims))


def _is_usable(result: CallResult) -> bool:
    if result.status == "stopped":
        return True
    return result.status == "ok" and result.finish is not FinishReason.LENGTH
