"""Chat Completions, streamed over httpx: one adapter for every provider that speaks OpenAI's dialect.

Source of the dialect: OpenAI's API reference, "Chat Completions: streaming", and what its imitators make of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any

import httpx
import orjson

from fusion.engine.types import Chunk, CompletionRequest, Usage
from fusion.errors import ProviderContextTooLong, ProviderError, ProviderTimeout
from fusion.providers.clients import shared_client
from fusion.providers.connection import Connection
from fusion.providers.failures import (
    TRANSPORT_FAULTS,
    ErrorWords,
    read_error_body,
    retry_after_s,
    transport_error,
    upstream_error,
)
from fusion.providers.presets import PRESETS, Preset
from fusion.providers.reply import ReadLimits, Reply, is_compressed
from fusion.providers.request_body import (
    Quirks,
    completion_body,
    has_images,
    lesson_of,
    remember_quirks,
    remembered_quirks,
)
from fusion.providers.usage import was_prompt_cut

MAX_REASKS = 3


class OpenAIChatProvider:
    """Streams completions from one connection; raises ProviderError and nothing else.

    `client`: a function that gives the HTTP client to use; unless told otherwise, the running loop's shared one for
    connections of this kind.
    Closing the iterator, or cancelling the task that reads it, closes the upstream connection at once.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        client: Callable[[], httpx.AsyncClient] | None = None,
        limits: ReadLimits | None = None,
    ) -> None:
        self._connection = connection
        self._preset = PRESETS[connection.preset]
        self._client = client or partial(shared_client, local=connection.local)
        self._limits = limits or ReadLimits()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection!r})"

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Text and reasoning as they come, then usage where it is told, then the end mark."""
        deadline = asyncio.get_running_loop().time() + request.timeout_s
        response = await self._ask(request, deadline)
        reply = Reply(
            response,
            self._connection,
            request.model_id,
            limits=self._limits,
            deadline=deadline,
            images=has_images(request),
        )
        failure: ProviderError | None = None
        try:
            while failure is None and not reply.is_over:
                try:
                    chunks = await reply.next_chunks()
                except ProviderError as exc:
                    chunks, failure = reply.rescued(), exc
                for chunk in chunks:
                    yield chunk
            for chunk in reply.reader.held_back():
                yield chunk
                if failure is None and isinstance(chunk, Usage):
                    failure = self._cut_prompt(request, chunk)
            if failure is not None:
                raise failure
            yield reply.reader.end()
        finally:
            await reply.close()

    async def _ask(self, request: CompletionRequest, deadline: float) -> httpx.Response:
        """An open response with status 200; an optional parameter that is refused is left out or renamed, once each."""
        quirks = remembered_quirks(self._connection, request.model_id)
        for reasks_left in range(MAX_REASKS, -1, -1):
            body, sent = await self._body(request, quirks)
            response = await self._send(sent, deadline)
            if response.status_code == 200:
                return response
            words = await self._error_words(response)
            error = self._refused(response, request, words)
            lesson = lesson_of(error, words, body, quirks) if reasks_left else None
            if lesson is None:
                break
            if lesson.lasting:
                remember_quirks(self._connection, request.model_id, lesson.quirks.beyond(quirks))
            quirks = lesson.quirks
        raise error

    async def _body(self, request: CompletionRequest, quirks: Quirks) -> tuple[dict[str, Any], bytes]:
        """The body and its bytes. Images make it large: encoding them would hold up the loop."""
        if not has_images(request):
            return _encoded(self._preset, request, quirks)
        return await asyncio.to_thread(_encoded, self._preset, request, quirks)

    async def _send(self, body: bytes, deadline: float) -> httpx.Response:
        """The response's status and headers; its body is not read yet."""
        loop, client = asyncio.get_running_loop(), self._client()
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + self._limits.first_s)):
                request = client.build_request(
                    "POST", f"{self._connection.base_url}/chat/completions", content=body, headers=self._headers()
                )
                return await client.send(request, stream=True)
        except TimeoutError as exc:
            raise ProviderTimeout(
                f"{self._connection.label} did not answer in the time it had: ask again, or give it more time."
            ) from exc
        except TRANSPORT_FAULTS as exc:
            raise transport_error(self._connection, exc, started=False) from exc

    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream, application/json",
            **dict(self._preset.headers),
        }
        if self._connection.api_key:
            headers["Authorization"] = f"Bearer {self._connection.api_key}"
        return headers

    async def _error_words(self, response: httpx.Response) -> ErrorWords:
        """What the error body says, as far as it comes in time and can be read; then the response is closed."""
        body = bytearray()
        if is_compressed(response):
            await response.aclose()
            return ErrorWords()
        try:
            async with asyncio.timeout(self._limits.error_s):
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > self._limits.error_bytes:
                        break
        except (TimeoutError, *TRANSPORT_FAULTS):
            pass  # the status alone says enough
        finally:
            await response.aclose()
        return read_error_body(bytes(body[: self._limits.error_bytes]))

    def _cut_prompt(self, request: CompletionRequest, usage: Usage) -> ProviderError | None:
        """The error that an answer to half a prompt is, where the server cuts long prompts without a word."""
        chars = sum(len(message.content) for message in request.messages)
        if not (self._preset.cuts_prompts and was_prompt_cut(usage, chars)):
            return None
        return ProviderContextTooLong(
            f"{self._connection.label} gave {request.model_id} only {usage.input_tokens:,} tokens of a longer prompt: "
            "start it with a larger context, for example OLLAMA_CONTEXT_LENGTH=32768."
        )

    def _refused(self, response: httpx.Response, request: CompletionRequest, words: ErrorWords) -> ProviderError:
        return upstream_error(
            self._connection,
            request.model_id,
            words,
            status=response.status_code,
            wait_s=retry_after_s(response.headers, time.time()),
            images=has_images(request),
        )


def _encoded(preset: Preset, request: CompletionRequest, quirks: Quirks) -> tuple[dict[str, Any], bytes]:
    body = completion_body(preset, request, quirks)
    return body, orjson.dumps(body)
