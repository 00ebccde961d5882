"""The slowest tick over the hostile texts of the tests, beside plain text of the same size.

    python benchmarks/hostile.py [--chars 200000] [--ticks 200] [kind ...]

Each text goes to a live document twice: streamed in equal pieces, and at once; then it ends, and ticks follow until
nothing is left to show. Figures are CPU milliseconds of this process: the slowest tick, all ticks together, and how
many times slower than plain text the slowest one is. The last lines are the worst of all.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fusion.web.document import LiveDocument
from fusion.web.highlight import highlight
from fusion.web.portions import forget_rendered
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--chars", type=int, default=200_000)
    parser.add_argument("--ticks", type=int, default=200)
    parser.add_argument("kinds", nargs="*")
    args = parser.parse_args()
    plain = (PLAIN * (args.chars // len(PLAIN) + 1))[: args.chars]
    measured(plain, args.ticks)  # warms up
    usual, usual_at_once = measured(plain, args.ticks), measured(plain, 1)
    print(f"{args.chars:,} characters, {args.ticks} ticks; streamed | at once: slowest tick, all ticks, ratio to plain")
    _line("plain text", usual, usual_at_once, usual, usual_at_once)
    worst: list[tuple[float, str]] = []
    for kind, payloads in long(args.chars).items():
        for number, payload in enumerate(payloads):
            if args.kinds and kind not in args.kinds:
                continue
            streamed, at_once = measured(payload, args.ticks), measured(payload, 1)
            _line(f"{kind} {number}", streamed, at_once, usual, usual_at_once)
            worst.append((max(streamed[0], at_once[0]), f"{kind} {number}"))
    for slowest, name in sorted(worst, reverse=True)[:3]:
        print(f"worst: {slowest:6.1f} ms  {name}")
    over = sum(slowest > LIMIT_MS for slowest, _ in worst)
    print(f"{over} of {len(worst)} texts have a tick over {LIMIT_MS:.0f} ms")


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
