"""A process that reads completions: `python -m tests.providers.reading URL` asks twice and tells what the second took.

The first reply makes the normal: clients, parsers and buffers are there after it. What the process held at most while
it read the second, above that, is printed as JSON, with how the call ended.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import uvloop

from fusion.engine.call import Caller, CallResult
from fusion.engine.controls import Controls
from fusion.engine.types import CompletionRequest, Endpoint, Message, Role
from fusion.providers.clients import close_shared_clients
from fusion.providers.connection import Connection
from fusion.providers.openai_chat import OpenAIChatProvider

STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one hostile reply did: how the call ended, and how many bytes the process grew for it."""

    status: str
    failure: str
    chars: int
    grew_bytes: int


def peak_bytes() -> int:
    """The most that this process ever had in memory. Not `ru_maxrss`: that counts its parent too, until `exec`."""
    found = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())
    assert found is not None
    return int(found[1]) * 1024


async def ask(url: str) -> CallResult:
    """One call through the engine and the adapter, as a member of a panel makes it."""
    provider = OpenAIChatProvider(Connection("custom", "openai-compatible", "Acme", url, local=True))
    request = CompletionRequest("m", (Message("user", "Why?"),), 4096, timeout_s=60)
    caller = Caller(emit=lambda _: None, controls=Controls())
    endpoint = Endpoint("custom:m", "m", "M", "Acme", provider)
    return await caller.call(role=Role.PANEL, endpoint=endpoint, request=request, attempt=1, letter="A")


async def read(url: str) -> Reading:
    normal = await ask(url)
    assert normal.status == "ok", normal
    before = peak_bytes()
    result = await ask(url)
    grew_bytes = peak_bytes() - before
    await close_shared_clients()
    failure = result.failure.message if result.failure else ""
    return Reading(result.status, failure, len(result.text), grew_bytes)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        reading = runner.run(read(sys.argv[1]))
    print(json.dumps({name: getattr(reading, name) for name in Reading.__slots__}))
