"""What showing a streaming answer costs, in one run: commit + tail beside rendering everything again at every tick.

    python benchmarks/render.py [--chars 11500] [--ticks 290] [--repeat 5]

The same text in the same pieces goes both ways. The figures are CPU time of this process and bytes of the htmx
fragments; the last line is the ratio between the two ways, which is what carries over to other machines.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fusion.web.document import LiveDocument, op_html
from fusion.web.highlight import highlight
from fusion.web.markdown import normalise, parse_blocks, render_tokens
from fusion.web.ops import Reset

SECTION = """## Part {n}: how the pieces fit

The first thing to know is that **every answer** is read in full, and `nothing` is thrown away; see
[the notes](https://example.org/notes/{n}) for more. Some sentences are longer than others, *as they are* in any text,
and a few of them go on for a while before they end.

- a short item
- an item with **bold words** and `code` in it
- another one that is a good deal longer than the two before it, with a second clause
  - and a nested one

```python
def part_{n}(values: list[int]) -> int:
    # the sum of squares
    return sum(value * value for value in values)
```

| name | value | note |
|---|--:|---|
| alpha | {n} | first |
| beta | 2 | *second* |

"""

Meter = Callable[[list[str]], int]


def sample(chars: int) -> str:
    return "".join(SECTION.format(n=n) for n in range(chars // 600 + 1))[:chars]


def pieces(text: str, ticks: int) -> list[str]:
    edges = [len(text) * n // ticks for n in range(ticks + 1)]
    return [text[start:end] for start, end in pairwise(edges)]


def commit_and_tail(parts: list[str]) -> int:
    """Bytes sent when only what changed is sent."""
    document, sent = LiveDocument("a-B"), 0
    for part in parts:
        document.feed(part)
        sent += sum(len(op_html(op, "a-B").encode()) for op in document.tick())
    return sent + sum(len(op_html(op, "a-B").encode()) for op in document.finish())


def render_again(parts: list[str]) -> int:
    """Bytes sent when every tick renders and sends the whole text so far."""
    return sum(len(op_html(Reset(blocks), "a-B").encode()) for blocks in _growing(parts))


def _growing(parts: list[str]) -> Iterator[tuple[str, ...]]:
    text = ""
    for part in parts:
        text += part
        yield tuple(render_tokens(block.tokens) for block in parse_blocks(normalise(text), {}))


def measure(meter: Meter, parts: list[str], repeat: int) -> tuple[float, int]:
    """Median CPU milliseconds, and bytes; coloured code is forgotten between the repeats."""
    taken: list[float] = []
    sent = 0
    for _ in range(repeat):
        highlight.cache_clear()
        start = time.process_time()
        sent = meter(parts)
        taken.append((time.process_time() - start) * 1000)
    return statistics.median(taken), sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--chars", type=int, default=11_500)
    parser.add_argument("--ticks", type=int, default=290)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    parts = pieces(sample(args.chars), args.ticks)
    commit_and_tail(parts)  # loads the lexers
    again_ms, again_bytes = measure(render_again, parts, args.repeat)
    commit_ms, commit_bytes = measure(commit_and_tail, parts, args.repeat)
    print(f"{args.chars:,} characters in {args.ticks} ticks")
    print(f"{'render all again':<18}{again_ms:10.1f} ms{again_bytes / 1000:12.1f} kB")
    print(f"{'commit + tail':<18}{commit_ms:10.1f} ms{commit_bytes / 1000:12.1f} kB")
    print(f"{'ratio':<18}{again_ms / commit_ms:10.1f} ×{again_bytes / commit_bytes:13.1f} ×")


if __name__ == "__main__":
    main()
