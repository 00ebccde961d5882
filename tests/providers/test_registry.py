from __future__ import annotations

import pytest

from fusion.errors import InvalidInput
from fusion.providers.openai_chat import OpenAIChatProvider
from fusion.providers.presets import PRESETS
from fusion.providers.registry import SIMULATED, build_provider, connections_from_env, list_models
from fusion.providers.simulated import MODELS, SimulatedProvider
from tests.providers.wire import CANARY


def test_an_empty_environment_gives_no_connection() -> None:
    assert connections_from_env({"OPENAI_API_KEY": "", "OLLAMA_BASE_URL": "  ", "PATH": "/bin"}) == ()


def test_every_key_becomes_a_connection_in_a_fixed_order() -> None:
    env = {
        "GEMINI_API_KEY": "g",
        "OLLAMA_BASE_URL": "http://localhost:11434/",
        "ANTHROPIC_API_KEY": "a",
        "FUSION_PROVIDER_URL": "https://llm.example.com/v1/",
        "FUSION_PROVIDER_KEY": "k",
        "FUSION_PROVIDER_NAME": " Our  gateway ",
        "OPENAI_API_KEY": "o",
        "OPENROUTER_API_KEY": " r ",
    }
    found = connections_from_env(env)
    assert [(one.slug, one.label, one.base_url, one.api_key) for one in found] == [
        ("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", "r"),
        ("openai", "OpenAI", "https://api.openai.com/v1", "o"),
        ("anthropic", "Anthropic", "https://api.anthropic.com/v1", "a"),
        ("gemini", "Google Gemini", "https://generativelanguage.googleapis.com/v1beta/openai", "g"),
        ("ollama", "Ollama", "http://localhost:11434/v1", ""),
        ("custom", "Our gateway", "https://llm.example.com/v1", "k"),
    ]
    assert not any(":" in one.slug for one in found)
    assert all(one.preset in PRESETS for one in found)


@pytest.mark.parametrize(
    "url", ["http://box:11434", "http://box:11434/v1", "http://box:11434/v1/", "http://box:11434/api"]
)
def test_ollama_is_found_with_or_without_its_path(url: str) -> None:
    assert connections_from_env({"OLLAMA_BASE_URL": url})[0].base_url == "http://box:11434/v1"


def test_a_custom_provider_needs_no_key_and_is_named_by_its_host() -> None:
    (found,) = connections_from_env({"FUSION_PROVIDER_URL": "http://127.0.0.1:8080/v1/chat/completions"})
    assert (found.label, found.base_url, found.api_key) == ("127.0.0.1:8080", "http://127.0.0.1:8080/v1", "")


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8080",
        "ftp://host/v1",
        "http://",
        "http://user:pass@host/v1",
        "http://host/v1?key=1",
        "http://host/v1#x",
        "http://host:99999/v1",
        "http://host:0/v1",
        "http://ho st/v1",
        "http://good\\@evil/v1",
        "http://[::1/v1",
        "javascript:1",
    ],
)
@pytest.mark.parametrize("name", ["OLLAMA_BASE_URL", "FUSION_PROVIDER_URL"])
def test_an_address_that_cannot_be_used_is_named_with_a_sentence(name: str, url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        connections_from_env({name: url})
    assert caught.value.message.startswith(name) and "http://localhost" in caught.value.message
    assert "pass" not in caught.value.message.replace("a password", "")


def test_a_key_without_an_address_is_pointed_out() -> None:
    with pytest.raises(InvalidInput, match="FUSION_PROVIDER_URL"):
        connections_from_env({"FUSION_PROVIDER_KEY": "k"})


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "ключ"])
def test_a_key_that_no_header_can_carry_is_pointed_out_but_not_shown(key: str) -> None:
    with pytest.raises(InvalidInput, match="OPENAI_API_KEY") as caught:
        connections_from_env({"OPENAI_API_KEY": key})
    assert key not in caught.value.message


def test_no_repr_shows_a_key() -> None:
    (found,) = connections_from_env({"OPENROUTER_API_KEY": CANARY})
    assert CANARY not in repr(found) and CANARY not in repr(build_provider(found))


async def test_the_simulated_connection_needs_no_network() -> None:
    assert isinstance(build_provider(SIMULATED), SimulatedProvider)
    assert await list_models(SIMULATED) == MODELS


def test_other_connections_speak_chat_completions() -> None:
    assert isinstance(build_provider(connections_from_env({"OPENAI_API_KEY": "k"})[0]), OpenAIChatProvider)
