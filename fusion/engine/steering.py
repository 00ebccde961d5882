"""Text in an answer that speaks to a judge instead of to the person who asked: found, and masked.

The scan never removes anything; it reports. It is one defence of several (fences with a secret mark, labels that no
answer can know, quotes that are verified): it knows the usual wordings in some fifteen languages, and a wording of its
own will pass it. All patterns run in time linear in the text: no repeat stands inside a repeat and every gap has an
upper bound, since the text may be half a million characters written to make them slow.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fusion.engine.clean import remove_invisible
from fusion.engine.phrases import CONFUSABLE, STEERING, TALK, Phrase

QUOTE_CHARS = 160
HITS_PER_KIND = 3
TRIES_PER_PATTERN = 2_000
SHORT_CHARS = 1_000  # read at once: some tenths of a millisecond, and a few milliseconds when written to be slow
SLICE_CHARS = 16_000
MATCH_MAX_CHARS = 1_000  # more than any wording and what it looks ahead at takes
MASK_REACH = 300  # a hit is masked with its sentence, as far as that begins and ends within so many characters
ENCODED_RUNS = 40
TALK_TRIES = 300


@dataclass(frozen=True, slots=True)
class Flag:
    """Text that tries to steer a judge: `kind` is a stable code, `quote` what was found."""

    kind: str
    quote: str


@dataclass(frozen=True, slots=True)
class _Hit:
    """Characters [start, end) of the visible text; `said`: what they say when that is not what stands there."""

    kind: str
    start: int
    end: int
    said: str = ""


def scan(text: str, *, prompt: str = "") -> tuple[Flag, ...]:
    """Everything in the raw answer that speaks to a judge instead of to the person who asked.

    What the person's own prompt says too is no sign: an answer about prompt injection may quote its subject.
    """
    return _flags(text, [hit for hits in _steps(remove_invisible(text), _folded(prompt)) for hit in hits])


async def scan_in_turns(text: str, *, prompt: str = "") -> tuple[Flag, ...]:
    """`scan`, with a turn for everybody else after each slice: pages and other runs share the event loop."""
    if len(text) <= SHORT_CHARS:
        return scan(text, prompt=prompt)
    found: list[_Hit] = []
    for hits in _steps(remove_invisible(text), _folded(prompt)):
        found += hits
        await asyncio.sleep(0)
    return _flags(text, found)


def _flags(text: str, hits: Iterable[_Hit]) -> tuple[Flag, ...]:
    flags = [*_smuggled(text), *_reported(remove_invisible(text), hits)]
    return tuple(flag for flag in flags if not any(_holds(other, flag) for other in flags))


def mask(text: str, *, prompt: str = "", quotes: Sequence[str] = ()) -> str:
    """The cleaned answer with every sentence that speaks to a judge replaced by a visible omission mark.

    `quotes`: further passages to mask, as a judge named them; one that does not stand in the text is passed over.
    """
    return _masked(text, [hit for hits in _steps(text, _folded(prompt)) for hit in hits], quotes)


async def mask_in_turns(text: str, *, prompt: str = "", quotes: Sequence[str] = ()) -> str:
    """`mask`, with a turn for everybody else after each slice."""
    if len(text) <= SHORT_CHARS:
        return mask(text, prompt=prompt, quotes=quotes)
    found: list[_Hit] = []
    for hits in _steps(text, _folded(prompt)):
        found += hits
        await asyncio.sleep(0)
    return _masked(text, found, quotes)


def _masked(text: str, hits: Iterable[_Hit], quotes: Sequence[str]) -> str:
    places = [*((hit.start, hit.end) for hit in hits), *_places(text, quotes)]
    spans = [_sentence_around(text, start, end) for start, end in places]
    masked, position = [], 0
    for start, end in _joined(spans):
        masked += [text[position:start], _omission(end - start)]
        position = end
    return "".join(masked) + text[position:]


# --- finding -----------------------------------------------------------------------------------


def _steps(text: str, known: str) -> Iterator[list[_Hit]]:
    """Everything in the visible text, in all the ways it can be read, in small steps; places may come twice."""
    for view in _views(text):
        lowered = view.lower()
        for phrase in STEERING:
            if phrase.may_occur(lowered):
                yield from _found(phrase, view, known)
        yield list(_fake_verdict(view, known))
        yield list(_talk_to_judges(view, lowered, known))
    yield list(_encoded(text, known))


def _views(text: str) -> Iterator[str]:
    """The text, and the same with look-alikes (fullwidth or mathematical letters, Cyrillic for Latin) as plain letters.

    All views have the same length, so that a place in one is a place in each.
    """
    yield text
    if text.isascii():
        return
    compatible = {ord(char): plain for char in set(text) if len(plain := unicodedata.normalize("NFKC", char)) == 1}
    plain = text.translate(compatible)
    if plain != text:
        yield plain
    latin = plain.translate(CONFUSABLE)
    if latin != plain:
        yield latin


def _found(phrase: Phrase, text: str, known: str) -> Iterator[list[_Hit]]:
    """What the pattern finds, slice by slice: on a text written to make it slow, one search would hold up everybody."""
    tries = 0
    for start in range(0, len(text), SLICE_CHARS):
        hits = []
        for match in phrase.pattern.finditer(text, start, start + SLICE_CHARS + MATCH_MAX_CHARS):
            tries += 1
            if tries > TRIES_PER_PATTERN or match.start() >= start + SLICE_CHARS:
                break
            if _folded(match[0]) not in known:
                hits.append(_Hit(phrase.kind, match.start(), match.end()))
        yield hits
        if tries > TRIES_PER_PATTERN:
            return


def _talk_to_judges(text: str, lowered: str, known: str) -> Iterator[_Hit]:
    """Sentences that hold a judge, a merit and this very answer, unless the question speaks of judges too."""
    for talk in TALK:
        if not talk.may_occur(lowered) or talk.may_occur(known):
            continue
        for tries, match in enumerate(talk.judge.finditer(text)):
            if tries == TALK_TRIES:
                break
            start, end = _sentence_around(text, match.start(), match.end())
            sentence = text[start:end]
            if talk.merit.search(sentence) and talk.itself.search(sentence):
                yield _Hit("addresses_judge", start, end)


_VERDICT_KEYS = re.compile(
    r"[\"'](winner|ranking|verdict|assessments?|fatal_flaw|rationale|margin|confidence|criterion|scores?|overall_score)[\"']"
    r"\s{0,3}:",
    re.IGNORECASE,
)
_DECIDING = ("winner", "verdict", "ranking", "fatal_flaw", "assessments")


def _fake_verdict(text: str, known: str) -> Iterator[_Hit]:
    """Two different keys of a verdict, one of them deciding, that nobody asked for; the whole object is the place."""
    found: dict[str, re.Match[str]] = {}
    for tries, match in enumerate(_VERDICT_KEYS.finditer(text)):
        key = match[1].lower()
        if tries == TRIES_PER_PATTERN:
            break
        if key not in known:
            found.setdefault(key, match)
    deciding = [found[key] for key in _DECIDING if key in found]
    if deciding and len(found) >= 2:
        yield _Hit("fake_verdict", deciding[0].start(), deciding[0].end())
        for match in found.values():
            yield _Hit("fake_verdict", match.start(), match.end())


_BASE64_RE = re.compile(r"(?<![\w+/])[A-Za-z0-9+/]{24,4000}={0,2}(?![\w+/])")
_ENTITIES_RE = re.compile(r"(?:&#(?:[0-9]{2,6}|x[0-9a-fA-F]{2,5});){6,600}")


def _encoded(text: str, known: str) -> Iterator[_Hit]:
    """Sentences in base64 or in character references, which a judge can read as well as we can."""
    for mark, pattern, decode in (("", _BASE64_RE, _from_base64), ("&#", _ENTITIES_RE, html.unescape)):
        for run, match in enumerate(pattern.finditer(text) if mark in text else ()):
            if run == ENCODED_RUNS:
                break
            said = decode(match[0])
            if _steers(said, known):
                yield _Hit("encoded_text", match.start(), match.end(), said)


def _steers(text: str, known: str) -> bool:
    lowered = text.lower()
    return any(hits for phrase in STEERING if phrase.may_occur(lowered) for hits in _found(phrase, text, known))


def _from_base64(run: str) -> str:
    """What the run says; nothing when it is not the base64 of a text."""
    packed = run.rstrip("=")
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4)).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


_TAG_RUN_RE = re.compile("(?<!\U0001f3f4)(?<![\U000e0020-\U000e007f])[\U000e0020-\U000e007e]{4,}")


def _smuggled(text: str) -> Iterator[Flag]:
    """Tag characters are invisible ASCII. Four in a row are a hidden sentence, unless they follow a flag emoji."""
    if text.isascii():
        return
    for match in list(_TAG_RUN_RE.finditer(text))[:HITS_PER_KIND]:
        hidden = "".join(chr(ord(char) - 0xE0000) for char in match[0][:QUOTE_CHARS])
        yield Flag("hidden_text", hidden)


# --- reporting ---------------------------------------------------------------------------------


def _reported(text: str, hits: Iterable[_Hit]) -> Iterator[Flag]:
    """The first few of each kind, with the rest of their line."""
    seen: dict[str, set[str]] = {}
    for hit in hits:
        quotes = seen.setdefault(hit.kind, set())
        quote = hit.said[:QUOTE_CHARS].strip() if hit.said else _excerpt(text, hit)
        if len(quotes) < HITS_PER_KIND and quote not in quotes:
            quotes.add(quote)
            yield Flag(hit.kind, quote)


def _holds(outer: Flag, inner: Flag) -> bool:
    return outer.kind == inner.kind and outer.quote != inner.quote and inner.quote in outer.quote


def _excerpt(text: str, hit: _Hit) -> str:
    """The hit with the rest of its line, cut to a readable length."""
    line_end = text.find("\n", hit.end, hit.start + QUOTE_CHARS)
    end = line_end if line_end >= 0 else max(hit.end, hit.start + QUOTE_CHARS)
    return text[hit.start : end][:QUOTE_CHARS].strip()


def _folded(text: str) -> str:
    return " ".join(text.lower().split())


# --- masking -----------------------------------------------------------------------------------

_STOPS = ".!?。！？\n"


def _places(text: str, quotes: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where the quotes stand, whatever the spaces between their words."""
    for quote in quotes:
        words = [re.escape(word) for word in quote.split()[:60]]
        if words:
            yield from (match.span() for match in re.finditer(r"\s{1,9}".join(words), text, re.IGNORECASE))


def _sentence_around(text: str, start: int, end: int) -> tuple[int, int]:
    """The span with the rest of its sentence or line on both sides, without the blanks around it."""
    before = text[max(0, start - MASK_REACH) : start]
    begin = start - len(before) + 1 + max(before.rfind(stop) for stop in _STOPS)
    after = text[end : end + MASK_REACH]
    stops = [at for stop in _STOPS if (at := after.find(stop)) >= 0]
    if not stops:
        finish = end + len(after)
    else:
        finish = end + min(stops) + (after[min(stops)] != "\n")
    if text[max(start, end - 1) : end] in _STOPS:  # the span ends its sentence itself
        finish = end
    piece = text[begin:finish]
    return begin + len(piece) - len(piece.lstrip()), finish


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Disjoint spans in order."""
    start = end = -1
    for begin, finish in sorted(spans):
        if begin > end:
            if end > start:
                yield start, end
            start, end = begin, finish
        end = max(end, finish)
    if end > start:
        yield start, end


def _omission(chars: int) -> str:
    """The mark that judges are told about: its gap is not to be held against the answer."""
    return f"[… {max(1, round(chars / 3)):,} tokens omitted …]"
