"""How models behave lately, from the stored calls of this installation: errors, time to first token, speed.

Only numbers leave here, and only for connections that a caller's team can use: who is asked about is an entry of its
`TeamModels`. A site's connection counts the calls of all teams.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median

from django.db.models import Q, QuerySet
from django.utils import timezone

from fusion.catalogue.entries import CatalogueEntry
from fusion.errors import ProviderContextTooLong, ProviderImagesRefused
from fusion.models import Call

WINDOW = timedelta(hours=24)
LATELY = timedelta(minutes=15)
ENOUGH = 3  # fewer calls say nothing of a model
FAILING = 0.3
SHAKY = 0.1
KEPT_S = 60.0
REFS_PER_QUERY = 400  # databases limit the number of values in one query
_ABOUT_THE_QUESTION = (ProviderContextTooLong.code, ProviderImagesRefused.code)
_FAILED = frozenset({"failed", "truncated"})
_SPEED_FROM_MS = 500  # a shorter stream says more about buffers than about the model


@dataclass(frozen=True, slots=True)
class Health:
    """The calls to one model within the window. Medians are None where no call says anything."""

    calls: int = 0
    failed: int = 0
    ttft_ms: int | None = None
    tokens_per_s: int | None = None

    @property
    def failed_percent(self) -> int:
        """Rounded, but a failure is never rounded away."""
        return max(int(self.failed > 0), round(100 * self.failed / self.calls)) if self.calls else 0

    @property
    def tone(self) -> str:
        """`ok`, `warn`, `bad`, or empty while too few calls say anything."""
        if self.calls < ENOUGH:
            return ""
        if self.failed >= FAILING * self.calls:
            return "bad"
        return "warn" if self.failed >= SHAKY * self.calls else "ok"

    @property
    def word(self) -> str:
        if not self.calls:
            return "no calls yet"
        return {"ok": "works", "warn": "some calls fail", "bad": "failing", "": "few calls"}[self.tone]


@dataclass(frozen=True, slots=True)
class Failing:
    """So many of the latest calls to a model failed."""

    failed: int
    calls: int


NO_CALLS = Health()
Place = tuple[int | None, str]  # a connection's key, None for the environment's; and the ref


@dataclass(slots=True)
class _Tally:
    calls: int = 0
    failed: int = 0
    ttfts: list[int] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)

    def add(self, status: str, ttft_ms: int | None, total_ms: int, output_tokens: int | None) -> None:
        self.calls += 1
        self.failed += status in _FAILED
        if ttft_ms is None:
            return
        self.ttfts.append(ttft_ms)
        if status == "ok" and output_tokens and total_ms - ttft_ms >= _SPEED_FROM_MS:
            self.speeds.append(output_tokens * 1000 / (total_ms - ttft_ms))

    def health(self) -> Health:
        ttft = round(median(self.ttfts)) if self.ttfts else None
        return Health(self.calls, self.failed, ttft, round(median(self.speeds)) if self.speeds else None)


_lock = threading.Lock()
_kept: dict[Place, Health] = {}
_kept_since = 0.0


def health_of(entries: Iterable[CatalogueEntry]) -> dict[str, Health]:
    """The last 24 hours of each model, by ref; remembered by this process for a minute."""
    places = {_place(entry) for entry in entries}
    found = _remembered(places)
    if missing := places - found.keys():
        fresh = dict.fromkeys(missing, NO_CALLS)
        fresh |= {place: tally.health() for place, tally in _tallies(missing, WINDOW).items()}
        with _lock:
            _kept.update(fresh)
        found |= fresh
    return {ref: health for (_, ref), health in found.items()}


def failing(entries: Iterable[CatalogueEntry]) -> dict[str, Failing]:
    """Those of which at least three calls ended in the last quarter of an hour and 30 % of them failed, by ref."""
    tallies = _tallies({_place(entry) for entry in entries}, LATELY)
    return {
        ref: Failing(tally.failed, tally.calls)
        for (_, ref), tally in tallies.items()
        if tally.calls >= ENOUGH and tally.failed >= FAILING * tally.calls
    }


def forget() -> None:
    """Start without knowledge; for tests."""
    global _kept_since
    with _lock:
        _kept.clear()
        _kept_since = 0.0


def _place(entry: CatalogueEntry) -> Place:
    return entry.connection_pk, entry.ref


def _remembered(places: set[Place]) -> dict[Place, Health]:
    global _kept_since
    with _lock:
        if time.monotonic() - _kept_since > KEPT_S:
            _kept.clear()
            _kept_since = time.monotonic()
        return {place: _kept[place] for place in places if place in _kept}


def _tallies(places: set[Place], window: timedelta) -> dict[Place, _Tally]:
    """What ended within the window, by place; places without a call are left out."""
    found: dict[Place, _Tally] = defaultdict(_Tally)
    refs = sorted({ref for _, ref in places})
    for at in range(0, len(refs), REFS_PER_QUERY):
        for connection, ref, status, ttft_ms, total_ms, tokens in _ended(refs[at : at + REFS_PER_QUERY], window):
            if (connection, ref) in places:
                found[connection, ref].add(status, ttft_ms, total_ms, tokens)
    return found


def _ended(refs: list[str], window: timedelta) -> Iterator[tuple[int | None, str, str, int | None, int, int | None]]:
    """Calls of the last while; what a person stopped, a question without room and images that a model does not take
    say nothing of it.

    A call without a connection is the environment's, unless it was paid by a team: then its connection is gone.
    """
    calls: QuerySet[Call] = Call.objects.filter(ref__in=refs, ended_at__gte=timezone.now() - window)
    telling = calls.exclude(Q(status="stopped") | Q(failure_code__in=_ABOUT_THE_QUESTION))
    ours = telling.exclude(connection=None, payer="team").order_by()
    columns = ("connection", "ref", "status", "ttft_ms", "total_ms", "output_tokens")
    return ours.values_list(*columns).iterator(chunk_size=5000)
