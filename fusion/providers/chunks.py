"""From the payloads of a completion stream to the engine's chunks. Pure: no sockets, no clock."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from fusion.engine.types import Chunk, Finish, FinishReason, ReasoningDelta, TextDelta
from fusion.errors import ProviderMalformed, ProviderStreamCut
from fusion.providers.connection import Connection
from fusion.providers.failures import error_in, read_error, upstream_error
from fusion.providers.thinking import SurrogateJoiner, ThinkSplitter
from fusion.providers.usage import read_usage

MAX_TEXT_CHARS = 8_000_000

_REASONS = {
    **dict.fromkeys(("stop", "end_turn", "eos", "eos_token", "stop_sequence", "completed", "end"), FinishReason.STOP),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length"), FinishReason.LENGTH),
    **dict.fromkeys(
        ("content_filter", "content_filtered", "refusal", "safety", "recitation", "prohibited_content", "blocklist"),
        FinishReason.REFUSED,
    ),
}


class ChunkReader:
    """Reads one completion, streamed or whole, payload by payload; `finish` closes the books.

    Raises ProviderError: an error object in mid-stream, a payload that is not the protocol, too much text, and
    ProviderStreamCut when the stream ended without an end mark (a finish reason or `[DONE]`).
    """

    def __init__(self, connection: Connection, model_id: str) -> None:
        self._connection = connection
        self._model_id = model_id
        self._thinking = ThinkSplitter()
        self._visible = SurrogateJoiner()
        self._hidden = SurrogateJoiner()
        self._chars = 0
        self._refusing = False
        self._reason: FinishReason | None = None
        self._usage_payload = b""
        self._upstream_model: str | None = None
        self._upstream_id: str | None = None
        self.has_payloads = False
        self.has_choices = False
        self.has_output = False
        self.is_done = False  # [DONE] was read, or the whole reply was one JSON document

    @property
    def has_reason(self) -> bool:
        """The model has said why it stopped; only bookkeeping can follow."""
        return self._reason is not None

    def feed(self, payload: bytes) -> list[Chunk]:
        """The text and reasoning in one payload; what follows the end mark is ignored."""
        if self.is_done:
            return []
        self.has_payloads = True
        if payload.strip() == b"[DONE]":
            self.is_done = True
            return []
        chunk = self._parse(payload)
        if chunk is None:
            return []
        if (error := error_in(chunk)) is not None:
            raise upstream_error(self._connection, self._model_id, read_error(error))
        self._take_facts(chunk, payload)
        self.has_choices = self.has_choices or isinstance(chunk.get("choices"), list)
        found = [piece for choice in _choices(chunk) for piece in self._take_choice(choice)]
        self.has_output = self.has_output or bool(found)
        return found

    def feed_tail(self, payload: bytes) -> list[Chunk]:
        """Like `feed`, for an event that lacks its closing blank line: half a payload is a cut, not a fault."""
        try:
            return self.feed(payload)
        except ProviderMalformed:
            return []

    def held_back(self) -> list[Chunk]:
        """Text that waited for its other half, then the usage; what is left to tell however the stream ended."""
        found: list[Chunk] = list(self._thinking.feed(self._visible.finish()))
        found += self._thinking.finish()
        if half := self._hidden.finish():
            found.append(ReasoningDelta(half))
        if self._usage_payload and (usage := read_usage(self._usage_payload)) is not None:
            found.append(usage)
        return found

    def end(self) -> Finish:
        """The end mark. Raises ProviderStreamCut when there was none."""
        reason = self._reason
        if reason is None and not self.is_done:
            raise ProviderStreamCut(
                f"{self._connection.label} ended the stream of {self._model_id} before the answer was complete."
            )
        if self._refusing:
            reason = FinishReason.REFUSED
        return Finish(reason or FinishReason.STOP, upstream_model=self._upstream_model, upstream_id=self._upstream_id)

    def _parse(self, payload: bytes) -> Mapping[str, Any] | None:
        try:
            chunk = orjson.loads(payload)
        except orjson.JSONDecodeError:
            chunk = self._parse_leniently(payload)
        if isinstance(chunk, dict):
            return chunk
        if self.has_reason:
            return None
        raise ProviderMalformed(f"{self._connection.label} sent something that is not a completion: check its address.")

    def _parse_leniently(self, payload: bytes) -> object:
        """Half surrogates, NaN and broken UTF-8 are refused by the fast parser, but they do occur."""
        try:
            parsed: object = json.loads(payload.decode("utf-8", "replace"), parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            return None
        return parsed

    def _take_facts(self, chunk: Mapping[str, Any], payload: bytes) -> None:
        if chunk.get("usage"):
            self._usage_payload = payload  # read once, at the end: some send a running count with every chunk
        if self._upstream_id is None:
            self._upstream_id = _name(chunk.get("id"))
        if self._upstream_model is None:
            self._upstream_model = _name(chunk.get("model"))

    def _take_choice(self, choice: Mapping[str, Any]) -> Iterator[Chunk]:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            message = choice.get("message")
            delta = message if isinstance(message, dict) and not self.has_output else {}
        for text in _reasoning(delta):
            yield from self._hide(text)
        for text, hidden in _content(delta.get("content")):
            yield from self._hide(text) if hidden else self._show(text)
        if isinstance(refusal := delta.get("refusal"), str) and refusal:
            self._refusing = True
            yield from self._show(refusal)
        self._take_reason(choice.get("finish_reason"))

    def _take_reason(self, reason: object) -> None:
        if not isinstance(reason, str) or not reason:
            return
        if reason.lower() == "error":
            raise ProviderStreamCut(f"{self._connection.label} reported an error while {self._model_id} was answering.")
        self._reason = _REASONS.get(reason.lower(), FinishReason.OTHER)

    def _show(self, text: str) -> Iterator[TextDelta | ReasoningDelta]:
        self._count(text)
        yield from self._thinking.feed(self._visible.feed(text))

    def _hide(self, text: str) -> Iterator[ReasoningDelta]:
        self._count(text)
        if text := self._hidden.feed(text):
            yield ReasoningDelta(text)

    def _count(self, text: str) -> None:
        self._chars += len(text)
        if self._chars > MAX_TEXT_CHARS:
            raise ProviderMalformed(f"{self._connection.label} sent more text than any answer may have; it was cut.")


def _choices(chunk: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The chunk's choices of index 0; we never ask for a second one."""
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and not choice.get("index"):
            yield choice


def _reasoning(delta: Mapping[str, Any]) -> Iterator[str]:
    """Hidden reasoning under the first of its names; gateways repeat it under several."""
    for name in ("reasoning_content", "reasoning"):
        if isinstance(text := delta.get(name), str) and text:
            yield text
            return
    details = delta.get("reasoning_details")
    for detail in details if isinstance(details, list) else ():
        text = (detail.get("text") or detail.get("summary")) if isinstance(detail, dict) else None
        if isinstance(text, str) and text:
            yield text


def _content(content: object) -> Iterator[tuple[str, bool]]:
    """Pieces of text and whether they are hidden; content is a string, or parts as Mistral sends them."""
    if isinstance(content, str):
        if content:
            yield content, False
        return
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            continue
        hidden = part.get("type") == "thinking"
        inner = part.get("thinking") if hidden else part.get("text")
        pieces = (
            [entry.get("text") for entry in inner if isinstance(entry, dict)] if isinstance(inner, list) else [inner]
        )
        yield from ((piece, hidden) for piece in pieces if isinstance(piece, str) and piece)


def _name(value: object) -> str | None:
    return value[:200] if isinstance(value, str) and value and value.isprintable() else None
