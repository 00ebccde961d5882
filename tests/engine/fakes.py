"""Stand-ins for what surrounds the engine: providers that stream what a test wrote, and a log of what was emitted."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeVar

from rapidfuzz import fuzz

from fusion.engine.clean import remove_invisible
from fusion.engine.events import Event
from fusion.engine.types import (
    Answer,
    AnswerState,
    Chunk,
    CompletionRequest,
    Criterion,
    Endpoint,
    Finish,
    FinishReason,
    Limits,
    Member,
    Mode,
    Plan,
    ReasoningDelta,
    Rubric,
    TextDelta,
    Usage,
)

E = TypeVar("E", bound=Event)

USAGE = Usage(3, 2)


@dataclass(frozen=True, slots=True)
class Reply:
    """What one call streams: after `ttft` reasoning, then text, a piece every `gap` seconds, then its error or end.

    `finish` None: the stream ends without an end mark.
    """

    pieces: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    ttft: float = 1.0
    gap: float = 0.1
    error: BaseException | None = None
    usage: Usage | None = USAGE
    finish: FinishReason | None = FinishReason.STOP


ReplyFor = Callable[[CompletionRequest], Reply]


class FakeProvider:
    """Streams a written reply: `FakeProvider("Par", "is", ttft=2)`, or with `replies` another one for each call.

    A reply may be a function of the request. The last reply is repeated. `opened` and `closed` count streams.
    """

    def __init__(
        self,
        *pieces: str,
        reasoning: Sequence[str] = (),
        ttft: float = 1.0,
        gap: float = 0.1,
        error: BaseException | None = None,
        usage: Usage | None = USAGE,
        finish: FinishReason | None = FinishReason.STOP,
        replies: Sequence[Reply | ReplyFor] = (),
    ) -> None:
        alone = Reply(pieces, tuple(reasoning), ttft, gap, error, usage, finish)
        self.replies: tuple[Reply | ReplyFor, ...] = tuple(replies) or (alone,)
        self.requests: list[CompletionRequest] = []
        self.asked_at: list[float] = []
        self.opened = 0
        self.closed = 0

    @property
    def open_streams(self) -> int:
        return self.opened - self.closed

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        self.asked_at.append(asyncio.get_running_loop().time())
        reply = self.replies[min(len(self.requests), len(self.replies) - 1)]
        self.requests.append(request)
        self.opened += 1
        try:
            async with aclosing(_played(reply(request) if callable(reply) else reply)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            self.closed += 1


async def _played(reply: Reply) -> AsyncGenerator[Chunk, None]:
    wait = reply.ttft
    chunks: tuple[Chunk, ...] = (*map(ReasoningDelta, reply.reasoning), *map(TextDelta, reply.pieces))
    for chunk in chunks:
        await asyncio.sleep(wait)
        yield chunk
        wait = reply.gap
    await asyncio.sleep(0 if chunks else wait)
    if reply.error is not None:
        raise reply.error
    if reply.usage is not None:
        yield reply.usage
    if reply.finish is not None:
        yield Finish(reply.finish, upstream_model="fake-1", upstream_id="up-1")


class EventLog:
    """An `emit` that keeps everything, with the loop time at which it came."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.times: list[float] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self.times.append(asyncio.get_running_loop().time())

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def time_of(self, kind: type[E]) -> float:
        """Loop time of the first event of this kind."""
        return next(time for event, time in zip(self.events, self.times, strict=True) if isinstance(event, kind))


RUBRIC = Rubric(
    "general",
    "General",
    (Criterion("correctness", 0.6, "Is it right?"), Criterion("clarity", 0.4, "Is it clear?")),
)


def make_endpoint(provider: FakeProvider, name: str = "fake-model", **more: object) -> Endpoint:
    endpoint = Endpoint(f"fakes:{name}", name, name.title(), "Fakes", provider, context_tokens=128_000)
    return replace(endpoint, **more)  # type: ignore[arg-type]


def make_member(letter: str, provider: FakeProvider, **more: object) -> Member:
    member = Member(letter, make_endpoint(provider, f"model-{letter.lower()}"))
    return replace(member, **more)  # type: ignore[arg-type]


def given_answer(letter: str, text: str, state: AnswerState = AnswerState.DONE) -> Answer:
    return Answer(letter, state, text, usage=Usage(1, 1), ttft_ms=10, total_ms=20)


def make_plan(
    *providers: FakeProvider,
    members: Sequence[Member] = (),
    judges: Sequence[FakeProvider] = (),
    writer: FakeProvider | None = None,
    limits: Limits | None = None,
    **more: object,
) -> Plan:
    """A plan with members A, B, C… for the providers (or `members` as they are), judged by `judges` in order."""
    seats = tuple(members) or tuple(make_member("ABCDEFGH"[i], provider) for i, provider in enumerate(providers))
    judge_endpoints = tuple(make_endpoint(judge, f"judge-{i}") for i, judge in enumerate(judges, start=1))
    plan = Plan(
        run_id="run-1",
        prompt="What is the capital of France?",
        mode=Mode.BEST_OF,
        members=seats,
        anchor=seats[0].letter,
        judges=judge_endpoints,
        writer=make_endpoint(writer, "writer") if writer else None,
        rubric=RUBRIC,
        seed="5eed" * 16,
        limits=limits or Limits(),
    )
    return replace(plan, **more)  # type: ignore[arg-type]


# --- judges and writers that read the engine's real prompts ------------------------------------------------

SHOWN_ANSWER = re.compile(r"<answer id=(\w+) n=\w+>\n(.*?)\n</answer n=", re.DOTALL)


def shown_answers(request: CompletionRequest) -> dict[str, str]:
    """Label to text, as the judge's prompt shows them, in its order."""
    return dict(SHOWN_ANSWER.findall(request.messages[-1].content))


def verdict_for(best: str, **changes: object) -> ReplyFor:
    """A judge's reply that finds the answer that contains `best` clearly best, and one point worth adding to it.

    `changes` replace top-level fields of the verdict.
    """

    def reply(request: CompletionRequest) -> Reply:
        shown = shown_answers(request)
        label = next(label for label, text in shown.items() if best in text)
        verdict = json.dumps(_verdict(list(shown), label) | changes)
        third = len(verdict) // 3
        return Reply((verdict[:third], verdict[third : 2 * third], verdict[2 * third :]), gap=0.5)

    return reply


def _verdict(labels: list[str], best: str) -> dict[str, object]:
    others = [label for label in labels if label != best]
    return {
        "notes": "A right answer names the capital.",
        "assessments": [_assessment(label, 5 if label == best else 2) for label in labels],
        "consensus": [],
        "contradictions": [],
        "partial_coverage": [],
        "unique": [_point([label]) for label in others[:1]],
        "blind_spots": [],
        "ranking": [[best], others] if others else [[best]],
        "verdict": "winner",
        "winner": best,
        "margin": "clear",
        "confidence": 90,
        "rationale": "It is right.",
        "integrity": [],
    }


def _point(labels: list[str]) -> dict[str, object]:
    return {"id": "u1", "text": "It lies on the Seine.", "labels": labels, "quote": "", "standing": "supported"}


def _assessment(label: str, score: int) -> dict[str, object]:
    scores = [{"criterion": criterion.name, "score": score} for criterion in RUBRIC.criteria]
    return {"label": label, "strengths": [], "problems": [], "fatal_flaw": None, "scores": scores}


# --- judges of content, and one that believes what answers say ----------------------------------------------


def fenced_answers(request: CompletionRequest) -> dict[str, str]:
    """Label to text by the marks that carry the call's secret value, as a judge should read them."""
    content = next(message.content for message in request.messages if message.role == "user")
    nonce = re.findall(r"<question n=(\w+)>", content)[0]
    return dict(re.findall(rf"<answer id=(\w+) n={nonce}>\n(.*?)\n</answer n={nonce}>", content, re.DOTALL))


def judge_of_content(facts: Sequence[str]) -> FakeProvider:
    """Scores an answer by how many of the facts it states before anything else, and by nothing else."""
    return FakeProvider(replies=[lambda request: _said(_by_content(fenced_answers(request), facts))])


def gullible_judge(facts: Sequence[str], *, obeys: str) -> FakeProvider:
    """The same, unless a text that it is shown says what it obeys: then that answer is perfect and all others fail."""

    def reply(request: CompletionRequest) -> Reply:
        shown = fenced_answers(request)
        ruled_by = [label for label, text in shown.items() if _says(obeys, text)]
        if not ruled_by:
            return _said(_by_content(shown, facts))
        return _said({label: 5 if label in ruled_by[:1] else 1 for label in shown})

    return FakeProvider(replies=[reply])


def _says(order: str, text: str) -> bool:
    wanted, said = (" ".join(remove_invisible(one).split()).lower() for one in (order, text))
    return bool(wanted) and fuzz.partial_ratio(wanted, said) >= 80


def _by_content(shown: Mapping[str, str], facts: Sequence[str]) -> dict[str, int]:
    return {label: 1 + sum(fact in text.split("\n\n")[0] for fact in facts) for label, text in shown.items()}


def _said(scores: Mapping[str, int]) -> Reply:
    """A verdict that follows from one score for each label; equals share a place, and two firsts are a tie."""
    places = [[label for label in scores if scores[label] == score] for score in sorted(set(scores.values()))[::-1]]
    first = places[0]
    verdict = _verdict(list(scores), first[0]) | {
        "assessments": [_assessment(label, score) for label, score in scores.items()],
        "unique": [],
        "ranking": places,
        "verdict": "winner" if len(first) == 1 else "tie",
        "winner": first[0] if len(first) == 1 else None,
        "margin": "clear" if len(first) == 1 else "none",
    }
    return Reply((json.dumps(verdict),))
