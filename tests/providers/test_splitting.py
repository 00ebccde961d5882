"""A law: a valid stream gives what was put into it, wherever the network cuts it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.engine.types import Finish, FinishReason, Usage
from tests.providers.wire import Heard, chunk, hear, provider_sending, usage_chunk

LINE_ENDS = ("\n", "\r\n", "\r")
COUNTS = st.integers(0, 10_000)


@dataclass(frozen=True, slots=True)
class Part:
    """One chunk of a stream, and how it is written down."""

    payload: dict[str, Any]
    line_end: str
    is_ascii: bool
    is_pretty: bool
    has_space: bool
    before: str

    def written(self) -> str:
        text = json.dumps(self.payload, ensure_ascii=self.is_ascii, indent=1 if self.is_pretty else None)
        lines = [f"data:{' ' * self.has_space}{line}" for line in text.split("\n")]
        return "".join(line + self.line_end for line in (*self.before.split("|"), *lines, ""))


def parts_of(payloads: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Part]:
    return st.builds(
        Part,
        payload=payloads,
        line_end=st.sampled_from(LINE_ENDS),
        is_ascii=st.booleans(),
        is_pretty=st.booleans(),
        has_space=st.booleans(),
        before=st.sampled_from(["", ": keep-alive", ":|:", "event: message", "id: 1|retry: 5", "data:|"]),
    )


TEXTS = parts_of(st.text(max_size=40).map(lambda text: chunk(text)))
REASONING = parts_of(st.text(max_size=40).map(lambda text: chunk(reasoning=text)))
USAGES = parts_of(st.builds(lambda i, o: usage_chunk(prompt_tokens=i, completion_tokens=o), COUNTS, COUNTS))
REASONS = parts_of(st.sampled_from(["stop", "length"]).map(lambda reason: chunk(reason=reason)))


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Part], bytes]:
    """The parts of a whole completion, and its bytes."""
    parts = [
        *draw(st.lists(TEXTS | REASONING | USAGES, max_size=8)),
        draw(REASONS),
        *draw(st.lists(USAGES, max_size=2)),
    ]
    mark = "\ufeff" if draw(st.booleans()) else ""
    done = draw(st.sampled_from(["", "data: [DONE]\n\n", "data:[DONE]\r\n\r\n", "data: [DONE]", ": bye\n\n"]))
    return parts, (mark + "".join(part.written() for part in parts) + done).encode()


def put_in(parts: Sequence[Part]) -> Heard:
    """What the parts say, put together without reading any bytes."""
    heard = Heard()
    for part in parts:
        for choice in part.payload["choices"]:
            heard.text += choice["delta"].get("content", "")
            heard.reasoning += choice["delta"].get("reasoning", "")
            if choice["finish_reason"]:
                heard.finish = Finish(FinishReason(choice["finish_reason"]), "acme/model-1-0801", "gen-1")
        if usage := part.payload.get("usage"):
            heard.usage = Usage(usage["prompt_tokens"], usage["completion_tokens"])
    return heard


def cut(stream: bytes, at: Sequence[int]) -> list[bytes]:
    places = sorted(at)
    return [stream[start:end] for start, end in zip([0, *places], [*places, len(stream)], strict=True)]


@settings(max_examples=200)
@given(streams(), st.data())
def test_a_valid_stream_gives_what_was_put_into_it_wherever_it_is_cut(
    made: tuple[list[Part], bytes], data: st.DataObject
) -> None:
    parts, stream = made
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=30))
    assert asyncio.run(hear(provider_sending(*cut(stream, places)))) == put_in(parts)


@settings(max_examples=30)
@given(streams())
def test_a_valid_stream_may_come_byte_by_byte(made: tuple[list[Part], bytes]) -> None:
    parts, stream = made
    assert asyncio.run(hear(provider_sending(*cut(stream, range(1, len(stream)))))) == put_in(parts)
