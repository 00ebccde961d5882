"""Members and judges that debate: they read the engine's real prompts and decide by content alone, never by label."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusion.engine.types import CompletionRequest

from .fakes import SHOWN_ANSWER, Reply, ReplyFor, shown_answers, verdict_for

DISPUTE = re.compile(r"<dispute id=(\w+) n=\w+>\ntopic: ([^\n]*)\n\n(.*?)\n</dispute n=", re.DOTALL)
STANCE = re.compile(
    r"<stance id=(\w+)(?: yours=(yes|no))? n=\w+>\n"
    r"says: ([^\n]*)\nquote: ([^\n]*)\nargument: ([^\n]*)\n?(.*?)\n?</stance n=",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class ShownStance:
    label: str
    yours: bool
    says: str
    quote: str
    argument: str
    history: str


def shown_disputes(request: CompletionRequest) -> dict[str, list[ShownStance]]:
    """Topic to stances, as a debate's prompt shows them."""
    found = DISPUTE.findall(request.messages[1].content)
    return {topic: [_stance(*fields) for fields in STANCE.findall(body)] for _, topic, body in found}


def _stance(label: str, yours: str, says: str, quote: str, argument: str, history: str) -> ShownStance:
    return ShownStance(label, yours == "yes", says, quote, argument, history)


def is_rebuttal(request: CompletionRequest) -> bool:
    return any("<own n=" in message.content for message in request.messages)


def is_ruling(request: CompletionRequest) -> bool:
    return request.messages[0].content.startswith("You rule on a debate")


# --- the judge -----------------------------------------------------------------------------------------------


def disputing(
    best: str, topics: Mapping[str, Sequence[str]], *, base: str = "", right: Mapping[str, str] | None = None
) -> ReplyFor:
    """A judge whose verdict prefers the answer with `best` and disputes each topic between the answers that hold one of
    its words; as a ruler it rules for the stance with `right[topic]` (absent: open) and builds on `base`."""

    def reply(request: CompletionRequest) -> Reply:
        if is_ruling(request):
            return ruling_for(base or best, right or {})(request)
        shown = shown_answers(request)
        contradictions = [contradiction(shown, topic, words) for topic, words in topics.items()]
        return verdict_for(best, contradictions=contradictions)(request)

    return reply


def contradiction(shown: Mapping[str, str], topic: str, words: Sequence[str]) -> dict[str, Any]:
    stances = []
    for word in words:
        labels = [label for label, text in shown.items() if word in text]
        if labels:
            stances.append({"labels": labels, "stance": f"{word} it is.", "quote": word})
    return {
        "id": topic,
        "topic": topic,
        "material": True,
        "stances": stances,
        "resolution": None,
        "resolved_for": [],
        "basis": "cannot_tell",
    }


def ruling_for(base: str, right: Mapping[str, str]) -> ReplyFor:
    """A ruling for the stances that say these words, by topic; a topic without one stays open."""

    def reply(request: CompletionRequest) -> Reply:
        ids = {topic: one for one, topic, _ in DISPUTE.findall(request.messages[1].content)}
        rulings = [_ruling(ids[topic], stances, right.get(topic)) for topic, stances in shown_disputes(request).items()]
        answers = dict(SHOWN_ANSWER.findall(request.messages[1].content))
        label = next(label for label, text in answers.items() if base in text)
        said = {"disputes": rulings, "base": label, "confidence": 80, "rationale": f"{label} serves best."}
        return Reply((json.dumps(said),))

    return reply


def _ruling(identity: str, stances: Sequence[ShownStance], word: str | None) -> dict[str, Any]:
    label = next((one.label for one in stances if word is not None and word in one.says), None)
    basis = "checked" if label else "cannot_tell"
    return {"id": identity, "stance": label, "basis": basis, "reason": "I looked it up.", "test": "Ask the mayor."}


# --- the members ---------------------------------------------------------------------------------------------

Move = dict[str, Any]
Says = Callable[[CompletionRequest], Sequence[Move]]


def debater(answer: str, *rounds: Says, ttft: float = 1.0) -> list[Reply | ReplyFor]:
    """The replies of a member: its answer, then one rebuttal per round; the last is repeated."""
    return [Reply((answer,), ttft=ttft), *(_rebuttal(says, ttft) for says in rounds or (holds(),))]


def either(answer: Reply, says: Says) -> ReplyFor:
    """This answer to the panel's question, and a rebuttal whenever one is asked for."""
    return lambda request: _rebuttal(says, 1.0)(request) if is_rebuttal(request) else answer


def _rebuttal(says: Says, ttft: float) -> ReplyFor:
    def reply(request: CompletionRequest) -> Reply:
        text = json.dumps({"disputes": list(says(request))})
        return Reply((text[: len(text) // 2], text[len(text) // 2 :]), ttft=ttft)

    return reply


def entry(identity: str, action: str, stance: str | None, **more: Any) -> Move:
    base: Move = {
        "id": identity,
        "action": action,
        "stance": stance,
        "wording": "",
        "reason": "",
        "evidence_quote": "",
        "error": None,
        "would_change_my_mind": "",
        "confidence": 91,
    }
    return base | more


def holds(**more: Any) -> Says:
    """Hold everywhere."""
    return lambda request: [entry(one, "hold", own, **more) for one, own, _ in _disputes_of(request)]


def concedes(word: str, *, error: str = "", why: str = "It is not.", **more: Any) -> Says:
    """Concede wherever a stance has this word, naming `error` in the own answer if given; hold elsewhere."""

    def move(identity: str, own: str | None, stances: Sequence[ShownStance]) -> Move:
        target = next((one.label for one in stances if word in one.says), None)
        if target is None or target == own:
            return entry(identity, "hold", own)
        named = {"stance": own, "quote": error, "why": why} if error else None
        return entry(identity, "concede", target, error=named, **{"reason": f"{word} after all.", **more})

    return lambda request: [move(one, own, stances) for one, own, stances in _disputes_of(request)]


def _disputes_of(request: CompletionRequest) -> list[tuple[str, str | None, list[ShownStance]]]:
    """Id of each dispute, the label of the own stance, and all its stances."""
    ids = [identity for identity, _, _ in DISPUTE.findall(request.messages[1].content)]
    shown = shown_disputes(request).values()
    own = [next((one.label for one in stances if one.yours), None) for stances in shown]
    return list(zip(ids, own, shown, strict=True))
