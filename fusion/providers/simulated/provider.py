"""The simulated provider: the engine's provider protocol without a network, a key or a model."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace

from fusion.engine.budget import IMAGE_TOKENS
from fusion.engine.types import (
    Chunk,
    CompletionRequest,
    Finish,
    Message,
    ReasoningDelta,
    TextDelta,
    Usage,
)
from fusion.errors import ProviderContextTooLong, ProviderImagesRefused, ProviderModelUnknown
from fusion.providers.simulated.debating import rebuttal_reply, ruling_reply
from fusion.providers.simulated.faults import (
    CRAWL,
    PASSING,
    PAUSE_S,
    THINKING_S,
    THINKING_TOKENS,
    Fault,
    Passing,
    damaged,
    finish_reason,
    raise_early,
    raise_late,
    split_fault,
)
from fusion.providers.simulated.fences import read_write_task
from fusion.providers.simulated.images import about_images
from fusion.providers.simulated.judging import judge_reply
from fusion.providers.simulated.pacing import CHARS_PER_TOKEN, count_tokens, cut_to_tokens, pieces
from fusion.providers.simulated.personas import Persona, persona_named, placeholder_answer
from fusion.providers.simulated.questions import find_question
from fusion.providers.simulated.writing import write_final

_MUSINGS = (
    "Simulated thoughts, at length. What is asked here, and what would be wrong to say? Let me look at it again. "
)


class SimulatedProvider:
    """Streams written answers, verdicts and finals at a model's pace; the same request gives the same text.

    `speed` 1.0 is natural pace, 2.0 twice as fast, 0 never sleeps. `model_id!fault` asks for one of `faults.Fault`;
    a fault that passes is counted by request, in this object.
    """

    def __init__(self, *, speed: float = 1.0) -> None:
        self._speed = speed
        self._passing = Passing()

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        """Reasoning, text, usage and the end mark, in this order."""
        model_id, asked = split_fault(request.model_id)
        persona = _known(persona_named(model_id), request.model_id)
        fault = self._fault_now(asked, request)
        images = sum(len(message.images) for message in request.messages)
        prompt_tokens = sum(count_tokens(message.content) for message in request.messages) + IMAGE_TOKENS * images
        raise_early(fault, persona.title)
        _require_sight(persona, images)
        _require_room(persona, prompt_tokens)
        persona = _changed(persona, fault)
        reasoning, text, cut_off = _planned(persona, request, fault)
        shown = damaged(text, fault)
        async for chunk in self._paced(persona, request, fault, reasoning, shown):
            yield chunk
        if fault in (Fault.STALL, Fault.SILENT):
            await asyncio.sleep(request.timeout_s)
        raise_late(fault, persona.title)
        reasoning_tokens = count_tokens(reasoning)
        yield Usage(
            input_tokens=prompt_tokens,
            output_tokens=reasoning_tokens + count_tokens(shown),
            reasoning_tokens=reasoning_tokens,
        )
        reason = finish_reason(fault, is_cut_off=cut_off)
        yield Finish(reason, upstream_model=persona.model_id, upstream_id=_seed(request)[:24])

    def _fault_now(self, asked: Fault | None, request: CompletionRequest) -> Fault | None:
        """The fault of this very request: one that passes is over after so many requests of the same words."""
        if asked is None or asked not in PASSING:
            return asked
        fails, fault = PASSING[asked]
        return None if self._passing.gets_through(_purpose(request), fails=fails) else fault

    async def _paced(
        self, persona: Persona, request: CompletionRequest, fault: Fault | None, reasoning: str, text: str
    ) -> AsyncIterator[Chunk]:
        """Deltas by the loop's clock, so that a busy loop catches up instead of slowing the model down."""
        clock = asyncio.get_running_loop()
        start_s = clock.time() + self._scaled(persona.ttft_s)
        seed = _seed(request)
        for kind, content, tokens_per_s in _parts(persona, fault, reasoning, text):
            for piece in pieces(content, tokens_per_s=tokens_per_s, seed=seed):
                await asyncio.sleep(max(0.0, start_s + self._scaled(piece.due_s) - clock.time()))
                yield kind(piece.text)
            start_s += self._scaled(count_tokens(content) / tokens_per_s)
            if fault is Fault.PAUSE and kind is TextDelta:
                start_s += self._scaled(PAUSE_S)

    def _scaled(self, seconds: float) -> float:
        return seconds / self._speed if self._speed > 0 else 0.0


def _known(persona: Persona | None, model_id: str) -> Persona:
    if persona is None:
        raise ProviderModelUnknown(f"The simulated provider has no model {model_id[:80]!r}.", status=404)
    return persona


def _require_sight(persona: Persona, images: int) -> None:
    if images and not persona.sees:
        raise ProviderImagesRefused(f"{persona.title} takes no images.", status=400)


def _require_room(persona: Persona, prompt_tokens: int) -> None:
    if prompt_tokens > persona.context_tokens:
        raise ProviderContextTooLong(
            f"The prompt has about {prompt_tokens} tokens; {persona.title} takes {persona.context_tokens}.", status=400
        )


def _changed(persona: Persona, fault: Fault | None) -> Persona:
    """The persona as this fault makes it: slower, or given to thinking."""
    if fault is Fault.SLOW:
        return replace(persona, tokens_per_s=persona.tokens_per_s * CRAWL)
    if fault in (Fault.THINKING, Fault.ONLY_THINKING):
        chars = THINKING_TOKENS * CHARS_PER_TOKEN
        return replace(persona, reasoning=(_MUSINGS * (chars // len(_MUSINGS) + 1))[:chars])
    return persona


Part = tuple[type[ReasoningDelta] | type[TextDelta], str, float]


def _parts(persona: Persona, fault: Fault | None, reasoning: str, text: str) -> tuple[Part, ...]:
    """What is streamed, in order, each part with its tokens per second."""
    thinking = persona.tokens_per_s
    if fault in (Fault.THINKING, Fault.ONLY_THINKING):
        thinking = max(count_tokens(reasoning) / THINKING_S, 1.0)
    half = len(text) // 2 if fault is Fault.PAUSE else len(text)
    return (
        (ReasoningDelta, reasoning, thinking),
        (TextDelta, text[:half], persona.tokens_per_s),
        (TextDelta, text[half:], persona.tokens_per_s),
    )


def _planned(persona: Persona, request: CompletionRequest, fault: Fault | None) -> tuple[str, str, bool]:
    """Reasoning and text within the request's token limit, and whether the limit cut the text."""
    reasoning, _ = cut_to_tokens(persona.reasoning, request.max_tokens)
    reply = _reply(persona, request, fault)
    text, cut_off = cut_to_tokens(reply, request.max_tokens - count_tokens(reasoning))
    return reasoning, text, cut_off


def _reply(persona: Persona, request: CompletionRequest, fault: Fault | None) -> str:
    """What this request asks for: what its schema describes, else a final (it carries a base), or an answer."""
    if request.response_schema is not None:
        fields = request.response_schema.get("properties", {})
        if "disputes" not in fields:
            return judge_reply(request, fault)
        return ruling_reply(request) if "base" in fields else rebuttal_reply(persona.model_id, request)
    task = read_write_task(request)
    return write_final(task) if task else _answer(persona, request)


def _answer(persona: Persona, request: CompletionRequest) -> str:
    prompt = next((message.content for message in reversed(request.messages) if message.role == "user"), "")
    found = find_question(prompt)
    written = found.answers.get(persona.model_id) if found else None
    return (written or placeholder_answer(persona, prompt)) + about_images(request)


def _purpose(request: CompletionRequest) -> str:
    """The same for every request of one purpose: a judge is asked to mend its reply in other words, but by the schema
    that holds the labels of its sitting."""
    if request.response_schema is None:
        return _seed(request)
    return f"{request.model_id}:{json.dumps(request.response_schema, sort_keys=True)}"


def _seed(request: CompletionRequest) -> str:
    said = json.dumps([request.model_id, [_said(message) for message in request.messages]])
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def _said(message: Message) -> list[str]:
    """Without images what it always was, so that the same question is answered at the same pace."""
    return [message.role, message.content, *(hashlib.sha256(image.data).hexdigest() for image in message.images)]
