"""States in people's words: a label, an icon and a tone for each, and what to do about a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fusion.engine.types import AnswerState, Failure, RunState


@dataclass(frozen=True, slots=True)
class Word:
    """`tone` is a badge of the design: ok, info, warn, bad or empty for neutral."""

    label: str
    icon: str
    tone: str = ""


ANSWER_WORDS: Final[Mapping[AnswerState, Word]] = {
    AnswerState.WAITING: Word("Waiting", "clock"),
    AnswerState.ASKED: Word("Asked", "clock", "info"),
    AnswerState.THINKING: Word("Thinking", "dots", "info"),
    AnswerState.STREAMING: Word("Answering", "pen", "info"),
    AnswerState.RETRYING: Word("Asking again", "retry", "warn"),
    AnswerState.DONE: Word("Done", "check", "ok"),
    AnswerState.CUT_OFF: Word("Cut off", "cut", "warn"),
    AnswerState.TRUNCATED: Word("Broke off", "cut", "warn"),
    AnswerState.REFUSED: Word("Refused", "skip"),
    AnswerState.EMPTY: Word("Empty", "skip", "warn"),
    AnswerState.FAILED: Word("Failed", "cross", "bad"),
    AnswerState.STOPPED: Word("Stopped", "stop"),
    AnswerState.INTERRUPTED: Word("Interrupted", "warn", "warn"),
    AnswerState.LEFT_OUT: Word("Left out", "skip"),
}

SILENT: Final = Word("Silent", "clock", "warn")

RUN_WORDS: Final[Mapping[RunState, Word]] = {
    RunState.QUEUED: Word("Queued", "clock"),
    RunState.RUNNING: Word("Running", "pen", "info"),
    RunState.DONE: Word("Done", "check", "ok"),
    RunState.SINGLE: Word("Single answer", "check", "warn"),
    RunState.UNJUDGED: Word("Not judged", "scales", "warn"),
    RunState.SHORT: Word("Too few answers", "warn", "warn"),
    RunState.ANSWERED: Word("Answers only", "check"),
    RunState.FAILED: Word("Failed", "cross", "bad"),
    RunState.CANCELLED: Word("Stopped", "stop"),
    RunState.INTERRUPTED: Word("Interrupted", "warn", "warn"),
}

_ADVICE: Final[Mapping[str, str]] = {
    "provider_auth_failed": "Only whoever manages this connection can mend this: by setting a valid key.",
    "provider_billing_refused": "Only whoever pays for the account at the provider can mend this: by topping it up.",
    "provider_model_unknown": "Choose another model in the pool.",
    "provider_context_too_long": "Shorten the question, or use a model with a larger context.",
    "provider_rate_limited": "Wait a little, then ask this member again.",
    "provider_overloaded": "The provider is busy; ask this member again in a moment.",
    "provider_timeout": "Ask this member again, or allow it more time in the pool.",
    "provider_unreachable": "Check the network and the provider's address, then ask again.",
    "provider_stream_cut": "Ask this member again.",
    "provider_malformed": "Ask again; if it stays so, this provider does not speak the expected protocol.",
    "provider_refused": "Rephrase the question, or leave this member out.",
    "provider_images_refused": "Ask again without the images, or use a model that sees.",
    "provider_bad_request": "Check this member's settings in the pool.",
    "provider_bug": "Not your doing. Tell whoever runs this installation; its log names the place.",
    "internal_error": "Not your doing. Tell whoever runs this installation; its log names the place.",
    "empty_answer": "Ask this member again, or allow it more tokens in the pool.",
    "none_acceptable": "“Why” says what is wrong with each. Ask in other words, or ask a stronger pool.",
    "cannot_judge": "“Why” says what could not be told. Ask another judge, or read the answers yourself.",
    "no_verdict": "The answers are complete. Ask for a verdict again, or read them yourself.",
}


_CAUSES: Final[Mapping[str, str]] = {
    "provider_auth_failed": "The key was refused",
    "provider_billing_refused": "No credit left",
    "provider_model_unknown": "The model is not there",
    "provider_context_too_long": "The question does not fit",
    "provider_rate_limited": "Rate limited",
    "provider_overloaded": "The provider has a problem",
    "provider_timeout": "Out of time",
    "provider_unreachable": "Not reachable",
    "provider_address_refused": "Address not allowed",
    "provider_stream_cut": "The connection broke",
    "provider_malformed": "Not understood",
    "provider_refused": "Refused",
    "provider_images_refused": "No images taken",
    "provider_bad_request": "Not accepted",
    "provider_bug": "A defect on our side",
    "empty_answer": "Empty answer",
}


def cause(code: str) -> str:
    """What kind of failure it is, as a title."""
    return _CAUSES.get(code, "No answer")


def advice(failure: Failure | None) -> str:
    """What a reader can do about a failure; empty when nothing better than its own sentence is known."""
    return "" if failure is None else _ADVICE.get(failure.code, "")


def seconds(milliseconds: int | float) -> str:
    """`0.8 s` below ten seconds, `30 s` above."""
    value = milliseconds / 1000
    return f"{value:.1f} s" if value < 10 and round(value, 1) != int(value) else f"{value:.0f} s"


def plural(number: int, one: str, many: str | None = None) -> str:
    """`1 call`, `3 calls`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listed(parts: tuple[str, ...] | list[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
