"""Does a quote occur in an answer? Fast on answers of any size, forgiving about spacing, case and small slips."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from rapidfuzz import fuzz

MATCH_SCORE = 90
QUOTE_MAX_CHARS = 400
WHOLE_MAX_CHARS = 4_000  # up to here the fuzzy search reads the whole answer, beyond it only windows around rare words
WINDOWS = 12
PROBE_WORDS = 4

_ELLIPSIS_RE = re.compile(r"\s*(?:\.{3,}|…|\[(?:\.{3}|…)\])\s*")
_MARKS = "\"'`“”‘’«»*_ \n\t"
_TRANSLATION = str.maketrans(
    {"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "\u00a0": " ", "*": "", "`": "", "_": ""}
)


class Quotes:
    """Checks quotes against a set of answers; each answer is normalised once, on first use."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._normal: dict[str, str] = {}
        self.checked = 0
        self.missed = 0

    def verified(self, quote: str, letters: Sequence[str]) -> str:
        """The quote if one of the answers says so, else ""; both are counted. An empty quote claims nothing."""
        quote = quote.strip()
        if not quote:
            return ""
        self.checked += 1
        if any(self._occurs(quote, letter) for letter in letters):
            return quote
        self.missed += 1
        return ""

    def _occurs(self, quote: str, letter: str) -> bool:
        pieces = [piece for part in _ELLIPSIS_RE.split(quote) if (piece := _normalise(part.strip(_MARKS)))]
        return bool(pieces) and all(occurs(piece[:QUOTE_MAX_CHARS], self._text(letter)) for piece in pieces[:8])

    def _text(self, letter: str) -> str:
        if letter not in self._normal:
            self._normal[letter] = _normalise(self._texts.get(letter, ""))
        return self._normal[letter]


def occurs(piece: str, text: str) -> bool:
    """Whether the normalised piece stands in the normalised text, with a similarity of 90 % or more."""
    if piece in text:
        return True
    if len(piece) > len(text) * 1.1:
        return False  # partial_ratio would look for the text in the piece instead
    return any(fuzz.partial_ratio(piece, window, score_cutoff=MATCH_SCORE) for window in _windows(piece, text))


def _windows(piece: str, text: str) -> Iterator[str]:
    """Places where the piece could stand: around its longest words, since nine tenths of it must be there unchanged."""
    if len(text) <= WHOLE_MAX_CHARS:
        yield text
        return
    words = sorted(set(piece.split()), key=lambda word: (-len(word), word))[:PROBE_WORDS]
    for word in words:
        at = piece.find(word)
        start = text.find(word)
        for _ in range(WINDOWS):
            if start < 0:
                break
            yield text[max(0, start - at - 40) : start - at + len(piece) + 40]
            start = text.find(word, start + 1)


def _normalise(text: str) -> str:
    return " ".join(text.translate(_TRANSLATION).lower().split())
