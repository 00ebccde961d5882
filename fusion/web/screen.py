"""What the page of one run shows, rendered once for everyone who looks.

A screen compares a record with what it rendered last and gives what changed as a numbered frame of out-of-band
fragments. The law: a snapshot and the frames after it make the same page as a later snapshot.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe

from fusion.live.record import RunRecord
from fusion.models.pool import Mode
from fusion.web.fragments import Region, column_regions, debate_regions, render_region, run_regions, swapped
from fusion.web.portions import TICK_WORK
from fusion.web.shown.debates import debates
from fusion.web.shown.rounds import ROUNDS
from fusion.web.texts import ShownText, answer_text, final_text

FRAMES_KEPT: Final = 600
LIVE_TEMPLATE: Final = Region("live", "_live", lambda record: None)
# As many digits as a page can have been told: more are refused by int() itself.
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
ENDED: Final = '<div id="live"></div>'


@dataclass(slots=True)
class _Slot:
    """A region with what it showed last."""

    region: Region
    pace: object = None
    view: object = None
    html: SafeString = field(default_factory=lambda: mark_safe(""))

    def update(self, record: RunRecord) -> bool:
        """Render anew if the value changed; says whether the page has to."""
        if self.region.pace is not None:
            pace = self.region.pace(record)
            if self.html and pace == self.pace:
                return False
            self.pace = pace
        view = self.region.view(record)
        if self.html and view == self.view:
            return False
        self.view = view
        html = render_region(self.region, view)
        changed = html != self.html
        self.html = html
        return changed


class Screen:
    """One run as it is shown by this process. Safe to use from several threads.

    `token` names the state that `context` shows and that `frames_after` continues from: `epoch:number`.
    """

    def __init__(self, record: RunRecord, seq: int = 0) -> None:
        self._lock = threading.RLock()
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._frames: deque[str] = deque(maxlen=FRAMES_KEPT)
        self._snapshot: str | None = None
        self._record = record
        self.seq = seq
        regions = [*run_regions(), *(region for letter in record.answers for region in column_regions(letter))]
        self._debates = debates(record)
        if self._debates:
            regions += debate_regions(list(record.answers))
        self._slots = {region.name: _Slot(region) for region in regions}
        self._texts: list[ShownText] = [*(answer_text(letter) for letter in record.answers), final_text()]
        self._waiting: list[ShownText] = []  # texts that hold more than what is shown of them
        for text in self._texts:
            text.update(record)
            while text.is_behind:
                text.update(record)
        for slot in self._slots.values():
            slot.update(record)

    @property
    def token(self) -> str:
        with self._lock:
            return f"{self._epoch}:{self._number}"

    @property
    def is_final(self) -> bool:
        return self._record.is_final and not self.is_behind

    @property
    def is_behind(self) -> bool:
        """Whether the record holds more than the last update could render: update again, with the same one."""
        return bool(self._waiting)

    @property
    def failure_code(self) -> str:
        """Why the run failed; empty when it did not."""
        return self._record.failure.code if self._record.failure is not None else ""

    def update(self, record: RunRecord, seq: int) -> None:
        """Make a frame of what changed, with a bounded amount of rendering: what is left makes the screen `is_behind`.

        `record` must not change afterwards; an older `seq` is ignored, the same one only if nothing was left.
        """
        with self._lock:
            if seq < self.seq or (seq == self.seq and not self.is_behind):
                return
            self._record, self.seq = record, seq
            parts = self._update_texts(record)
            parts += [swapped(slot.html, slot.region.element) for slot in self._slots.values() if slot.update(record)]
            if not parts and not self.is_final:
                return
            self._number += 1
            self._snapshot = None
            self._frames.append("".join([*parts, self._mark()]))

    def _update_texts(self, record: RunRecord) -> list[str]:
        """What changed in the texts; those that waited longest come first, and the work is shared by all of them."""
        parts: list[str] = []
        spent, waiting = 0, list[ShownText]()
        for text in [*self._waiting, *(text for text in self._texts if text not in self._waiting)]:
            if spent > TICK_WORK:
                waiting.append(text)
                continue
            parts += text.update(record)
            spent += text.work
            if text.is_behind:
                waiting.append(text)
        self._waiting = [text for text in waiting if not text.is_behind] + [text for text in waiting if text.is_behind]
        return parts

    def frames_after(self, token: str) -> list[str] | None:
        """The frames that follow the state `token`; None when they cannot be had and a snapshot is needed."""
        epoch, _, number = token.partition(":")
        with self._lock:
            if epoch != self._epoch or not _NUMBER.fullmatch(number):
                return None
            missing = self._number - int(number)
            if not 0 <= missing <= len(self._frames):
                return None
            return list(self._frames)[len(self._frames) - missing :]

    def frames_or_snapshot(self, token: str) -> list[str]:
        """What brings a page in the state `token`, or in any other state, up to date."""
        with self._lock:
            frames = self.frames_after(token)
            return [self.snapshot_frame()] if frames is None else frames

    def news(self, token: str) -> tuple[str, list[str], bool]:
        """The token after the frames that follow `token`, those frames, and whether they are the last ones ever."""
        with self._lock:
            return self.token, self.frames_or_snapshot(token), self.is_final

    def snapshot_frame(self) -> str:
        """One frame that replaces everything that can change."""
        with self._lock:
            if self._snapshot is None:
                parts = [swapped(text.html, text.element) for text in self._texts]
                parts += [swapped(slot.html, slot.region.element) for slot in self._slots.values()]
                self._snapshot = "".join([*parts, self._mark()])
            return self._snapshot

    def _mark(self) -> str:
        """Where the page stands now; at the end the holder of the socket goes, as it is absent from a fresh page."""
        if self.is_final:
            return swapped(ENDED, "live")
        return swapped(f'<i id="live-seq" data-seq="{self._epoch}:{self._number}" hidden></i>', "live-seq")

    def context(self) -> dict[str, Any]:
        """What the page's template needs, all of one moment."""
        with self._lock:
            record = self._record
            return {
                "run_id": record.public_id,
                "prompt": record.prompt,
                "images": record.images,
                "mode": record.mode.value,
                "mode_label": Mode(record.mode.value).label,
                "pool_name": record.pool_name,
                "pool_version": record.pool_version,
                "author": record.author,
                "created_at": record.created_at,
                "simulated": record.simulated,
                "is_final": self.is_final,
                "regions": {name: slot.html for name, slot in self._slots.items()},
                "documents": {text.name: text.html for text in self._texts},
                "debate": self._debate(record) if self._debates else None,
                "columns": [self._column(letter) for letter in record.answers],
                "live": self._live_html(),
            }

    def _column(self, letter: str) -> dict[str, Any]:
        return {
            "letter": letter,
            "head": self._slots[f"head_{letter}"].html,
            "meter": self._slots[f"meter_{letter}"].html,
            "note": self._slots[f"note_{letter}"].html,
            "document": next(text.html for text in self._texts if text.name == letter),
        }

    def _debate(self, record: RunRecord) -> dict[str, Any]:
        return {
            "members": [{"letter": one.letter, "name": one.endpoint.name} for one in record.answers.values()],
            "rounds": [
                {
                    "head": self._slots[f"round_{number}"].html,
                    "cells": [self._slots[f"round_{number}_{letter}"].html for letter in record.answers],
                }
                for number in ROUNDS
            ],
        }

    def _live_html(self) -> SafeString:
        if self.is_final:
            return mark_safe(ENDED)
        patience_ms = round(1000 * settings.FUSION_SOCKET_PATIENCE_S)
        view = {"run_id": self._record.public_id, "token": self.token, "patience_ms": patience_ms}
        return render_region(LIVE_TEMPLATE, view)
