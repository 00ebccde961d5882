"""The simulated provider: the engine's provider protocol without a network, a key or a model."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

from fusion.engine.types import (
    Chunk,
    CompletionRequest,
    Finish,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    Usage,
)
from fusion.errors import (
    ProviderContextTooLong,
    ProviderModelUnknown,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderStreamCut,
    ProviderTimeout,
)
from fusion.providers.simulated.faults import Fault, split_fault
from fusion.providers.simulated.fences import read_write_task
from fusion.providers.simulated.judging import judge_reply
from fusion.providers.simulated.pacing import count_tokens, cut_to_tokens, pieces
from fusion.providers.simulated.personas import Persona, persona_named, placeholder_answer
from fusion.providers.simulated.questions import find_question
from fusion.providers.simulated.writing import write_final

RATE_LIMIT_WAIT_S = 1.0


class SimulatedProvider:
    """Streams written answers, verdicts and finals at a model's pace; the same request gives the same text.

    `speed` 1.0 is natural pace, 2.0 twice as fast, 0 never sleeps. `model_id!fault` asks for one of `faults.Fault`.
    """

    def __init__(self, *, speed: float = 1.0) -> None:
        self._speed = speed

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        """Reasoning, text, usage and the end mark, in this order."""
        model_id, fault = split_fault(request.model_id)
        persona = _known(persona_named(model_id), request.model_id)
        prompt_tokens = sum(count_tokens(message.content) for message in request.messages)
        _refuse_early(persona, prompt_tokens, fault)
        reasoning, text, cut_off = _planned(persona, request)
        shown = _damaged(text, fault)
        async for chunk in self._paced(persona, request, reasoning, shown):
            yield chunk
        await self._fail_late(fault, request.timeout_s)
        reasoning_tokens = count_tokens(reasoning)
        yield Usage(
            input_tokens=prompt_tokens,
            output_tokens=reasoning_tokens + count_tokens(shown),
            reasoning_tokens=reasoning_tokens,
        )
        yield Finish(_reason(fault, cut_off), upstream_model=persona.model_id, upstream_id=_seed(request)[:24])

    async def _paced(
        self, persona: Persona, request: CompletionRequest, reasoning: str, text: str
    ) -> AsyncIterator[Chunk]:
        """Deltas by the loop's clock, so that a busy loop catches up instead of slowing the model down."""
        clock = asyncio.get_running_loop()
        start_s = clock.time() + self._scaled(persona.ttft_s)
        seed = _seed(request)
        for kind, content in ((ReasoningDelta, reasoning), (TextDelta, text)):
            for piece in pieces(content, tokens_per_s=persona.tokens_per_s, seed=seed):
                await asyncio.sleep(max(0.0, start_s + self._scaled(piece.due_s) - clock.time()))
                yield kind(piece.text)
            start_s += self._scaled(count_tokens(content) / persona.tokens_per_s)

    async def _fail_late(self, fault: Fault | None, timeout_s: float) -> None:
        if fault is Fault.STALL:
            await asyncio.sleep(timeout_s)
            raise ProviderTimeout(f"The simulated model stalled: nothing more came within {timeout_s:g} s.")
        if fault is Fault.CUT:
            raise ProviderStreamCut("The simulated connection was cut in the middle of the answer.")

    def _scaled(self, seconds: float) -> float:
        return seconds / self._speed if self._speed > 0 else 0.0


def _known(persona: Persona | None, model_id: str) -> Persona:
    if persona is None:
        raise ProviderModelUnknown(f"The simulated provider has no model {model_id[:80]!r}.", status=404)
    return persona


def _refuse_early(persona: Persona, prompt_tokens: int, fault: Fault | None) -> None:
    if fault is Fault.OVERLOADED:
        raise ProviderOverloaded("The simulated model is overloaded, as its id asks.", status=503)
    if fault is Fault.RATE_LIMITED:
        raise ProviderRateLimited(
            "The simulated model limits the rate, as its id asks.", status=429, retry_after_s=RATE_LIMIT_WAIT_S
        )
    if prompt_tokens > persona.context_tokens:
        raise ProviderContextTooLong(
            f"The prompt has about {prompt_tokens} tokens; {persona.title} takes {persona.context_tokens}.", status=400
        )


def _planned(persona: Persona, request: CompletionRequest) -> tuple[str, str, bool]:
    """Reasoning and text within the request's token limit, and whether the limit cut the text."""
    reasoning, _ = cut_to_tokens(persona.reasoning, request.max_tokens)
    text, cut_off = cut_to_tokens(_reply(persona, request), request.max_tokens - count_tokens(reasoning))
    return reasoning, text, cut_off


def _reply(persona: Persona, request: CompletionRequest) -> str:
    """What this request asks for: a verdict (it carries a schema), a final (it carries a base), or an answer."""
    if request.response_schema is not None:
        return judge_reply(request)
    task = read_write_task(request)
    return write_final(task) if task else _answer(persona, request)


def _answer(persona: Persona, request: CompletionRequest) -> str:
    prompt = next((message.content for message in reversed(request.messages) if message.role == "user"), "")
    found = find_question(prompt)
    written = found.answers.get(persona.model_id) if found else None
    return written or placeholder_answer(persona, prompt)


def _damaged(text: str, fault: Fault | None) -> str:
    half = text[: len(text) // 2]
    if fault is Fault.GARBLE:
        return half + half
    return half if fault in (Fault.STALL, Fault.CUT, Fault.REFUSE) else text


def _reason(fault: Fault | None, cut_off: bool) -> FinishReason:
    if fault is Fault.REFUSE:
        return FinishReason.REFUSED
    return FinishReason.LENGTH if cut_off else FinishReason.STOP


def _seed(request: CompletionRequest) -> str:
    said = json.dumps([request.model_id, [[message.role, message.content] for message in request.messages]])
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
