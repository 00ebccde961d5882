"""What the server prints when it is ready."""

from __future__ import annotations

from typing import Any

import pytest

from fusion.management.announcing import announcement

pytestmark = pytest.mark.django_db


def test_whoever_has_ollama_is_told_what_its_context_does_to_prompts(settings: Any) -> None:
    settings.FUSION_PROVIDER_ENV = {"OLLAMA_BASE_URL": "http://localhost:11434"}
    assert "start it with OLLAMA_CONTEXT_LENGTH=32768" in announcement()
    settings.FUSION_PROVIDER_ENV = {"OPENAI_API_KEY": "sk-test-0123456789"}
    said = announcement()
    assert "OpenAI (OPENAI_API_KEY)" in said and "OLLAMA" not in said and "sk-test" not in said


def test_whoever_has_no_key_is_told_that_simulated_models_answer(settings: Any) -> None:
    settings.FUSION_PROVIDER_ENV = {}
    settings.FUSION_SIMULATED = True
    assert "simulated models answer" in announcement()
