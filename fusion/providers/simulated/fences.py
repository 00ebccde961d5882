"""Reads the engine's own prompts back: what stands between nonce fences, and nothing else.

A fence counts only with the nonce of the first fence of the message, which no answer can know, so that fences written
inside an answer or a question stay part of its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fusion.engine.types import CompletionRequest

_NONCE = r"n=(?P<nonce>[0-9a-fA-F]{8,})"
_QUESTION = re.compile(rf"<question {_NONCE}>\n(?P<body>.*?)\n</question n=(?P=nonce)>", re.DOTALL)
_BASE = re.compile(rf"<base {_NONCE}[^>]*>\n(?P<body>.*?)\n</base n=(?P=nonce)>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FencedAnswer:
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class JudgeTask:
    """The question and the answers of a judge's prompt."""

    question: str
    answers: tuple[FencedAnswer, ...]


@dataclass(frozen=True, slots=True)
class Patch:
    """One claim to work into the base; `kind` is `add`, `hedge`, `resolve` or `both_sides`."""

    id: str
    kind: str
    claim: str
    quote: str


@dataclass(frozen=True, slots=True)
class WriteTask:
    question: str
    base: str
    patches: tuple[Patch, ...]


@dataclass(frozen=True, slots=True)
class FencedStance:
    """A stance of a dispute; `yours`: the reader's own, in a member's prompt."""

    label: str
    says: str
    quote: str
    argument: str
    yours: bool


@dataclass(frozen=True, slots=True)
class FencedDispute:
    id: str
    topic: str
    stances: tuple[FencedStance, ...]

    @property
    def own(self) -> FencedStance | None:
        return next((stance for stance in self.stances if stance.yours), None)


@dataclass(frozen=True, slots=True)
class DebateTask:
    """The question and the disputes of a member's prompt in a debate, or of the prompt of the judge that rules."""

    question: str
    disputes: tuple[FencedDispute, ...]


def read_debate_task(request: CompletionRequest) -> DebateTask | None:
    """The first user message that holds a fenced question and disputes; None when there is none."""
    for content in _user_messages(request):
        question = _QUESTION.search(content)
        if question is None:
            continue
        nonce = question["nonce"]
        disputes = tuple(
            _dispute(opening, body, nonce) for opening, body in _fenced(content[question.end() :], "dispute", nonce)
        )
        if disputes:
            return DebateTask(question=question["body"], disputes=disputes)
    return None


def read_judge_task(request: CompletionRequest) -> JudgeTask | None:
    """The first user message that holds a fenced question and answers; None when there is none."""
    for content in _user_messages(request):
        question = _QUESTION.search(content)
        if question is None:
            continue
        answers = tuple(
            FencedAnswer(label=_attribute(opening, "id"), text=body)
            for opening, body in _fenced(content[question.end() :], "answer", question["nonce"])
        )
        if answers:
            return JudgeTask(question=question["body"], answers=answers)
    return None


def read_write_task(request: CompletionRequest) -> WriteTask | None:
    """The base and the patches of a writer's prompt; None when no user message holds a fenced base."""
    for content in _user_messages(request):
        question = _QUESTION.search(content)
        rest = content[question.end() :] if question else content
        base = _BASE.search(rest)
        if base is None or (question and question["nonce"] != base["nonce"]):
            continue
        patches = tuple(_patch(opening, body) for opening, body in _fenced(rest[base.end() :], "patch", base["nonce"]))
        return WriteTask(question=question["body"] if question else "", base=base["body"], patches=patches)
    return None


def _user_messages(request: CompletionRequest) -> Iterable[str]:
    return (message.content for message in request.messages if message.role == "user")


def _fenced(content: str, tag: str, nonce: str) -> Iterable[tuple[str, str]]:
    fence = re.compile(rf"<{tag} (?P<opening>[^>\n]*n={nonce}[^>\n]*)>\n(?P<body>.*?)\n?</{tag} n={nonce}>", re.DOTALL)
    return ((found["opening"], found["body"]) for found in fence.finditer(content))


def _attribute(opening: str, name: str) -> str:
    found = re.search(rf"\b{name}=([^\s>]+)", opening)
    return found[1].strip("\"'") if found else ""


def _dispute(opening: str, body: str, nonce: str) -> FencedDispute:
    topic = body.partition("\n")[0].removeprefix("topic:").strip()
    stances = tuple(_stance(attributes, told) for attributes, told in _fenced(body, "stance", nonce))
    return FencedDispute(_attribute(opening, "id"), topic, stances)


def _stance(opening: str, body: str) -> FencedStance:
    fields = dict(line.partition(": ")[::2] for line in body.splitlines()[:3])
    return FencedStance(
        label=_attribute(opening, "id"),
        says=fields.get("says", "").strip(),
        quote=fields.get("quote", "").strip(),
        argument=fields.get("argument", "").strip(),
        yours=_attribute(opening, "yours") == "yes",
    )


def _patch(opening: str, body: str) -> Patch:
    claim, _, quote = body.partition("\nquote:")
    return Patch(
        id=_attribute(opening, "id"),
        kind=_attribute(opening, "kind"),
        claim=claim.removeprefix("claim:").strip(),
        quote=quote.strip(),
    )
