"""Faults on demand, for tests and demonstrations: `careful!stall` is `careful` on a bad day."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What goes wrong. The last four need a text to go wrong with, so they come half-way through it."""

    OVERLOADED = "overloaded"  # 503 before the first token
    RATE_LIMITED = "rate-limited"  # 429 with a Retry-After, before the first token
    STALL = "stall"  # half the text, then silence until the request's own timeout
    CUT = "cut"  # half the text, then the stream ends without its end mark
    REFUSE = "refuse"  # ends at half the text with the finish reason of a content filter
    GARBLE = "garble"  # half the text twice: no judge's reply survives it as JSON


_BY_NAME = {fault.value: fault for fault in Fault}


def split_fault(model_id: str) -> tuple[str, Fault | None]:
    """`careful!stall` gives (`careful`, STALL); an unknown fault stays part of the id, which then names no model."""
    name, _, asked = model_id.partition("!")
    fault = _BY_NAME.get(asked)
    return (name, fault) if fault else (model_id, None)
