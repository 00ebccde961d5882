"""One upstream call: sent, read to its end, measured and reported, however it ends.

A call is the unit of receipts. Whoever needs a completion (panel, judge, writer) asks `Caller.call`, which turns
everything that can go wrong upstream into a `CallResult`; only a real cancellation or a bug of ours comes out as an
exception.
"""

from __future__ import annotations

import asyncio
import logging
import math
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Literal
from uuid import uuid4

from fusion.engine.budget import CHARS_PER_TOKEN, IMAGE_TOKENS
from fusion.engine.controls import Controls
from fusion.engine.events import CallEnded, CallStarted, Emit, ImagesRefused
from fusion.engine.types import (
    Chunk,
    CompletionRequest,
    Endpoint,
    Failure,
    Finish,
    FinishReason,
    ReasoningDelta,
    Role,
    Sight,
    TextDelta,
    Usage,
)
from fusion.errors import ProviderError, ProviderImagesRefused, ProviderRefused, ProviderStreamCut, ProviderTimeout

logger = logging.getLogger(__name__)

CallStatus = Literal["ok", "truncated", "refused", "failed", "stopped"]
OnText = Callable[[str], None]

MEMBERS_OWN = (Role.PANEL, Role.REBUTTAL)
CLOSE_S = 1.0  # what a provider gets for closing a connection; one that hangs there must not hold the run


@dataclass(frozen=True, slots=True)
class CallResult:
    """How one call ended, with all that came before it did.

    `status`: `ok` came to its end mark (`finish` says which, also LENGTH); `truncated` was cut by connection or time
    after visible text; `stopped` by a person; `failed` gave no visible text. `failure` is None only for `ok` and
    `stopped`. `ttft_ms`: to the first token, text or reasoning. `retryable`: nothing came yet and asking the same again
    may work, at the earliest after `retry_after_s` if the provider named a time. `requests`: 2 when the images were
    refused and it was asked once more without them. `sight`: how the images went with the last of them.
    """

    status: CallStatus
    text: str = ""
    reasoning_chars: int = 0
    usage: Usage | None = None
    finish: FinishReason | None = None
    failure: Failure | None = None
    ttft_ms: int | None = None
    total_ms: int = 0
    retryable: bool = False
    retry_after_s: float | None = None
    upstream_model: str | None = None
    upstream_id: str | None = None
    requests: int = 1
    sight: Sight | None = None


class Caller:
    """Makes the upstream calls of one run and emits CallStarted and CallEnded for each of them.

    `deadline` (loop time) is the run's own: no call outlives it. It also knows who takes images: by what the endpoint
    says, and by what a provider refused earlier in this run.
    """

    def __init__(self, *, emit: Emit, controls: Controls, deadline: float | None = None) -> None:
        self.deadline = math.inf if deadline is None else deadline
        self._emit = emit
        self._controls = controls
        self._refused_images: set[str] = set()

    def sight(self, endpoint: Endpoint, *, images: bool) -> Sight | None:
        """How images go, or would go, to this endpoint; None without any."""
        if not images:
            return None
        if endpoint.sees is False:
            return Sight.TOLD
        return Sight.REFUSED if endpoint.ref in self._refused_images else Sight.SEEN

    async def call(
        self,
        *,
        role: Role,
        endpoint: Endpoint,
        request: CompletionRequest,
        attempt: int,
        letter: str | None = None,
        on_text: OnText | None = None,
        on_reasoning: OnText | None = None,
        deadline: float | None = None,
    ) -> CallResult:
        """Send one request and read its whole reply; `deadline` is loop time, `request.timeout_s` counts from now.

        Never raises a ProviderError. One that is stopped or out of time before it starts is neither sent nor reported.
        `on_text` and `on_reasoning` get each piece as it comes; what they raise comes out unchanged. Images go to who
        may be able to see; when they are refused, the same is asked once more as `request.unseen` says it.
        """
        sight = self.sight(endpoint, images=_has_images(request))
        sent = request if sight in (None, Sight.SEEN) else _told(request)

        async def once(what: CompletionRequest, number: int) -> CallResult:
            return await self._call_once(
                role=role,
                endpoint=endpoint,
                request=what if what.unseen is None else replace(what, unseen=None),
                attempt=number,
                letter=letter,
                on_text=on_text,
                on_reasoning=on_reasoning,
                deadline=deadline,
            )

        result = await once(sent, attempt)
        if sight is None:
            return result
        result = replace(result, sight=sight)
        if sight is not Sight.SEEN or not _refuses_images(result) or result.failure is None:
            return result
        self._refused_images.add(endpoint.ref)
        if request.unseen is None:
            return result
        self._emit(ImagesRefused(role, endpoint.ref, letter, result.failure))
        again = await once(_told(request), attempt + 1)
        return replace(again, requests=2, sight=Sight.REFUSED)

    async def _call_once(
        self,
        *,
        role: Role,
        endpoint: Endpoint,
        request: CompletionRequest,
        attempt: int,
        letter: str | None,
        on_text: OnText | None,
        on_reasoning: OnText | None,
        deadline: float | None,
    ) -> CallResult:
        owner = letter if role in MEMBERS_OWN else None  # only a member's own call is stopped by stopping the member
        reply = _Reply(started=asyncio.get_running_loop().time(), on_text=on_text, on_reasoning=on_reasoning)
        limit = min(reply.started + request.timeout_s, self.deadline, math.inf if deadline is None else deadline)
        if self._controls.is_stopped(owner):
            return CallResult(status="stopped")
        if limit <= reply.started:
            return CallResult(status="failed", failure=_out_of_time(endpoint, reply))
        call = CallStarted(uuid4().hex[:16], role, endpoint.ref, attempt, letter)
        self._emit(call)
        try:
            error = await self._read(endpoint, request, reply, limit=limit, owner=owner)
        except BaseException:
            self._emit(_ended(call, reply.result(request, status="stopped")))
            raise
        result = self._conclude(endpoint, request, reply, error=error, owner=owner)
        self._emit(_ended(call, result))
        return result

    async def _read(
        self, endpoint: Endpoint, request: CompletionRequest, reply: _Reply, *, limit: float, owner: str | None
    ) -> ProviderError | TimeoutError | None:
        """Read until the stream, the time or a person ends it; gives what ended it early, if anything did.

        `scope` ends the reading, and the provider closes its connection on the way out; `unwinding` ends that too.
        """
        scope, unwinding = asyncio.timeout_at(limit), asyncio.timeout_at(limit + CLOSE_S)
        try:
            async with unwinding, scope:
                with self._controls.stops(unwinding, owner, after_s=CLOSE_S), self._controls.stops(scope, owner):
                    async with aclosing(_chunks(endpoint, request)) as chunks:
                        async for chunk in chunks:
                            reply.take(chunk)
                            if isinstance(chunk, Finish):
                                _end_by(scope, asyncio.get_running_loop().time() + CLOSE_S)
        except ProviderError as exc:
            return exc
        except TimeoutError as exc:
            if not scope.expired() and not unwinding.expired():
                raise
            return exc
        return None

    def _conclude(
        self,
        endpoint: Endpoint,
        request: CompletionRequest,
        reply: _Reply,
        *,
        error: ProviderError | TimeoutError | None,
        owner: str | None,
    ) -> CallResult:
        """Give the ending its name. The end mark counts above all: what breaks after it changes nothing."""
        if reply.finish is not None:
            return _finished(endpoint, request, reply)
        if isinstance(error, TimeoutError) and self._controls.is_stopped(owner):
            return reply.result(request, status="stopped")
        if isinstance(error, TimeoutError):
            return _cut(request, reply, failure=_out_of_time(endpoint, reply), error=None)
        if error is None:
            error = ProviderStreamCut(f"{endpoint.name} ended its reply without an end mark.")
        return _cut(request, reply, failure=Failure(error.code, error.message), error=error)


def _end_by(scope: asyncio.Timeout, when: float) -> None:
    """After the end mark nothing is worth waiting for, but a connection that is closed in order can be used again."""
    if not scope.expired():
        scope.reschedule(min(when, scope.when() or when))


async def _chunks(endpoint: Endpoint, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
    """The provider's chunks; whatever it raises beside ProviderError becomes one with the code `provider_bug`.

    A generator of its own, so that an exception of ours while a chunk is handled is not taken for the provider's.
    """
    try:
        stream = endpoint.provider.stream(request)
        try:
            async for chunk in stream:
                yield chunk
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()
    except ProviderError:
        raise
    except asyncio.CancelledError as exc:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise _provider_bug(endpoint, exc) from None  # nobody cancelled us: a scope of the provider's own leaked out
    except Exception as exc:  # foreign code: whatever it raises is this call's failure, not the run's
        raise _provider_bug(endpoint, exc) from None


def _provider_bug(endpoint: Endpoint, exc: BaseException) -> ProviderError:
    """Log type and place only: the text of a foreign exception may hold an address or a key."""
    place = "".join(traceback.format_tb(exc.__traceback__))
    logger.error("The provider of %s raised %s:\n%s", endpoint.ref, type(exc).__name__, place)
    message = f"{endpoint.name} could not be read: the connection to {endpoint.provider_name} has a bug."
    return ProviderError(message, code="provider_bug")


@dataclass(slots=True)
class _Reply:
    """What came so far of one reply."""

    started: float
    on_text: OnText | None = None
    on_reasoning: OnText | None = None
    written: StringIO = field(default_factory=StringIO)  # far smaller than a list of very many tokens
    reasoning_chars: int = 0
    usage: Usage | None = None
    finish: Finish | None = None
    first_token_at: float | None = None

    def take(self, chunk: Chunk) -> None:
        match chunk:
            case TextDelta(text):
                self._token_came()
                self.written.write(text)
                if self.on_text is not None:
                    self.on_text(text)
            case ReasoningDelta(text):
                self._token_came()
                self.reasoning_chars += len(text)
                if self.on_reasoning is not None:
                    self.on_reasoning(text)
            case Usage():
                self.usage = chunk
            case Finish():
                self.finish = chunk

    def result(
        self,
        request: CompletionRequest,
        *,
        status: CallStatus,
        failure: Failure | None = None,
        error: ProviderError | None = None,
    ) -> CallResult:
        text = self.written.getvalue()
        unanswered = self.first_token_at is None
        return CallResult(
            status=status,
            text=text,
            reasoning_chars=self.reasoning_chars,
            usage=self.usage or (None if error is not None and unanswered else self._estimate(request, text)),
            finish=self.finish.reason if self.finish else None,
            failure=failure,
            ttft_ms=None if self.first_token_at is None else _ms(self.first_token_at - self.started),
            total_ms=_ms(asyncio.get_running_loop().time() - self.started),
            retryable=error is not None and error.retryable and unanswered,
            retry_after_s=error.retry_after_s if error is not None else None,
            upstream_model=self.finish.upstream_model if self.finish else None,
            upstream_id=self.finish.upstream_id if self.finish else None,
        )

    def _token_came(self) -> None:
        if self.first_token_at is None:
            self.first_token_at = asyncio.get_running_loop().time()

    def _estimate(self, request: CompletionRequest, text: str) -> Usage:
        """Counted from characters: a provider charges for what it read and wrote, also when it was stopped."""
        reasoning = _tokens(self.reasoning_chars)
        return Usage(
            input_tokens=_input_tokens(request),
            output_tokens=_tokens(len(text)) + reasoning,
            reasoning_tokens=reasoning,
            estimated=True,
        )


def _finished(endpoint: Endpoint, request: CompletionRequest, reply: _Reply) -> CallResult:
    if reply.finish is not None and reply.finish.reason is FinishReason.REFUSED:
        failure = Failure(ProviderRefused.code, f"{endpoint.name} refused: a content filter ended the reply.")
        return reply.result(request, status="refused", failure=failure)
    return reply.result(request, status="ok")


def _cut(request: CompletionRequest, reply: _Reply, *, failure: Failure, error: ProviderError | None) -> CallResult:
    if isinstance(error, ProviderRefused):
        return reply.result(request, status="refused", failure=failure, error=error)
    return reply.result(request, status="truncated" if reply.written.tell() else "failed", failure=failure, error=error)


def _out_of_time(endpoint: Endpoint, reply: _Reply) -> Failure:
    waited = asyncio.get_running_loop().time() - reply.started
    if waited <= 0:
        return Failure(ProviderTimeout.code, f"{endpoint.name} was not asked: the time for it was over.")
    done = "was still writing" if reply.written.tell() else "had not begun to answer"
    return Failure(ProviderTimeout.code, f"{endpoint.name} {done} when its time ended after {waited:.3g} s.")


def _ended(call: CallStarted, result: CallResult) -> CallEnded:
    return CallEnded(
        call_id=call.call_id,
        role=call.role,
        ref=call.ref,
        attempt=call.attempt,
        letter=call.letter,
        status=result.status,
        usage=result.usage,
        ttft_ms=result.ttft_ms,
        total_ms=result.total_ms,
        failure=result.failure,
        upstream_model=result.upstream_model,
        upstream_id=result.upstream_id,
    )


def _has_images(request: CompletionRequest) -> bool:
    return any(message.images for message in request.messages)


def _told(request: CompletionRequest) -> CompletionRequest:
    return request if request.unseen is None else replace(request, messages=request.unseen)


def _refuses_images(result: CallResult) -> bool:
    """Nothing came, and the provider said that it takes no images."""
    return (
        result.status == "failed" and result.failure is not None and result.failure.code == ProviderImagesRefused.code
    )


def _input_tokens(request: CompletionRequest) -> int:
    images = sum(len(message.images) for message in request.messages)
    return _tokens(sum(len(message.content) for message in request.messages)) + IMAGE_TOKENS * images


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _tokens(chars: int) -> int:
    return math.ceil(chars / CHARS_PER_TOKEN)
