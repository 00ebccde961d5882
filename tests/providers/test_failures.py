"""Error bodies of the shapes seen in the wild, and what a person is told about them."""

from __future__ import annotations

import json
import socket
import ssl

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.errors import (
    ProviderAuthFailed,
    ProviderBadRequest,
    ProviderBillingRefused,
    ProviderContextTooLong,
    ProviderError,
    ProviderModelUnknown,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnreachable,
)
from fusion.providers import redaction
from fusion.providers.failures import read_error_body, retry_after_s, transport_error, upstream_error
from fusion.providers.redaction import clean_words, without_keys
from tests.providers.wire import CANARY, connection, event, hear, provider_of, provider_sending

OPENAI_KEY = {
    "error": {
        "message": "Incorrect API key provided: sk-abc***xyz.",
        "type": "invalid_request_error",
        "code": "invalid_api_key",
    }
}
OPENAI_CONTEXT = {
    "error": {"message": "This model's maximum context length is 8192 tokens.", "code": "context_length_exceeded"}
}
OPENROUTER_RAW = {
    "error": {
        "message": "Provider returned error",
        "code": 429,
        "metadata": {
            "raw": '{"error":{"message":"qwen is temporarily rate-limited upstream"}}',
            "provider_name": "Chutes",
        },
    }
}
OPENROUTER_FLAGGED = {"error": {"message": "Input was flagged", "code": 403, "metadata": {"reasons": ["violence"]}}}
ANTHROPIC = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"}
ANTHROPIC_CREDIT = {
    "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."}
}
GOOGLE_KEY = [
    {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}}
]
GOOGLE_RATE = [
    {
        "error": {
            "code": 429,
            "message": "You exceeded your current quota.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}],
        }
    }
]
VLLM = {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}
FASTAPI = {"detail": [{"loc": ["body", "messages"], "msg": "field required", "type": "value_error.missing"}]}

CASES: list[tuple[int, object, type[ProviderError], str]] = [
    (401, OPENAI_KEY, ProviderAuthFailed, "The key for Acme was refused (401): check FUSION_PROVIDER_KEY."),
    (400, OPENAI_CONTEXT, ProviderContextTooLong, "maximum context length is 8192"),
    (429, {"error": {"message": "You exceeded…", "code": "insufficient_quota"}}, ProviderBillingRefused, "top up"),
    (402, {"error": {"message": "Insufficient credits", "code": 402}}, ProviderBillingRefused, "Insufficient credits"),
    (429, OPENROUTER_RAW, ProviderRateLimited, "temporarily rate-limited upstream"),
    (403, OPENROUTER_FLAGGED, ProviderRefused, "flagged"),
    (403, {"error": {"message": "No access"}}, ProviderAuthFailed, "No access"),
    (529, ANTHROPIC, ProviderOverloaded, "Overloaded"),
    (400, ANTHROPIC_CREDIT, ProviderBillingRefused, "credit balance"),
    (400, GOOGLE_KEY, ProviderAuthFailed, "API key not valid"),
    (429, GOOGLE_RATE, ProviderRateLimited, "exceeded your current quota"),
    (404, {"error": 'model "llama9" not found, try pulling it first'}, ProviderModelUnknown, "try pulling it first"),
    (404, VLLM, ProviderModelUnknown, "does not exist"),
    (
        400,
        {"error": {"message": "acme/x is not a valid model ID", "code": 400}},
        ProviderModelUnknown,
        "not a valid model",
    ),
    (422, FASTAPI, ProviderBadRequest, "field required"),
    (422, {"detail": "Unprocessable"}, ProviderBadRequest, "Unprocessable"),
    (400, b"plain words", ProviderBadRequest, "plain words"),
    (502, b"<html><head><title>Bad gateway</title></head></html>", ProviderOverloaded, "(502): ask again"),
    (408, b"", ProviderTimeout, "(408)"),
    (413, b"", ProviderContextTooLong, "shorten"),
    (500, b"\xff\xfe\x00", ProviderOverloaded, "(500)"),
    (418, {"weird": [[[[[[[[[1]]]]]]]]]}, ProviderBadRequest, "(418)"),
]


@pytest.mark.parametrize(("status", "body", "kind", "words"), CASES)
async def test_an_error_of_any_shape_becomes_ours(
    status: int, body: object, kind: type[ProviderError], words: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    error = (await hear(provider_of(lambda _: httpx.Response(status, content=content)))).error
    assert isinstance(error, ProviderError) and type(error) is kind
    assert words in error.message and "Acme" in error.message
    assert error.status == status and len(error.message) <= 300


async def test_json_that_is_cut_short_is_not_quoted_but_its_code_counts() -> None:
    cut = b'{"error": {"code": "context_length_exceeded", "mess'
    error = (await hear(provider_of(lambda _: httpx.Response(400, content=cut)))).error
    assert isinstance(error, ProviderContextTooLong) and "It said" not in error.message


async def test_a_missing_key_is_asked_for() -> None:
    error = (await hear(provider_of(lambda _: httpx.Response(401, json={}), api_key=""))).error
    assert isinstance(error, ProviderAuthFailed) and "set FUSION_PROVIDER_KEY" in error.message


def test_the_wait_that_the_provider_asks_for_is_told() -> None:
    words = read_error_body(json.dumps(GOOGLE_RATE).encode())
    assert upstream_error(connection(), "m", words, status=429).retry_after_s == 34
    assert upstream_error(connection(), "m", words, status=429, wait_s=2).retry_after_s == 2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}, 20.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
        ({"retry-after": "99999999"}, 3600.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, now_s=100.0) == seconds


@pytest.mark.parametrize(
    "body",
    [
        f"Incorrect API key provided: {CANARY}",
        json.dumps({"error": {"message": f"Bad key {CANARY}", "param": CANARY, "code": CANARY}}),
        json.dumps({"error": f"Authorization: Bearer {CANARY}"}),
        json.dumps(
            {"error": {"message": "Provider returned error", "metadata": {"raw": json.dumps({"message": CANARY})}}}
        ),
        f"key={CANARY[:20]}… and …{CANARY[12:]}",
        "\u200b".join(CANARY),
        "x" * 280 + CANARY,
        f"<html><title>{CANARY}</title>",
    ],
)
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
async def test_no_error_shows_the_key(status: int, body: str) -> None:
    error = (await hear(provider_of(lambda _: httpx.Response(status, text=body)))).error
    assert isinstance(error, ProviderError)
    for shown in (error.message, str(error), repr(error)):
        assert not any(CANARY[start : start + 8] in shown for start in range(9, len(CANARY) - 7)), shown
        assert CANARY not in shown


async def test_no_error_in_mid_stream_shows_the_key() -> None:
    error = (await hear(provider_sending(event({"error": {"message": f"who is {CANARY}?"}})))).error
    assert isinstance(error, ProviderError) and CANARY not in error.message and "who is" in error.message


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-AbCdEf123456",
        "AIzaSyA1234567890abcdefg",
        "gsk_abcdef1234567890",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
        "Bearer abc123def456",
        "authorization: Basic dXNlcjpwYXNz",
        "x-api-key: 0123456789",
        "x-goog-api-key=0123456789",
        "OPENROUTER_API_KEY=0123456789",
        '{"x-api-key": "0123456789"}',
        '{\\"api_key\\": \\"0123456789\\"}',
        "[(b'x-api-key', b'0123456789')]",
        "{'Authorization': 'Token 0123456789'}",
        "Cookie: fusion_session=0123456789; theme=dark",
        "{'set-cookie': 'a=0123456789; Path=/'}",
        "fusion_csrf=0123456789",
        "client_secret: 0123456789",
        "password=0123456789",
        "https://host/path?access_token=0123456789#x",
        "https://host/path?token=0123456789&sig=0123456789",
        "https://host/path?key=0123456789&x=1",
    ],
)
def test_anything_shaped_like_a_key_is_hidden(secret: str) -> None:
    shown = clean_words(f"failed with {secret}\nthere")
    assert "[key]" in shown and secret not in shown and "0123456789" not in shown
    assert shown.startswith("failed with")


@pytest.mark.parametrize(
    "words",
    [
        "The authorization failed.",
        "Check your API key, please.",
        "A secret garden",
        "no password was sent",
        "tokens: 5",
    ],
)
def test_words_about_keys_are_left_alone(words: str) -> None:
    assert clean_words(words) == words


def test_a_key_that_this_process_holds_is_hidden_wherever_it_comes_back() -> None:
    held = connection(api_key="a key/of no-shape+at=all")
    for words in (f"who is {held.api_key}?", "who is a%20key%2Fof%20no-shape%2Bat%3Dall?"):
        assert clean_words(words) == without_keys(words) == "who is [key]?"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", {})
    monkeypatch.setattr(redaction, "_MAX_KNOWN", 3)
    for number in range(9):
        connection(api_key=f"secretless-{number}")
    assert without_keys("secretless-1 secretless-8") == "secretless-1 [key]"
    connection(api_key="short")
    assert without_keys("a short text") == "a short text"


def test_control_and_direction_characters_are_removed() -> None:
    assert clean_words("a\x00b\x1b[31mc\u202ed\u200be\r\nf") == "ab[31mcde f"


@given(st.text(max_size=600))
def test_cleaned_words_are_short_printable_and_on_one_line(text: str) -> None:
    shown = clean_words(text, CANARY)
    assert len(shown) <= 300 and (shown.isprintable() or not shown)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_body_can_break_the_reading_of_errors(body: object) -> None:
    words = read_error_body(json.dumps(body).encode())
    assert len(upstream_error(connection(), "m", words, status=400).message) <= 300


def untrusted_certificate() -> ssl.SSLError:
    fault = ssl.SSLCertVerificationError(1, "certificate verify failed")
    fault.verify_message = "self-signed certificate"
    return fault


def no_https() -> ssl.SSLError:
    fault = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    fault.reason = "WRONG_VERSION_NUMBER"
    return fault


@pytest.mark.parametrize(
    ("fault", "cause", "way_out"),
    [
        (socket.gaierror(-2, "Name or service not known"), "no such host was found", "is online"),
        (ConnectionRefusedError(111, "Connect call failed"), "nothing answers there", "it is running"),
        (untrusted_certificate(), "not trusted: self-signed certificate", "an authority that this machine trusts"),
        (no_https(), "does not speak https there", "http://"),
        (OSError(113, "No route to host"), "No route to host", "check the address, the network"),
    ],
)
def test_what_stands_in_the_way_of_a_connection_is_said_in_words(fault: OSError, cause: str, way_out: str) -> None:
    try:
        try:
            raise fault
        except OSError as exc:
            raise httpx.ConnectError(str(exc)) from exc
    except httpx.ConnectError as exc:
        error = transport_error(connection(), exc, started=False)
    assert isinstance(error, ProviderUnreachable) and error.retryable
    assert cause in error.message and way_out in error.message
    assert "[SSL" not in error.message and "Errno 111" not in error.message


@pytest.mark.parametrize(
    ("body", "way_out"),
    [
        (
            b"<html><title>Not Found</title></html>",
            "at this address (404): check its address, or choose another model.",
        ),
        (b'{"error": {"code": "model_not_found"}}', "(404): choose another model."),
    ],
    ids=["a wrong path", "a wrong model"],
)
def test_a_404_tells_a_wrong_address_from_an_unknown_model(body: bytes, way_out: str) -> None:
    error = upstream_error(connection(), "llama9", read_error_body(body), status=404)
    assert isinstance(error, ProviderModelUnknown) and error.message.endswith(way_out)
