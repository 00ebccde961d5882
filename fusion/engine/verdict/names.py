"""Swap the judge's labels for the letters that people see."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

# What a label follows when a judge writes in the language of the question; it is kept, and the letter comes after it.
_NOUNS = (
    r"answers?|responses?|candidates?|labels?|antwort(?:en)?|antwoord(?:en)?|"
    r"réponses?|respuestas?|respostas?|rispost[ae]"
)

_WORD_RE = re.compile(r"[0-9A-Za-z]")


def label_pattern(labels: Collection[str]) -> str:
    """Any of the labels, standing alone, as group `label`; matches nothing without labels.

    Only letters and digits of ASCII make a longer word of it: Chinese puts no space around a label, Markdown a `_`.
    Only they are the same in either case: a Kelvin sign is no K.
    """
    found = "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True))
    return rf"`?(?<![0-9A-Za-z])(?P<label>(?a:{found or '(?!)'}))(?![0-9A-Za-z])`?"


class Names:
    """Letters for labels, in prose and alone. `labels`: letter to label."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._letters = {label.upper(): letter for letter, label in labels.items()}
        self._prose_re = re.compile(rf"(?:\b(?P<noun>{_NOUNS})\s{{1,3}})?{label_pattern(self._letters)}", re.IGNORECASE)

    def letter(self, label: str) -> str:
        """Raises KeyError for a label that is not of this call."""
        return self._letters[label.upper()]

    def get(self, label: object) -> str | None:
        return self._letters.get(label.upper()) if isinstance(label, str) else None

    def prose(self, text: str) -> str:
        """The text with "Answer A" for each label, and without what cannot be stored: NUL and lone surrogates."""
        return self._prose_re.sub(self._named, storable(text))

    def without_cut_label(self, text: str) -> str:
        """The text without the beginning of a label at its very end, which a stream may have cut."""
        longest = max(map(len, self._letters), default=0)
        for size in range(min(longest - 1, len(text)), 0, -1):
            head, tail = text[:-size], text[-size:].upper()
            if not _WORD_RE.match(head[-1:]) and any(label.startswith(tail) for label in self._letters):
                return head
        return text

    def _named(self, match: re.Match[str]) -> str:
        letter = self._letters[match["label"].upper()]
        noun = match["noun"]
        return f"Answer {letter}" if noun is None or noun.lower().startswith("label") else f"{noun} {letter}"


def judge_prose(text: str, labels: Mapping[str, str]) -> str:
    """A judge's words with "Answer A" for each label of the call. `labels`: letter to label."""
    return Names(labels).prose(text)


def storable(text: str) -> str:
    """JSON may spell characters that no database takes: drop NUL, replace lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
