"""Lists of models as providers send them, and the default pool that is chosen from them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from fusion.errors import (
    ProviderAuthFailed,
    ProviderError,
    ProviderMalformed,
    ProviderModelUnknown,
    ProviderUnreachable,
)
from fusion.providers import listing
from fusion.providers.catalogue import ModelInfo, Price
from fusion.providers.clients import new_client
from fusion.providers.connection import Connection
from fusion.providers.families import family_of
from fusion.providers.listing import list_served_models, read_model_list
from fusion.providers.recommendation import recommend
from tests.providers.wire import CANARY, Handler, connection, unread

OPENROUTER = Connection("openrouter", "openrouter", "OpenRouter", "https://openrouter.ai/api/v1", api_key=CANARY)


def read(body: object, one: Connection | None = None) -> tuple[ModelInfo, ...]:
    return read_model_list(one or connection(), json.dumps(body).encode())


async def ask(handler: Handler, one: Connection | None = None) -> tuple[ModelInfo, ...]:
    client = new_client(transport=httpx.MockTransport(lambda request: unread(handler(request))))
    return await list_served_models(one or connection(), client=lambda: client)


def test_an_openrouter_list_has_sizes_prices_and_modalities() -> None:
    entry = {
        "id": "anthropic/claude-sonnet-5",
        "name": "Anthropic: Claude Sonnet 5",
        "context_length": 200000,
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "pricing": {"prompt": "0.000003", "completion": "0.000015", "input_cache_read": "0.0000003", "image": "0.0048"},
    }
    assert read({"data": [entry]}, OPENROUTER) == (
        ModelInfo(
            "anthropic/claude-sonnet-5",
            "Anthropic: Claude Sonnet 5",
            "anthropic",
            200_000,
            Price(3_000_000, 15_000_000, 300_000),
            ("text", "image"),
            ("text",),
        ),
    )


@pytest.mark.parametrize(
    "body",
    [
        {"object": "list", "data": [{"id": "llama3:latest", "object": "model", "owned_by": "library"}]},
        {"models": [{"name": "llama3:latest", "model": "llama3:latest", "size": 1, "details": {"family": "llama"}}]},
        [{"id": "llama3:latest"}],
    ],
)
def test_other_lists_have_at_least_ids(body: object) -> None:
    assert read(body) == (ModelInfo("llama3:latest", "llama3:latest", "meta"),)


@pytest.mark.parametrize(
    "extra",
    [
        {"max_model_len": 8192},
        {"context_window": 8192},
        {"max_context_length": 8192},
        {"max_input_tokens": 8192},
        {"meta": {"n_ctx_train": 8192}},
        {"meta": {"n_ctx": 8192, "n_ctx_train": 262144}},
    ],
)
def test_the_context_is_found_under_its_names(extra: dict[str, Any]) -> None:
    assert read([{"id": "m", **extra}])[0].context_tokens == 8192


def test_googles_prefix_is_taken_off() -> None:
    assert read({"data": [{"id": "models/gemini-3-pro", "display_name": "Gemini 3 Pro"}]})[0] == ModelInfo(
        "gemini-3-pro", "Gemini 3 Pro", "google"
    )


@pytest.mark.parametrize(
    ("told", "picos"),
    [("0.000003", 3_000_000), ("0", 0), ("1.25e-7", 125_000), (0, 0), ("0.0000000000004", 0)],
)
def test_prices_are_exact_pico_dollars(told: object, picos: int) -> None:
    price = read([{"id": "m", "pricing": {"prompt": told, "completion": "0.000001"}}])[0].price
    assert price == Price(picos, 1_000_000, None)


@pytest.mark.parametrize("told", ["-1", "free", None, True, "NaN", "1e99", "9" * 50, [], "2"])
def test_a_price_that_makes_no_sense_is_unknown(told: object) -> None:
    assert read([{"id": "m", "pricing": {"prompt": told, "completion": "0.000001"}}])[0].price is None


def test_a_price_told_as_a_number_never_becomes_a_float() -> None:
    body = b'[{"id": "m", "pricing": {"prompt": 0.0000001, "completion": 0.3e-6}}]'
    assert read_model_list(connection(), body)[0].price == Price(100_000, 300_000)


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "text-embedding-3-large"},
        {"id": "whisper-1"},
        {"id": "dall-e-3"},
        {"id": "gpt-4o-mini-tts"},
        {"id": "nomic-embed-text:latest"},
        {"id": "omni-moderation-latest"},
        {"id": "gpt-image-1"},
        {"id": "painter", "architecture": {"input_modalities": ["text"], "output_modalities": ["image"]}},
        {"id": "listener", "architecture": {"input_modalities": ["audio"], "output_modalities": ["text"]}},
        {"id": "BAAI/x", "type": "embedding"},
        {"id": ""},
        {"id": 5},
        {"id": "x" * 201},
        {"id": "a b"},
        {"id": "a\u202eb"},
        {"id": "a\x00"},
        {},
    ],
)
def test_what_cannot_chat_or_makes_no_sense_is_left_out(entry: dict[str, Any]) -> None:
    assert [model.model_id for model in read([entry, "junk", None, {"id": "good"}, {"id": "good"}])] == ["good"]


def test_openai_models_that_only_other_endpoints_serve_are_left_out() -> None:
    openai = Connection("openai", "openai", "OpenAI", "https://api.openai.com/v1")
    ids = ["gpt-5.1", "gpt-5.1-codex", "gpt-5-pro", "gpt-3.5-turbo-instruct", "o3-deep-research", "gpt-5-mini"]
    assert [model.model_id for model in read([{"id": one} for one in ids], openai)] == ["gpt-5-mini", "gpt-5.1"]


def test_odd_details_do_not_lose_a_model() -> None:
    odd = {
        "id": "m",
        "name": ["x"],
        "context_length": -5,
        "architecture": {"output_modalities": "text"},
        "pricing": 3,
        "meta": 1,
    }
    assert read([odd]) == (ModelInfo("m", "m", "m"),)


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"data": 5}', b"{}", b"[" * 100_000, b"\xff"])
def test_what_is_no_list_is_malformed(body: bytes) -> None:
    with pytest.raises(ProviderMalformed, match="Acme"):
        read_model_list(connection(), body)


def test_a_list_without_end_is_cut_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_MODELS", 10)
    assert len(read([{"id": f"m{index}"} for index in range(50)])) == 10


async def test_the_list_is_asked_for_with_the_key_in_its_header() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://acme.test/v1/models"
        assert request.headers["authorization"] == f"Bearer {CANARY}"
        return httpx.Response(200, json={"data": [{"id": "m"}]})

    assert [model.model_id for model in await ask(answer)] == ["m"]


async def test_anthropic_wants_its_own_headers() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["x-api-key"] == CANARY and "authorization" not in request.headers
        assert request.headers["anthropic-version"] and request.url.params["limit"] == "1000"
        return httpx.Response(200, json={"data": [{"id": "claude-opus-5", "display_name": "Claude Opus 5"}]})

    one = Connection("anthropic", "anthropic", "Anthropic", "https://api.anthropic.com/v1", api_key=CANARY)
    assert (await ask(answer, one))[0].name == "Claude Opus 5"


async def test_a_wrong_key_says_which_to_check() -> None:
    with pytest.raises(ProviderAuthFailed, match="check FUSION_PROVIDER_KEY") as caught:
        await ask(lambda _: httpx.Response(401, json={"error": {"message": f"bad key {CANARY}"}}))
    assert CANARY not in caught.value.message


async def test_a_provider_that_is_down_is_unreachable() -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(ProviderUnreachable):
        await ask(fail)


async def test_an_address_without_a_list_is_to_be_checked_and_no_model_to_be_changed() -> None:
    with pytest.raises(ProviderModelUnknown, match="lists no models at its address") as caught:
        await ask(lambda _: httpx.Response(404, text="<title>Not Found</title>"))
    assert "choose another model" not in caught.value.message


async def test_an_address_without_a_path_is_told_of_the_usual_one() -> None:
    with pytest.raises(ProviderModelUnknown, match="most servers want it to end in /v1"):
        await ask(lambda _: httpx.Response(404, json={"detail": "Not Found"}), connection(base_url="http://acme.test"))


@pytest.mark.parametrize("status", [200, 500])
async def test_a_list_is_read_to_its_size_limit_and_no_further(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LIST_BYTES", 10_000)
    monkeypatch.setattr(listing, "ERROR_BYTES", 10_000)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1000

    with pytest.raises(ProviderError):
        await ask(lambda _: httpx.Response(status, content=endless()))
    assert sent < 20


@pytest.mark.parametrize(
    ("model_id", "family"),
    [
        ("openai/gpt-5.1", "openai"),
        ("o3-mini", "openai"),
        ("anthropic/claude-opus-4.5", "anthropic"),
        ("gemma3:27b", "google"),
        ("x-ai/grok-4", "xai"),
        ("deepseek-r1-distill-llama-70b", "deepseek"),
        ("meta-llama/llama-4-maverick", "meta"),
        ("Qwen/Qwen3-32B", "qwen"),
        ("devstral:24b", "mistral"),
        ("acme/model-1", "acme"),
        ("falcon3:10b", "falcon"),
        ("command-a", "cohere"),
    ],
)
def test_the_family_is_told_from_the_id(model_id: str, family: str) -> None:
    assert family_of(model_id) == family


def models(*ids: str) -> list[ModelInfo]:
    return [ModelInfo(one, one, family_of(one)) for one in sorted(ids)]


def chosen(preset: str, *ids: str) -> tuple[list[str], str | None]:
    found = recommend(preset, models(*ids))
    return [model.model_id for model in found.members], found.judge.model_id if found.judge else None


def test_a_default_pool_takes_the_newest_of_three_families_and_the_best_judge() -> None:
    assert chosen(
        "openrouter",
        *("openai/gpt-4.1", "openai/gpt-5.1", "openai/gpt-5", "openai/gpt-5.1-codex", "openai/gpt-4o"),
        *("anthropic/claude-sonnet-4", "anthropic/claude-sonnet-4.5", "anthropic/claude-opus-4.5"),
        *("google/gemini-2.5-pro", "google/gemini-3-pro-preview", "google/gemini-3-pro-image-preview", "x-ai/grok-4"),
    ) == (
        ["openai/gpt-5.1", "anthropic/claude-sonnet-4.5", "google/gemini-3-pro-preview"],
        "anthropic/claude-opus-4.5",
    )


def test_a_dated_id_is_as_new_as_its_version() -> None:
    ids = (
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-20250514",
        "claude-opus-4-1-20250805",
        "claude-3-5-haiku-20241022",
    )
    assert chosen("anthropic", *ids) == (
        ["claude-sonnet-4-5-20250929", "claude-opus-4-1-20250805", "claude-3-5-haiku-20241022"],
        "claude-sonnet-4-5-20250929",
    )


def test_the_month_of_a_dated_id_is_no_part_of_its_version() -> None:
    ids = (
        "gpt-5-2025-08-07",
        "gpt-5",
        "gpt-5.1",
        "gpt-5.1-2025-11-13",
        "gpt-5-mini",
        "gpt-5-mini-2025-08-07",
        "o4-mini",
    )
    assert chosen("openai", *ids) == (["gpt-5.1", "gpt-5-mini", "o4-mini"], "gpt-5.1")


def test_missing_seats_are_filled_with_other_families_first() -> None:
    assert chosen("ollama", "aya:8b", "llama3.2:3b", "llama3.1:8b", "zephyr:7b") == (
        ["llama3.2:3b", "aya:8b", "zephyr:7b"],
        "llama3.2:3b",
    )


def test_a_single_model_is_the_whole_pool_and_none_is_none() -> None:
    assert chosen("openai-compatible", "my-model") == (["my-model"], "my-model")
    assert chosen("openai-compatible") == ([], None)


def test_a_list_that_repeats_the_key_in_a_name_loses_that_entry() -> None:
    entries = [{"id": f"x-{CANARY}"}, {"id": "b", "name": f"Model for {CANARY}"}, {"id": "c"}]
    found = read_model_list(connection(api_key=CANARY), json.dumps({"data": entries}).encode())
    assert [model.model_id for model in found] == ["c"]
