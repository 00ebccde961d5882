"""The adapter, fed with bytes: what a completion gives, and what a stream that goes wrong becomes."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import httpx
import orjson
import pytest

from fusion.engine.types import CompletionRequest, Finish, FinishReason, Message, ReasoningDelta, TextDelta, Usage
from fusion.errors import (
    ProviderError,
    ProviderMalformed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderStreamCut,
    ProviderTimeout,
    ProviderUnreachable,
)
from fusion.providers.reply import ReadLimits
from tests.providers.wire import (
    CANARY,
    DONE,
    PARIS,
    REQUEST,
    SSE,
    chunk,
    chunks_of,
    event,
    hear,
    provider_of,
    provider_sending,
    usage_chunk,
)


async def test_a_completion_gives_text_usage_and_the_end_mark_in_order() -> None:
    assert await chunks_of(provider_sending(PARIS)) == [
        TextDelta("Par"),
        TextDelta("is."),
        Usage(input_tokens=7, output_tokens=2),
        Finish(FinishReason.STOP, upstream_model="acme/model-1-0801", upstream_id="gen-1"),
    ]


async def test_the_request_is_what_the_dialect_wants() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, headers=SSE, content=PARIS)

    request = CompletionRequest("m", (Message("system", "Be brief."), Message("user", "Hi")), 50, temperature=0.3)
    await hear(provider_of(answer), request)
    assert json.loads(seen[0].content) == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "max_tokens": 50,
        "stream_options": {"include_usage": True},
        "temperature": 0.3,
    }
    assert str(seen[0].url) == "http://acme.test/v1/chat/completions"
    assert seen[0].headers["authorization"] == f"Bearer {CANARY}"
    assert seen[0].headers["accept-encoding"] == "identity"


async def test_a_connection_without_a_key_sends_no_authorization() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        return httpx.Response(200, headers=SSE, content=PARIS)

    assert (await hear(provider_of(answer, api_key=""))).text == "Paris."


async def test_a_stream_may_be_split_at_every_byte() -> None:
    escaped = event(chunk("Zażółć 🙂 ")) + event(chunk("été", reason="stop")) + DONE
    utf8 = event(orjson.dumps(chunk("Zażółć 🙂 "))) + event(orjson.dumps(chunk("été", reason="stop"))) + DONE
    for body in (escaped, utf8):
        whole = await chunks_of(provider_sending(body))
        assert await chunks_of(provider_sending(*(bytes([byte]) for byte in body))) == whole
        for cut in range(len(body)):
            assert (await hear(provider_sending(body[:cut], body[cut:]))).text == "Zażółć 🙂 été"


async def test_any_split_of_a_stream_with_everything_in_it_gives_the_same_chunks() -> None:
    body = (
        b": OPENROUTER PROCESSING\r\n\r\n"
        + event(chunk(role="assistant", content="")).replace(b"\n", b"\r\n")
        + event(chunk(reasoning="Hm, ")).replace(b"\n", b"\r")
        + event(orjson.dumps(chunk("<think>größer?</think>\n\nJa")))
        + event(orjson.dumps(chunk(": 🙂🙂")))
        + event(chunk("", reason="length"))
        + event(usage_chunk(prompt_tokens=1, completion_tokens=2, cost=0.00012))
        + DONE
    )
    expected = await hear(provider_sending(body))
    assert (expected.text, expected.reasoning) == ("Ja: 🙂🙂", "Hm, größer?")
    dice = random.Random(20)
    for _ in range(300):
        cuts = sorted(dice.randrange(len(body)) for _ in range(dice.randrange(1, 30)))
        pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        assert await hear(provider_sending(*pieces)) == expected


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning": "Hm."},
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm."}]},
        {"reasoning": "Hm.", "reasoning_content": "Hm."},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
        {"content": "<think>Hm.</think>"},
    ],
)
async def test_reasoning_is_told_from_text_whatever_it_is_called(delta: dict[str, Any]) -> None:
    heard = await hear(provider_sending(event(chunk(**delta)) + event(chunk("Paris", reason="stop")) + DONE))
    assert (heard.reasoning, heard.text) == ("Hm.", "Paris")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("stop", FinishReason.STOP),
        ("end_turn", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("content_filter", FinishReason.REFUSED),
        ("SAFETY", FinishReason.REFUSED),
        ("tool_calls", FinishReason.OTHER),
        ("something_new", FinishReason.OTHER),
    ],
)
async def test_finish_reasons_are_put_into_our_words(theirs: str, ours: FinishReason) -> None:
    heard = await hear(provider_sending(event(chunk("x", reason=theirs)) + DONE))
    assert heard.finish is not None and heard.finish.reason is ours


async def test_a_refusal_is_shown_and_named() -> None:
    heard = await hear(provider_sending(event(chunk(refusal="I can't help.")) + event(chunk(reason="stop")) + DONE))
    assert heard.text == "I can't help."
    assert heard.finish is not None and heard.finish.reason is FinishReason.REFUSED


async def test_a_stream_without_an_end_mark_is_cut_not_a_success() -> None:
    heard = await hear(provider_sending(event(chunk("Par")) + event(usage_chunk(prompt_tokens=3, completion_tokens=1))))
    assert heard.text == "Par"
    assert heard.usage == Usage(3, 1)
    assert isinstance(heard.error, ProviderStreamCut) and heard.finish is None


async def test_half_an_event_at_the_end_is_a_cut() -> None:
    heard = await hear(provider_sending(event(chunk("Par")) + b'data: {"choices": [{"del'))
    assert heard.text == "Par" and isinstance(heard.error, ProviderStreamCut)


async def test_an_empty_stream_is_a_cut() -> None:
    assert isinstance((await hear(provider_sending(b""))).error, ProviderStreamCut)


@pytest.mark.parametrize("end", [b"", b"data: [DONE]", b"data: [DONE]\n", b": bye\n\n"])
async def test_a_finish_reason_ends_a_stream_with_or_without_done(end: bytes) -> None:
    heard = await hear(provider_sending(event(chunk("Paris", reason="stop")) + end))
    assert heard.error is None and heard.finish is not None


async def test_done_alone_ends_a_stream() -> None:
    heard = await hear(provider_sending(event(chunk("Paris")) + DONE + event(chunk("ghost"))))
    assert heard.text == "Paris" and heard.finish is not None and heard.finish.reason is FinishReason.STOP


async def test_usage_may_come_with_the_finish_reason_and_after_it() -> None:
    body = event({**chunk("x", reason="stop"), "usage": {"prompt_tokens": 5, "completion_tokens": 1}})
    assert (await hear(provider_sending(body + DONE))).usage == Usage(5, 1)
    later = body + event(usage_chunk(prompt_tokens=6, completion_tokens=2))
    assert (await hear(provider_sending(later + DONE))).usage == Usage(6, 2)


async def test_an_error_in_mid_stream_keeps_what_came_before_it() -> None:
    error = {
        "error": {"code": 502, "message": "Upstream went away"},
        "choices": [{"finish_reason": "error", "delta": {}}],
    }
    heard = await hear(provider_sending(event(chunk("Par")) + event(error)))
    assert heard.text == "Par"
    assert isinstance(heard.error, ProviderOverloaded) and "Upstream went away" in heard.error.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"error": {"type": "overloaded_error", "message": "Overloaded"}, "type": "error"}, ProviderOverloaded),
        ({"error": {"code": "rate_limit_exceeded", "message": "slow down"}}, ProviderRateLimited),
        ({"error": "model runner has unexpectedly stopped"}, ProviderOverloaded),
        ({"object": "error", "message": "engine died", "code": 500}, ProviderOverloaded),
        ({"choices": [{"error": {"code": 429, "message": "busy"}, "delta": {}}]}, ProviderRateLimited),
    ],
)
async def test_an_error_at_the_start_of_a_good_response_is_an_error(error: object, kind: type[ProviderError]) -> None:
    heard = await hear(provider_sending(event(error) + DONE))
    assert type(heard.error) is kind


async def test_a_completion_that_comes_whole_is_one_answer() -> None:
    message = {"role": "assistant", "content": "<think>Hm.</think>Paris.", "reasoning_content": None}
    body = {
        "id": "x",
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2},
    }
    assert await chunks_of(provider_of(lambda _: httpx.Response(200, json=body))) == [
        ReasoningDelta("Hm."),
        TextDelta("Paris."),
        Usage(5, 2),
        Finish(FinishReason.STOP, upstream_model="m", upstream_id="x"),
    ]


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, html="<html><title>Welcome</title>"),
        httpx.Response(200, text="Hello there"),
        httpx.Response(200, json={"hello": 1}),
        httpx.Response(200, json=[]),
        httpx.Response(200, headers={"content-type": "application/json"}, content=b'{"choices": [{"mess'),
        httpx.Response(200, headers=SSE, content=b"data: hello\n\n"),
        httpx.Response(200, headers=SSE, content=b"data: [1, 2]\n\n"),
        httpx.Response(200, headers=SSE, content=b"data: " + b"[" * 100_000 + b"\n\n"),
        httpx.Response(204),
        httpx.Response(302, headers={"location": "http://169.254.169.254/"}),
        httpx.Response(200, headers={**SSE, "content-encoding": "gzip"}, stream=httpx.ByteStream(b"\x1f\x8b")),
    ],
    ids=["html", "text", "json", "list", "half json", "words", "array", "deep", "empty", "redirect", "gzip"],
)
async def test_what_is_not_the_protocol_is_malformed(response: httpx.Response) -> None:
    error = (await hear(provider_of(lambda _: response))).error
    assert isinstance(error, ProviderMalformed) and "Acme" in error.message


async def test_bytes_that_are_not_utf8_do_not_end_an_answer() -> None:
    broken = event(orjson.dumps(chunk("caf\u00e9"))).replace("é".encode(), b"\xe9")
    assert (await hear(provider_sending(broken + event(chunk(reason="stop"))))).text == "caf\ufffd"


async def test_an_emoji_whose_halves_come_in_two_chunks_is_whole() -> None:
    halves = event(b'{"choices":[{"delta":{"content":"\\ud83d"}}]}') + event(
        b'{"choices":[{"delta":{"content":"\\ude42"}}]}'
    )
    assert (await hear(provider_sending(halves + event(chunk(reason="stop"))))).text == "🙂"


@pytest.mark.parametrize(
    "delta",
    [
        {"content": 5},
        {"content": {"a": 1}},
        {"content": [None, 3, {"type": "text"}]},
        {"reasoning": 1},
        {"refusal": []},
    ],
)
async def test_a_field_of_the_wrong_type_is_passed_over(delta: dict[str, Any]) -> None:
    heard = await hear(provider_sending(event(chunk(**delta)) + event(chunk("ok", reason="stop")) + DONE))
    assert heard.text == "ok" and heard.error is None


async def test_a_second_choice_is_not_mixed_in() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "no"}}]}
    assert (await hear(provider_sending(event(chunk("yes", reason="stop")) + event(other) + DONE))).text == "yes"


async def test_a_stream_is_read_to_its_size_limit_and_no_further() -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 1
            yield event(chunk("x" * 1000))

    limits = ReadLimits(stream_bytes=100_000)
    heard = await hear(provider_of(lambda _: httpx.Response(200, headers=SSE, content=endless()), limits))
    assert isinstance(heard.error, ProviderMalformed)
    assert sent < 120


async def test_an_error_body_without_end_is_cut_off() -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1000

    limits = ReadLimits(error_bytes=10_000)
    heard = await hear(provider_of(lambda _: httpx.Response(500, content=endless()), limits))
    assert isinstance(heard.error, ProviderOverloaded) and len(heard.error.message) <= 300
    assert sent < 20


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (httpx.ConnectError("refused"), ProviderUnreachable),
        (httpx.ConnectTimeout("slow"), ProviderUnreachable),
        (httpx.ReadTimeout("slow"), ProviderTimeout),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), ProviderUnreachable),
        (httpx.WriteError(f"broken pipe {CANARY}"), ProviderUnreachable),
        (OSError("no buffer space"), ProviderUnreachable),
        (UnicodeError("label too long"), ProviderUnreachable),
    ],
)
async def test_every_fault_before_the_reply_is_a_provider_error(fault: Exception, kind: type[ProviderError]) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise fault

    error = (await hear(provider_of(fail))).error
    assert isinstance(error, ProviderError) and type(error) is kind and error.retryable
    assert error.__cause__ is fault and CANARY not in error.message


async def test_a_connection_that_breaks_in_mid_answer_is_a_cut() -> None:
    async def broken() -> Any:
        yield event(chunk("Par"))
        raise httpx.ReadError("reset")

    heard = await hear(provider_of(lambda _: httpx.Response(200, headers=SSE, content=broken())))
    assert heard.text == "Par" and isinstance(heard.error, ProviderStreamCut)


async def test_a_connection_that_breaks_after_the_finish_reason_loses_nothing() -> None:
    async def broken() -> Any:
        yield event(chunk("Paris", reason="stop"))
        raise httpx.ReadError("reset")

    heard = await hear(provider_of(lambda _: httpx.Response(200, headers=SSE, content=broken())))
    assert heard.text == "Paris" and heard.error is None and heard.finish is not None


async def test_no_cookie_is_kept_for_the_next_request() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert "cookie" not in request.headers
        return httpx.Response(200, headers={**SSE, "set-cookie": "who=alice; Path=/"}, content=PARIS)

    provider = provider_of(answer)
    await hear(provider)
    assert (await hear(provider)).error is None


async def test_costs_are_whole_nano_dollars_without_a_float_in_between() -> None:
    for told, nanos in [
        ("0.1", 100_000_000),
        ("0.00000000149", 1),
        ("1e-05", 10_000),
        ('"0.25"', 250_000_000),
        ("3", 3 * 10**9),
    ]:
        raw = b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":%s}}' % told.encode()
        usage = (await hear(provider_sending(event(chunk("x", reason="stop")) + event(raw) + DONE))).usage
        assert usage is not None and usage.cost_nanos == nanos, told


@pytest.mark.parametrize(
    ("told", "nanos"),
    [
        ({"cost": 0.5, "is_byok": True, "cost_details": {"upstream_inference_cost": 10}}, 10_500_000_000),
        ({"cost": 0.5, "is_byok": True, "cost_details": {"upstream_inference_cost": None}}, None),
        ({"cost": 0.5, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.5}}, 500_000_000),
        ({"cost": 0.5, "cost_details": {"upstream_inference_cost": 0.5}}, 500_000_000),
    ],
)
async def test_with_a_key_of_ones_own_behind_openrouter_its_fee_is_not_the_whole_cost(
    told: dict[str, Any], nanos: int | None
) -> None:
    usage_told = {"prompt_tokens": 1, "completion_tokens": 1, **told}
    body = event(chunk("x", reason="stop")) + event({"choices": [], "usage": usage_told}) + DONE
    usage = (await hear(provider_sending(body))).usage
    assert usage is not None and usage.cost_nanos == nanos


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 80},
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(100, 50, cached_input_tokens=80, reasoning_tokens=20),
        ),
        ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 4}, Usage(10, 5, 4)),
        # reasoning that the completion tokens leave out but the total has
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45}, Usage(10, 35, 0, 30)),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 99}},
            Usage(10, 5, 10),
        ),
        ({"prompt_tokens": 10, "completion_tokens": None}, Usage(10, 0)),
        ({"prompt_tokens": -1, "completion_tokens": 5}, None),
        ({"prompt_tokens": 10, "completion_tokens": 10**12}, None),
        ({"prompt_tokens": 10.5, "completion_tokens": 5}, None),
        ({"prompt_tokens": True, "completion_tokens": 5}, None),
        ({"prompt_tokens": "10", "completion_tokens": 5}, None),
        ({"completion_tokens": 5}, None),
        ({"prompt_tokens": 1, "completion_tokens": 1, "cost": -1}, Usage(1, 1)),
        ({"prompt_tokens": 1, "completion_tokens": 1, "cost": 1e300}, Usage(1, 1)),
        ([1, 2], None),
    ],
)
async def test_usage_is_read_with_suspicion(usage: object, expected: Usage | None) -> None:
    body = event(chunk("x", reason="stop")) + event({"choices": [], "usage": usage}) + DONE
    assert (await hear(provider_sending(body))).usage == expected


async def test_usage_with_nan_in_it_is_dropped() -> None:
    raw = b'{"choices":[],"usage":{"prompt_tokens":NaN,"completion_tokens":1,"cost":Infinity}}'
    heard = await hear(provider_sending(event(chunk("x", reason="stop")) + event(raw) + DONE))
    assert heard.usage is None and heard.error is None


async def test_the_repr_of_a_provider_has_no_key() -> None:
    assert CANARY not in repr(provider_sending(PARIS))


async def test_the_total_time_bounds_an_upstream_that_says_nothing() -> None:
    async def silent() -> Any:
        await asyncio.Event().wait()
        yield b""

    request = CompletionRequest(REQUEST.model_id, REQUEST.messages, 10, timeout_s=0.02)
    heard = await hear(provider_of(lambda _: httpx.Response(200, headers=SSE, content=silent())), request)
    assert isinstance(heard.error, ProviderTimeout)


@pytest.mark.looptime
async def test_what_should_follow_the_finish_reason_is_not_waited_for_long() -> None:
    async def lingering() -> Any:
        yield event(chunk("Paris", reason="stop"))
        await asyncio.Event().wait()

    began, limits = asyncio.get_running_loop().time(), ReadLimits(tail_s=7)
    heard = await hear(provider_of(lambda _: httpx.Response(200, headers=SSE, content=lingering()), limits))
    assert heard.text == "Paris" and heard.error is None and heard.finish is not None
    assert asyncio.get_running_loop().time() - began == pytest.approx(7, abs=0.1)


@pytest.mark.looptime
async def test_comments_do_not_lengthen_the_time_to_the_first_token() -> None:
    async def dripping() -> Any:
        while True:
            yield b": OPENROUTER PROCESSING\n\n"
            await asyncio.sleep(1)

    request = CompletionRequest(REQUEST.model_id, REQUEST.messages, 10, timeout_s=600)
    began, limits = asyncio.get_running_loop().time(), ReadLimits(first_s=20)
    heard = await hear(provider_of(lambda _: httpx.Response(200, headers=SSE, content=dripping()), limits), request)
    assert isinstance(heard.error, ProviderTimeout)
    assert asyncio.get_running_loop().time() - began == pytest.approx(20, abs=0.1)


async def test_an_id_or_a_model_that_repeats_the_key_is_not_kept() -> None:
    echo = {**chunk("Paris.", reason="stop"), "id": f"gen-{CANARY}", "model": CANARY}
    finish = (await hear(provider_sending(event(echo), DONE))).finish
    assert finish is not None and (finish.upstream_id, finish.upstream_model) == (None, None)
