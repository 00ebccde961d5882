"""Which connections there are, and what speaks to them. The registry is given its keys; it reads no settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import httpx

from fusion.engine.types import Provider
from fusion.errors import InvalidInput
from fusion.providers.addresses import AddressRefused, require_allowed_host
from fusion.providers.catalogue import ModelInfo
from fusion.providers.connection import Connection
from fusion.providers.listing import list_served_models
from fusion.providers.openai_chat import OpenAIChatProvider
from fusion.providers.presets import PRESETS
from fusion.providers.problems import Problem
from fusion.providers.simulated import MODELS as SIMULATED_MODELS
from fusion.providers.simulated import PROBLEMS as SIMULATED_PROBLEMS
from fusion.providers.simulated import SimulatedProvider, split_fault, with_fault

__all__ = [
    "SIMULATED",
    "Connection",
    "build_provider",
    "checked_base_url",
    "connections_from_env",
    "list_models",
    "problems_of",
    "split_problem",
    "with_problem",
]

SIMULATED = Connection(slug="sim", preset="simulated", label="Simulated", base_url="")

_HOSTED = ("openrouter", "openai", "anthropic", "gemini")


def connections_from_env(env: Mapping[str, str]) -> tuple[Connection, ...]:
    """The connections that the environment names, in a fixed order. Raises InvalidInput with a sentence.

    Reads OPENROUTER_API_KEY, OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, OLLAMA_BASE_URL, FUSION_PROVIDER_URL,
    FUSION_PROVIDER_KEY and FUSION_PROVIDER_NAME. An empty value is no value. An address that stands there is an
    administrator's own word, so it may be a local one; the hosted providers' are not.
    """
    hosted = [_hosted(slug, key) for slug in _HOSTED if (key := _key(env, PRESETS[slug].key_env))]
    return (*hosted, *_ollama(env), *_custom(env))


def build_provider(connection: Connection) -> Provider:
    """What streams completions from `connection`."""
    if connection.preset == SIMULATED.preset:
        return SimulatedProvider()
    return OpenAIChatProvider(connection)


async def list_models(
    connection: Connection, *, client: Callable[[], httpx.AsyncClient] | None = None
) -> tuple[ModelInfo, ...]:
    """The models that can chat there, sorted by id; on the loop's shared client unless told. Raises ProviderError."""
    if connection.preset == SIMULATED.preset:
        return SIMULATED_MODELS
    return await list_served_models(connection, client=client)


def problems_of(connection: Connection) -> tuple[Problem, ...]:
    """The problems that can be simulated there; none at any real provider."""
    return SIMULATED_PROBLEMS if connection.preset == SIMULATED.preset else ()


def split_problem(connection: Connection, model_id: str) -> tuple[str, Problem | None]:
    """The bare id of a model, and the problem that `model_id` asks for beside it."""
    if not problems_of(connection):
        return model_id, None
    name, fault = split_fault(model_id)
    return name, next((problem for problem in problems_of(connection) if fault and problem.key == fault.value), None)


def with_problem(connection: Connection, model_id: str, key: str) -> str:
    """The id that asks a bare `model_id` for one of the connection's problems; unchanged where there is no such one."""
    known = any(problem.key == key for problem in problems_of(connection))
    return with_fault(model_id, key) if known else model_id


def checked_base_url(url: str, *, name: str, local: bool = False) -> str:
    """`url` without its last slash. Raises InvalidInput naming `name`: not http(s), no host, credentials, a query.

    An address or port that the connection could not lead to is refused here already, see `addresses.py`; a name is
    judged when it is asked, by what it then resolves to.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise _bad_url(name, "is not an address") from exc
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _bad_url(name, "must begin with http:// or https:// and name a host")
    if re.search(r"[\s\\\x00-\x1f\x7f]", url) or port == 0:
        raise _bad_url(name, "is not an address")
    if "@" in parts.netloc:
        raise _bad_url(name, "must not carry a name or a password")
    if parts.query or parts.fragment:
        raise _bad_url(name, "must end with a path, without ? or #")
    _require_same_host(url, parts.hostname, name=name)
    try:
        require_allowed_host(parts.hostname, port or (443 if parts.scheme == "https" else 80), local=local)
    except AddressRefused as exc:
        raise InvalidInput(f"{name} cannot be used: {exc.reason}. {exc.way_past}", field=name) from exc
    return url.rstrip("/")


def _require_same_host(url: str, host: str, *, name: str) -> None:
    """Two parsers must find the same host: what is checked by the one is asked by the other."""
    try:
        asked = httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise _bad_url(name, "is not an address") from exc
    if "%" in host or (host.isascii() and asked.raw_host.decode("ascii") != host):
        raise _bad_url(name, "is not an address")


def _hosted(slug: str, key: str) -> Connection:
    preset = PRESETS[slug]
    return Connection(slug, slug, preset.label, preset.base_url, api_key=key, key_name=preset.key_env)


def _ollama(env: Mapping[str, str]) -> tuple[Connection, ...]:
    """Ollama's own address has no path; its compatible endpoints are under /v1."""
    if not (url := env.get("OLLAMA_BASE_URL", "").strip()):
        return ()
    base_url = checked_base_url(url, name="OLLAMA_BASE_URL", local=True)
    base_url = base_url.removesuffix("/api")
    base_url = base_url if base_url.endswith("/v1") else f"{base_url}/v1"
    return (Connection("ollama", "ollama", "Ollama", base_url, local=True),)


def _custom(env: Mapping[str, str]) -> tuple[Connection, ...]:
    key_name = PRESETS["openai-compatible"].key_env
    key = _key(env, key_name)
    if not (url := env.get("FUSION_PROVIDER_URL", "").strip()):
        if key:
            raise InvalidInput(f"{key_name} is set but FUSION_PROVIDER_URL is not: set the address the key is for.")
        return ()
    base_url = checked_base_url(url, name="FUSION_PROVIDER_URL", local=True).removesuffix("/chat/completions")
    label = " ".join(env.get("FUSION_PROVIDER_NAME", "").split())[:60] or urlsplit(base_url).netloc
    return (Connection("custom", "openai-compatible", label, base_url, api_key=key, key_name=key_name, local=True),)


def _key(env: Mapping[str, str], name: str) -> str:
    key = env.get(name, "").strip()
    if not re.fullmatch(r"[\x21-\x7e]*", key):
        raise InvalidInput(f"{name} holds a character that no key has (a space, or one outside ASCII): copy it again.")
    return key


def _bad_url(name: str, what: str) -> InvalidInput:
    return InvalidInput(f"{name} {what}: write it like http://localhost:8080/v1.", field=name)
