"""Asking a provider which models it serves, and reading the list with suspicion."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx

from fusion.errors import ProviderMalformed, ProviderModelUnknown, ProviderTimeout
from fusion.providers.catalogue import ModelInfo, Price
from fusion.providers.clients import shared_client
from fusion.providers.connection import Connection
from fusion.providers.failures import TRANSPORT_FAULTS, read_error_body, retry_after_s, transport_error, upstream_error
from fusion.providers.families import family_of
from fusion.providers.presets import PRESETS, Preset
from fusion.providers.usage import decimal_or_none

LIST_S = 20.0
LIST_BYTES = 16 * 1024 * 1024
ERROR_BYTES = 64 * 1024
MAX_MODELS = 5000

_PICOS = Decimal(1_000_000_000_000)
_MAX_PRICE = Decimal(1)  # a dollar per token
_MODEL_ID = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")
_CANNOT_CHAT = re.compile(
    r"embed|whisper|\btts\b|dall-e|moderation|rerank|transcri|realtime|audio|\bimage|imagen|\bveo\b|\bsora\b"
    r"|stable-diffusion|\bflux\b|\bbge-|text-to-|speech|\bclip\b",
    re.IGNORECASE,
)


async def list_served_models(
    connection: Connection, *, client: Callable[[], httpx.AsyncClient] | None = None
) -> tuple[ModelInfo, ...]:
    """The models that can chat, sorted by id. Raises ProviderError; a list is read for 20 s and 16 MiB at most."""
    preset = PRESETS[connection.preset]
    http = client() if client is not None else shared_client(local=connection.local)
    try:
        async with asyncio.timeout(LIST_S):
            status, headers, body = await _get(http, connection, preset)
    except TimeoutError as exc:
        raise ProviderTimeout(f"{connection.label} did not list its models within {LIST_S:g} s: ask again.") from exc
    except TRANSPORT_FAULTS as exc:
        raise transport_error(connection, exc, started=False) from exc
    if status == 404:
        way_out = "check it" if urlsplit(connection.base_url).path else "most servers want it to end in /v1"
        raise ProviderModelUnknown(f"{connection.label} lists no models at its address (404): {way_out}.", status=404)
    if status != 200:
        words, wait_s = read_error_body(body), retry_after_s(headers, time.time())
        raise upstream_error(connection, "the list of models", words, status=status, wait_s=wait_s)
    return read_model_list(connection, body)


def read_model_list(connection: Connection, body: bytes) -> tuple[ModelInfo, ...]:
    """The models in a list as OpenAI, OpenRouter, Ollama or a gateway sends it, sorted by id.

    Entries that make no sense are dropped; a body that is no list raises ProviderMalformed.
    """
    try:
        parsed = json.loads(body, parse_float=Decimal, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as exc:
        raise _not_a_list(connection) from exc
    preset = PRESETS[connection.preset]
    hidden = re.compile(preset.hidden, re.IGNORECASE) if preset.hidden else None
    models: dict[str, ModelInfo] = {}
    for entry in _entries(connection, parsed):
        model = _model(entry)
        if model is not None and not (hidden and hidden.search(model.model_id)) and not _repeats(connection, model):
            models.setdefault(model.model_id, model)
        if len(models) == MAX_MODELS:
            break
    return tuple(sorted(models.values(), key=lambda model: model.model_id))


def _repeats(connection: Connection, model: ModelInfo) -> bool:
    """Whether the key would be stored and shown as part of a name."""
    return bool(connection.api_key) and connection.api_key in f"{model.model_id} {model.name}"


async def _get(
    client: httpx.AsyncClient, connection: Connection, preset: Preset
) -> tuple[int, Mapping[str, str], bytes]:
    headers = {"Accept": "application/json", **dict(preset.headers)}
    if connection.api_key:
        bearer = "" if preset.key_header == "x-api-key" else "Bearer "
        headers[preset.key_header] = bearer + connection.api_key
    body = bytearray()
    async with client.stream("GET", f"{connection.base_url}{preset.models_path}", headers=headers) as response:
        limit = LIST_BYTES if response.status_code == 200 else ERROR_BYTES
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > limit and response.status_code == 200:
                raise ProviderMalformed(f"{connection.label} sent a list of models that is larger than allowed.")
            if len(body) > limit:
                break
        return response.status_code, response.headers, bytes(body[:limit])


def _entries(connection: Connection, parsed: object) -> Iterator[Mapping[str, Any]]:
    """OpenAI wraps its list in `data`, Ollama's own endpoint in `models`, some gateways in nothing."""
    if isinstance(parsed, dict):
        parsed = parsed["data"] if "data" in parsed else parsed.get("models")
    if not isinstance(parsed, list):
        raise _not_a_list(connection)
    return (entry for entry in parsed if isinstance(entry, dict))


def _model(entry: Mapping[str, Any]) -> ModelInfo | None:
    model_id = entry.get("id") or entry.get("model") or entry.get("name")
    if not isinstance(model_id, str) or not _MODEL_ID.fullmatch(model_id) or not model_id.isprintable():
        return None
    model_id = model_id.removeprefix("models/")  # Google's prefix, which its endpoints take or leave
    takes, gives = _modalities(entry)
    if not model_id or not _can_chat(entry, model_id, takes, gives):
        return None
    return ModelInfo(
        model_id=model_id,
        name=_name(entry) or model_id,
        family=family_of(model_id),
        context_tokens=_context_tokens(entry),
        price=_price(entry.get("pricing")),
        input_modalities=takes,
        output_modalities=gives,
    )


def _name(entry: Mapping[str, Any]) -> str:
    for key in ("display_name", "name"):
        if isinstance(value := entry.get(key), str) and value.isprintable():
            return " ".join(value.split())[:200].removeprefix("models/")
    return ""


def _can_chat(entry: Mapping[str, Any], model_id: str, takes: tuple[str, ...], gives: tuple[str, ...]) -> bool:
    if (takes and "text" not in takes) or (gives and "text" not in gives):
        return False
    kind = entry.get("type")
    if isinstance(kind, str) and kind in ("embedding", "embeddings", "image", "audio", "rerank", "moderation"):
        return False
    return bool(gives) or not _CANNOT_CHAT.search(model_id)


def _modalities(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    architecture = entry.get("architecture")
    if not isinstance(architecture, dict):
        return (), ()
    return _words(architecture.get("input_modalities")), _words(architecture.get("output_modalities"))


def _words(value: object) -> tuple[str, ...]:
    words = value[:10] if isinstance(value, list) else ()
    return tuple(word for word in words if isinstance(word, str) and re.fullmatch(r"[a-z]{1,20}", word))


def _context_tokens(entry: Mapping[str, Any]) -> int | None:
    """The context as OpenRouter, vLLM, Groq, Mistral, Anthropic and llama.cpp name it.

    llama.cpp tells what it was started with and, also where that is less, what the model was trained for.
    """
    told = entry.get("meta")
    meta = told if isinstance(told, dict) else {}
    for value in (
        entry.get("context_length"),
        entry.get("max_model_len"),
        entry.get("context_window"),
        entry.get("max_context_length"),
        entry.get("max_input_tokens"),
        meta.get("n_ctx"),
        meta.get("n_ctx_train"),
    ):
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 100_000_000:
            return value
    return None


def _price(pricing: object) -> Price | None:
    """OpenRouter's dollars per token, as strings; both of the main prices must be known."""
    if not isinstance(pricing, dict):
        return None
    input_picos, output_picos = _picos(pricing.get("prompt")), _picos(pricing.get("completion"))
    if input_picos is None or output_picos is None:
        return None
    return Price(input_picos, output_picos, _picos(pricing.get("input_cache_read")))


def _picos(value: object) -> int | None:
    """Dollars as whole pico-dollars, half to even. Below zero means "it depends", as for a router."""
    dollars = decimal_or_none(value)
    if dollars is None or not 0 <= dollars <= _MAX_PRICE:
        return None
    return int((dollars * _PICOS).to_integral_value(ROUND_HALF_EVEN))


def _not_a_list(connection: Connection) -> ProviderMalformed:
    return ProviderMalformed(f"{connection.label} sent something that is not a list of models: check its address.")
