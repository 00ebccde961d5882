"""Faults on demand, for tests and demonstrations: `careful!stall` is `careful` on a bad day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from fusion.engine.types import FinishReason
from fusion.errors import (
    ProviderAuthFailed,
    ProviderBillingRefused,
    ProviderContextTooLong,
    ProviderError,
    ProviderMalformed,
    ProviderModelUnknown,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderStreamCut,
    ProviderTimeout,
    ProviderUnreachable,
)
from fusion.providers.problems import Part, Problem

RATE_LIMIT_WAIT_S = 1.0
LONG_WAIT_S = 600.0
PAUSE_S = 30.0
THINKING_S = 20.0
THINKING_TOKENS = 800
CRAWL = 0.1  # of the natural speed
PURPOSES_KEPT = 500


class Fault(StrEnum):
    """What goes wrong; `_PROBLEMS` says it in words. Faults in the middle come half-way through the text."""

    # before the first token
    OVERLOADED = "overloaded"
    OVERLOADED_ONCE = "overloaded-once"
    OVERLOADED_TWICE = "overloaded-twice"
    RATE_LIMITED = "rate-limited"
    RATE_LIMITED_LONG = "rate-limited-long"
    WRONG_KEY = "wrong-key"
    NO_CREDIT = "no-credit"
    UNREACHABLE = "unreachable"
    GONE = "gone"
    TOO_LONG = "too-long"
    FILTERED = "filtered"
    MALFORMED = "malformed"
    DEFECT = "defect"
    SILENT = "silent"
    # in the middle
    STALL = "stall"
    PAUSE = "pause"
    CUT = "cut"
    REFUSE = "refuse"
    LENGTH = "length"
    # otherwise
    EMPTY = "empty"
    SLOW = "slow"
    THINKING = "thinking"
    ONLY_THINKING = "only-thinking"
    # of a verdict
    GARBLE = "garble"
    GARBLE_ONCE = "garble-once"
    GARBLE_LONG = "garble-long"
    TIE = "tie"
    NONE_ACCEPTABLE = "none-acceptable"
    CANNOT_JUDGE = "cannot-judge"


_ANYONE: Final[frozenset[Part]] = frozenset(("member", "judge", "writer"))
_MEMBER: Final[frozenset[Part]] = frozenset(("member",))
_JUDGE: Final[frozenset[Part]] = frozenset(("judge",))

_PROBLEMS: Final[Mapping[Fault, tuple[str, frozenset[Part]]]] = MappingProxyType(
    {
        Fault.OVERLOADED: ("overloaded, however often it is asked", _ANYONE),
        Fault.OVERLOADED_ONCE: ("overloaded at first, the automatic retry gets through", _ANYONE),
        Fault.OVERLOADED_TWICE: ("overloaded until somebody asks it again", _ANYONE),
        Fault.RATE_LIMITED: ("rate limited, however often it is asked", _ANYONE),
        Fault.RATE_LIMITED_LONG: ("rate limited for ten minutes", _ANYONE),
        Fault.WRONG_KEY: ("its key is refused", _ANYONE),
        Fault.NO_CREDIT: ("its account has no credit left", _ANYONE),
        Fault.UNREACHABLE: ("it cannot be reached", _ANYONE),
        Fault.GONE: ("its model is gone", _ANYONE),
        Fault.TOO_LONG: ("the prompt does not fit it", _ANYONE),
        Fault.FILTERED: ("a content filter declines before a word", _ANYONE),
        Fault.MALFORMED: ("it replies with something that is not the protocol", _ANYONE),
        Fault.DEFECT: ("the connection to it has a defect of ours", _ANYONE),
        Fault.SILENT: ("never begins to answer", _ANYONE),
        Fault.STALL: ("falls silent in the middle", _ANYONE),
        Fault.PAUSE: ("falls silent for half a minute, then goes on", _MEMBER),
        Fault.CUT: ("its connection is cut in the middle", _ANYONE),
        Fault.REFUSE: ("refuses in the middle", _ANYONE),
        Fault.LENGTH: ("is cut off by its token limit", _ANYONE),
        Fault.EMPTY: ("ends without a word", _ANYONE),
        Fault.SLOW: ("answers at a crawl", _ANYONE),
        Fault.THINKING: ("thinks for a while before it answers", _ANYONE),
        Fault.ONLY_THINKING: ("thinks until its tokens are used up", _MEMBER),
        Fault.GARBLE: ("its verdict cannot be read", _JUDGE),
        Fault.GARBLE_ONCE: ("its verdict can be read at the second try", _JUDGE),
        Fault.GARBLE_LONG: ("only a short reply of it can be read", _JUDGE),
        Fault.TIE: ("cannot separate the answers", _JUDGE),
        Fault.NONE_ACCEPTABLE: ("finds no answer acceptable", _JUDGE),
        Fault.CANNOT_JUDGE: ("cannot tell which answer is right", _JUDGE),
    }
)
PROBLEMS: Final = tuple(Problem(fault.value, *_PROBLEMS[fault]) for fault in Fault)

SHORT_REPLY_CHARS = 80
_BY_NAME = {fault.value: fault for fault in Fault}
# How many requests of the same words fail before one gets through.
PASSING: Final[Mapping[Fault, tuple[int, Fault]]] = MappingProxyType(
    {
        Fault.OVERLOADED_ONCE: (1, Fault.OVERLOADED),
        Fault.OVERLOADED_TWICE: (2, Fault.OVERLOADED),
        Fault.GARBLE_ONCE: (1, Fault.GARBLE),
    }
)
HALVED = frozenset({Fault.STALL, Fault.CUT, Fault.REFUSE, Fault.LENGTH})


def split_fault(model_id: str) -> tuple[str, Fault | None]:
    """`careful!stall` gives (`careful`, STALL); an unknown fault stays part of the id, which then names no model."""
    name, _, asked = model_id.partition("!")
    fault = _BY_NAME.get(asked)
    return (name, fault) if fault else (model_id, None)


def with_fault(model_id: str, fault: str) -> str:
    """The id that asks for `fault`, which is one of `PROBLEMS`; the bare id for an empty one."""
    return f"{model_id}!{Fault(fault).value}" if fault else model_id


class Passing:
    """Counts the requests of each purpose that failed, for faults that pass; remembers the latest purposes only.

    A request does not say which run it belongs to, so two runs of the same question at the same time share a count.
    """

    def __init__(self) -> None:
        self._failed: dict[str, int] = {}

    def gets_through(self, purpose: str, *, fails: int) -> bool:
        """Count a request; True once `fails` of them have failed, after which the count begins anew."""
        failed = self._failed.pop(purpose, 0)
        if failed >= fails:
            return True
        self._failed[purpose] = failed + 1
        if len(self._failed) > PURPOSES_KEPT:
            del self._failed[next(iter(self._failed))]
        return False


@dataclass(frozen=True, slots=True)
class _Early:
    """An error before the first token; `says` completes “Careful …”."""

    make: Callable[[str], ProviderError]
    says: str


_EARLY: Final[Mapping[Fault, _Early]] = MappingProxyType(
    {
        Fault.OVERLOADED: _Early(
            lambda said: ProviderOverloaded(said, status=503), "is overloaded (503): ask again in a moment"
        ),
        Fault.RATE_LIMITED: _Early(
            lambda said: ProviderRateLimited(said, status=429, retry_after_s=RATE_LIMIT_WAIT_S),
            "limits how fast it may be asked (429): wait, then ask again",
        ),
        Fault.RATE_LIMITED_LONG: _Early(
            lambda said: ProviderRateLimited(said, status=429, retry_after_s=LONG_WAIT_S),
            f"limits how fast it may be asked (429): ask again in {LONG_WAIT_S / 60:.0f} minutes",
        ),
        Fault.WRONG_KEY: _Early(
            lambda said: ProviderAuthFailed(said, status=401), "refused the key (401): check the key"
        ),
        Fault.NO_CREDIT: _Early(
            lambda said: ProviderBillingRefused(said, status=402), "asks for credit (402): top up the account"
        ),
        Fault.UNREACHABLE: _Early(ProviderUnreachable, "could not be reached: nothing answers at its address"),
        Fault.GONE: _Early(
            lambda said: ProviderModelUnknown(said, status=404), "is not served any more (404): choose another model"
        ),
        Fault.TOO_LONG: _Early(
            lambda said: ProviderContextTooLong(said, status=400), "cannot take a prompt of this length: shorten it"
        ),
        Fault.FILTERED: _Early(ProviderRefused, "declined: its content filter refused this request"),
        Fault.MALFORMED: _Early(ProviderMalformed, "answered with something that is not a completion"),
    }
)


def raise_early(fault: Fault | None, title: str) -> None:
    """Raises what this fault raises before the first token, as a ProviderError that says it is simulated."""
    if fault is Fault.DEFECT:
        raise RuntimeError("a simulated defect")
    early = _EARLY.get(fault) if fault is not None else None
    if early is not None:
        raise early.make(f"{title} {early.says}. This problem is simulated.")


def raise_late(fault: Fault | None, title: str) -> None:
    """Raises what this fault raises after the text that it lets through."""
    if fault is Fault.CUT:
        raise ProviderStreamCut(f"The connection to {title} broke in mid-answer. This problem is simulated.")
    if fault in (Fault.STALL, Fault.SILENT):
        raise ProviderTimeout(f"{title} sent nothing more in the time it had. This problem is simulated.")


def damaged(text: str, fault: Fault | None) -> str:
    """What is left of a text."""
    half = text[: len(text) // 2]
    if fault is Fault.GARBLE or (fault is Fault.GARBLE_LONG and len(text) > SHORT_REPLY_CHARS):
        return half + half
    if fault in (Fault.EMPTY, Fault.SILENT, Fault.ONLY_THINKING):
        return ""
    return half if fault in HALVED else text


def finish_reason(fault: Fault | None, *, is_cut_off: bool) -> FinishReason:
    """What the end mark says."""
    if fault is Fault.REFUSE:
        return FinishReason.REFUSED
    limited = is_cut_off or fault in (Fault.LENGTH, Fault.ONLY_THINKING)
    return FinishReason.LENGTH if limited else FinishReason.STOP
