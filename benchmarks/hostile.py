"""The slowest tick over the hostile texts of the tests, beside plain text of the same size.

    python benchmarks/hostile.py [--chars 200000] [--ticks 200] [--page] [kind ...]

Each text goes to a live document twice: streamed in equal pieces, and at once; then it ends, and ticks follow until
nothing is left to show. Figures are CPU milliseconds of this process: the slowest tick, all ticks together, and how
many times slower than plain text the slowest one is. The last lines are the worst of all.

With `--page` the frames of the ticks go into the page of a run in Chromium, one after the other, each drawn before the
next comes. Figures are then milliseconds of thread time of the browser's main thread: the tick that took it longest
with all that it did (scripts, style, layout, paint), and its longest style and layout.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from playwright.sync_api import CDPSession, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fusion.web.document import LiveDocument, op_html
from fusion.web.highlight import highlight
from fusion.web.portions import forget_rendered
from tests.processes import manage, served, set_up
from tests.web.hostile_text import long

PLAIN = "Plain words in a row that say little, one sentence after the other, as most answers do. " * 6 + "\n\n"
LIMIT_MS = 50.0


def ticks(text: str, count: int) -> Iterator[float]:
    """CPU milliseconds of each tick."""
    forget_rendered()
    highlight.cache_clear()
    document = LiveDocument("a-B")
    edges = [len(text) * number // count for number in range(count + 1)]
    for start, end in pairwise(edges):
        document.feed(text[start:end])
        yield _timed(document)
    document.end()
    while document.is_behind:
        yield _timed(document)


def _timed(document: LiveDocument) -> float:
    start = time.process_time()
    document.tick()
    return (time.process_time() - start) * 1000


def measured(text: str, count: int) -> tuple[float, float]:
    """The slowest tick, and all of them."""
    taken = list(ticks(text, count))
    return max(taken), sum(taken)


# --- in a browser -----------------------------------------------------------------------------------

KEY = "text-A"  # as the page of a run calls the text of its first answer
WAITING = """
from datetime import timedelta
from django.utils import timezone
from fusion.models import Pool, User, WorkerLease
from tests.factories import make_run
elsewhere = WorkerLease.objects.create(name="elsewhere", expires_at=timezone.now() + timedelta(days=1))
alice = User.objects.get(email="alice@example.com")
print(make_run(alice, pool=Pool.objects.get(name="Bench"), state="queued", worker=elsewhere).public_id)
"""
SHOW = """(html) => new Promise((done) => {
  const drawn = () => requestAnimationFrame(() => setTimeout(done));
  document.addEventListener("fusion:after-frame", drawn, { once: true });
  document.dispatchEvent(new CustomEvent("fusion:receive", { detail: html }));
})"""
EMPTY = "(html) => { document.getElementById('doc-A').innerHTML = html; }"
WORK = ("TaskDuration", "LayoutDuration", "RecalcStyleDuration")


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one text cost the browser: milliseconds of its main thread."""

    slowest: float = 0.0
    slowest_layout: float = 0.0
    all_ticks: float = 0.0


@contextmanager
def page_of_a_run() -> Iterator[tuple[Page, CDPSession]]:
    """The page of a run that nobody executes, so that nothing but our frames changes it."""
    with tempfile.TemporaryDirectory() as data_dir:
        path = Path(data_dir)
        cookie, _ = set_up(path, "http://127.0.0.1:9/v1", members=["a", "b", "c"], judge="j")
        made = manage(path, "shell", "--no-imports", "--command", WAITING)
        assert made.returncode == 0, made.stderr
        with served(path) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
            )
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            context.set_default_timeout(120_000)
            context.add_cookies([{"name": "fusion_session", "value": cookie, "url": server.url}])
            page = context.new_page()
            page.goto(f"{server.url}/r/{made.stdout.split()[-1]}")
            session = context.new_cdp_session(page)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            yield page, session
            browser.close()


def drawn(page: Page, session: CDPSession, text: str, count: int) -> Drawn:
    """Put each tick's frame into the page and wait until it is drawn."""
    document = LiveDocument(KEY)
    page.evaluate(EMPTY, document.snapshot())
    edges = [len(text) * number // count for number in range(count + 1)]
    costs = [_shown(page, session, document, text[start:end]) for start, end in pairwise(edges)]
    document.end()
    while document.is_behind:
        costs.append(_shown(page, session, document, ""))
    whole, layouts = [cost[0] for cost in costs], [cost[1] + cost[2] for cost in costs]
    return Drawn(max(whole), max(layouts), sum(whole))


def _shown(page: Page, session: CDPSession, document: LiveDocument, piece: str) -> tuple[float, ...]:
    document.feed(piece)
    frame = "".join(op_html(op, KEY) for op in document.tick())
    if not frame:
        return (0.0, 0.0, 0.0)
    before = _spent(session)
    page.evaluate(SHOW, frame)
    return tuple(after - start for after, start in zip(_spent(session), before, strict=True))


def _spent(session: CDPSession) -> tuple[float, ...]:
    values = {entry["name"]: entry["value"] * 1000 for entry in session.send("Performance.getMetrics")["metrics"]}
    return tuple(values[name] for name in WORK)


def main_of_page(chars: int, count: int, kinds: list[str]) -> None:
    print(
        f"{chars:,} characters, {count} ticks; the browser's main thread: slowest tick, its layout at most, all ticks"
    )
    worst: list[tuple[float, str]] = []
    with page_of_a_run() as (page, session):
        for name, payload in [("plain text", _plain(chars)), *_payloads(chars, kinds)]:
            found = drawn(page, session, payload, count)
            print(
                f"{name:<26}{found.slowest:7.1f} ms{found.slowest_layout:7.1f} ms{found.all_ticks:9.0f} ms", flush=True
            )
            worst.append((found.slowest, name))
    _worst(worst)


# --- all of them ------------------------------------------------------------------------------------


def _plain(chars: int) -> str:
    return (PLAIN * (chars // len(PLAIN) + 1))[:chars]


def _payloads(chars: int, kinds: list[str]) -> Iterator[tuple[str, str]]:
    for kind, payloads in long(chars).items():
        for number, payload in enumerate(payloads):
            if not kinds or kind in kinds:
                yield f"{kind} {number}", payload


def _worst(worst: list[tuple[float, str]]) -> None:
    for slowest, name in sorted(worst, reverse=True)[:3]:
        print(f"worst: {slowest:6.1f} ms  {name}")
    over = sum(slowest > LIMIT_MS for slowest, _ in worst)
    print(f"{over} of {len(worst)} texts have a tick over {LIMIT_MS:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--chars", type=int, default=200_000)
    parser.add_argument("--ticks", type=int, default=200)
    parser.add_argument("--page", action="store_true")
    parser.add_argument("kinds", nargs="*")
    args = parser.parse_args()
    if args.page:
        main_of_page(args.chars, args.ticks, args.kinds)
    else:
        main_of_server(args.chars, args.ticks, args.kinds)


def main_of_server(chars: int, count: int, kinds: list[str]) -> None:
    plain = _plain(chars)
    measured(plain, count)  # warms up
    usual, usual_at_once = measured(plain, count), measured(plain, 1)
    print(f"{chars:,} characters, {count} ticks; streamed | at once: slowest tick, all ticks, ratio to plain")
    _line("plain text", usual, usual_at_once, usual, usual_at_once)
    worst: list[tuple[float, str]] = []
    for name, payload in _payloads(chars, kinds):
        streamed, at_once = measured(payload, count), measured(payload, 1)
        _line(name, streamed, at_once, usual, usual_at_once)
        worst.append((max(streamed[0], at_once[0]), name))
    _worst(worst)


def _line(
    name: str,
    streamed: tuple[float, float],
    at_once: tuple[float, float],
    usual: tuple[float, float],
    usual_at_once: tuple[float, float],
) -> None:
    print(
        f"{name:<26}{streamed[0]:7.1f} ms{streamed[1]:9.0f} ms{streamed[0] / usual[0]:7.1f} × |"
        f"{at_once[0]:7.1f} ms{at_once[1]:9.0f} ms{at_once[0] / usual_at_once[0]:7.1f} ×",
        flush=True,
    )


if __name__ == "__main__":
    main()
