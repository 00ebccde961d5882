"""The body of a completion request, and what this process has learned about models that refuse parts of it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fusion.engine.types import CompletionRequest, Image, Message
from fusion.errors import ProviderBadRequest, ProviderContextTooLong, ProviderError
from fusion.providers.connection import Connection
from fusion.providers.failures import ErrorWords
from fusion.providers.presets import LimitParam, Preset

_MAX_REMEMBERED = 2000
MIN_ROOM_TOKENS = 1024  # with less than this left for an answer, the prompt is what is too long
_OPTIONAL = {
    # Google says `response_schema`, or only that the schema has too many states.
    "response_format": re.compile(
        r"response_?format|(?:json|response|output).?schema|\bschema\b|json_object|json mode|structured.?outputs?",
        re.IGNORECASE,
    ),
    "stream_options": re.compile(r"stream_options|include_usage", re.IGNORECASE),
    # OpenAI streams some models to verified organisations only, and answers everyone else whole.
    "stream": re.compile(
        r"^stream$|\bparam=stream(?!\w)|verified to stream|(?:not|n't) support streaming", re.IGNORECASE
    ),
    "temperature": re.compile(r"\btemperature\b", re.IGNORECASE),
    "max_tokens": re.compile(r"\bmax_tokens\b", re.IGNORECASE),
    "max_completion_tokens": re.compile(r"\bmax_completion_tokens\b", re.IGNORECASE),
}
_UNSUPPORTED = re.compile(
    r"unsupported|unavailable|not (?:supported|permitted|allowed|available)|un(?:known|expected|recognized)"
    r"|extra_forbidden|does not support|doesn't support|only the default|instead|deprecated|additional propert"
    r"|invalid (?:field|argument|parameter)",
    re.IGNORECASE,
)
# Prompt and token limit together are too much: vLLM (three wordings over time), OpenRouter, Together and TGI.
_CONTEXT_SIZE = re.compile(r"context length (?:is|of)(?: only)? (\d{1,8})|must be <= (\d{1,8})", re.IGNORECASE)
_PROMPT_SIZE = re.compile(
    r"(\d{1,8})(?: tokens)? (?:in the messages|of text input|in (?:your|the) prompt|`?inputs?`? tokens)", re.IGNORECASE
)
_OTHER_LIMIT_PARAM: dict[str, LimitParam] = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}


@dataclass(frozen=True, slots=True)
class Quirks:
    """What one model at one connection does not take: parameters to leave out, another name for the token limit.

    `room`: tokens that this very prompt leaves for the answer; never remembered.
    """

    without: frozenset[str] = frozenset()
    limit_param: LimitParam | None = None
    room: int | None = None

    def beyond(self, known: Quirks) -> Quirks:
        """What these add to `known`: of several refusals of one request only some may say what is not supported."""
        limit_param = None if self.limit_param == known.limit_param else self.limit_param
        return Quirks(self.without - known.without, limit_param)


@dataclass(frozen=True, slots=True)
class Lesson:
    """How to ask again after a refusal. `lasting`: the parameter is not supported, not just this value of it."""

    quirks: Quirks
    lasting: bool


_remembered: OrderedDict[tuple[str, str, str], Quirks] = OrderedDict()


def remembered_quirks(connection: Connection, model_id: str) -> Quirks:
    """What this process has learned about a model."""
    return _remembered.get((connection.slug, connection.base_url, model_id), Quirks())


def remember_quirks(connection: Connection, model_id: str, quirks: Quirks) -> None:
    """Adds to what is known about a model; the oldest of many models is forgotten."""
    known = remembered_quirks(connection, model_id)
    merged = Quirks(known.without | quirks.without, quirks.limit_param or known.limit_param)
    _remembered[connection.slug, connection.base_url, model_id] = merged
    if len(_remembered) > _MAX_REMEMBERED:
        _remembered.popitem(last=False)


def forget_quirks() -> None:
    """Back to what the presets say."""
    _remembered.clear()


def has_images(request: CompletionRequest) -> bool:
    return any(message.images for message in request.messages)


def completion_body(preset: Preset, request: CompletionRequest, quirks: Quirks) -> dict[str, Any]:
    """The JSON body of a completion, streamed where the model lets us."""
    limit = request.max_tokens if quirks.room is None else min(request.max_tokens, quirks.room)
    body: dict[str, Any] = {
        "model": request.model_id,
        "messages": [{"role": message.role, "content": _content(message)} for message in request.messages],
        "stream": True,
        (quirks.limit_param or preset.limit_param): limit,
    }
    if preset.usage_option and "stream" not in quirks.without:
        body["stream_options"] = {"include_usage": True}
    if request.temperature is not None and preset.temperature:
        body["temperature"] = request.temperature
    if request.response_schema is not None and preset.schema_mode != "none":
        body["response_format"] = _response_format(preset, request.response_schema)
    return {name: value for name, value in body.items() if name not in quirks.without}


def _content(message: Message) -> str | list[dict[str, Any]]:
    """Bare text, as every server takes it, or the dialect's parts where there are images: the text first.

    An image travels in the request itself. An address would have the provider fetch it, from a site that shows it to
    the team alone.
    """
    if not message.images:
        return message.content
    images = [{"type": "image_url", "image_url": {"url": _data_url(image)}} for image in message.images]
    return [{"type": "text", "text": message.content}, *images]


def _data_url(image: Image) -> str:
    return f"data:{image.media_type};base64,{b64encode(image.data).decode('ascii')}"


def lesson_of(error: ProviderError, words: ErrorWords, body: Mapping[str, Any], quirks: Quirks) -> Lesson | None:
    """What a refusal teaches that names an optional parameter of `body`, or says nothing of use; else None.

    `error` is what the refusal would be to a person.
    """
    if error.status not in (400, 422):
        return None
    if isinstance(error, ProviderContextTooLong) and (room := _room(words, body)) is not None and quirks.room is None:
        return Lesson(replace(quirks, room=room), lasting=False)
    lasting = bool(_UNSUPPORTED.search(words.everything))
    named = [name for name in _OPTIONAL if name in body and _names(words, name)]
    for name in named:
        if name not in _OTHER_LIMIT_PARAM:
            return Lesson(replace(quirks, without=quirks.without | {name}), lasting)
        if lasting and quirks.limit_param is None:  # else it is the number that is refused, and another name won't help
            return Lesson(replace(quirks, limit_param=_OTHER_LIMIT_PARAM[name]), lasting)
    if not named and type(error) is ProviderBadRequest and "response_format" in body:
        # Google says no more than "Request contains an invalid argument" of a schema that it finds too large.
        return Lesson(replace(quirks, without=quirks.without | {"response_format"}), lasting=False)
    return None


def _names(words: ErrorWords, name: str) -> bool:
    pattern = _OPTIONAL[name]
    return bool(pattern.search(words.param) or pattern.search(words.everything))


def _room(words: ErrorWords, body: Mapping[str, Any]) -> int | None:
    """Tokens that are left for the answer, when the refusal tells what the context and the prompt take; else None.

    vLLM 0.15 tells the context without the token limit, so that the prompt seems to be longer than it.
    """
    context, prompt = _CONTEXT_SIZE.search(words.everything), _PROMPT_SIZE.search(words.everything)
    if context is None or prompt is None:
        return None
    asked = next((int(body[name]) for name in _OTHER_LIMIT_PARAM if name in body), 0)
    room = int(context[1] or context[2]) - int(prompt[1])
    room = room if room > 0 else room + asked
    return room if MIN_ROOM_TOKENS <= room < asked else None


def _response_format(preset: Preset, schema: Mapping[str, Any]) -> dict[str, Any]:
    if preset.schema_mode == "json_object":
        return {"type": "json_object"}
    return {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": dict(schema), "strict": _allows_strict(schema)},
    }


def _allows_strict(schema: object) -> bool:
    """OpenAI's strict mode wants every object closed and every property required, all the way down."""
    if isinstance(schema, list | tuple):
        return all(_allows_strict(part) for part in schema)
    if not isinstance(schema, Mapping):
        return True
    if isinstance(properties := schema.get("properties"), Mapping):
        closed = schema.get("additionalProperties") is False
        if not closed or set(properties) != set(schema.get("required", ())):
            return False
    return all(_allows_strict(part) for part in schema.values())
