"""Swap the judge's labels for the letters that people see."""

from __future__ import annotations

import re
from collections.abc import Mapping


class Names:
    """Letters for labels, in prose and alone. `labels`: letter to label."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._letters = {label.upper(): letter for letter, label in labels.items()}
        found = "|".join(re.escape(label) for label in sorted(self._letters, key=len, reverse=True))
        self._prose_re = re.compile(
            rf"(?:\b(?P<noun>answers?|responses?|candidates?|labels?)\s{{1,3}})?`?\b(?P<label>{found or '(?!)'})\b`?",
            re.IGNORECASE,
        )

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
            if not head[-1:].isalnum() and any(label.startswith(tail) for label in self._letters):
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
