"""The prompts of a debate: what a member is shown in a round, and what the judge that rules is shown at the end.

The functions take texts that are fit to be shown (`fusion.engine.debate.shown`) and put them between marks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fusion.engine.prompts import FencedAnswer, criteria_text, fence_safe, instructions_text, one_line, render
from fusion.engine.types import Message, Rubric


@dataclass(frozen=True, slots=True)
class FencedStance:
    """One stance as it is shown. `history`: for the judge alone, one line for each time that it was given up."""

    label: str
    text: str
    quote: str
    argument: str
    yours: bool = False
    history: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FencedDispute:
    id: str
    topic: str
    stances: tuple[FencedStance, ...]


def debater_messages(*, question: str, own: str, disputes: Sequence[FencedDispute], nonce: str) -> tuple[Message, ...]:
    """A member's system and user message in a round; `own` is its answer."""
    user = render(
        "debater_user",
        nonce=nonce,
        question=fence_safe(question, nonce),
        own=fence_safe(own, nonce),
        disputes="\n\n".join(_dispute(dispute, nonce, _debaters_stance) for dispute in disputes),
        ids=", ".join(dispute.id for dispute in disputes),
        labels=", ".join(stance.label for dispute in disputes for stance in dispute.stances),
    )
    return Message("system", render("debater_system")), Message("user", user)


def ruling_messages(
    *,
    rubric: Rubric,
    judge_instructions: str,
    question: str,
    answers: Sequence[FencedAnswer],
    disputes: Sequence[FencedDispute],
    nonce: str,
) -> tuple[Message, ...]:
    """The system and user message of the judge that rules."""
    system = render("ruling_system", criteria=criteria_text(rubric), instructions=instructions_text(judge_instructions))
    fenced = (
        render("judge_answer", label=answer.label, nonce=nonce, text=fence_safe(answer.text, nonce)).rstrip("\n")
        for answer in answers
    )
    user = render(
        "ruling_user",
        nonce=nonce,
        question=fence_safe(question, nonce),
        answers="\n\n".join(fenced),
        disputes="\n\n".join(_dispute(dispute, nonce, _judges_stance) for dispute in disputes),
        ids=", ".join(dispute.id for dispute in disputes),
        labels=", ".join(answer.label for answer in answers),
    )
    return Message("system", system), Message("user", user)


def reask_messages(
    messages: Sequence[Message], *, template: str, reply: str, errors: Sequence[str], nonce: str
) -> tuple[Message, ...]:
    """The same request, the reply to it and what was wrong; `template` is `debater_reask` or `ruling_reask`."""
    listed = "\n".join(f"- {error}" for error in errors)
    return (
        *messages,
        Message("assistant", reply),
        Message("user", render(template, errors=fence_safe(listed, nonce))),
    )


def _dispute(dispute: FencedDispute, nonce: str, stance: Callable[[FencedStance, str], str]) -> str:
    return render(
        "debate_dispute",
        id=dispute.id,
        nonce=nonce,
        topic=one_line(fence_safe(dispute.topic, nonce)),
        stances="\n".join(stance(one, nonce) for one in dispute.stances),
    ).rstrip("\n")


def _debaters_stance(stance: FencedStance, nonce: str) -> str:
    yours = "yes" if stance.yours else "no"
    return render("debate_stance", yours=yours, **_fields(stance, nonce)).rstrip("\n")


def _judges_stance(stance: FencedStance, nonce: str) -> str:
    history = "\n".join(one_line(fence_safe(line, nonce)) for line in stance.history) or "never given up"
    return render("ruling_stance", history=history, **_fields(stance, nonce)).rstrip("\n")


def _fields(stance: FencedStance, nonce: str) -> dict[str, str]:
    texts = {"text": stance.text, "quote": stance.quote, "argument": stance.argument}
    safe = {name: one_line(fence_safe(text, nonce)) for name, text in texts.items()}
    return {"label": stance.label, "nonce": nonce, **safe}
