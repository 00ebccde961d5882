"""Names that no answer can know: seeded labels, orders and fence marks for one judge or writer call.

Everything is drawn from HMAC-SHA256 over the run's stored seed, so a stored run replays to the same labels and the same
order on every Python version, while an answer, which was written before the draw, cannot name its own label.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

ALPHABET = "0123456789BCDFGHJKMNPQRSTVWXYZ"  # Crockford's base32 without its vowels, so that no word can come out
LABEL_CHARS = 3
DRAWS_PER_LENGTH = 400
NONCE_BYTES = 8


def derive_seed(run_seed: str, stage: str, attempt: int) -> bytes:
    """The 32 secret bytes of one stage and attempt of a run."""
    return _hmac(run_seed.encode(), f"{stage}\x1f{attempt}".encode())


def draw_labels(letters: Sequence[str], seed: bytes, *, forbidden_text: Iterable[str] = ()) -> Mapping[str, str]:
    """One label per letter: a digit and a consonant at least, and two characters apart from every other label.

    No label occurs in any forbidden text, in whatever case. Texts that hold nearly every triple of characters (long
    base64) get longer labels instead.
    """
    haystack = "\n".join(forbidden_text).upper()
    draws = _numbers(seed, "labels")
    labels: dict[str, str] = {}
    for letter in letters:
        labels[letter] = _draw_label(draws, haystack, labels.values())
    return labels


def shuffle(letters: Sequence[str], seed: bytes) -> tuple[str, ...]:
    """The letters in a seeded random order (Fisher-Yates)."""
    order = list(letters)
    draws = _numbers(seed, "order")
    for last in range(len(order) - 1, 0, -1):
        other = _below(draws, last + 1)
        order[last], order[other] = order[other], order[last]
    return tuple(order)


def draw_nonce(seed: bytes) -> str:
    """16 hex digits for the fences around untrusted text."""
    return _hmac(seed, b"nonce")[:NONCE_BYTES].hex()


def _draw_label(draws: Iterator[int], haystack: str, taken: Collection[str]) -> str:
    chars = LABEL_CHARS
    while True:
        for _ in range(DRAWS_PER_LENGTH):
            label = "".join(ALPHABET[_below(draws, len(ALPHABET))] for _ in range(chars))
            if _is_distinct(label, taken) and label not in haystack:
                return label
        chars += 1


def _is_distinct(label: str, taken: Collection[str]) -> bool:
    if label.isdigit() or label.isalpha():
        return False
    return all(sum(a != b for a, b in zip(label, other, strict=False)) >= 2 for other in taken)


def _below(draws: Iterator[int], bound: int) -> int:
    """The next number below `bound` (at most 256), each equally likely: bytes of the last, short round are skipped."""
    limit = 256 - 256 % bound
    return next(number for number in draws if number < limit) % bound


def _numbers(seed: bytes, purpose: str) -> Iterator[int]:
    """An endless stream of seeded bytes."""
    block = 0
    while True:
        yield from _hmac(seed, f"{purpose}\x1f{block}".encode())
        block += 1


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()
