"""Does a quote occur in an answer? Forgiving about spacing, case and small slips, within a bounded amount of work.

All quotes of one verdict are checked on the event loop, and both sides may be hostile: a judge that invents hundreds of
quotes, answers that share every word with them. So the work is counted in characters, and ordinary verdicts stay far
below the limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from rapidfuzz.fuzz import partial_ratio

MATCH_SCORE = 90
QUOTE_MAX_CHARS = 400
PIECES_MAX = 8
WHOLE_MAX_CHARS = 4_000  # up to here the fuzzy search reads the whole answer, beyond it only windows around rare words
WINDOWS = 12
PROBE_WORDS = 4
SEARCHED_MAX_CHARS = 120_000  # of an answer; of a longer one its two ends, which is what a judge is shown of it
SCANNED_MAX_CHARS = 8_000_000  # read while looking for exact quotes; later quotes are dropped, and not counted either
COMPARED_MAX_CHARS = 30_000_000  # pairs of characters compared while looking for slips; later quotes must be exact

# Ours too: a judge that was shown a trimmed answer may quote across its "[… 1,840 tokens omitted …]".
_ELLIPSIS_RE = re.compile(r"\s*(?:\[…[^\[\]]{0,60}…\]|\.{3,}|…|\[(?:\.{3}|…)\])\s*")
_MARKS = "\"'`“”‘’«»*_ \n\t"
# One by one, since `str.translate` is fifty times slower on text beyond ASCII.
_PLAINER = (("“", '"'), ("”", '"'), ("‘", "'"), ("’", "'"), ("–", "-"), ("—", "-"), ("*", ""), ("`", ""), ("_", ""))


class Quotes:
    """Checks the quotes of one verdict against its answers; each answer is normalised once, on first use."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._normal: dict[str, str] = {}
        self._scanned = 0
        self._compared = 0
        self.checked = 0
        self.missed = 0

    def verified(self, quote: str, letters: Sequence[str]) -> str:
        """The quote if one of the answers says so, else ""; both are counted. An empty quote claims nothing."""
        quote = quote.strip()
        if not quote or self._scanned > SCANNED_MAX_CHARS:
            return ""
        self.checked += 1
        pieces = _pieces(quote)
        texts = [self._text(letter) for letter in letters]
        if pieces and (
            any(self._is_in(pieces, text) for text in texts) or any(self._is_near(pieces, t) for t in texts)
        ):
            return quote
        self.missed += 1
        return ""

    def _text(self, letter: str) -> str:
        if letter not in self._normal:
            self._normal[letter] = _normalise(_ends(self._texts.get(letter, "")))
        return self._normal[letter]

    def _is_in(self, pieces: Sequence[str], text: str) -> bool:
        self._scanned += len(text)
        return all(piece in text for piece in pieces)

    def _is_near(self, pieces: Sequence[str], text: str) -> bool:
        return all(piece in text or self._occurs_nearly(piece, text) for piece in pieces)

    def _occurs_nearly(self, piece: str, text: str) -> bool:
        """Whether the piece stands in the text with a similarity of 90 % or more."""
        if len(piece) > len(text) * 1.1:
            return False  # partial_ratio would look for the text in the piece instead
        for window in self._windows(piece, text):
            self._compared += len(piece) * len(window)
            if self._compared > COMPARED_MAX_CHARS:
                return False
            if partial_ratio(piece, window, score_cutoff=MATCH_SCORE):
                return True
        return False

    def _windows(self, piece: str, text: str) -> Iterator[str]:
        """Places where the piece could stand: around its longest words, as most of them must be there."""
        if len(text) <= WHOLE_MAX_CHARS:
            yield text
            return
        words = sorted(set(piece.split()), key=lambda word: (-len(word), word))[:PROBE_WORDS]
        for word in words:
            self._compared += len(text)
            at = piece.find(word)
            start = text.find(word)
            for _ in range(WINDOWS):
                if start < 0:
                    break
                yield text[max(0, start - at - 40) : start - at + len(piece) + 40]
                start = text.find(word, start + 1)


def _pieces(quote: str) -> list[str]:
    """The normalised parts of a quote between its ellipses."""
    parts = (_normalise(part.strip(_MARKS)) for part in _ELLIPSIS_RE.split(" ".join(quote.split())))
    return [part[:QUOTE_MAX_CHARS] for part in parts if part][:PIECES_MAX]


def _ends(text: str) -> str:
    half = SEARCHED_MAX_CHARS // 2
    return text if len(text) <= SEARCHED_MAX_CHARS else f"{text[:half]}\n{text[-half:]}"


def _normalise(text: str) -> str:
    for mark, plain in _PLAINER:
        text = text.replace(mark, plain)
    return " ".join(text.lower().split())
