"""Who answers, and what one member gave."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from fusion.engine.types.calls import Provider, Usage


class Sight(StrEnum):
    """How somebody got the images of a prompt."""

    SEEN = "seen"  # they were sent
    TOLD = "told"  # it cannot see, and was told that there are images
    REFUSED = "refused"  # its provider would not take them, and it was told instead
    LEFT_OUT = "left_out"  # it cannot see, so it was not asked


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One LLM as one provider serves it. `ref` is `connection:model-id`, unique in the installation.

    `sees`: whether it takes images; None when nobody says, so that it is tried.
    """

    ref: str
    model_id: str
    name: str
    provider_name: str
    provider: Provider = field(repr=False, compare=False)
    context_tokens: int | None = None
    family: str = ""
    simulated: bool = False
    sees: bool | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call, an answer or a run failed: a stable code and a sentence for people."""

    code: str
    message: str


class AnswerState(StrEnum):
    """The life of one answer. The first five are under way, the others are final."""

    WAITING = "waiting"  # not asked yet
    ASKED = "asked"  # request sent, nothing came yet
    THINKING = "thinking"  # reasoning arrives, no visible text yet
    STREAMING = "streaming"
    RETRYING = "retrying"  # failed before the first token, will be asked once more
    DONE = "done"
    CUT_OFF = "cut_off"  # stopped at its own token limit; text kept
    TRUNCATED = "truncated"  # connection or time ended in mid-text; text kept
    REFUSED = "refused"
    EMPTY = "empty"
    FAILED = "failed"
    STOPPED = "stopped"  # by a person; partial text kept
    INTERRUPTED = "interrupted"  # the process ended in mid-answer; text up to the last checkpoint kept
    LEFT_OUT = "left_out"  # never asked: it cannot see the images, and whoever asked wanted such members left out

    @property
    def is_final(self) -> bool:
        return self not in UNDER_WAY

    @property
    def is_usable(self) -> bool:
        """There is text that a judge may judge and a quorum may count."""
        return self in USABLE


UNDER_WAY = frozenset(
    {AnswerState.WAITING, AnswerState.ASKED, AnswerState.THINKING, AnswerState.STREAMING, AnswerState.RETRYING}
)

USABLE = frozenset({AnswerState.DONE, AnswerState.CUT_OFF, AnswerState.TRUNCATED})


@dataclass(frozen=True, slots=True)
class Answer:
    """One member's ended answer. `text` is byte for byte what the provider sent as visible text.

    `ttft_ms` and `total_ms` count from the moment the member was first asked. `late`: ended after the panel closed,
    so no judge saw it. `sight`: how it got the images of the prompt, None where there are none.
    """

    letter: str
    state: AnswerState
    text: str = ""
    reasoning_chars: int = 0
    usage: Usage | None = None
    ttft_ms: int | None = None
    total_ms: int | None = None
    failure: Failure | None = None
    late: bool = False
    sight: Sight | None = None
