"""One call: whatever the upstream does, there is one result, one CallEnded and no open stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from fusion.engine.call import Caller, CallResult
from fusion.engine.controls import Controls
from fusion.engine.events import CallEnded, CallStarted
from fusion.engine.types import Chunk, CompletionRequest, FinishReason, Message, Role, Usage
from fusion.errors import ProviderOverloaded, ProviderRateLimited, ProviderRefused, ProviderStreamCut

from .fakes import EventLog, FakeProvider, make_endpoint

REQUEST = CompletionRequest("fake", (Message("user", "123456"),), max_tokens=100, timeout_s=30)


class Desk:
    """A caller with its log and controls."""

    def __init__(self, provider: FakeProvider) -> None:
        self.log = EventLog()
        self.controls = Controls()
        self.provider = provider
        self.caller = Caller(emit=self.log, controls=self.controls)

    async def call(self, *, role: Role = Role.PANEL, deadline: float | None = None) -> CallResult:
        return await self.caller.call(
            role=role,
            endpoint=make_endpoint(self.provider),
            request=REQUEST,
            attempt=1,
            letter="A",
            deadline=deadline,
        )

    def the_end(self) -> CallEnded:
        (started,) = self.log.of(CallStarted)
        (ended,) = self.log.of(CallEnded)
        assert started.call_id == ended.call_id
        assert self.provider.open_streams == 0
        return ended


async def test_a_whole_reply_is_ok_with_text_usage_and_times() -> None:
    desk = Desk(FakeProvider("Par", "is", reasoning=["hm"], ttft=2, gap=1))
    result = await desk.call()
    assert (result.status, result.text, result.finish) == ("ok", "Paris", FinishReason.STOP)
    assert (result.ttft_ms, result.total_ms, result.reasoning_chars) == (2000, 4000, 2)
    assert result.usage == Usage(3, 2)
    ended = desk.the_end()
    assert (ended.status, ended.upstream_model, ended.upstream_id) == ("ok", "fake-1", "up-1")


async def test_missing_usage_is_estimated_from_the_text_and_says_so() -> None:
    result = await Desk(FakeProvider("1234", reasoning=["12345"], usage=None)).call()
    assert result.usage == Usage(input_tokens=2, output_tokens=4, reasoning_tokens=2, estimated=True)


async def test_an_error_before_the_first_token_is_retryable_and_costs_nothing() -> None:
    desk = Desk(FakeProvider(error=ProviderRateLimited("slow down", retry_after_s=7.0)))
    result = await desk.call()
    assert (result.status, result.retryable, result.retry_after_s, result.usage) == ("failed", True, 7.0, None)
    assert result.failure is not None and result.failure.code == "provider_rate_limited"
    assert desk.the_end().failure == result.failure


async def test_an_error_after_visible_text_keeps_the_text_and_is_not_retryable() -> None:
    desk = Desk(FakeProvider("Lo", error=ProviderOverloaded("busy")))
    result = await desk.call()
    assert (result.status, result.text, result.retryable) == ("truncated", "Lo", False)
    assert desk.the_end().status == "truncated"


async def test_an_error_after_reasoning_alone_fails_and_is_not_retryable() -> None:
    result = await Desk(FakeProvider(reasoning=["hm"], error=ProviderOverloaded("busy"))).call()
    assert (result.status, result.retryable) == ("failed", False)


async def test_a_stream_without_end_mark_is_not_a_success() -> None:
    result = await Desk(FakeProvider("Par", finish=None)).call()
    assert result.status == "truncated"
    assert result.failure is not None and result.failure.code == "provider_stream_cut"


async def test_an_error_after_the_end_mark_changes_nothing() -> None:
    class Careless(FakeProvider):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            async for chunk in super().stream(request):
                yield chunk
            raise ProviderStreamCut("no [DONE]")

    result = await Desk(Careless("Paris")).call()
    assert (result.status, result.text) == ("ok", "Paris")


@pytest.mark.parametrize(
    "provider", [FakeProvider(error=ProviderRefused("no")), FakeProvider("I ", finish=FinishReason.REFUSED)]
)
async def test_a_refusal_is_its_own_status(provider: FakeProvider) -> None:
    desk = Desk(provider)
    result = await desk.call()
    assert result.status == "refused"
    assert result.failure is not None and result.failure.code == "provider_refused"
    assert desk.the_end().status == "refused"


async def test_a_length_cut_is_ok_and_says_length() -> None:
    result = await Desk(FakeProvider("Par", finish=FinishReason.LENGTH)).call()
    assert (result.status, result.finish, result.failure) == ("ok", FinishReason.LENGTH, None)


async def test_time_ends_a_call_that_has_not_begun_as_failed() -> None:
    desk = Desk(FakeProvider("late", ttft=60))
    result = await desk.call()
    assert (result.status, result.total_ms, result.retryable) == ("failed", 30_000, False)
    assert result.failure is not None and result.failure.code == "provider_timeout"
    assert desk.the_end().usage == Usage(2, 0, estimated=True)


async def test_a_deadline_ends_a_call_in_mid_text_as_truncated() -> None:
    desk = Desk(FakeProvider("Par", "is", ttft=1, gap=60))
    result = await desk.call(deadline=asyncio.get_running_loop().time() + 5)
    assert (result.status, result.text, result.total_ms) == ("truncated", "Par", 5000)
    assert desk.the_end().status == "truncated"


async def test_a_call_whose_time_is_over_is_not_sent() -> None:
    desk = Desk(FakeProvider("late"))
    result = await desk.call(deadline=asyncio.get_running_loop().time())
    assert result.status == "failed"
    assert desk.provider.opened == 0
    assert desk.log.events == []


async def test_a_stop_keeps_the_text_and_closes_the_stream_in_the_same_instant() -> None:
    desk = Desk(FakeProvider("Par", "is", ttft=1, gap=60))
    asyncio.get_running_loop().call_later(3, desk.controls.stop_member, "A")
    result = await desk.call()
    assert (result.status, result.text, result.failure, result.total_ms) == ("stopped", "Par", None, 3000)
    assert desk.the_end().status == "stopped"


class Clinging(FakeProvider):
    """Hangs while it closes its connection."""

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        try:
            async for chunk in super().stream(request):
                yield chunk
        finally:
            await asyncio.sleep(10_000)


async def test_a_connection_that_hangs_while_it_closes_holds_a_stopped_call_for_one_second() -> None:
    desk = Desk(Clinging("Par", "is", ttft=1, gap=60))
    asyncio.get_running_loop().call_later(3, desk.controls.stop_all)
    result = await desk.call()
    assert (result.status, result.text, result.failure, result.total_ms) == ("stopped", "Par", None, 4000)
    assert desk.the_end().status == "stopped"


async def test_a_connection_that_hangs_while_it_closes_holds_a_call_out_of_time_for_one_second() -> None:
    result = await Desk(Clinging("Par", "is", ttft=1, gap=60)).call()
    assert (result.status, result.text, result.total_ms) == ("truncated", "Par", 31_000)


async def test_a_connection_that_hangs_after_the_end_mark_does_not_delay_what_is_whole() -> None:
    result = await Desk(Clinging("Par", "is", ttft=1, gap=1)).call()
    assert (result.status, result.text, result.total_ms) == ("ok", "Paris", 3000)


async def test_a_connection_that_hangs_while_it_closes_does_not_swallow_a_cancellation() -> None:
    desk = Desk(Clinging("Par", "is", ttft=1, gap=60))
    task = asyncio.create_task(desk.call())
    await asyncio.sleep(3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.the_end().status == "stopped"


async def test_a_call_after_the_stop_is_not_sent() -> None:
    desk = Desk(FakeProvider("never"))
    desk.controls.stop_all()
    assert (await desk.call()).status == "stopped"
    assert desk.provider.opened == 0


async def test_stopping_a_member_leaves_calls_of_others_alone() -> None:
    desk = Desk(FakeProvider("Paris", ttft=5))
    asyncio.get_running_loop().call_later(3, desk.controls.stop_member, "B")
    assert (await desk.call()).status == "ok"


async def test_stopping_a_member_leaves_the_writer_that_works_on_its_answer_alone() -> None:
    desk = Desk(FakeProvider("Paris", ttft=5))
    desk.controls.stop_member("A")
    assert (await desk.call(role=Role.WRITER)).status == "ok"


@pytest.mark.parametrize("stop_too", [False, True], ids=["alone", "with a stop in the same instant"])
async def test_a_cancellation_comes_through_and_is_still_reported(stop_too: bool) -> None:
    desk = Desk(FakeProvider("Par", "is", ttft=1, gap=60))
    task = asyncio.create_task(desk.call())
    await asyncio.sleep(3)
    if stop_too:
        desk.controls.stop_all()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.the_end().status == "stopped"


async def test_a_bug_in_a_provider_is_a_result_and_its_words_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(FakeProvider("Lo", error=KeyError("sk-secret")))
    with caplog.at_level(logging.ERROR):
        result = await desk.call()
    assert (result.status, result.text) == ("truncated", "Lo")
    assert result.failure is not None and result.failure.code == "provider_bug"
    assert "KeyError" in caplog.text
    assert "sk-secret" not in caplog.text + result.failure.message


async def test_a_cancellation_that_a_provider_made_up_is_its_bug() -> None:
    result = await Desk(FakeProvider(error=asyncio.CancelledError())).call()
    assert result.failure is not None and result.failure.code == "provider_bug"


async def test_an_exception_of_ours_while_a_piece_is_handled_comes_out_unchanged() -> None:
    desk = Desk(FakeProvider("Par", "is"))

    def on_text(text: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await desk.caller.call(
            role=Role.JUDGE, endpoint=make_endpoint(desk.provider), request=REQUEST, attempt=1, on_text=on_text
        )
    assert desk.the_end().status == "stopped"
