"""What the model server says in a debate: rebuttals and rulings, read off the real prompts, by content alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

DISPUTE = re.compile(r"<dispute id=(\w+) n=\w+>\n(.*?)\n</dispute n=", re.S)
STANCE = re.compile(r"<stance id=(\w+)(?: yours=(yes|no))? n=\w+>\nsays: ([^\n]*)\n", re.S)
ANSWER = re.compile(r"<answer id=(\w+) n=(\w+)>\n(.*?)\n</answer n=\2>", re.S)
OWN = re.compile(r"<own n=(\w+)>\n(.*?)\n</own n=\1>", re.S)


def is_rebuttal(asked: dict[str, Any]) -> bool:
    return OWN.search(_prompt(asked)) is not None


def is_ruling(asked: dict[str, Any]) -> bool:
    return not is_rebuttal(asked) and DISPUTE.search(_prompt(asked)) is not None


def contradictions(ranked: list[str]) -> list[dict[str, Any]]:
    """One that matters, between the winner and the rest, which the judge leaves open."""
    sides = ((ranked[:1], "Each step follows from the one before."), (ranked[1:], "The first step is missing."))
    stances = [{"labels": labels, "stance": stance, "quote": "The quick answer holds"} for labels, stance in sides]
    found = {"id": "x1", "topic": "Whether each step follows", "material": True, "stances": stances}
    return [found | {"resolution": None, "resolved_for": [], "basis": "cannot_tell"}]


def rebuttal(asked: dict[str, Any], words: frozenset[str]) -> str:
    """Holds; `yields` leaves its stance for the one whose words sort first and names its error, `caves` names none."""
    own = OWN.search(_prompt(asked))
    text = own[2] if own is not None else ""
    moves = [_move(one, body, text, words) for one, body in DISPUTE.findall(_prompt(asked))]
    return json.dumps({"disputes": _echoing(moves, text) if "echo" in words else moves})


def _echoing(moves: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """The same stances, refined, with the lines of the member's own answer as all prose."""
    said = _lines(text)
    prose = ("wording", "reason", "evidence_quote", "would_change_my_mind")
    return [
        move
        | {name: next(said) for name in prose}
        | {"action": "refine", "error": {"stance": move["stance"], "quote": next(said), "why": next(said)}}
        for move in moves
    ]


def _lines(text: str) -> Iterator[str]:
    """The lines of a text that say something, one after the other for as long as somebody asks."""
    return cycle([line for line in text.split("\n") if line.strip()] or [text])


def _move(dispute: str, body: str, own_text: str, words: frozenset[str]) -> dict[str, Any]:
    stances = STANCE.findall(body)
    own = next((label for label, yours, _ in stances if yours == "yes"), None)
    first = min(stances, key=lambda stance: str(stance[2]))[0]
    concedes = own is not None and own != first and bool(words & {"yields", "caves"})
    error = {"stance": own, "quote": own_text[:60], "why": "It skips the first step."}
    return {
        "id": dispute,
        "action": "concede" if concedes else "hold",
        "stance": first if concedes else own,
        "wording": "Each step follows." if concedes else "It stays as I said.",
        "reason": "" if concedes and "caves" in words else "Going through the steps once more shows it.",
        "evidence_quote": "",
        "error": error if concedes and "yields" in words else None,
        "would_change_my_mind": "A step that does not follow.",
        "confidence": 70,
    }


def ruling(asked: dict[str, Any], words: frozenset[str]) -> str:
    """For the stance whose words sort first, built on the answer whose text does; `echo`: with its lines as prose."""
    answers = {label: text for label, _, text in ANSWER.findall(_prompt(asked))}
    base = min(answers, key=lambda label: answers[label])
    rulings = [
        {
            "id": dispute,
            "stance": min(STANCE.findall(body), key=lambda stance: str(stance[2]))[0],
            "basis": "checked",
            "reason": "Every step was gone through.",
            "test": "",
        }
        for dispute, body in DISPUTE.findall(_prompt(asked))
    ]
    rationale = f"{base} shows every step."
    if "echo" in words:
        said = _lines(answers[base])
        rulings = [one | {"reason": next(said), "test": next(said)} for one in rulings]
        rationale = " ".join(islice(said, 8))
    return json.dumps({"disputes": rulings, "base": base, "confidence": 75, "rationale": rationale})


def _prompt(asked: dict[str, Any]) -> str:
    return "\n".join(message["content"] for message in asked["messages"] if message["role"] == "user")
