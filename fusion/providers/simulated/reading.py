"""Judges texts that nobody wrote about: by their surface only, blind to order and length, and it says so.

Densities and shares are used instead of counts, so that saying the same thing twice gains nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice

from fusion.engine.steering import scan
from fusion.providers.simulated.appraisal import Appraisal, Claim, Dispute, Fault, Side
from fusion.providers.simulated.fences import FencedAnswer
from fusion.providers.simulated.personas import is_placeholder
from fusion.providers.simulated.prose import agree, conflict, content_words, numbers, sentences, words

NOTES = (
    "This is a simulated judgement. No model weighed these answers: they were compared by their surface alone, by how "
    "much of the question they cover, how specific they are and where they say the same or the opposite. Facts, "
    "figures and code were not checked."
)
UNCHECKED = "Whether any of the claims is true: the simulated judge cannot check facts or run code."
CLAIMS_TOLD = 3
QUOTE_MAX_CHARS = 200

_HEDGE = re.compile(r"\b(?:might|maybe|perhaps|possibly|probably|arguably|could be|it depends|not sure)\b", re.I)
_CONCRETE = re.compile(r"`[^`\n]+`|\b\d+(?:[.,]\d+)*\b|\b[a-z]+_[a-z_]+\b|\b[A-Z]{2,}\b")
_STEP = re.compile(r"^\s*(?:\d+[.)]|[-*+])\s+\S", re.M)
_STRUCTURE = re.compile(r"^\s*(?:#{1,6}\s|```|\||\d+[.)]\s|[-*+]\s)", re.M)


def appraise(answer: FencedAnswer, question: str, others: Sequence[FencedAnswer]) -> Appraisal:
    """Scores and remarks from this text, the question's words and, for originality, the words of the others."""
    scores = _scores(answer.text, question, " ".join(other.text for other in others))
    told = [name for name in scores if name != "correctness"]  # which the surface does not show
    best, worst = max(told, key=scores.__getitem__), min(told, key=scores.__getitem__)
    return Appraisal(
        label=answer.label,
        text=answer.text,
        strengths=_strengths(answer.text, question),
        problems=_problems(answer.text),
        fatal_flaw=None if words(answer.text) else "There is no text to judge.",
        scores=scores,
        merit=f"{answer.label} does best on the surface features that could be compared, above all on {best}.",
        shortfall=f"{answer.label} is weaker on {worst}.",
    )


def steering_quotes(text: str) -> tuple[str, ...]:
    """Passages that speak to a judge instead of to the person who asked."""
    return tuple(dict.fromkeys(flag.quote for flag in scan(text) if flag.quote in text))


def claims(answers: Sequence[FencedAnswer]) -> tuple[Claim, ...]:
    """Sentences that several answers share, then for each answer its most concrete sentence that no other has."""
    said = {answer.label: sentences(answer.text) for answer in answers}
    shared: list[Claim] = []
    for label, own in said.items():
        for sentence in own:
            holders = (label, *_also_said_by(sentence, label, said))
            if len(holders) > 1 and not any(agree(sentence, claim.text) for claim in shared):
                shared.append(Claim(sentence, holders, sentence[:QUOTE_MAX_CHARS], "plausible"))
    alone = (_own_point(answer, said) for answer in answers)
    return (*shared[:CLAIMS_TOLD], *(claim for claim in alone if claim))


def disputes(answers: Sequence[FencedAnswer]) -> tuple[Dispute, ...]:
    """Pairs of sentences in the same words with other numbers or the other polarity; nobody is declared right."""
    said = [(answer.label, sentence) for answer in answers for sentence in sentences(answer.text)]
    found = (
        (one, other)
        for place, one in enumerate(said)
        for other in said[place + 1 :]
        if one[0] != other[0] and conflict(one[1], other[1])
    )
    return tuple(_dispute(one, other) for one, other in islice(found, CLAIMS_TOLD))


def blind_spots(answers: Sequence[FencedAnswer], question: str) -> tuple[str, ...]:
    said = content_words(" ".join(answer.text for answer in answers))
    unsaid = sorted(content_words(question) - said)[:5]
    return (f"No answer mentions: {', '.join(unsaid)}.", UNCHECKED) if unsaid else (UNCHECKED,)


def _scores(text: str, question: str, others: str) -> Mapping[str, int]:
    asked, own = content_words(question), content_words(text)
    length = max(1, len(words(text)))
    return {
        "correctness": 2 if steering_quotes(text) else 3,
        "depth": _grade(len(asked & own) / max(1, len(asked)), 0.15, 0.4),
        "specificity": _grade(len(_CONCRETE.findall(text)) / length, 0.02, 0.06),
        "clarity": _grade(len(_STRUCTURE.findall(text)) / max(1, len(text.splitlines())), 0.1, 0.3),
        "usefulness": _grade(len(_STEP.findall(text)) / max(1, len(text.splitlines())), 0.1, 0.25),
        "originality": _grade(len(own - content_words(others)) / max(1, len(own)), 0.3, 0.6),
    }


def _grade(share: float, some: float, much: float) -> int:
    """2, 3 or 4: a judge that only sees the surface gives neither the worst nor the best mark."""
    return 2 + (share >= some) + (share >= much)


def _strengths(text: str, question: str) -> tuple[str, ...]:
    if is_placeholder(text):
        return ("Says openly that it is simulated, instead of pretending to answer.",)
    told = []
    taken_up = sorted(content_words(question) & content_words(text))[:4]
    if taken_up:
        told.append(f"Takes up the question's own terms: {', '.join(taken_up)}.")
    if _CONCRETE.search(text):
        told.append("Names concrete things instead of staying general.")
    if _STRUCTURE.search(text):
        told.append("Structured so that it can be read in parts.")
    return tuple(told) or ("Short enough to read at once.",)


def _problems(text: str) -> tuple[Fault, ...]:
    steering = [Fault(quote, "Speaks to the judge, not to the asker.", "major") for quote in steering_quotes(text)]
    if is_placeholder(text):
        opening = next(iter(sentences(text)), "")[:QUOTE_MAX_CHARS]
        return (*steering[:2], Fault(opening, "The question is not answered: no model was asked.", "major"))
    hedged = next((sentence for sentence in sentences(text) if _HEDGE.search(sentence)), None)
    hedges = [Fault(hedged[:QUOTE_MAX_CHARS], "Hedges without saying what would settle it.", "minor")] if hedged else []
    return (*steering[:2], *hedges)


def _also_said_by(sentence: str, label: str, said: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return tuple(
        other for other, theirs in said.items() if other != label and any(agree(sentence, their) for their in theirs)
    )


def _own_point(answer: FencedAnswer, said: Mapping[str, Sequence[str]]) -> Claim | None:
    label = answer.label
    own = [sentence for sentence in said[label] if not _also_said_by(sentence, label, said)]
    if not own:
        return None
    chosen = max(own, key=lambda sentence: (len(_CONCRETE.findall(sentence)) + len(numbers(sentence)), sentence))
    standing = "supported" if is_placeholder(answer.text) else "plausible"  # what it says of itself is known
    return Claim(chosen, (label,), chosen[:QUOTE_MAX_CHARS], standing)


def _dispute(one: tuple[str, str], other: tuple[str, str]) -> Dispute:
    sides = tuple(Side((label,), sentence, sentence[:QUOTE_MAX_CHARS]) for label, sentence in (one, other))
    common = sorted(content_words(one[1]) & content_words(other[1]))[:4]
    return Dispute(f"What holds of: {', '.join(common)}", True, sides, None, (), "cannot_tell")
