"""What members and judges of a debate may read: nothing that says who or how many, nothing that pretends to be ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from fusion.engine.clean import clean_answer
from fusion.engine.disputes import Dispute, LedgerStance
from fusion.engine.merge.guard import split_sentences
from fusion.engine.steering import scan
from fusion.engine.types import Plan
from fusion.engine.verdict.names import Names, label_pattern, storable

STANCE_QUOTED_CHARS = 80
NAME_MIN_CHARS = 4  # a shorter name is a word too often

_LETTERED_RE = re.compile(
    r"\b(?P<noun>(?i:answer|response|candidate|member|panellist|agent))s?[ \u00a0]"
    r"(?P<letters>[A-H]\b(?:(?:, | and |, and | or )[A-H]\b)*)"
)
_OPTION_RE = re.compile(r"^[ \t]{0,8}\(?[A-H][).:][ \t]", re.MULTILINE)  # of a question with answers to choose from
_COUNT = (
    r"\b(?:all|both|most|many|several|two|three|four|five|six|seven|eight|\d{1,2}|every(?: one)?|each|none|nobody|no|"
    r"(?:the |a )?(?:vast |clear |overwhelming |great |large )?(?:majority|minority))\s{1,3}"
)
_MIDDLE = r"(?:(?:of|out|the|these|those|other|\d{1,2}|two|three|four|five|six|seven|eight)\s{1,3}){0,5}"
_ANSWERS = r"(?:answers|debaters|panellists)\b"
_THEM = r"(?:responses|members|agents|(?:other |of the |of these )?(?:models|ones)|of them|of us|others)"
_AGREE = (
    r"(?:all )?(?:agree|disagree|share|say|hold|think|believe|conclude|support|reach|concede|reject|see it)\w{0,2}\b"
)
_COUNTED_RE = re.compile(rf"{_COUNT}{_MIDDLE}(?:{_ANSWERS}|(?:responses|members|agents)(?=\s{{1,3}}{_AGREE}))", re.I)
_CONFIDENCE = r"confidence\b(?! (?:interval|level|limit|bound|band|region))"
_COMPANY_RE = re.compile(
    rf"{_COUNT}{_MIDDLE}(?:{_ANSWERS}|{_THEM}\s{{1,3}}{_AGREE})|\bunanim(?:ous|ity)\b|\boutnumbered\b"
    rf"|\b(?:everyone|everybody|nobody|no one)\s{{1,3}}(?:else )?{_AGREE} (?:with|that|on|here|so|this|it)\b"
    r"|\b(?:everyone|everybody|nobody|no one|they|we)\s{1,3}(?:else |all )?(?:dis)?agrees?\b"
    r"|\b(?:the|a|clear) (?:majority|minority|consensus) "
    r"(?:here|agrees?|holds?|says?|thinks?|view|opinion|stance|position|is)\b"
    rf"|\b\d{{1,3}}\s?(?:%|percent|per cent)\s{{1,3}}(?:confident|sure|certain\b|{_CONFIDENCE}|certainty)"
    rf"|\b(?:{_CONFIDENCE}|confident\b)[^.\n]{{0,20}}?\b\d{{1,3}}\s?(?:%|percent|/\s?10)",
    re.IGNORECASE,
)
_COMPANY_WORDS = ("answers", "responses", "members", "agents", "models", "majority", "minority", "consensus", "unanim")
_FENCE_RE = re.compile(r"</?(?:dispute|stance|own|ledger|argument)\b[^>\n]{0,80}?(?:\b(?:n|id)\s?=|>)", re.IGNORECASE)


class Veil:
    """Takes out of a text what would tell its reader who or how many. `names`: what the panel's models are called.

    What the question speaks of is the matter: where it has members, a majority or an agent A, so may the stances, and
    two of them that differ in nothing else must not become the same.
    """

    def __init__(self, names: Iterable[str], *, question: str) -> None:
        asked = question.lower()
        self._matter = tuple(word for word in _COMPANY_WORDS if word in asked)
        self._lettered = {match["noun"].lower() for match in _LETTERED_RE.finditer(question)}
        self._has_options = len(_OPTION_RE.findall(question)) > 1
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
        kept = " ".join(sentence for sentence in sentences if not self._claims_company(sentence))
        return " ".join(self._veiled(kept).split())

    def words(self, text: str) -> str:
        """A topic or a stance, on one line; it names a side, so no sentence is left out, only counts are."""
        return " ".join(_COUNTED_RE.sub(self._some, self._veiled(clean_answer(text))).split())

    def _veiled(self, text: str) -> str:
        """Without letters of answers and names of models."""
        return self._names_re.sub("the assistant", _LETTERED_RE.sub(self._another, text))

    def _claims_company(self, sentence: str) -> bool:
        return any(not self._is_of_the_matter(match[0]) for match in _COMPANY_RE.finditer(sentence))

    def _is_of_the_matter(self, words: str) -> bool:
        return any(word in words.lower() for word in self._matter)

    def _some(self, match: re.Match[str]) -> str:
        """ "None of the answers" stays: without its "none" the text would say the contrary."""
        is_denied = match[0].lower().startswith(("no ", "none ", "nobody "))
        return match[0] if is_denied or self._is_of_the_matter(match[0]) else "some answers"

    def _another(self, match: re.Match[str]) -> str:
        if self._has_options or match["noun"].lower() in self._lettered:
            return match[0]
        return "other answers" if len(match["letters"]) > 1 else "another answer"


def veil_of(plan: Plan) -> Veil:
    endpoints = [member.endpoint for member in plan.members]
    names = [name for one in endpoints for name in (one.name, one.model_id, one.ref)]
    return Veil(names, question=plan.prompt)


def steering_in(texts: Iterable[str], *, prompt: str) -> tuple[str, ...]:
    """Passages of a rebuttal that speak to a judge, or that imitate the marks of our prompts."""
    text = "\n\n".join(texts)  # at once: each scan looks through the whole question first
    found = [*(flag.quote for flag in scan(text, prompt=prompt)), *(match[0] for match in _FENCE_RE.finditer(text))]
    return tuple(dict.fromkeys(map(storable, found)))[:8]


class StanceNames:
    """The words of a stance for its label, in prose that people will read. `labels`: stance id to label."""

    def __init__(self, labels: Mapping[str, str], disputes: Sequence[Dispute]) -> None:
        stances = {stance.id: stance for dispute in disputes for stance in dispute.stances}
        self._words = {label.upper(): _quoted(stances[one]) for one, label in labels.items() if one in stances}
        self._prose_re = re.compile(rf"(?:\b(?:the )?(?:stance|label) )?{label_pattern(self._words)}", re.IGNORECASE)

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
