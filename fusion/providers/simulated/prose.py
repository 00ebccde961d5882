"""Plain facts about a text: its sentences, its words, and whether two sentences say the same or the opposite."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rapidfuzz import fuzz

_FENCE = re.compile(r"^\s*(```|~~~)")
_NOT_PROSE = re.compile(r"^\s*(#|\||>)")
LIST_MARK = re.compile(r"^\s*(?:[-*+]|(?P<number>\d+)[.)])\s+")
_SENTENCE_GAP = re.compile(r"(?<=[.!?])[*_`\"')\]]*\s+(?=[A-Z`*_\"'(\[])")
ENDED = re.compile(r"[.!?][*_`\"')\]]*$")
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NEGATION = re.compile(r"\b(?:no|not|never|none|cannot|without|\w+n't)\b", re.IGNORECASE)

SAME = 78.0
ABOUT_THE_SAME = 66.0
SENTENCES_READ = 16
SENTENCE_WORDS = range(5, 46)


def sentences(text: str) -> tuple[str, ...]:
    """Distinct prose sentences in order, verbatim; code, tables, headings and block quotes are left out."""
    found = (sentence for line in _prose_lines(text) for sentence in split_sentences(line))
    kept = (sentence.rstrip() for sentence in found if len(words(sentence)) in SENTENCE_WORDS)
    return tuple(dict.fromkeys(kept))[:SENTENCES_READ]


def split_sentences(line: str) -> Iterator[str]:
    """The sentences of a line, each with the white space that follows it; joined they are the line."""
    start = 0
    mark = LIST_MARK.match(line)
    for gap in _SENTENCE_GAP.finditer(line, mark.end() if mark else 0):  # the full stop of "1." ends nothing
        yield line[start : gap.end()]
        start = gap.end()
    if start < len(line):
        yield line[start:]


def words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def content_words(text: str) -> frozenset[str]:
    return frozenset(word for word in words(text) if len(word) > 3)


def agree(one: str, other: str) -> bool:
    return fuzz.token_sort_ratio(one, other) >= SAME and not _differ_in_substance(one, other)


def conflict(one: str, other: str) -> bool:
    """Nearly the same words with other numbers or the other polarity."""
    return fuzz.token_sort_ratio(one, other) >= ABOUT_THE_SAME and _differ_in_substance(one, other)


def numbers(text: str) -> frozenset[str]:
    return frozenset(_NUMBER.findall(text))


def _differ_in_substance(one: str, other: str) -> bool:
    if bool(_NEGATION.search(one)) != bool(_NEGATION.search(other)):
        return True
    return bool(numbers(one) and numbers(other) and numbers(one) != numbers(other))


def _prose_lines(text: str) -> Iterator[str]:
    in_code = False
    for line in text.splitlines():
        if _FENCE.match(line):
            in_code = not in_code
        elif not in_code and not _NOT_PROSE.match(line):
            yield LIST_MARK.sub("", line).strip()
