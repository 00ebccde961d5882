"""Which characters of the written final come from the base, from which patch, or from the writer alone."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fusion.engine.merge.guard import SENTENCES_MAX, facts_of, is_doubtful, split_sentences
from fusion.engine.merge.markers import Mark
from fusion.engine.merge.plan import Patch
from fusion.engine.types import Span

BASE_ID = "b"
_FENCES = ("```", "~~~")
_CLOSING_RE = re.compile(r"[.,;:!?。！？，、；：…\"')\]*_”’»」』）|]*")
_BLANKS_RE = re.compile(r"\s*")
_WORD_RE = re.compile(r"\w")
_ASCII_WORD_RE = re.compile(r"[0-9A-Za-z]{2}")


@dataclass(frozen=True, slots=True)
class Source:
    """What the writer was given."""

    letter: str
    base: str
    question: str
    patches: Sequence[Patch]


def attribute(text: str, marks: Sequence[Mark], source: Source) -> tuple[Span, ...]:
    """Spans in order, without overlap; each sentence is in one, and like neighbours are joined.

    A marker belongs to the sentence that it ends; one in the middle of what looks like a sentence ends it there. A
    sentence without one is the base's if it stands there word for word, else the writer's own. Ids that no patch has
    are dropped.
    """
    attribution = _Attribution(source)
    spans: list[Span] = []
    pieces = [piece for sentence in split_sentences(text) for piece in _cut(text, sentence, marks)]
    ids_at = _marked_pieces(pieces, marks)
    for start, end in pieces:
        span = attribution.span(text, start, end, ids_at.get(start, ()))
        if spans and _is_same(spans[-1], span):
            spans[-1] = _joined(spans[-1], span)
        else:
            spans.append(span)
    return tuple(spans)


class _Attribution:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.patches: Mapping[str, Patch] = {patch.id: patch for patch in source.patches}
        self.base_sentences = [source.base[a:b] for a, b in split_sentences(source.base)][:SENTENCES_MAX]
        self.base_normal = _normal(source.base)
        self.context = facts_of(f"{source.base}\n{source.question}")

    def span(self, text: str, start: int, end: int, ids: Sequence[str]) -> Span:
        sentence = text[start:end]
        patches = [self.patches[claim_id] for claim_id in ids if claim_id in self.patches]
        if patches:
            return self._from_patches(sentence, start, end, patches)
        if _normal(sentence) in self.base_normal:
            return Span(start, end, "base", (self.source.letter,))
        if BASE_ID in ids:
            doubtful = is_doubtful(sentence, self.base_sentences, context=self.context)
            return Span(start, end, "base", (self.source.letter,), check=doubtful)
        return Span(start, end, "added")

    def _from_patches(self, sentence: str, start: int, end: int, patches: Sequence[Patch]) -> Span:
        sources = [text for patch in patches for text in (patch.claim, patch.quote)]
        must_hedge = all(patch.kind == "hedge" for patch in patches)
        letters = tuple(sorted({letter for patch in patches for letter in patch.letters}))
        doubtful = is_doubtful(sentence, sources, context=self.context, must_hedge=must_hedge)
        return Span(start, end, "patch", letters, tuple(patch.id for patch in patches), check=doubtful)


def _cut(text: str, sentence: tuple[int, int], marks: Sequence[Mark]) -> Iterator[tuple[int, int]]:
    """A sentence in pieces, each ended by a mark with the punctuation after it; code blocks and words stay whole."""
    start, end = sentence
    if not text.startswith(_FENCES, start):
        first = bisect_right(marks, start, key=_place)
        for mark in marks[first : bisect_left(marks, end, key=_place)]:
            cut = _matched_until(_CLOSING_RE, text, mark.at)
            if start < cut and _WORD_RE.search(text, cut, end) and not _ASCII_WORD_RE.fullmatch(text, cut - 1, cut + 1):
                yield start, cut
                start = _matched_until(_BLANKS_RE, text, cut)
    yield start, end


def _place(mark: Mark) -> int:
    return mark.at


def _matched_until(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start


def _marked_pieces(pieces: Sequence[tuple[int, int]], marks: Sequence[Mark]) -> dict[int, tuple[str, ...]]:
    """Ids by the start of the piece that each mark ends: the last one that begins before the mark."""
    starts = [start for start, _ in pieces]
    ids: dict[int, tuple[str, ...]] = {}
    number = 0
    for mark in marks:
        while number < len(starts) and starts[number] < mark.at:
            number += 1
        if number:
            start = starts[number - 1]
            ids[start] = tuple(dict.fromkeys((*ids.get(start, ()), *mark.ids)))
    return ids


def _is_same(span: Span, other: Span) -> bool:
    return (span.source, span.letters, span.claim_ids, span.check) == (
        other.source,
        other.letters,
        other.claim_ids,
        other.check,
    )


def _joined(span: Span, following: Span) -> Span:
    return Span(span.start, following.end, span.source, span.letters, span.claim_ids, span.check)


def _normal(text: str) -> str:
    return " ".join(text.lower().split())
