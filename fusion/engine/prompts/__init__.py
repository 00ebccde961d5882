"""The engine's prompts: one versioned Markdown template per prompt, and the functions that fill them.

To change a prompt, rename it to its next version, point TEMPLATES to it and raise PROMPTS_VERSION, which is stored with
each run (docs/prompts.md). What is the same for all calls of a pool stands in the system message, which comes first, so
that providers can cache it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from fusion.engine.types import Message, Rubric

PROMPTS_VERSION = "judge-3.writer-2.debate-2.images-1"

TEMPLATES: Mapping[str, str] = {
    "judge_system": "judge_system.v2.md",
    "judge_instructions": "judge_instructions.v1.md",
    "judge_user": "judge_user.v1.md",
    "judge_answer": "judge_answer.v1.md",
    "judge_reask": "judge_reask.v1.md",
    "judge_reask_reply": "judge_reask_reply.v1.md",
    "judge_too_long": "judge_too_long.v1.md",
    "judge_winner": "judge_winner.v1.md",
    "writer_system": "writer_system.v2.md",
    "writer_user": "writer_user.v1.md",
    "writer_patch": "writer_patch.v1.md",
    "debater_system": "debater_system.v2.md",
    "debater_user": "debater_user.v1.md",
    "debate_dispute": "debate_dispute.v1.md",
    "debate_stance": "debate_stance.v1.md",
    "debater_reask": "debater_reask.v1.md",
    "ruling_system": "ruling_system.v2.md",
    "ruling_user": "ruling_user.v1.md",
    "ruling_stance": "ruling_stance.v1.md",
    "ruling_reask": "ruling_reask.v1.md",
    "images_member_unseen": "images_member_unseen.v1.md",
    "images_judge": "images_judge.v1.md",
    "images_judge_unseen": "images_judge_unseen.v1.md",
    "images_debater": "images_debater.v1.md",
    "images_debater_unseen": "images_debater_unseen.v1.md",
    "images_writer": "images_writer.v1.md",
}
PREVIEW_LABELS = ("K7T", "Q2M", "9XD", "B4R", "3HW", "N8C", "T5F", "7ZP")
PREVIEW_NONCE = "0123456789abcdef"

PatchKind = Literal["add", "hedge", "resolve", "both_sides"]
_PLACEHOLDER_RE = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class FencedAnswer:
    """One answer as the judge sees it: under a label."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class FencedPatch:
    """One patch as the writer sees it."""

    id: str
    kind: PatchKind
    claim: str
    quote: str


def render(name: str, **values: str) -> str:
    """Fill a template. Raises ValueError unless the values are exactly its placeholders.

    A value is never searched for placeholders, so braces in an answer are only braces.
    """
    pieces = list(_pieces(name))
    wanted = pieces[1::2]
    if set(wanted) != values.keys():
        raise ValueError(f"Template {name} takes {sorted(set(wanted))}, got {sorted(values)}")
    pieces[1::2] = [values[placeholder] for placeholder in wanted]
    return "".join(pieces)


def fence_safe(text: str, nonce: str) -> str:
    """The text without the nonce, so that nothing in it can close or open a fence."""
    half = len(nonce) // 2
    return text.replace(nonce, f"{nonce[:half]}-{nonce[half:]}")


def judge_messages(
    *, rubric: Rubric, judge_instructions: str, question: str, answers: Sequence[FencedAnswer], nonce: str
) -> tuple[Message, ...]:
    """The judge's system and user message."""
    fenced = (
        render("judge_answer", label=answer.label, nonce=nonce, text=fence_safe(answer.text, nonce)).rstrip("\n")
        for answer in answers
    )
    user = render(
        "judge_user",
        nonce=nonce,
        question=fence_safe(question, nonce),
        count=str(len(answers)),
        answers="\n\n".join(fenced),
        labels=", ".join(answer.label for answer in answers),
    )
    return Message("system", judge_system(rubric, judge_instructions)), Message("user", user)


def judge_system(rubric: Rubric, judge_instructions: str) -> str:
    return render(
        "judge_system",
        criteria=criteria_text(rubric),
        criterion_names=_criterion_names(rubric),
        instructions=instructions_text(judge_instructions),
    )


def criteria_text(rubric: Rubric) -> str:
    """The rubric's criteria with their weights and anchors, as judges read them."""
    return "\n\n".join(f"**{item.name}** (weight {item.weight:.0%}). {item.question}" for item in rubric.criteria)


def instructions_text(judge_instructions: str) -> str:
    """What the pool's owner adds, under its own heading; nothing when they add nothing."""
    own = judge_instructions.strip()
    return render("judge_instructions", instructions=own) if own else ""


def judge_reask_message(
    *, rubric: Rubric, errors: Sequence[str], reply: str | None, labels: Sequence[str], nonce: str
) -> Message:
    """What a judge is told whose reply could not be used; `reply` None when its own text stands before this message."""
    quoted = "" if reply is None else render("judge_reask_reply", nonce=nonce, text=fence_safe(reply, nonce))
    listed = "\n".join(f"- {error}" for error in errors)
    text = render(
        "judge_reask",
        errors=fence_safe(listed, nonce),
        reply=quoted,
        labels=", ".join(labels),
        criterion_names=_criterion_names(rubric),
    )
    return Message("user", text)


def judge_too_long_message() -> Message:
    return Message("user", render("judge_too_long"))


def judge_winner_message(labels: Sequence[str]) -> Message:
    """The last question to a judge: only which answer is best."""
    return Message("user", render("judge_winner", labels=", ".join(labels)))


def writer_messages(*, question: str, base: str, patches: Sequence[FencedPatch], nonce: str) -> tuple[Message, ...]:
    """The writer's system and user message."""
    user = render(
        "writer_user",
        nonce=nonce,
        question=fence_safe(question, nonce),
        base=fence_safe(base, nonce),
        patches="\n\n".join(_fenced_patch(patch, nonce) for patch in patches),
    )
    return Message("system", render("writer_system")), Message("user", user)


def judge_prompt_preview(rubric: Rubric, judge_instructions: str, member_count: int) -> tuple[Message, ...]:
    """The very messages that a judge of such a pool gets, with sample labels, nonce and texts."""
    answers = [
        FencedAnswer(label, f"(the text of answer {number})")
        for number, label in enumerate(PREVIEW_LABELS[:member_count], start=1)
    ]
    return judge_messages(
        rubric=rubric,
        judge_instructions=judge_instructions,
        question="(the question)",
        answers=answers,
        nonce=PREVIEW_NONCE,
    )


def _criterion_names(rubric: Rubric) -> str:
    return ", ".join(f"`{criterion.name}`" for criterion in rubric.criteria)


def _fenced_patch(patch: FencedPatch, nonce: str) -> str:
    return render(
        "writer_patch",
        id=patch.id,
        kind=patch.kind,
        nonce=nonce,
        claim=one_line(fence_safe(patch.claim, nonce)),
        quote=one_line(fence_safe(patch.quote, nonce)),
    ).rstrip("\n")


def one_line(text: str) -> str:
    """The text without line breaks, so that it cannot imitate the next field."""
    return " ".join(text.split())


@cache
def _pieces(name: str) -> tuple[str, ...]:
    """The template's text and the names of its placeholders, in turns."""
    text = resources.files(__package__).joinpath(TEMPLATES[name]).read_text(encoding="utf-8")
    return tuple(_PLACEHOLDER_RE.split(text))
