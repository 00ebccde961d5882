"""Calls to the simulated provider as the engine makes them: its own prompts, its own schema, no waiting."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fusion.engine.clean import clean_answer
from fusion.engine.prompts import FencedAnswer, FencedPatch, judge_messages, writer_messages
from fusion.engine.rubrics import RUBRICS
from fusion.engine.types import Chunk, CompletionRequest, FinishReason, Message, Rubric, TextDelta
from fusion.engine.verdict import Reading, Sheet, read_verdict, verdict_schema
from fusion.providers.simulated import QUESTIONS, SIMULATED_POOL, BundledQuestion, SimulatedProvider

NONCE = "5f0c9a7be3d21846"
LABELS = ("K7T", "Q2M", "9XD", "B4R", "3HW", "N8C")
MEMBERS = ("careful", "terse", "bold", "sceptic")


def bundled(slug: str) -> BundledQuestion:
    return next(question for question in QUESTIONS if question.slug == slug)


async def chunks_of(request: CompletionRequest) -> list[Chunk]:
    return [chunk async for chunk in SimulatedProvider(speed=0).stream(request)]


async def text_of(request: CompletionRequest) -> str:
    return "".join(chunk.text for chunk in await chunks_of(request) if isinstance(chunk, TextDelta))


def member_request(model_id: str, prompt: str, *, max_tokens: int = 4096) -> CompletionRequest:
    return CompletionRequest(model_id, (Message("user", prompt),), max_tokens=max_tokens)


async def answers_to(prompt: str, members: Sequence[str] = MEMBERS) -> list[str]:
    return [clean_answer(await text_of(member_request(member, prompt))) for member in members]


def judge_request(
    question: str, answers: Sequence[str], rubric: Rubric, labels: Sequence[str] = LABELS
) -> CompletionRequest:
    """The engine's judge call; answer n stands under label n."""
    used = labels[: len(answers)]
    fenced = [FencedAnswer(label, text) for label, text in zip(used, answers, strict=True)]
    return CompletionRequest(
        SIMULATED_POOL.judge,
        judge_messages(rubric=rubric, judge_instructions="", question=question, answers=fenced, nonce=NONCE),
        max_tokens=8192,
        response_schema=verdict_schema(used, [criterion.name for criterion in rubric.criteria]),
    )


async def judged(question: str, answers: Sequence[str], *, rubric: str = "general") -> Reading:
    """The verdict as the engine reads it, with letters A, B, C… for the answers in the order given."""
    request = judge_request(question, answers, RUBRICS[rubric])
    letters = [chr(ord("A") + place) for place in range(len(answers))]
    sheet = Sheet(
        labels=dict(zip(letters, LABELS, strict=False)),
        texts=dict(zip(letters, answers, strict=True)),
        rubric=RUBRICS[rubric],
    )
    reading = read_verdict(await text_of(request), finish=FinishReason.STOP, sheet=sheet)
    assert isinstance(reading, Reading), reading
    return reading


async def raw_verdict(question: str, answers: Sequence[str], *, rubric: str = "general") -> Mapping[str, Any]:
    said: Mapping[str, Any] = json.loads(await text_of(judge_request(question, answers, RUBRICS[rubric])))
    return said


def writer_request(question: str, base: str, patches: Sequence[FencedPatch]) -> CompletionRequest:
    messages = writer_messages(question=question, base=base, patches=patches, nonce=NONCE)
    return CompletionRequest(SIMULATED_POOL.judge, messages, max_tokens=8192)
