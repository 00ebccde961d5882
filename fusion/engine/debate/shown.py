"""What members and judges of a debate may read: nothing that says who or how many, nothing that pretends to be ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from fusion.engine.clean import clean_answer
from fusion.engine.disputes import Dispute, LedgerStance
from fusion.engine.merge.guard import split_sentences
from fusion.engine.steering import scan
from fusion.engine.types import Plan
from fusion.engine.verdict.names import Names, storable

STANCE_QUOTED_CHARS = 80
NAME_MIN_CHARS = 4  # a shorter name is a word too often

_LETTERED_RE = re.compile(
    r"\b(?i:answers?|responses?|candidates?|members?|panellists?|agents?)[ \u00a0]"
    r"(?P<letters>[A-H]\b(?:(?:, | and |, and | or )[A-H]\b)*)"
)
_COUNT = (
    r"\b(?:all|both|most|many|several|two|three|four|five|six|seven|eight|\d{1,2}|every(?: one)?|each|none|nobody|no|"
    r"(?:the |a )?(?:vast |clear |overwhelming |great |large )?(?:majority|minority))\s{1,3}"
)
_MIDDLE = r"(?:(?:of|out|the|these|those|other|\d{1,2}|two|three|four|five|six|seven|eight)\s{1,3}){0,5}"
_ANSWERS = r"(?:answers|responses|members|agents|debaters|panellists)\b"
_THEM = r"(?:(?:other |of the |of these )?(?:models|ones)|of them|of us|others)"
_AGREE = (
    r"(?:all )?(?:agree|disagree|share|say|hold|think|believe|conclude|support|reach|concede|reject|see it)\w{0,2}\b"
)
_COUNTED_RE = re.compile(rf"{_COUNT}{_MIDDLE}{_ANSWERS}", re.IGNORECASE)
_COMPANY_RE = re.compile(
    rf"{_COUNT}{_MIDDLE}(?:{_ANSWERS}|{_THEM}\s{{1,3}}{_AGREE})|\bunanim(?:ous|ity)\b|\boutnumbered\b"
    rf"|\b(?:everyone|everybody|nobody|no one|they|we)\s{{1,3}}(?:else )?{_AGREE} (?:with|that|on|here|so|this|it)\b"
    r"|\b(?:everyone|everybody|nobody|no one|they|we)\s{1,3}(?:else |all )?(?:dis)?agrees?\b"
    r"|\b(?:the|a|clear) (?:majority|minority|consensus) "
    r"(?:here|agrees?|holds?|says?|thinks?|view|opinion|stance|position|is)\b"
    r"|\b\d{1,3}\s?(?:%|percent|per cent)\s{1,3}(?:confident|sure|certain|confidence|certainty)\b"
    r"|\bconfiden(?:ce|t)\b[^.\n]{0,20}?\b\d{1,3}\s?(?:%|percent|/\s?10)",
    re.IGNORECASE,
)
_FENCE_RE = re.compile(r"</?(?:dispute|stance|own|ledger|argument)\b[^>\n]{0,80}?(?:\b(?:n|id)\s?=|>)", re.IGNORECASE)


class Veil:
    """Takes out of a text what would tell its reader who or how many. `names`: what the panel's models are called."""

    def __init__(self, names: Iterable[str], *, question: str) -> None:
        asked = question.lower()
        known = sorted({name for name in names if len(name) >= NAME_MIN_CHARS and name.lower() not in asked}, key=len)
        found = "|".join(re.escape(name) for name in reversed(known))
        self._names_re = re.compile(rf"(?<!\w)(?:{found or '(?!)'})(?!\w)", re.IGNORECASE)
        self._arguments: dict[str, str] = {}

    def argument(self, text: str) -> str:
        """A member's argument, on one line; each text is read once, however many members are shown it.

        Sentences that claim company (how many agree, how sure somebody is) are left out: they are no arguments, members
        follow them all the same, and a member that writes one cannot even know (Yao et al. 2025, arXiv:2509.23055).
        """
        if text not in self._arguments:
            self._arguments[text] = self._argument(clean_answer(text))
        return self._arguments[text]

    def _argument(self, text: str) -> str:
        sentences = (text[start:end] for start, end in split_sentences(text))
        kept = " ".join(sentence for sentence in sentences if not _COMPANY_RE.search(sentence))
        return " ".join(self._veiled(kept).split())

    def words(self, text: str) -> str:
        """A topic or a stance, on one line; it names a side, so no sentence is left out, only counts are."""
        return " ".join(_COUNTED_RE.sub("some answers", self._veiled(clean_answer(text))).split())

    def _veiled(self, text: str) -> str:
        """Without letters of answers and names of models."""
        return self._names_re.sub("the assistant", _LETTERED_RE.sub(_another, text))


def veil_of(plan: Plan) -> Veil:
    endpoints = [member.endpoint for member in plan.members]
    names = [name for one in endpoints for name in (one.name, one.model_id, one.ref)]
    return Veil(names, question=plan.prompt)


def steering_in(texts: Iterable[str], *, prompt: str) -> tuple[str, ...]:
    """Passages of a rebuttal that speak to a judge, or that imitate the marks of our prompts."""
    found: dict[str, None] = {}
    for text in texts:
        found.update(dict.fromkeys(storable(flag.quote) for flag in scan(text, prompt=prompt)))
        found.update(dict.fromkeys(storable(match[0]) for match in _FENCE_RE.finditer(text[:20_000])))
    return tuple(found)[:8]


def _another(match: re.Match[str]) -> str:
    return "other answers" if len(match["letters"]) > 1 else "another answer"


class StanceNames:
    """The words of a stance for its label, in prose that people will read. `labels`: stance id to label."""

    def __init__(self, labels: Mapping[str, str], disputes: Sequence[Dispute]) -> None:
        stances = {stance.id: stance for dispute in disputes for stance in dispute.stances}
        self._words = {label.upper(): _quoted(stances[one]) for one, label in labels.items() if one in stances}
        found = "|".join(re.escape(label) for label in sorted(self._words, key=len, reverse=True))
        self._prose_re = re.compile(
            rf"(?:\b(?:the )?(?:stance|label) )?`?\b(?P<label>{found or '(?!)'})\b`?", re.IGNORECASE
        )

    def prose(self, text: str) -> str:
        return self._prose_re.sub(lambda match: self._words[match["label"].upper()], storable(text))


def _quoted(stance: LedgerStance) -> str:
    words = stance.text.rstrip(". ")
    short = words if len(words) <= STANCE_QUOTED_CHARS else f"{words[:STANCE_QUOTED_CHARS].rstrip()}…"
    return f"“{short}”"


class RulingNames:
    """Letters for the labels of answers, words for those of stances, in a ruling's prose.

    `labels`: of a ruling, so letter or stance id to label.
    """

    def __init__(self, labels: Mapping[str, str], disputes: Sequence[Dispute]) -> None:
        ids = {stance.id for dispute in disputes for stance in dispute.stances}
        self._stances = StanceNames({one: label for one, label in labels.items() if one in ids}, disputes)
        self._answers = Names({one: label for one, label in labels.items() if one not in ids})

    def prose(self, text: str) -> str:
        return self._answers.prose(self._stances.prose(text))
