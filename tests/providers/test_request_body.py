"""Optional parameters that a model refuses: asked again without, and remembered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fusion.engine.types import CompletionRequest, Message
from fusion.errors import ProviderBadRequest, ProviderContextTooLong
from fusion.providers.presets import PRESETS
from fusion.providers.request_body import Quirks, completion_body, forget_quirks
from tests.providers.wire import PARIS, SSE, hear, provider_of

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
REQUEST = CompletionRequest("m", (Message("user", "Hi"),), 50, temperature=0.2, response_schema=SCHEMA)


TEMPERATURE_OPENAI = {
    "error": {
        "message": "Unsupported value: 'temperature' does not support 0.2 with this model. "
        "Only the default (1) value is supported.",
        "type": "invalid_request_error",
        "param": "temperature",
        "code": "unsupported_value",
    }
}
GOOGLE_UNKNOWN = (
    "Invalid JSON payload received. Unknown name \"additionalProperties\" at 'generation_config.response_schema': "
    "Cannot find field."
)
GOOGLE_STATES = (
    "The specified schema produces a constraint that has too many states for serving.  Typical causes of this error "
    "are schemas with lots of text (for example, very long property or enum names), schemas with long array length "
    "limits (especially when nested), or schemas using complex value matchers"
)
GOOGLE_WORDLESS = "Request contains an invalid argument."
ANTHROPIC_SCHEMA = "output_format.schema: For 'object' type, 'additionalProperties: true' is not supported."
UNVERIFIED = {
    "error": {
        "message": "Your organization must be verified to stream this model. Please go to: "
        "https://platform.openai.com/settings/organization/general and click on Verify Organization. If you just "
        "verified, it can take up to 15 minutes for access to propagate.",
        "type": "invalid_request_error",
        "param": "stream",
        "code": "unsupported_value",
    }
}


@pytest.fixture(autouse=True)
def nothing_learned() -> Iterator[None]:
    forget_quirks()
    yield
    forget_quirks()


WHOLE = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-5-2025-08-07",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Paris.", "refusal": None, "annotations": []},
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 200,
        "total_tokens": 209,
        "completion_tokens_details": {"reasoning_tokens": 192},
    },
}


class Picky:
    """An upstream that refuses some parameters with these words."""

    def __init__(self, **refusals: object) -> None:
        self.refusals = refusals
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        for name, refusal in self.refusals.items():
            if name in body:
                return httpx.Response(400, json=refusal)
        return httpx.Response(200, headers=SSE, content=PARIS)


def unsupported(name: str, more: str = "") -> dict[str, Any]:
    message = f"Unsupported parameter: '{name}' is not supported with this model. {more}"
    return {"error": {"message": message, "param": name, "code": "unsupported_parameter"}}


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("response_format", {"error": {"message": "This model does not support structured outputs"}}),
        (
            "response_format",
            {"error": {"message": "Provider returned error", "metadata": {"raw": "json_schema is not supported"}}},
        ),
        ("temperature", unsupported("temperature")),
        ("stream_options", {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}),
        ("temperature", "unexpected keyword 'temperature'"),
        ("temperature", TEMPERATURE_OPENAI),
        ("temperature", {"type": "error", "error": {"message": "`temperature` is deprecated for this model."}}),
        ("response_format", {"error": {"message": "This response_format type is unavailable now"}}),
        ("response_format", [{"error": {"code": 400, "message": GOOGLE_UNKNOWN, "status": "INVALID_ARGUMENT"}}]),
    ],
)
async def test_a_refused_parameter_is_left_out_and_the_model_remembered(name: str, refusal: object) -> None:
    upstream = Picky(**{name: refusal})
    provider = provider_of(upstream)
    assert (await hear(provider, REQUEST)).text == "Paris."
    assert (await hear(provider, REQUEST)).text == "Paris."
    assert [name in body for body in upstream.bodies] == [True, False, False]


@pytest.mark.parametrize("said", [GOOGLE_STATES, GOOGLE_WORDLESS, ANTHROPIC_SCHEMA])
async def test_a_schema_that_a_provider_cannot_take_is_left_out(said: str) -> None:
    refusal = [{"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}]
    upstream = Picky(response_format=refusal)
    assert (await hear(provider_of(upstream), REQUEST)).text == "Paris."
    assert ["response_format" in body for body in upstream.bodies] == [True, False]


async def test_a_wordless_refusal_without_a_schema_is_not_asked_again() -> None:
    upstream = Picky(model={"error": {"message": GOOGLE_WORDLESS}})
    plain = CompletionRequest("m", REQUEST.messages, 50)
    assert isinstance((await hear(provider_of(upstream), plain)).error, ProviderBadRequest)
    assert len(upstream.bodies) == 1


async def test_a_model_that_streams_to_verified_organisations_only_answers_whole() -> None:
    bodies: list[dict[str, Any]] = []

    def openai(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        if bodies[-1].get("stream"):
            return httpx.Response(400, json=UNVERIFIED)
        return httpx.Response(200, json=WHOLE)

    provider = provider_of(openai)
    heard = await hear(provider, REQUEST)
    assert (heard.text, heard.error) == ("Paris.", None)
    assert heard.usage is not None and heard.usage.output_tokens == 200
    assert heard.finish is not None and heard.finish.upstream_model == "gpt-5-2025-08-07"
    await hear(provider, REQUEST)
    assert [body.get("stream") for body in bodies] == [True, None, None]
    assert "stream_options" in bodies[0] and "stream_options" not in bodies[1]


TOO_MUCH = {
    "vllm": "This model's maximum context length is 8192 tokens. However, you requested 8219 tokens (27 in the "
    "messages, 8192 in the completion). Please reduce the length of the messages or completion.",
    "vllm, later": "This model's maximum context length is 8192 tokens. However, your request has 27 input tokens plus "
    "8192 'max_tokens'. Please reduce one or the other.",
    "vllm 0.15": "This model's maximum context length is 0 tokens. However, your request has 27 input tokens. Please "
    "reduce the length of the input messages. (parameter=input_tokens, value=27)",
    "openrouter": "This endpoint's maximum context length is 8192 tokens. However, you requested about 8219 tokens "
    "(27 of text input, 8192 in the output). Please reduce the length of either one.",
    "tgi": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8192. Given: 27 `inputs` tokens and "
    "8192 `max_new_tokens`",
}


@pytest.mark.parametrize("said", TOO_MUCH.values(), ids=TOO_MUCH)
async def test_an_answer_may_have_what_the_prompt_leaves_of_a_small_context(said: str) -> None:
    bodies: list[dict[str, Any]] = []

    def small(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        if bodies[-1]["max_tokens"] + 27 > 8192:
            return httpx.Response(400, json={"object": "error", "message": said, "code": 400})
        return httpx.Response(200, headers=SSE, content=PARIS)

    heard = await hear(provider_of(small), CompletionRequest("m", REQUEST.messages, 8192))
    assert (heard.text, heard.error) == ("Paris.", None)
    assert [body["max_tokens"] for body in bodies] == [8192, 8165]


async def test_a_prompt_that_leaves_next_to_nothing_for_an_answer_is_too_long() -> None:
    said = (
        "This model's maximum context length is 8192 tokens. However, you requested 12096 tokens (8000 in the messages"
    )
    upstream = Picky(model={"error": {"message": said}})
    heard = await hear(provider_of(upstream), CompletionRequest("m", REQUEST.messages, 4096))
    assert isinstance(heard.error, ProviderContextTooLong)
    assert len(upstream.bodies) == 1


async def test_what_one_model_refuses_is_still_sent_to_another() -> None:
    upstream = Picky(temperature=unsupported("temperature"))
    await hear(provider_of(upstream), REQUEST)
    await hear(provider_of(upstream), CompletionRequest("other", REQUEST.messages, 5, temperature=0.2))
    assert [body["model"] for body in upstream.bodies if "temperature" in body] == ["m", "other"]


async def test_the_token_limit_goes_by_its_other_name() -> None:
    upstream = Picky(max_tokens=unsupported("max_tokens", "Use 'max_completion_tokens' instead."))
    assert (await hear(provider_of(upstream), REQUEST)).text == "Paris."
    assert upstream.bodies[-1]["max_completion_tokens"] == 50 and "max_tokens" not in upstream.bodies[-1]


async def test_several_refusals_are_learned_one_by_one() -> None:
    names = ("max_tokens", "temperature", "response_format")
    upstream = Picky(**{name: unsupported(name, "instead") for name in names})
    assert (await hear(provider_of(upstream), REQUEST)).text == "Paris."
    assert len(upstream.bodies) == 4


async def test_a_value_that_is_refused_is_not_remembered_as_a_missing_parameter() -> None:
    upstream = Picky(temperature={"error": {"message": "temperature: range: 0..1"}})
    await hear(provider_of(upstream), REQUEST)
    await hear(provider_of(upstream), REQUEST)
    assert ["temperature" in body for body in upstream.bodies] == [True, False, True, False]


async def test_what_was_left_out_for_once_is_not_remembered_with_what_is_not_supported() -> None:
    once = {"error": {"message": GOOGLE_WORDLESS}}
    upstream = Picky(response_format=once, temperature=unsupported("temperature"))
    await hear(provider_of(upstream), REQUEST)
    await hear(provider_of(upstream), REQUEST)
    sent = [("response_format" in body, "temperature" in body) for body in upstream.bodies]
    assert sent == [(True, True), (False, True), (False, False), (True, False), (False, False)]


async def test_a_refused_token_number_is_not_asked_again_under_another_name() -> None:
    upstream = Picky(max_tokens={"error": {"message": "max_tokens is too large: 50"}})
    assert isinstance((await hear(provider_of(upstream), REQUEST)).error, ProviderBadRequest)
    assert len(upstream.bodies) == 1


async def test_a_refusal_that_names_no_parameter_is_not_asked_again() -> None:
    upstream = Picky(model={"error": {"message": "maximum context length is 10 tokens"}})
    assert isinstance((await hear(provider_of(upstream), REQUEST)).error, ProviderContextTooLong)
    assert len(upstream.bodies) == 1


async def test_an_upstream_that_refuses_for_ever_is_asked_a_few_times_only() -> None:
    upstream = Picky(
        model={"error": {"message": "temperature response_format stream_options max_tokens not supported"}}
    )
    assert isinstance((await hear(provider_of(upstream), REQUEST)).error, ProviderBadRequest)
    assert len(upstream.bodies) == 4


def test_presets_differ_in_data() -> None:
    openai = completion_body(PRESETS["openai"], REQUEST, Quirks())
    assert openai["max_completion_tokens"] == 50 and "max_tokens" not in openai
    assert openai["response_format"]["json_schema"]["strict"] is True
    assert completion_body(PRESETS["anthropic"], REQUEST, Quirks())["response_format"]["type"] == "json_schema"
    assert "stream_options" not in completion_body(PRESETS["openrouter"], REQUEST, Quirks())


def test_a_schema_with_optional_properties_is_not_called_strict() -> None:
    loose = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {**SCHEMA, "required": []}}},
        "required": ["a"],
    }
    body = completion_body(PRESETS["openai"], CompletionRequest("m", (), 5, response_schema=loose), Quirks())
    assert body["response_format"]["json_schema"] == {"name": "reply", "schema": loose, "strict": False}
