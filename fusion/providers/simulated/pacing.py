"""Cuts a text into pieces and says when each is due, as a model's stream would."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

CHARS_PER_TOKEN = 4
TICK_S = 0.03  # one piece per tick at most: a finer grain costs CPU and nobody could see it
_TOKEN = re.compile(r"\s*[^\s]{1,4}|\s+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text and the second after the first piece at which it is due."""

    text: str
    due_s: float


def count_tokens(text: str) -> int:
    """The simulation's tokens: four characters each, rounded up."""
    return math.ceil(len(text) / CHARS_PER_TOKEN)


def cut_to_tokens(text: str, limit: int) -> tuple[str, bool]:
    """The text within `limit` tokens, and whether something had to go."""
    kept = text[: max(limit, 0) * CHARS_PER_TOKEN]
    return kept, len(kept) < len(text)


def pieces(text: str, *, tokens_per_s: float, seed: str) -> Iterator[Piece]:
    """Runs of one to four tokens, several per piece when the speed outruns the tick; the same for the same seed."""
    dice = random.Random(seed)  # noqa: S311 - rhythm, not secrecy
    chars_per_s = tokens_per_s * CHARS_PER_TOKEN
    held, sent = "", 0
    for burst in _bursts(text, dice):
        held += burst
        if len(held) / chars_per_s >= TICK_S:
            yield Piece(held, sent / chars_per_s)
            held, sent = "", sent + len(held)
    if held:
        yield Piece(held, sent / chars_per_s)


def _bursts(text: str, dice: random.Random) -> Iterator[str]:
    tokens = _TOKEN.findall(text)
    start = 0
    while start < len(tokens):
        end = start + dice.randint(1, 4)
        yield "".join(tokens[start:end])
        start = end
