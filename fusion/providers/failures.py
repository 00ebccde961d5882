"""Turning everything that goes wrong upstream into one of our errors, with a sentence that says what to do.

Error bodies come in many shapes; all of them are read with suspicion, and nothing of them is shown unredacted.
"""

from __future__ import annotations

import email.utils
import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from fusion.errors import (
    ProviderAddressRefused,
    ProviderAuthFailed,
    ProviderBadRequest,
    ProviderBillingRefused,
    ProviderContextTooLong,
    ProviderError,
    ProviderImagesRefused,
    ProviderMalformed,
    ProviderModelUnknown,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderStreamCut,
    ProviderTimeout,
    ProviderUnreachable,
)
from fusion.providers.addresses import AddressRefused
from fusion.providers.connection import Connection
from fusion.providers.redaction import clean_words, shorten

# What httpx and the sockets under it can raise.
TRANSPORT_FAULTS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError)

_ERRNO = re.compile(r"\[Errno -?\d+\] ")
_MAX_DEPTH = 6
_MAX_WORDS = 4000

_CONTEXT = re.compile(
    r"context[_ ]length|context[_ ]window|context size|maximum context|prompt is too long|input is too long"
    r"|too many (?:input )?tokens|input token count|reduce the length|string_above_max_length"
    r"|exceeds? the (?:available|maximum)[\w ]*(?:context|tokens)|max_new_tokens\W+must be <=",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"content[_ ]?(?:policy|filter)|moderation|flagged|safety system|usage polic|responsibleai", re.IGNORECASE
)
_BILLING = re.compile(
    r"insufficient[_ ](?:quota|credits?|balance|funds)|credit balance|billing_(?:error|hard)", re.IGNORECASE
)
_KEY = re.compile(
    r"invalid[_ ]api[_ ]key|incorrect api key|api[_ ]key (?:not valid|is invalid|expired)|authentication_error|"
    r"unauthenticated|no auth credentials|invalid x-api-key",
    re.IGNORECASE,
)
_RATE = re.compile(r"rate[_ ]?limit|resource_exhausted|too many requests", re.IGNORECASE)
_MODEL = re.compile(
    r"model_not_found|not a valid model|no endpoints found|unknown model|invalid model"
    r"|model\b.{0,120}?\b(?:not found|does not exist|not exist|is not available|not supported)",
    re.IGNORECASE,
)
# What OpenAI, OpenRouter, DeepSeek, Groq, Mistral, vLLM, llama.cpp and Ollama say of an image that a model cannot take.
_IMAGES = re.compile(
    r"(?:image|vision|multi-?modal)\w*\b.{0,120}?\b(?:not support|unsupported|only supported|not allowed|not enabled"
    r"|not available|cannot be processed)"
    r"|(?:not support|n't support|unsupported|cannot (?:process|accept|read|see)|no endpoints found that support"
    r"|not a|missing data required for|at most 0)\b.{0,80}?\b(?:image|vision|visual|multi-?modal)"
    r"|unknown variant .{0,4}image_url|content\b.{0,40}\bmust be a (?:valid )?str|text[- ]only model",
    re.IGNORECASE | re.DOTALL,
)
_BUSY = re.compile(r"overloaded|server_error|internal_error|unavailable|api_error|bad gateway", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ErrorWords:
    """What an error body says: the sentence for people, and every code, type and raw text in it to look through."""

    message: str = ""
    everything: str = ""
    param: str = ""
    status: int | None = None
    retry_after_s: float | None = None


def read_error_body(body: bytes) -> ErrorWords:
    """The words of an error body: JSON of any shape seen in the wild, plain text, or the title of a web page."""
    text = body.decode("utf-8", "replace").strip()
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        if text[:1] == "<" or "<html" in text[:500].lower():
            return ErrorWords(everything=_title(text))
        is_cut_json = text[:1] in ("{", "[")  # tells a person nothing, but may hold a telling code
        return ErrorWords(message="" if is_cut_json else text[:_MAX_WORDS], everything=text[:_MAX_WORDS])
    return read_error(parsed)


def read_error(parsed: object) -> ErrorWords:
    """The words of a parsed error: an object, a list that wraps one, or a bare string."""
    leaves = list(_leaves(parsed, "", 0))
    everything = " ".join(f"{name}={value}" if name else str(value) for name, value in leaves)[:_MAX_WORDS]
    return ErrorWords(
        message=_sentence(leaves),
        everything=everything,
        param=_first(leaves, "param"),
        status=_status(leaves),
        retry_after_s=_retry_delay(leaves),
    )


def error_in(chunk: Mapping[str, Any]) -> object | None:
    """The error object in a chunk that came with status 200, or None when the chunk is a good one."""
    if chunk.get("error"):
        return chunk
    if chunk.get("object") == "error" or chunk.get("type") == "error":
        return chunk
    choices = chunk.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(first, dict) and first.get("error"):
        return first
    tells = "detail" in chunk or "message" in chunk
    return chunk if choices is None and tells and not chunk.get("usage") else None


def upstream_error(
    connection: Connection,
    model_id: str,
    words: ErrorWords,
    *,
    status: int | None = None,
    wait_s: float | None = None,
    images: bool = False,
) -> ProviderError:
    """The error that these words and this status mean, with a sentence that names the provider and the way out.

    `images`: the request held some, so that it may be about them.
    """
    status = status if status is not None else words.status
    kind, sentence = _kind(connection, model_id, words.everything, status)
    if images and _is_about_images(words.everything, status):
        kind = ProviderImagesRefused
        sentence = f"{clean_words(model_id, connection.api_key)} at {connection.label} takes no images."
    said = clean_words(words.message, connection.api_key)
    wait = wait_s if wait_s is not None else words.retry_after_s
    message = shorten(f"{sentence} It said: “{said}”" if said else sentence)
    retryable = False if kind is ProviderOverloaded and status == 501 else None
    return kind(message, status=status, retry_after_s=wait, retryable=retryable)


def transport_error(connection: Connection, exc: Exception, *, started: bool) -> ProviderError:
    """The error that a failed connection means; `started`: the reply had begun."""
    label, why = connection.label, _ERRNO.sub("", clean_words(str(exc), connection.api_key))
    if (refused := next((fault for fault in _chain(exc) if isinstance(fault, AddressRefused)), None)) is not None:
        return ProviderAddressRefused(f"{label} was not asked: {refused.reason}. {refused.way_past}")
    if isinstance(exc, httpx.PoolTimeout):
        return ProviderTimeout(f"Too many connections are open to ask {label} now: ask again in a moment.")
    if isinstance(exc, httpx.TimeoutException) and not isinstance(exc, httpx.ConnectTimeout):
        return ProviderTimeout(f"{label} sent nothing more in the time it had: ask again, or give it more time.")
    if isinstance(exc, httpx.LocalProtocolError | httpx.UnsupportedProtocol | httpx.InvalidURL):
        return ProviderBadRequest(f"{label} cannot be asked as it is set up: check its address and key. ({why})")
    if started:
        return ProviderStreamCut(f"The connection to {label} broke before the answer was complete. ({why})")
    if _is_no_http(exc):
        return ProviderMalformed(
            f"{label} answered with something that cannot be read as HTTP: check its address. ({why})"
        )
    address = clean_words(connection.base_url, connection.api_key)
    cause, way_out = _why_unreachable(exc) or (
        shorten(why, 120),
        "check the address, the network and that it is running",
    )
    return ProviderUnreachable(f"{label} could not be reached at {address}{f' ({cause})' if cause else ''}: {way_out}.")


def _why_unreachable(exc: BaseException) -> tuple[str, str] | None:
    """What stands in the way and the way out of it, where the fault below httpx is one that people meet."""
    for fault in _chain(exc):
        match fault:
            case socket.gaierror():
                return "no such host was found", "check the address and that this machine is online"
            case ConnectionRefusedError():
                return "nothing answers there", "check the address, its port, and that it is running"
            case httpx.ReadError() | httpx.RemoteProtocolError():
                return "it hung up without an answer", "check the address, that it is running, and ask again"
            case ssl.SSLCertVerificationError():
                reason = f"its certificate is not trusted: {fault.verify_message or fault.reason}"
                return (
                    reason,
                    "use the name that its certificate was made for, and an authority that this machine trusts",
                )
            case ssl.SSLError() if fault.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
                return "it does not speak https there", "write the address with http://, or with another port"
    return None


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """An error and what it came from, outermost first."""
    fault: BaseException | None = exc
    while fault is not None:
        yield fault
        fault = fault.__cause__ or fault.__context__


def _is_no_http(exc: Exception) -> bool:
    """The server spoke another language, so that asking again will not help: h11 complained, not httpcore itself."""
    below = exc.__cause__ if isinstance(exc, httpx.RemoteProtocolError) else None
    return below is not None and (below.__cause__ or below.__context__) is not None


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Seconds to wait by `Retry-After` (seconds or an HTTP date) or `retry-after-ms`; at most an hour."""
    milliseconds, value = headers.get("retry-after-ms"), headers.get("retry-after", "")
    if milliseconds is not None and (seconds := _seconds(milliseconds)) is not None:
        return seconds / 1000
    if (seconds := _seconds(value)) is not None:
        return seconds
    try:
        return min(max(email.utils.parsedate_to_datetime(value).timestamp() - now_s, 0.0), 3600.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _kind(connection: Connection, model_id: str, words: str, status: int | None) -> tuple[type[ProviderError], str]:
    label, model = connection.label, clean_words(model_id, connection.api_key)
    code = f" ({status})" if status else ""
    if (_CONTEXT.search(words) and status in (None, 400, 413, 422, 500)) or status == 413:
        sentence = f"The prompt does not fit {model} at {label}: shorten it, or choose a model with a larger context."
        return ProviderContextTooLong, sentence
    if _REFUSED.search(words) and status in (None, 400, 403, 422, 451):
        return ProviderRefused, f"The content filter of {label} refused this request{code}: rephrase it."
    if status == 402 or _BILLING.search(words):
        return ProviderBillingRefused, f"{label} asks for credit{code}: top up the account of this key."
    if status in (401, 407) or (status in (None, 400, 403) and _KEY.search(words)):
        return ProviderAuthFailed, _key_sentence(connection, code)
    if status == 403:
        return ProviderAuthFailed, f"{label} does not allow this key to use {model}{code}: check what the key may do."
    if status == 429 or (status is None and _RATE.search(words)):
        return ProviderRateLimited, f"{label} is limiting how fast {model} may be asked{code}: wait, then ask again."
    if status in (None, 400, 404, 422) and _MODEL.search(words):
        return ProviderModelUnknown, f"{label} does not serve {model}{code}: choose another model."
    if status == 404:
        way_out = "check its address, or choose another model"
        return ProviderModelUnknown, f"{label} does not serve {model} at this address{code}: {way_out}."
    if status in (408, 504, 524):
        return ProviderTimeout, f"{label} took too long{code}: ask again."
    if status is None or status >= 500 or _BUSY.search(words):
        return ProviderOverloaded, f"{label} has a problem of its own{code}: ask again in a moment."
    if 300 <= status < 400:
        return ProviderMalformed, f"{label} answered with a redirect{code}: set its address to where it points."
    if status < 300:
        return ProviderMalformed, f"{label} answered{code} with something that is not a completion: check its address."
    return ProviderBadRequest, f"{label} did not accept the request for {model}{code}."


def _is_about_images(words: str, status: int | None) -> bool:
    """llama.cpp says it with a 500, which would be a passing problem of its own; gateways say it with a 404."""
    return status in (None, 400, 404, 415, 422, 500, 501) and _IMAGES.search(words) is not None


def _key_sentence(connection: Connection, code: str) -> str:
    where = connection.key_name or "the key of this connection"
    if not connection.api_key:
        return f"{connection.label} wants a key{code}: set {where}."
    return f"The key for {connection.label} was refused{code}: check {where}."


def _leaves(value: object, name: str, depth: int) -> Iterator[tuple[str, object]]:
    """Every named value in a parsed body, outermost first; JSON inside a string (`metadata.raw`) is opened too."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, inner in list(value.items())[:50]:
            yield from _leaves(inner, str(key), depth + 1)
    elif isinstance(value, list):
        for inner in value[:20]:
            yield from _leaves(inner, name, depth + 1)
    elif isinstance(value, str) and value.lstrip()[:1] in ("{", "[") and (opened := _opened(value)) is not None:
        yield from _leaves(opened, name, depth + 1)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield name, value[:_MAX_WORDS] if isinstance(value, str) else value


def _opened(text: str) -> object | None:
    try:
        opened: object = json.loads(text[: 16 * _MAX_WORDS])
    except (ValueError, RecursionError):
        return None
    return opened


def _sentence(leaves: list[tuple[str, object]]) -> str:
    """The sentence for people. OpenRouter's own says nothing ("Provider returned error"); the one in `raw` does."""
    names = ("message", "msg", "error", "detail", "raw", "error_description", "title", "")
    said = [(name, value) for name, value in leaves if name in names and isinstance(value, str) and value.strip()]
    telling = [entry for entry in said if entry[1].strip() != "Provider returned error"]
    return str(min(telling or said, key=lambda entry: names.index(entry[0]))[1]) if said else ""


def _first(leaves: list[tuple[str, object]], wanted: str) -> str:
    return next((str(value) for name, value in leaves if name == wanted), "")


def _status(leaves: list[tuple[str, object]]) -> int | None:
    """An HTTP status that the body itself names, as `code` or `status`."""
    for name, value in leaves:
        if name in ("code", "status", "status_code") and re.fullmatch(r"[45]\d\d", str(value)):
            return int(str(value))
    return None


def _retry_delay(leaves: list[tuple[str, object]]) -> float | None:
    """Google's `retryDelay` ("34s") or a gateway's `retry_after` in seconds."""
    for name, value in leaves:
        if name in ("retryDelay", "retry_after", "retry_after_seconds"):
            return _seconds(str(value).removesuffix("s"))
    return None


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return min(seconds, 3600.0) if 0 <= seconds < float("inf") else None


def _title(page: str) -> str:
    found = re.search(r"<title[^>]*>([^<]{0,200})", page[:_MAX_WORDS], re.IGNORECASE)
    return found[1] if found else ""
