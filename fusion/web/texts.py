"""The long texts of a run's page: each answer and the final, as live documents, the final with its sources."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from fusion.engine.types import Final, Span
from fusion.live.record import RunRecord
from fusion.web.document import LiveDocument, op_html
from fusion.web.fragments import swapped
from fusion.web.markdown import normalise
from fusion.web.portions import Shown


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a text should be now. Another `version` is another text; `chips` by block, for an ended one."""

    version: Hashable
    text: str
    ended: bool
    final: Final | None = None


class ShownText:
    """One text in one element. `update` gives the fragments that bring a page from the last update to this one."""

    def __init__(self, name: str, wanted: Callable[[RunRecord], Wanted]) -> None:
        self.name = name
        self.element = f"doc-{name}"
        self._key = f"text-{name}"
        self._wanted = wanted
        self._document = LiveDocument(self._key)
        self._chars = 0
        self.work = 0  # what the last update cost to render, as `portions` counts
        self._shown: Wanted | None = None
        self._chips: dict[int, SafeString] = {}

    @property
    def is_behind(self) -> bool:
        """Whether there is more to show of what `update` was given than one tick could do: update again."""
        return self._document.is_behind

    @property
    def html(self) -> SafeString:
        """The element as a page opened now has it."""
        inner = self._document.snapshot()
        for index, chips in self._chips.items():
            inner = _with_chips(inner, f"{self._key}-b{index}", f"{self._key}-b{index + 1}", self._key, chips)
        return mark_safe(f'<div class="prose" id="{self.element}">{inner}</div>')

    def update(self, record: RunRecord) -> list[str]:
        """Fragments for an open page; the whole element when this is not a continuation of what it shows."""
        wanted, shown = self._wanted(record), self._shown
        self.work = 0
        if wanted == shown and not self.is_behind:
            return []
        if shown is not None and wanted != shown and not _continues(shown, wanted):
            self._document, self._chars, self._chips = LiveDocument(self._key), 0, {}
            self._write(wanted)
            return [swapped(self.html, self.element)]
        return self._write(wanted)

    def _write(self, wanted: Wanted) -> list[str]:
        self._shown = wanted
        self._document.feed(wanted.text[self._chars :])
        self._chars = len(wanted.text)
        if wanted.ended:
            self._document.end()
        fragments = [op_html(op, self._key) for op in self._document.tick()]
        self.work = self._document.work
        if wanted.ended and not self.is_behind and wanted.final is not None and wanted.final.writer is not None:
            self._chips = block_chips(wanted.final, self._document.blocks)
            fragments += [
                f'<div hx-swap-oob="beforeend:#{self._key}-b{index}">{chips}</div>'
                for index, chips in self._chips.items()
            ]
        return fragments


def _continues(shown: Wanted, wanted: Wanted) -> bool:
    return not shown.ended and shown.version == wanted.version and wanted.text.startswith(shown.text)


def _with_chips(html: str, block: str, following: str, key: str, chips: SafeString) -> str:
    """Chips at the end of one block: before the next block, or before the end of the blocks."""
    start = html.index(f'id="{block}"')
    end = html.find(f'<div class="blk" id="{following}"', start)
    if end < 0:
        end = html.index(f'</div><div class="md tail" id="{key}-tail"', start)
    return f"{html[: end - len('</div>')]}{chips}{html[end - len('</div>') :]}"


def answer_text(letter: str) -> ShownText:
    def wanted(record: RunRecord) -> Wanted:
        column = record.answers[letter]
        return Wanted(column.attempt, column.text, column.state.is_final or record.is_final)

    return ShownText(letter, wanted)


def final_text() -> ShownText:
    def wanted(record: RunRecord) -> Wanted:
        final = record.final.final
        if final is not None:
            return Wanted("final", final.text, ended=True, final=final)
        # A text that was being written when the run ended is not stored, so it is not shown afterwards either.
        return Wanted("final", "" if record.is_final else record.final.text, ended=record.is_final)

    return ShownText("final", wanted)


# --- where a merged final comes from -----------------------------------------------------------------


def block_chips(final: Final, blocks: Sequence[Shown]) -> dict[int, SafeString]:
    """For each block of the final the answers that it comes from, as chips; blocks without a known source have none."""
    text = normalise(final.text)
    is_same = text == final.text
    spans = [
        (span.start, span.end, span)
        if is_same
        else (_offset(final.text, span.start), _offset(final.text, span.end), span)
        for span in final.spans
    ]
    chips = {}
    for index, block in enumerate(blocks):
        shared = ((max(a, block.start), min(b, block.end), span) for a, b, span in spans)
        within = [span for a, b, span in shared if text[a:b].strip()]
        if within:
            chips[index] = _chips(within, final.letter)
    return chips


def _offset(raw: str, position: int) -> int:
    """Where a position of the raw text lies in the normalised one."""
    return len(normalise(raw[:position]))


def _chips(spans: Sequence[Span], base: str | None) -> SafeString:
    letters: dict[str, bool] = {}
    for span in spans:
        for letter in span.letters or ((base,) if span.source == "base" and base else ()):
            letters[letter] = letters.get(letter, False) or span.check
    linked = format_html_join(
        "",
        '<a class="chip{}" data-letter="{}" href="#col-{}" title="{}">{}</a>',
        ((" chip--check" if check else "", x, x, _title(x, check), x) for x, check in sorted(letters.items())),
    )
    added = any(span.source == "added" for span in spans)
    note = format_html('<span class="chip chip--added" title="{}">{}</span>', _ADDED_TITLE, "added") if added else ""
    return format_html('<span class="chips">{}{}</span>', linked, note)


_ADDED_TITLE = "The writer's own words, found in no answer"


def _title(letter: str, check: bool) -> str:
    return f"From answer {letter}" + ("; it differs from what that answer says, so look there" if check else "")
