"""What is learned of each model from its answers: characters per token.

Only for what is shown while an answer is awaited; receipts use what the provider counted. Kept in this process.
"""

from __future__ import annotations

from fusion.engine.types import Answer
from fusion.live.record import CHARS_PER_TOKEN

LEARNED_FROM_TOKENS = 50  # shorter answers say more about their first word than about the model
NEWEST_COUNTS = 0.3
PLAUSIBLE = (1.0, 12.0)

_learned: dict[str, float] = {}


def chars_per_token(ref: str) -> float:
    """The model's measured figure, or a cautious one while there is none."""
    return _learned.get(ref, CHARS_PER_TOKEN)


def learn(ref: str, answer: Answer) -> None:
    """Take an ended answer into account."""
    measured = _measured_chars_per_token(answer)
    if measured is not None:
        known = _learned.get(ref, measured)
        _learned[ref] = known + NEWEST_COUNTS * (measured - known)


def _measured_chars_per_token(answer: Answer) -> float | None:
    """None unless the provider counted the tokens and all of them were visible text."""
    usage = answer.usage
    if usage is None or usage.estimated or answer.reasoning_chars or usage.reasoning_tokens:
        return None
    if usage.output_tokens < LEARNED_FROM_TOKENS:
        return None
    measured = len(answer.text) / usage.output_tokens
    return measured if PLAUSIBLE[0] <= measured <= PLAUSIBLE[1] else None


def forget() -> None:
    """Start without knowledge; for tests."""
    _learned.clear()
