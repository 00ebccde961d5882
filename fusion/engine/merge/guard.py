"""Does a sentence say what its source says? Like words are not enough: one "not" or one number may turn it around."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from fusion.engine.clean import split_code

SIMILAR = 70
SENTENCES_MAX = 1_500
_NEGATION_RE = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|nothing|nobody|avoids?|refuse|instead of|rather than|"
    r"unsafe|kein\w{0,3}|nicht|nie|ohne)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
_STRONG_RE = re.compile(
    r"\b(?:must|shall|always|required?|only|never|guarantee[sd]?|certainly|definitely)\b", re.IGNORECASE
)
_WEAK_RE = re.compile(
    r"\b(?:may|might|could|can|possibly|perhaps|probably|likely|optional(?:ly)?|sometimes|often|usually|consider|appears?|seems?|"
    r"suggests?|reportedly|unverified|uncertain|unclear|if|worth|some|plausibl[ey])\b",
    re.IGNORECASE,
)
_NUMBER_RE = re.compile(r"(?<![\w.])(\d+(?:[.,]\d+){0,6})\s?(%|°[CF]?|[A-Za-zµ]{1,3}\b)?")
_IDENTIFIER_RE = re.compile(r"`([^`\n]{1,80})`|\b([A-Za-z]\w*(?:_\w+|\.\w+|[a-z][A-Z])\w*)\b")
_UNITS = frozenset(
    "ms s min h d ns us µs kb mb gb tb b k m km cm mm kg g mg l ml w kw v a hz khz mhz ghz "  # noqa: SIM905 - reads better
    "x % ° °c °f eur usd px em rem bit".split()
)
_CLOSING = "\"')]*_”’»」』）"
_WIDE_STOPS = "。！？"  # they end a sentence by themselves; no space follows
_SENTENCE_END_RE = re.compile(
    rf"(?<=[.!?:])[{re.escape(_CLOSING)}]{{0,3}}[ \t]+(?=[A-Z\d\"'(\[*_`])"
    rf"|(?<=[{_WIDE_STOPS}])[{re.escape(_CLOSING)}]{{0,3}}(?=\S)|\n+"
)
_LIST_MARKER_RE = re.compile(r"^[ \t]*\d{1,9}[.)][ \t]+", re.MULTILINE)
_WORD_RE = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Facts:
    """What may not change between a source and a sentence drawn from it."""

    negated: bool
    strong: bool
    weak: bool
    numbers: frozenset[str]
    identifiers: frozenset[str]


def facts_of(text: str) -> Facts:
    return Facts(
        negated=len(_NEGATION_RE.findall(text)) % 2 == 1,
        strong=_STRONG_RE.search(text) is not None,
        weak=_WEAK_RE.search(text) is not None,
        numbers=frozenset(_numbers(text)),
        identifiers=frozenset(_identifiers(text)),
    )


def is_doubtful(sentence: str, sources: Sequence[str], *, context: Facts, must_hedge: bool = False) -> bool:
    """Whether a reader should check the sentence against its sources.

    True when it resembles none of them, or differs from the nearest one in negation or in force, or brings numbers or
    identifiers that neither they nor the `context` (base and question) hold. `must_hedge`: it has to sound uncertain.
    """
    sources = [source for source in sources if source.strip()]
    nearest = nearest_of(sentence, sources)
    if nearest is None:
        return True
    own, source = facts_of(sentence), facts_of(nearest)
    if own.negated != source.negated or (must_hedge and not own.weak):
        return True
    if own.strong and not own.weak and source.weak and not source.strong:
        return True
    return _brings_unknown(own, [facts_of(text) for text in sources], context)


def nearest_of(sentence: str, sources: Sequence[str]) -> str | None:
    """The most similar source, or None below a similarity of 70 %; among equals the one with the same polarity."""
    found = process.extract(
        sentence.lower(),
        [source.lower() for source in sources],
        scorer=fuzz.token_set_ratio,
        score_cutoff=SIMILAR,
        limit=3,
    )
    if not found:
        return None
    top = [sources[index] for _, score, index in found if score >= found[0][1] - 1]
    negated = facts_of(sentence).negated
    return next((source for source in top if facts_of(source).negated == negated), top[0])


def split_sentences(text: str) -> Iterable[tuple[int, int]]:
    """[start, end) of each sentence, list item and line, without the space around it; a code block is one piece."""
    offset = 0
    for is_code, part in split_code(text):
        if is_code:
            yield from _trimmed(part, offset, 0, len(part))
        else:
            yield from _prose_sentences(part, offset)
        offset += len(part)


def _prose_sentences(part: str, offset: int) -> Iterable[tuple[int, int]]:
    start = 0
    for match in _SENTENCE_END_RE.finditer(part):
        ends = "\n" in match[0] or part[match.start() - 1] in _WIDE_STOPS
        if ends or len(_WORD_RE.findall(part[start : match.start()], 0)) >= 8:  # "1." or "e.g." end nothing
            yield from _trimmed(part, offset, start, match.start() + _closing_marks(match[0]))
            start = match.end()
    yield from _trimmed(part, offset, start, len(part))


def _closing_marks(gap: str) -> int:
    return len(gap) - len(gap.lstrip(_CLOSING))


def _trimmed(part: str, offset: int, start: int, end: int) -> Iterable[tuple[int, int]]:
    piece = part[start:end]
    left = start + len(piece) - len(piece.lstrip())
    right = start + len(piece.rstrip())
    if right > left:
        yield offset + left, offset + right


def _brings_unknown(own: Facts, sources: Sequence[Facts], context: Facts) -> bool:
    numbers = frozenset().union(*(source.numbers for source in sources))
    identifiers = frozenset().union(*(source.identifiers for source in sources))
    if own.numbers - numbers - context.numbers or own.identifiers - identifiers - context.identifiers:
        return True
    return bool(numbers and own.numbers) and not own.numbers & numbers


def _numbers(text: str) -> Iterable[str]:
    """Numbers with their unit, in one spelling: "1,840 tokens" and "1840" are the same, "30 s" and "30 ms" are not."""
    for match in _NUMBER_RE.finditer(_LIST_MARKER_RE.sub("", text)):  # "5. …" counts, it claims nothing
        unit = (match[2] or "").lower()
        digits = re.sub(r",(?=\d{3}\b)", "", match[1])
        yield f"{digits}{unit if unit in _UNITS else ''}"


def _identifiers(text: str) -> Iterable[str]:
    for match in _IDENTIFIER_RE.finditer(text):
        name = (match[1] or match[2]).strip().lower()
        if name not in ("e.g", "i.e"):
            yield name
