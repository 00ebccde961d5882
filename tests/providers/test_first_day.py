"""Whole replies as providers send them to somebody who has just set a key, and what becomes of each."""

from __future__ import annotations

import httpx
import pytest

from fusion.engine.types import CompletionRequest, Finish, FinishReason, Message, Usage
from fusion.errors import ProviderContextTooLong, ProviderOverloaded, ProviderRateLimited
from tests.providers.wire import SSE, hear, provider_of, provider_sending

OPENROUTER = b"""\
: OPENROUTER PROCESSING

: OPENROUTER PROCESSING

data: {"id":"gen-1763","provider":"Google","model":"google/gemini-2.5-pro","object":"chat.completion.chunk",\
"created":1763,"choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"Let me see.",\
"reasoning_details":[{"type":"reasoning.text","text":"Let me see.","format":"unknown","index":0}]},\
"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}

data: {"id":"gen-1763","provider":"Google","model":"google/gemini-2.5-pro","object":"chat.completion.chunk",\
"created":1763,"choices":[{"index":0,"delta":{"role":"assistant","content":"Paris."},"finish_reason":"stop",\
"native_finish_reason":"STOP","logprobs":null}]}

data: {"id":"gen-1763","provider":"Google","model":"google/gemini-2.5-pro","object":"chat.completion.chunk",\
"created":1763,"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],\
"usage":{"prompt_tokens":194,"completion_tokens":12,"total_tokens":206,"cost":0.00095,"is_byok":false,\
"prompt_tokens_details":{"cached_tokens":100,"audio_tokens":0},"cost_details":{"upstream_inference_cost":null},\
"completion_tokens_details":{"reasoning_tokens":9}}}

data: [DONE]

"""
OPENROUTER_CUT = b"""\
data: {"id":"gen-1","provider":"Chutes","model":"deepseek/deepseek-r1:free","object":"chat.completion.chunk",\
"choices":[{"index":0,"delta":{"role":"assistant","content":"Par"},"finish_reason":null}]}

data: {"id":"gen-1","object":"chat.completion.chunk","created":1763,"model":"deepseek/deepseek-r1:free",\
"provider":"Chutes","error":{"code":"server_error","message":"Provider disconnected unexpectedly"},\
"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}

"""
OPENROUTER_DAILY = {
    "error": {
        "message": "Rate limit exceeded: free-models-per-day. "
        "Add 10 credits to unlock 1000 free model requests per day",
        "code": 429,
        "metadata": {
            "headers": {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1745193600000"},
            "provider_name": None,
        },
    },
    "user_id": "user_2x",
}
GOOGLE = b"""\
data: {"choices":[{"delta":{"content":"Paris","role":"assistant"},"index":0}],"created":1763,\
"id":"4xQh","model":"gemini-2.5-flash","object":"chat.completion.chunk",\
"usage":{"completion_tokens":1,"prompt_tokens":9,"total_tokens":75}}

data: {"choices":[{"delta":{"content":".","role":"assistant"},"finish_reason":"stop","index":0}],"created":1763,\
"id":"4xQh","model":"gemini-2.5-flash","object":"chat.completion.chunk",\
"usage":{"completion_tokens":2,"prompt_tokens":9,"total_tokens":76}}

data: [DONE]

"""
OLLAMA = b"""\
data: {"id":"chatcmpl-554","object":"chat.completion.chunk","created":1763,"model":"qwen3:14b",\
"system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"Okay."},\
"finish_reason":null}]}

data: {"id":"chatcmpl-554","object":"chat.completion.chunk","created":1763,"model":"qwen3:14b",\
"system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"Paris."},\
"finish_reason":null}]}

data: {"id":"chatcmpl-554","object":"chat.completion.chunk","created":1763,"model":"qwen3:14b",\
"system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":""},\
"finish_reason":"stop"}]}

data: {"id":"chatcmpl-554","object":"chat.completion.chunk","created":1763,"model":"qwen3:14b",\
"system_fingerprint":"fp_ollama","choices":[],\
"usage":{"prompt_tokens":%d,"completion_tokens":20,"total_tokens":2070}}

data: [DONE]

"""
LLAMA_CPP = b"""\
data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1763,\
"id":"chatcmpl-a","model":"gpt-3.5-turbo","system_fingerprint":"b6000-abc","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"reasoning_content":"Hm."}}],"created":1763,\
"id":"chatcmpl-a","model":"gpt-3.5-turbo","system_fingerprint":"b6000-abc","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"Paris."}}],"created":1763,\
"id":"chatcmpl-a","model":"gpt-3.5-turbo","system_fingerprint":"b6000-abc","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"created":1763,\
"id":"chatcmpl-a","model":"gpt-3.5-turbo","system_fingerprint":"b6000-abc","object":"chat.completion.chunk"}

data: {"choices":[],"created":1763,"id":"chatcmpl-a","model":"gpt-3.5-turbo","system_fingerprint":"b6000-abc",\
"object":"chat.completion.chunk","usage":{"completion_tokens":8,"prompt_tokens":30,"total_tokens":38},\
"timings":{"cache_n":20,"prompt_n":10,"prompt_ms":12.5,"predicted_n":8,"predicted_ms":80.1}}

data: [DONE]

"""
LLAMA_CPP_FULL = {
    "error": {
        "code": 400,
        "message": "the request exceeds the available context size. try increasing the context size or enable context "
        "shift",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 14429,
        "n_ctx": 8192,
    }
}


async def test_openrouter_tells_reasoning_usage_and_its_cost() -> None:
    heard = await hear(provider_sending(OPENROUTER))
    assert (heard.reasoning, heard.text, heard.error) == ("Let me see.", "Paris.", None)
    assert heard.usage == Usage(194, 12, cached_input_tokens=100, reasoning_tokens=9, cost_nanos=950_000)
    assert heard.finish == Finish(FinishReason.STOP, upstream_model="google/gemini-2.5-pro", upstream_id="gen-1763")


async def test_an_upstream_that_openrouter_loses_in_mid_answer_leaves_what_came() -> None:
    heard = await hear(provider_sending(OPENROUTER_CUT))
    assert heard.text == "Par"
    assert isinstance(heard.error, ProviderOverloaded)
    assert "Provider disconnected unexpectedly" in heard.error.message


async def test_the_daily_limit_of_free_models_is_told_with_the_way_out() -> None:
    heard = await hear(provider_of(lambda _: httpx.Response(429, json=OPENROUTER_DAILY)))
    assert isinstance(heard.error, ProviderRateLimited)
    assert "Add 10 credits" in heard.error.message


async def test_googles_running_usage_counts_its_hidden_thoughts() -> None:
    heard = await hear(provider_sending(GOOGLE))
    assert heard.text == "Paris."
    assert heard.usage == Usage(9, 67, reasoning_tokens=65)


@pytest.mark.parametrize("reason", ["content_filter: PROHIBITED_CONTENT", "content_filter"])
async def test_google_says_why_it_refused_in_the_finish_reason(reason: str) -> None:
    end = b'data: {"choices":[{"delta":{"role":"assistant"},"finish_reason":"%s","index":0}]}\n\n' % reason.encode()
    heard = await hear(provider_sending(end))
    assert heard.finish is not None and heard.finish.reason is FinishReason.REFUSED


async def test_llama_cpp_tells_reasoning_and_text_apart() -> None:
    heard = await hear(provider_sending(LLAMA_CPP))
    assert (heard.reasoning, heard.text, heard.usage) == ("Hm.", "Paris.", Usage(30, 8))


async def test_a_full_context_of_llama_cpp_says_so() -> None:
    heard = await hear(provider_of(lambda _: httpx.Response(400, json=LLAMA_CPP_FULL)))
    assert isinstance(heard.error, ProviderContextTooLong)
    assert "try increasing the context size" in heard.error.message


LONG = CompletionRequest("qwen3:14b", (Message("user", "Which of these is right? " * 1000),), 100)


@pytest.mark.parametrize("read", [2050, 4096, 4098], ids=["half of 4096", "all of 4096", "half of 8192"])
async def test_a_prompt_that_ollama_has_cut_without_a_word_is_a_failure_that_keeps_the_text(read: int) -> None:
    heard = await hear(provider_sending(OLLAMA % read, preset="ollama"), LONG)
    assert heard.text == "Paris." and heard.finish is None
    assert isinstance(heard.error, ProviderContextTooLong)
    assert f"only {read:,} tokens" in heard.error.message and "OLLAMA_CONTEXT_LENGTH" in heard.error.message


@pytest.mark.parametrize(
    ("preset", "read"),
    [("ollama", 5003), ("ollama", 5120), ("ollama", 8192), ("openai-compatible", 2050)],
    ids=["whole", "no size of a context", "fits", "else"],
)
async def test_a_prompt_that_was_read_whole_is_an_answer(preset: str, read: int) -> None:
    heard = await hear(
        provider_of(lambda _: httpx.Response(200, headers=SSE, content=OLLAMA % read), preset=preset), LONG
    )
    assert (heard.reasoning, heard.text, heard.error) == ("Okay.", "Paris.", None)
    assert heard.usage is not None and heard.usage.input_tokens == read
