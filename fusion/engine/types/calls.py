"""One upstream call: what goes to a provider and what comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol


class Role(StrEnum):
    """What one upstream call is for; the unit of receipts."""

    PANEL = "panel"
    JUDGE = "judge"
    WRITER = "writer"
    REBUTTAL = "rebuttal"  # a member's reply in a round of a debate


class FinishReason(StrEnum):
    """Why the model stopped, in our words; providers map theirs to these."""

    STOP = "stop"
    LENGTH = "length"
    REFUSED = "refused"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that came with a prompt, checked and encoded anew by us; `data` is the whole file."""

    media_type: Literal["image/png", "image/jpeg", "image/webp"]
    data: bytes = field(repr=False)
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One streamed completion. `response_schema` is a JSON schema the reply should follow, where the provider can.

    `unseen`: what to say instead of `messages` to a model that cannot see the images in them; None when that is to be
    a failure. A provider never gets to see it.
    """

    model_id: str
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float | None = None
    timeout_s: float = 120.0
    response_schema: Mapping[str, Any] | None = None
    unseen: tuple[Message, ...] | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of visible text; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of hidden reasoning; never empty, never judged."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens one provider call consumed.

    `output_tokens` includes `reasoning_tokens`; `input_tokens` includes `cached_input_tokens`.
    `cost_nanos` is what the upstream says it charged, in whole nano-dollars. `estimated`: counted by us from the text.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nanos: int | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The end mark of a stream. A provider that cannot yield this raises ProviderStreamCut instead."""

    reason: FinishReason
    upstream_model: str | None = None
    upstream_id: str | None = None


Chunk = TextDelta | ReasoningDelta | Usage | Finish


class Provider(Protocol):
    """Streams one completion; raises ProviderError and nothing else.

    Closing the iterator (`aclose`, or cancelling the task that reads it) closes the upstream connection at once.
    """

    def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]: ...
