"""What is learned of each model from its answers: characters per token, and the usual time to the first token.

Only for what is shown while an answer is awaited; receipts use what the provider counted. Kept in this process.
"""

from __future__ import annotations

from fusion.engine.types import Answer
from fusion.live.record import CHARS_PER_TOKEN

LEARNED_FROM_TOKENS = 50  # shorter answers say more about their first word than about the model
NEWEST_COUNTS = 0.3
PLAUSIBLE = (1.0, 12.0)

_learned: dict[str, float] = {}
_ttft_ms: dict[str, float] = {}


def chars_per_token(ref: str) -> float:
    """The model's measured figure, or a cautious one while there is none."""
    return _learned.get(ref, CHARS_PER_TOKEN)


def usual_ttft_ms(ref: str) -> int | None:
    """What the model usually takes to its first token, in milliseconds; None while nothing is known."""
    known = _ttft_ms.get(ref)
    return None if known is None else round(known)


def learn(ref: str, answer: Answer) -> None:
    """Take an ended answer into account."""
    if answer.state.is_usable and answer.ttft_ms is not None:
        _mix(_ttft_ms, ref, answer.ttft_ms)
    measured = _measured_chars_per_token(answer)
    if measured is not None:
        _mix(_learned, ref, measured)


def _measured_chars_per_token(answer: Answer) -> float | None:
    """None unless the provider counted the tokens and all of them were visible text."""
    usage = answer.usage
    if usage is None or usage.estimated or answer.reasoning_chars or usage.reasoning_tokens:
        return None
    if usage.output_tokens < LEARNED_FROM_TOKENS:
        return None
    measured = len(answer.text) / usage.output_tokens
    return measured if PLAUSIBLE[0] <= measured <= PLAUSIBLE[1] else None


def _mix(learned: dict[str, float], ref: str, measured: float) -> None:
    known = learned.get(ref, measured)
    learned[ref] = known + NEWEST_COUNTS * (measured - known)


def forget() -> None:
    """Start without knowledge; for tests."""
    _learned.clear()
    _ttft_ms.clear()
