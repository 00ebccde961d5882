"""A model server for tests and benchmarks: OpenAI-compatible streaming on asyncio, behaviour in the model's name.

`m-ttft300-rate100-tokens200` waits 300 ms, then streams 200 tokens at 100 a second. `judge-…` replies with a verdict on
the answers that it finds in the prompt, decided by their content alone. Other words: `status429`, `status500`,
`status401`, `cut` (the connection ends without an end mark half-way), `hang` (never a byte), `mute` (empty answer),
`cost` (says what it charged), `unique` (a judge that finds something in the loser alone, so that a merge has work),
`none` (a judge that holds no answer to be acceptable), `mixed` (Markdown with lists, tables and code, four characters
a token). In a debate (`upstream_debate`): `disputes` (a judge that finds a contradiction), `yields` and `caves` (they
concede, with a named error or without), `slowly` (rebuttals and rulings take 20 s). `echo` says what it was
asked: as its answer, as the message of its error, or in all prose of its verdict, rebuttals and ruling. `held1`: the
first time that it is asked it stands still, as below; `held2`: the second time. A model called `broken-KIND` does what
`tests.faults` says of that kind.

`GET /stats` tells how many streams are open, began, were closed early and are held, and which models were asked.
`GET /hold/KIND`: from now on every stream of that kind (`answer`, `verdict`, `rebuttal`, `ruling`) stands still once
two thirds of it are written, for as long as a test needs to look. `GET /let-on`: those that stand still now go on; and
`GET /let-all`: none is held any more.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, cast

from tests import upstream_debate
from tests.faults import fault_of

Kind = Literal["answer", "verdict", "rebuttal", "ruling"]
ANSWER = re.compile(r"<answer id=(\w+) n=(\w+)>\n(.*?)\n</answer n=\2>", re.S)
LISTED = ("m-ttft100-rate400", "m-b-ttft100-rate400", "judge-rate400")
SENTENCE = "The quick answer holds because each step follows from the one before and none needs more than is given."
WORDS = SENTENCE.split(" ")
CHARS_PER_TOKEN = 4
SECTION = """## Part NN: how the pieces fit

The first thing to know is that **every answer** is read in full, and `nothing` is thrown away; see
[the notes](https://example.org/notes/NN) for more. Some sentences are longer than others, *as they are* in any text,
and a few of them go on for a while before they end.

- a short item
- an item with **bold words** and `code` in it
- another one that is a good deal longer than the two before it, with a second clause
  - and a nested one

```python
def part_NN(values: list[int]) -> int:
    # the sum of squares
    return sum(value * value for value in values)
```

| name | value | note |
|---|--:|---|
| alpha | NN | first |
| beta | 2 | *second* |

"""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a model of this name does."""

    ttft_s: float = 0.0
    rate: float = 0.0
    tokens: int = 40
    status: int = 200
    held: frozenset[int] = frozenset()
    words: frozenset[str] = frozenset()

    @classmethod
    def of(cls, model: str) -> Behaviour:
        parts = model.rpartition("/")[2].split("-")
        numbers = {m[1]: int(m[2]) for part in parts if (m := re.fullmatch(r"([a-z]+?)(\d+)", part))}
        return cls(
            ttft_s=numbers.get("ttft", 0) / 1000,
            rate=float(numbers.get("rate", 0)),
            tokens=numbers.get("tokens", 40),
            status=numbers.get("status", 200),
            held=frozenset(int(m[1]) for part in parts if (m := re.fullmatch(r"held(\d+)", part))),
            words=frozenset(parts),
        )


@dataclass(slots=True)
class Stats:
    open: int = 0
    begun: int = 0
    closed_early: int = 0
    last_close: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    images: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        return {
            "open": self.open,
            "begun": self.begun,
            "closed_early": self.closed_early,
            "last_close": self.last_close,
            "asked": dict(self.asked),
        }


class Gate:
    """Where streams of the kind that is held stand still, until they are let on."""

    def __init__(self) -> None:
        self.holds: Kind | None = None
        self.standing: set[asyncio.Event] = set()

    async def stand(self, writer: asyncio.StreamWriter) -> None:
        """Until let on; comments go on coming, so that nobody takes the connection for a dead one."""
        let_on = asyncio.Event()
        self.standing.add(let_on)
        try:
            while not let_on.is_set():
                _send_chunk(writer, b": held\n\n")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(let_on.wait(), 1)
        finally:
            self.standing.discard(let_on)

    def let_on(self) -> None:
        for one in self.standing:
            one.set()
        self.standing.clear()


class Upstream:
    """The server; `async with Upstream() as upstream` serves on a free loopback port."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.stats = Stats()
        self.gate = Gate()

    async def __aenter__(self) -> Upstream:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._connection(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read_request(reader):
                await self._reply(request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _reply(
        self, request: tuple[str, str, bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        method, path, body = request
        if method == "GET":
            self._tell(path, writer)
            return
        asked = json.loads(body)
        behaviour = Behaviour.of(asked["model"])
        images = _take_images(asked)
        self.stats.asked[asked["model"]] += 1
        self.stats.images[asked["model"]] += len(images)
        if images and "blind" in behaviour.words:
            _send_json(writer, 404, {"error": {"message": "No endpoints found that support image input", "code": 404}})
            return
        if (fault := fault_of(asked["model"])) is not None:
            await self._until_hung_up(fault(writer), reader)
        elif behaviour.status != 200:
            said = _asked(asked) if "echo" in behaviour.words else f"simulated {behaviour.status}"
            message = {"error": {"message": said, "code": behaviour.status}}
            _send_json(writer, behaviour.status, message)
        else:
            nth = self.stats.asked[asked["model"]]
            await self._until_hung_up(_write_stream(asked, behaviour, writer, self.gate, nth), reader)

    def _tell(self, path: str, writer: asyncio.StreamWriter) -> None:
        _, _, deed = path.rpartition("/v1/")
        if deed.startswith("hold/"):
            self.gate.holds = cast(Kind, deed.removeprefix("hold/"))
        elif deed == "let-all":
            self.gate.holds = None
        if deed in ("let-on", "let-all"):
            self.gate.let_on()
        if deed == "stats" or deed.startswith(("hold/", "let-")):
            _send_json(writer, 200, self.stats.as_json() | {"held": len(self.gate.standing)})
        else:
            _send_json(writer, 200, {"data": [{"id": name} for name in LISTED]})

    async def _until_hung_up(self, reply: Awaitable[None], reader: asyncio.StreamReader) -> None:
        """Let `reply` write; when the client goes away first, end it and count that."""
        self.stats.begun += 1
        self.stats.open += 1
        hung_up = asyncio.ensure_future(reader.read(1))
        writing = asyncio.ensure_future(reply)
        try:
            await asyncio.wait({hung_up, writing}, return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                self.stats.closed_early += 1
                raise ConnectionResetError
            writing.result()
        finally:
            self.stats.open -= 1
            self.stats.last_close = time.time()
            writing.cancel()
            hung_up.cancel()
            await asyncio.gather(writing, hung_up, return_exceptions=True)


def _take_images(asked: dict[str, Any]) -> list[str]:
    """Leave the text of each message alone, and give the addresses of the images that came with it."""
    found = []
    for message in asked["messages"]:
        if isinstance(message["content"], list):
            found += [part["image_url"]["url"] for part in message["content"] if part["type"] == "image_url"]
            message["content"] = "".join(part["text"] for part in message["content"] if part["type"] == "text")
    return found


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str, bytes] | None:
    line = await reader.readline()
    if not line:
        return None
    method, path, _ = line.decode().split(" ", 2)
    length = 0
    while (header := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = header.decode().partition(":")
        if name.lower() == "content-length":
            length = int(value)
    return method, path, await reader.readexactly(length)


def _send_json(writer: asyncio.StreamWriter, status: int, value: object) -> None:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


async def _write_stream(
    asked: dict[str, Any], behaviour: Behaviour, writer: asyncio.StreamWriter, gate: Gate, nth: int
) -> None:
    if "hang" in behaviour.words:
        await asyncio.Event().wait()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    pieces, rate = _pieces(asked, behaviour)
    loop = asyncio.get_running_loop()
    start = loop.time() + behaviour.ttft_s
    for number, piece in enumerate(pieces):
        if number == len(pieces) * 2 // 3 and (nth in behaviour.held or gate.holds == _kind(asked, behaviour.words)):
            stood = loop.time()
            await gate.stand(writer)
            start += loop.time() - stood
        due = start + (number / rate if rate else 0.0)
        if due > loop.time():
            await asyncio.sleep(due - loop.time())
        _send_event(writer, {"choices": [{"index": 0, "delta": {"content": piece}}]})
        if "cut" in behaviour.words and number >= len(pieces) // 2:
            writer.close()
            raise ConnectionResetError
    _send_event(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    usage: dict[str, Any] = {"prompt_tokens": 50, "completion_tokens": len(pieces), "total_tokens": 50 + len(pieces)}
    if "cost" in behaviour.words:
        usage |= {"cost": 0.00125, "prompt_tokens_details": {"cached_tokens": 20}}
    _send_event(writer, {"choices": [], "usage": usage})
    _send_chunk(writer, b"data: [DONE]\n\n")
    writer.write(b"0\r\n\r\n")


def _send_event(writer: asyncio.StreamWriter, value: dict[str, Any]) -> None:
    _send_chunk(writer, b"data: " + json.dumps({"id": "chatcmpl-test", "model": "test", **value}).encode() + b"\n\n")


def _send_chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def _kind(asked: dict[str, Any], words: frozenset[str]) -> Kind:
    if upstream_debate.is_rebuttal(asked):
        return "rebuttal"
    if "judge" not in words:
        return "answer"
    return "ruling" if upstream_debate.is_ruling(asked) else "verdict"


def _pieces(asked: dict[str, Any], behaviour: Behaviour) -> tuple[list[str], float]:
    """What is said, piece by piece, and how many of them a second."""
    argued = _argued(asked, behaviour.words)
    if argued is not None and "slowly" in behaviour.words:
        return _in_pieces(argued, 400), 20.0
    if argued is not None:
        return _in_pieces(argued, behaviour.tokens), behaviour.rate
    return _answer_pieces(asked, behaviour), behaviour.rate


def _argued(asked: dict[str, Any], words: frozenset[str]) -> str | None:
    """What is said in a debate; None for every other request."""
    if upstream_debate.is_rebuttal(asked):
        return upstream_debate.rebuttal(asked, words)
    return upstream_debate.ruling(asked, words) if "judge" in words and upstream_debate.is_ruling(asked) else None


def _answer_pieces(asked: dict[str, Any], behaviour: Behaviour) -> list[str]:
    if "mute" in behaviour.words:
        return []
    if "judge" in behaviour.words:
        verdict = _verdict(asked, behaviour.words)
        if "echo" in behaviour.words:
            verdict = _echoing(verdict, asked)
        return _in_pieces(verdict, behaviour.tokens)
    if "echo" in behaviour.words:
        return _in_pieces(_asked(asked), behaviour.tokens)
    if "mixed" in behaviour.words:
        return _mixed_markdown(behaviour.tokens)
    text = "".join(f"{asked['model']}: " if n == 0 else WORDS[n % len(WORDS)] + " " for n in range(behaviour.tokens))
    return re.findall(r"\S+\s*", text)


def _mixed_markdown(tokens: int) -> list[str]:
    """So many tokens of sections that hold what answers hold."""
    text = "".join(SECTION.replace("NN", str(number)) for number in range(tokens * CHARS_PER_TOKEN // 600 + 1))
    return [text[at : at + CHARS_PER_TOKEN] for at in range(0, tokens * CHARS_PER_TOKEN, CHARS_PER_TOKEN)]


def _asked(asked: dict[str, Any]) -> str:
    return str(asked["messages"][-1]["content"])


def _echoing(verdict: str, asked: dict[str, Any]) -> str:
    """The same decision with the lines of an answer as its prose."""
    _, _, answer = ANSWER.findall(_asked(asked))[0]
    lines = [line for line in answer.split("\n") if line.strip()]
    said = json.loads(verdict)
    labels = [item["label"] for item in said["assessments"]]
    said["notes"] = said["rationale"] = " ".join(lines)[:4_000]
    said["blind_spots"] = lines[:40]
    said["consensus"] = [
        {"id": f"c{number}", "text": line, "labels": labels, "quote": line, "standing": "supported"}
        for number, line in enumerate(lines[40:80])
    ]
    said["contradictions"] = [
        {
            "id": f"d{number}",
            "topic": line,
            "material": True,
            "stances": [{"labels": [label], "stance": line, "quote": line} for label in labels],
            "resolution": line,
            "resolved_for": labels[:1],
            "basis": "reasoning",
        }
        for number, line in enumerate(lines[80:120])
    ]
    for item, offset in zip(said["assessments"], range(120, len(lines), 60), strict=False):
        item["strengths"] = lines[offset : offset + 30]
        item["problems"] = [
            {"quote": line, "issue": line, "severity": "minor"} for line in lines[offset + 30 : offset + 60]
        ]
    return json.dumps(said)


def _in_pieces(text: str, count: int) -> list[str]:
    """`text` in exactly `count` pieces of about the same length."""
    ends = [len(text) * number // count for number in range(count + 1)]
    return [text[start:end] for start, end in pairwise(ends)]


def _verdict(asked: dict[str, Any], words: frozenset[str]) -> str:
    """A consistent verdict by content alone: the answer whose text sorts first wins, unless none is good enough."""
    rejects = "none" in words
    prompt = "\n".join(message["content"] for message in asked["messages"] if message["role"] == "user")
    answers = {label: text for label, _, text in ANSWER.findall(prompt)}
    ranked = sorted(answers, key=lambda label: (answers[label], label))
    criteria = re.findall(r'"criterion":\s*\{[^}]*"enum":\s*(\[[^\]]*\])', json.dumps(asked.get("response_format", {})))
    names = json.loads(criteria[0]) if criteria else []
    unique = {"id": "u1", "text": "It names a step.", "labels": ranked[-1:], "quote": "", "standing": "supported"}
    return json.dumps(
        {
            "notes": "A correct answer names the steps.",
            "assessments": [
                {
                    "label": label,
                    "strengths": ["It answers."],
                    "problems": [],
                    "fatal_flaw": "It answers another question." if rejects else None,
                    "scores": [{"criterion": name, "score": max(1, 5 - place)} for name in names],
                }
                for place, label in enumerate(ranked)
            ],
            "consensus": [],
            "contradictions": upstream_debate.contradictions(ranked) if "disputes" in words else [],
            "partial_coverage": [],
            "unique": [unique] if "unique" in words and ranked else [],
            "blind_spots": ["None looked at costs."],
            "ranking": [[label] for label in ranked],
            "verdict": "none_acceptable" if rejects else "winner" if ranked else "cannot_judge",
            "winner": ranked[0] if ranked and not rejects else None,
            "margin": "none" if rejects else "clear",
            "confidence": 80,
            "rationale": f"{ranked[0]} is the most specific." if ranked else "Nothing to judge.",
            "integrity": [],
        }
    )


async def _serve(port: int) -> None:
    async with Upstream(port) as upstream:
        print(upstream.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(_serve(parser.parse_args().port))
