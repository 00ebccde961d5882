"""Images on the wire, and what providers say when a model takes none."""

from __future__ import annotations

import json

import httpx
import pytest

from fusion.engine.prompts.images import member_messages
from fusion.engine.types import CompletionRequest, Image, Message
from fusion.errors import ProviderBadRequest, ProviderImagesRefused, ProviderModelUnknown, ProviderOverloaded
from fusion.providers.listing import read_model_list
from fusion.providers.presets import PRESETS
from fusion.providers.request_body import Quirks, completion_body
from tests.providers.simulated_calls import text_of
from tests.providers.wire import PARIS, SSE, connection, event, hear, provider_of

IMAGE = Image("image/png", b"\x89PNG", 60, 40)
REQUEST = CompletionRequest("m", (Message("system", "Be brief."), Message("user", "What is it?", (IMAGE,))), 50)
BARE = CompletionRequest("m", (Message("user", "What is it?"),), 50)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_an_image_travels_as_a_part_of_the_message_and_never_as_an_address(preset: str) -> None:
    body = completion_body(PRESETS[preset], REQUEST, Quirks())
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
            ],
        },
    ]


async def test_a_request_with_images_is_sent_and_answered_as_any_other() -> None:
    seen: list[dict[str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        return httpx.Response(200, headers=SSE, content=PARIS)

    assert (await hear(provider_of(answer), REQUEST)).text == "Paris."
    assert "data:image/png;base64," in json.dumps(seen[0])


REFUSALS = [
    (404, {"error": {"message": "No endpoints found that support image input", "code": 404}}),
    (400, {"error": {"message": "Invalid content type. image_url is only supported by certain models."}}),
    (
        500,
        {"error": {"code": 500, "message": "image input is not supported - hint: you may need to provide the mmproj"}},
    ),
    (500, {"error": {"code": 500, "message": 'Failed to parse messages: Unsupported content part type: "image_url"'}}),
    (422, {"detail": "Failed to deserialize: messages[0]: unknown variant `image_url`, expected `text`"}),
    (400, {"object": "error", "message": "acme/model is not a multimodal model", "code": 400}),
    (400, {"object": "error", "message": "At most 0 image(s) may be provided in one prompt.", "code": 400}),
    (400, {"error": {"message": "'messages.1' : for 'role:user' the content must be a string"}}),
    (415, {"error": "Image inputs are not supported by this model."}),
    (400, {"error": {"message": "this model is missing data required for image input"}}),
    (400, {"error": {"message": "The model does not support vision."}}),
]


@pytest.mark.parametrize(("status", "body"), REFUSALS)
async def test_what_providers_say_of_a_model_without_sight_is_understood(status: int, body: object) -> None:
    provider = provider_of(lambda request: httpx.Response(status, json=body))
    error = (await hear(provider, REQUEST)).error
    assert isinstance(error, ProviderImagesRefused) and not error.retryable
    assert error.message.startswith("m at Acme takes no images. It said: “")


@pytest.mark.parametrize(("status", "body"), REFUSALS)
async def test_without_images_in_it_no_request_is_refused_for_them(status: int, body: object) -> None:
    provider = provider_of(lambda request: httpx.Response(status, json=body))
    error = (await hear(provider, BARE)).error
    assert isinstance(error, ProviderBadRequest | ProviderModelUnknown | ProviderOverloaded)


async def test_other_refusals_of_a_request_with_images_stay_what_they_are() -> None:
    told = {"error": {"message": "The model `m` does not exist"}}
    heard = await hear(provider_of(lambda request: httpx.Response(404, json=told)), REQUEST)
    assert isinstance(heard.error, ProviderModelUnknown)


async def test_a_refusal_that_comes_in_the_stream_is_understood_too() -> None:
    content = event({"error": {"message": "No endpoints found that support image input", "code": 404}})
    heard = await hear(provider_of(lambda request: httpx.Response(200, headers=SSE, content=content)), REQUEST)
    assert isinstance(heard.error, ProviderImagesRefused)


def test_a_list_of_models_says_who_sees_and_keeps_silent_where_the_provider_does() -> None:
    entries = [
        {"id": "acme/eyes", "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]}},
        {"id": "acme/ears", "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]}},
        {"id": "acme/unknown"},
    ]
    models = read_model_list(connection(), json.dumps({"data": entries}).encode())
    assert {model.model_id: model.sees for model in models} == {
        "acme/ears": False,
        "acme/eyes": True,
        "acme/unknown": None,
    }


async def test_a_simulated_model_says_that_nobody_looked() -> None:
    seen, unseen = member_messages("What is it?", "", (IMAGE,))
    assert unseen is not None
    sees = await text_of(CompletionRequest("careful", seen, 2000))
    assert sees.endswith("reached me with this question (PNG, 60 × 40). No model looked at it.*\n")
    told = await text_of(CompletionRequest("terse", unseen, 2000))
    assert told.endswith("*Simulated: I was told that the question came with an image, which I cannot see.*\n")
    with pytest.raises(ProviderImagesRefused):
        await text_of(CompletionRequest("terse", seen, 2000))
