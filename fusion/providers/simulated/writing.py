"""The simulated writer: keeps the base answer, works each patch in where it fits, marks where each sentence is from.

Every sentence, table row, heading and code block of the base ends with `[[b]]`, every sentence of a patch with the
patch's own marker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz

from fusion.providers.simulated.fences import Patch, WriteTask
from fusion.providers.simulated.prose import ENDED, LIST_MARK, content_words, split_sentences, words
from fusion.providers.simulated.questions import find_question

BASE_MARK = "[[b]]"
PATCHES_PER_LINE = 1
FITTING = 0.3  # share of a patch's words that a line must have before the patch is put there
SAME_CLAIM = 85.0
LAST_WORDS_MIN = 8  # a shorter sentence would be read as one with the patch that follows it
LINES_AFTER_LIST = 1
PASSAGE_CHARS_MIN = 12  # a shorter sentence may stand inside a quote by chance

_CODE_FENCE = re.compile(r"^\s*(```|~~~)")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-{2,}[-:|\s]*$")
_STANDS_ALONE = re.compile(r"^\s*(?:#|\||>|```|~~~)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the base, or a whole code block; `patches` come after it in the same paragraph."""

    text: str
    is_code: bool = False
    patches: tuple[Patch, ...] = ()

    @property
    def takes_patches(self) -> bool:
        """Prose that ends with a full sentence; not a heading, a table row, a quotation or a lead-in to a list."""
        if self.is_code or _STANDS_ALONE.match(self.text) or len(self.patches) >= PATCHES_PER_LINE:
            return False
        last = ["", *split_sentences(self.text)][-1]
        return ENDED.search(last.rstrip()) is not None and len(words(last)) >= LAST_WORDS_MIN


def write_final(task: WriteTask) -> str:
    """The merged text with its markers."""
    corrections = _corrections(task)
    lines = list(_lines(task.base))
    homeless: list[Patch] = []
    for patch in task.patches:
        place = None if patch in corrections.values() else _best_place(patch, lines)
        if place is not None:
            lines[place] = replace(lines[place], patches=(*lines[place].patches, patch))
        elif patch not in corrections.values():
            homeless.append(patch)
    corrected = _Corrected(corrections)
    return "\n".join(_close([_marked_line(line, corrected) for line in lines], homeless))


def _corrections(task: WriteTask) -> Mapping[str, Patch]:
    """Passages of a bundled base that a patch settles against, each with that patch."""
    written = find_question(task.question)
    if written is None:
        return {}
    return {
        quote: patch
        for patch in task.patches
        if patch.kind == "resolve"
        for contradiction in written.judgement.contradictions
        if contradiction.resolution and fuzz.partial_ratio(patch.claim, contradiction.resolution) >= SAME_CLAIM
        for stance in contradiction.stances
        if not stance.right
        for quote in stance.quotes.values()
        if quote in task.base
    }


def _best_place(patch: Patch, lines: Sequence[Line]) -> int | None:
    """The line that shares most words with the patch's claim, the earliest of equals; None when none fits."""
    wanted = content_words(patch.claim)
    shares = {
        place: len(wanted & content_words(line.text)) / max(1, len(wanted))
        for place, line in enumerate(lines)
        if line.takes_patches
    }
    best = max(shares, key=lambda place: shares[place], default=None)
    return best if best is not None and shares[best] >= FITTING else None


def _lines(base: str) -> Iterator[Line]:
    """The base line by line; the blank line after a code block goes with the block, whose marker takes its place."""
    block: list[str] = []
    after_code = False
    for text in base.split("\n"):
        fence = _CODE_FENCE.match(text) is not None
        if block:
            block.append(text)
            if fence:
                yield Line("\n".join(block), is_code=True)
                block, after_code = [], True
        elif fence:
            block, after_code = [text], False
        elif text.strip() or not after_code:
            yield Line(text)
            after_code = False
        else:
            after_code = False
    if block:
        yield Line("\n".join(block), is_code=True)


def _marked_line(line: Line, corrected: _Corrected) -> str:
    if not line.text.strip() or _TABLE_RULE.match(line.text):
        return line.text
    if line.is_code:
        return f"{line.text}\n{BASE_MARK}"  # on the line after: a marker inside the block would be part of the code
    if _STANDS_ALONE.match(line.text):
        return line.text + BASE_MARK
    own = "".join(corrected.marked(sentence) for sentence in split_sentences(line.text)).rstrip()
    return " ".join(part for part in (own, *(_marked_patch(patch) for patch in line.patches)) if part)


class _Corrected:
    """Marks the base's sentences; one that a patch settles against gives way to the patch, which is said once."""

    def __init__(self, corrections: Mapping[str, Patch]) -> None:
        self._corrections = corrections
        self._said: set[str] = set()

    def marked(self, sentence: str) -> str:
        body = sentence.rstrip()
        tail = sentence[len(body) :]
        for quote, patch in self._corrections.items():
            if quote in body or (len(body) >= PASSAGE_CHARS_MIN and body in quote):
                return self._once(patch) + tail
        return body + BASE_MARK + tail

    def _once(self, patch: Patch) -> str:
        if patch.id in self._said:
            return ""
        self._said.add(patch.id)
        return _marked_patch(patch)


def _marked_patch(patch: Patch) -> str:
    """The patch's sentences in the final's own voice, each with the marker."""
    said = _PHRASES[patch.kind](" ".join(patch.claim.split())) if patch.kind in _PHRASES else patch.claim
    ended = said if ENDED.search(said) else f"{said}."
    return "".join(_with_mark(sentence, f"[[{patch.id}]]") for sentence in split_sentences(ended))


def _with_mark(sentence: str, mark: str) -> str:
    body = sentence.rstrip()
    return body + mark + sentence[len(body) :]


def _hedged(claim: str) -> str:
    return f"Worth checking \u2013 {claim[:1].lower() if claim[1:2].islower() else claim[:1]}{claim[1:]}"


def _resolved(claim: str) -> str:
    """`topic: what is right. Reason: why` as the reason alone, or without its topic, which the paragraph has."""
    topic, _, resolution = claim.partition("?: ")
    return resolution.partition(" Reason: ")[2] or resolution or topic


def _both_sides(claim: str) -> str:
    """`topic: either one; or: other. What would settle it: a test` as a sentence, and one for the test."""
    topic, found, sides = claim.partition(": either ")
    if not found:
        return f"Opinions differ here: {claim}"
    sides, settled, test = sides.partition(" What would settle it: ")
    views = ", or ".join(_inner(side) for side in sides.split("; or: "))
    said = f"Opinions differ on one point, {_inner(topic)}: either {views}."
    return f"{said} What would settle it: {_inner(test)}." if settled else said


def _inner(text: str) -> str:
    """A sentence as a part of another one."""
    return text[:1].lower() + text[1:].rstrip(" .?")


_PHRASES: Mapping[str, Callable[[str], str]] = {
    "hedge": _hedged,
    "resolve": _resolved,
    "both_sides": _both_sides,
}


def _close(marked: list[str], homeless: Sequence[Patch]) -> list[str]:
    """Patches that fit nowhere: more items of the bulleted list that ends the text, else a last paragraph."""
    if not homeless:
        return marked
    sentences = [_marked_patch(patch) for patch in homeless]
    last = max((place for place, line in enumerate(marked) if LIST_MARK.match(line)), default=None)
    bullet = LIST_MARK.match(marked[last]) if last is not None else None
    if last is None or bullet is None or bullet["number"] or _lines_of_text(marked[last + 1 :]) > LINES_AFTER_LIST:
        return [*marked, "", " ".join(sentences)]
    return [*marked[: last + 1], *(f"{bullet[0]}{sentence}" for sentence in sentences), *marked[last + 1 :]]


def _lines_of_text(lines: Sequence[str]) -> int:
    return sum(bool(line.strip()) for line in lines)
