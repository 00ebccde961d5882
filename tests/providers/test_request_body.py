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


@pytest.fixture(autouse=True)
def nothing_learned() -> Iterator[None]:
    forget_quirks()
    yield
    forget_quirks()


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
    ],
)
async def test_a_refused_parameter_is_left_out_and_the_model_remembered(name: str, refusal: object) -> None:
    upstream = Picky(**{name: refusal})
    provider = provider_of(upstream)
    assert (await hear(provider, REQUEST)).text == "Paris."
    assert (await hear(provider, REQUEST)).text == "Paris."
    assert [name in body for body in upstream.bodies] == [True, False, False]


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
    assert "response_format" not in completion_body(PRESETS["anthropic"], REQUEST, Quirks())
    assert "stream_options" not in completion_body(PRESETS["openrouter"], REQUEST, Quirks())


def test_a_schema_with_optional_properties_is_not_called_strict() -> None:
    loose = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {**SCHEMA, "required": []}}},
        "required": ["a"],
    }
    body = completion_body(PRESETS["openai"], CompletionRequest("m", (), 5, response_schema=loose), Quirks())
    assert body["response_format"]["json_schema"] == {"name": "reply", "schema": loose, "strict": False}
