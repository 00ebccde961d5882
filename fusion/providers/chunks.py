"""From the payloads of a completion stream to the engine's chunks. Pure: no sockets, no clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from fusion.engine.types import Chunk, Finish, FinishReason, ReasoningDelta, TextDelta
from fusion.errors import ProviderMalformed, ProviderStreamCut
from fusion.providers.connection import Connection
from fusion.providers.failures import ErrorWords, error_in, read_error, read_error_body, upstream_error
from fusion.providers.redaction import clean_words, shorten
from fusion.providers.thinking import SurrogateJoiner, ThinkSplitter
from fusion.providers.usage import read_usage

MAX_TEXT_CHARS = 3_000_000
LARGE_BYTES = 256 * 1024  # no chunk of a real stream comes near it; what is larger is handled with care for memory
SLICE_CHARS = 64 * 1024
_MAX_STRINGS = 10_000
_MAX_STRUCTURE_BYTES = 64 * 1024

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
    ProviderStreamCut when the stream ended without an end mark (a finish reason or `[DONE]`). `images`: the request
    held some.
    """

    def __init__(self, connection: Connection, model_id: str, *, images: bool = False) -> None:
        self._connection = connection
        self._model_id = model_id
        self._images = images
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
        match payload.strip():
            case b"[DONE]":
                self.is_done = True
                return []
            case b"":  # some keep a connection alive with it
                return []
        chunk = self._parse(payload)
        if chunk is None:
            return []
        if (error := error_in(chunk)) is not None:
            raise upstream_error(self._connection, self._model_id, read_error(error), images=self._images)
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

    def end_by(self, stray: bytes, *, was_stream: bool) -> None:
        """The body is over, and `stray` was in it without being an event. Raises what that means, if anything.

        Servers that fail in mid-stream write their error as it is, in plain words or as JSON.
        """
        if self.has_reason or self.is_done:
            return
        words, parsed = read_error_body(stray), self._loaded(stray)
        if isinstance(parsed, dict) and error_in(parsed) is not None:
            raise upstream_error(self._connection, self._model_id, words, images=self._images)
        if not was_stream:
            raise self._no_chunk(stray)
        if words.message:
            raise ProviderStreamCut(self._quoting(self._cut_sentence, words))

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
            raise ProviderStreamCut(self._cut_sentence)
        if self._refusing:
            reason = FinishReason.REFUSED
        return Finish(reason or FinishReason.STOP, upstream_model=self._upstream_model, upstream_id=self._upstream_id)

    @property
    def _cut_sentence(self) -> str:
        when = "was complete" if self.has_output else "began"
        return f"{self._connection.label} ended the stream of {self._model_id} before the answer {when}."

    def _parse(self, payload: bytes) -> Mapping[str, Any] | None:
        chunk = self._loaded(payload)
        if isinstance(chunk, list) and len(chunk) == 1:
            chunk = chunk[0]  # Google wraps its errors so
        if isinstance(chunk, dict):
            return chunk
        if self.has_reason:
            return None
        raise self._no_chunk(payload)

    def _loaded(self, payload: bytes) -> object:
        """The parsed payload; None when it is no JSON, or would be too large in memory."""
        is_large = len(payload) > LARGE_BYTES
        if is_large and _is_mostly_structure(payload):
            return None
        try:
            parsed: object = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return None if is_large else self._parse_leniently(payload)
        return parsed

    def _no_chunk(self, payload: bytes) -> ProviderMalformed:
        label = self._connection.label
        sentence = f"{label} sent something that is not a completion: check its address."
        if self.has_output:
            sentence = f"{label} broke off with something that is not part of an answer."
        if payload.lstrip()[:1] in (b"{", b"["):  # half a chunk tells a person nothing
            return ProviderMalformed(sentence)
        return ProviderMalformed(self._quoting(sentence, read_error_body(payload[:LARGE_BYTES])))

    def _quoting(self, sentence: str, words: ErrorWords) -> str:
        said = clean_words(words.message, self._connection.api_key)
        return shorten(f"{sentence} It said: “{said}”") if said else sentence

    def _parse_leniently(self, payload: bytes) -> object:
        """Half surrogates, NaN and broken UTF-8 are refused by the fast parser, but they do occur."""
        try:
            parsed: object = json.loads(payload.decode("utf-8", "replace"), parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            return None
        return parsed

    def _take_facts(self, chunk: Mapping[str, Any], payload: bytes) -> None:
        if chunk.get("usage") and len(payload) <= LARGE_BYTES:
            self._usage_payload = payload  # read once, at the end: some send a running count with every chunk
        if self._upstream_id is None:
            self._upstream_id = self._name(chunk.get("id"))
        if self._upstream_model is None:
            self._upstream_model = self._name(chunk.get("model"))

    def _name(self, value: object) -> str | None:
        """A name that is kept with the call; one that repeats the key is not."""
        name, key = _name(value), self._connection.api_key
        return None if name and key and key in name else name

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
        word = reason.lower().partition(":")[0]  # Google adds why: "content_filter: PROHIBITED_CONTENT"
        self._reason = _REASONS.get(word, FinishReason.OTHER)

    def _show(self, text: str) -> Iterator[TextDelta | ReasoningDelta]:
        for piece in self._counted(text):
            yield from self._thinking.feed(self._visible.feed(piece))

    def _hide(self, text: str) -> Iterator[ReasoningDelta]:
        for piece in self._counted(text):
            if whole := self._hidden.feed(piece):
                yield ReasoningDelta(whole)

    def _counted(self, text: str) -> Iterable[str]:
        """`text` in pieces of a sane size: one wide character makes Python keep a whole string four bytes wide."""
        self._chars += len(text)
        if self._chars > MAX_TEXT_CHARS:
            raise ProviderMalformed(f"{self._connection.label} sent more text than any answer may have; it was cut.")
        if len(text) <= SLICE_CHARS:
            return (text,)
        return (text[start : start + SLICE_CHARS] for start in range(0, len(text), SLICE_CHARS))


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


def _is_mostly_structure(payload: bytes) -> bool:
    """Whether a large payload holds far more JSON values than a chunk has.

    An empty list takes some 80 bytes of memory and three of a payload; text takes about as many as it has.
    """
    bare = payload.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 2 * _MAX_STRINGS:
        return True
    return sum(map(len, bare.split(b'"')[::2])) > _MAX_STRUCTURE_BYTES


def _name(value: object) -> str | None:
    return value[:200] if isinstance(value, str) and value and value.isprintable() else None
