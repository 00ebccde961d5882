"""What one types finds the models that it means."""

from __future__ import annotations

import pytest

from fusion.catalogue.entries import CatalogueEntry
from fusion.catalogue.search import search_models
from fusion.providers.catalogue import Price


def model(model_id: str, name: str, **fields: object) -> CatalogueEntry:
    return CatalogueEntry(f"router:{model_id}", "router", model_id, name, "OpenRouter", **fields)  # type: ignore[arg-type]


MODELS = [
    model("openai/gpt-5-mini", "GPT-5 mini", family="openai", context_tokens=400_000, price=Price(250_000, 2_000_000)),
    model("openai/gpt-5", "GPT-5", family="openai", context_tokens=400_000, price=Price(1_250_000, 10_000_000)),
    model("google/gemma", "Gemma", family="google", context_tokens=100_000, price=Price(0, 0)),
    model("meta/llama", "Llama", family="meta", context_tokens=None, price=None, input_modalities=("text", "image")),
    model("x/big-gpt", "Big", family="x", context_tokens=1_000_000, price=Price(400_000, 900_000)),
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["gpt-5-mini", "gpt-5", "gemma", "llama", "big-gpt"]),
        ("GPT", ["gpt-5-mini", "gpt-5", "big-gpt"]),
        ("gpt mini", ["gpt-5-mini"]),
        ("openai/gpt-5", ["gpt-5-mini", "gpt-5"]),
        ("router:openai/gpt-5", ["gpt-5", "gpt-5-mini"]),
        ("<1$", ["gemma", "big-gpt"]),
        ("<$1", ["gemma", "big-gpt"]),
        ("<2$", ["gemma", "big-gpt"]),
        ("<=2$", ["gpt-5-mini", "gemma", "big-gpt"]),
        (">5$", ["gpt-5"]),
        (">100k", ["gpt-5-mini", "gpt-5", "big-gpt"]),
        (">=100k", ["gpt-5-mini", "gpt-5", "gemma", "big-gpt"]),
        (">0.9m", ["big-gpt"]),
        ("<100001", ["gemma"]),
        ("free", ["gemma"]),
        ("unpriced", ["llama"]),
        ("priced", ["gpt-5-mini", "gpt-5", "big-gpt"]),
        ("images", ["llama"]),
        ("family:openai <5$", ["gpt-5-mini"]),
        ("provider:router gemma", ["gemma"]),
        ("provider:lab", []),
        ("nothing-like-it", []),
        ("<", []),
        ("<$1k", []),
    ],
)
def test_words_and_conditions(query: str, found: list[str]) -> None:
    assert [one.model_id.partition("/")[2] for one in search_models(MODELS, query)] == found


def test_an_unknown_price_is_neither_cheap_nor_dear_nor_free() -> None:
    for query in ("<1000000$", ">0$", ">=0$", "free", "priced"):
        assert "llama" not in [one.model_id for one in search_models(MODELS, query)]
