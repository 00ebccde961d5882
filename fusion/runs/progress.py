"""A run's live progress on a terminal: a line per member, per round of a debate and for the judge, redrawn in place."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from typing import TextIO

from fusion.engine.types import AnswerState
from fusion.live.debate import DebateRecord
from fusion.live.record import AnswerRecord, RunRecord
from fusion.live.runs import LiveRun
from fusion.runs.disputes import round_words, stop_words

REDRAW_S = 0.2
# What a terminal would obey: C0 but tab and newline, DEL, C1. Text from outside shows it as symbols.
_CONTROLS = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {0x7F: 0x2421}
_CONTROLS |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
MARKS = {
    AnswerState.WAITING: "·",
    AnswerState.ASKED: "…",
    AnswerState.THINKING: "…",
    AnswerState.STREAMING: "▸",
    AnswerState.RETRYING: "↻",
    AnswerState.DONE: "✓",
    AnswerState.CUT_OFF: "✓",
    AnswerState.TRUNCATED: "!",
    AnswerState.STOPPED: "■",
}


class Progress:
    """Redraws the state of a live run on `stream` a few times a second; does nothing unless `enabled`."""

    def __init__(self, stream: TextIO, *, enabled: bool) -> None:
        self._stream = stream
        self._enabled = enabled
        self._lines = 0
        self._task: asyncio.Task[None] | None = None
        self._live: LiveRun | None = None

    def watch(self, live: LiveRun) -> None:
        """Start redrawing; called on the event loop."""
        self._live = live
        if self._enabled:
            self._task = asyncio.get_running_loop().create_task(self._redraw())

    def close(self) -> None:
        """Stop and draw the end once."""
        if self._task is not None:
            self._task.cancel()
            self._draw()

    async def _redraw(self) -> None:
        while True:
            self._draw()
            await asyncio.sleep(REDRAW_S)

    def _draw(self) -> None:
        if self._live is None:
            return
        with self._live.lock:
            lines = progress_lines(self._live.record, width=shutil.get_terminal_size().columns)
        up = f"\x1b[{self._lines}A" if self._lines else ""
        self._stream.write(up + "".join(f"\r\x1b[2K{line}\n" for line in lines))
        self._stream.flush()
        self._lines = len(lines)


def harmless(text: str) -> str:
    """`text` without anything that a terminal would obey, such as escape sequences; lines stay."""
    return text.replace("\r\n", "\n").translate(_CONTROLS)


def progress_lines(record: RunRecord, *, width: int) -> list[str]:
    """The run as lines of text that fit `width`: members, then judge and final once they matter."""
    lines = [_member_line(column) for column in record.answers.values()]
    lines += _debate_lines(record.debate)
    lines.append(_stage_line(record))
    return [harmless(line).replace("\n", " ")[: max(20, width - 1)] for line in lines]


def _member_line(column: AnswerRecord) -> str:
    mark = MARKS.get(column.state, "✗")
    detail = column.failure.message if column.failure else f"{len(column.text):,} characters"
    seconds = f" · {column.total_ms / 1000:.1f} s" if column.total_ms is not None else ""
    return f"{mark} {column.letter} {column.endpoint.name}: {column.state.value.replace('_', ' ')} · {detail}{seconds}"


def _debate_lines(debate: DebateRecord) -> Iterator[str]:
    """One line per round, and one for why there will be no more."""
    for one in debate.rounds:
        if one.ended:
            yield f"✓ Round {one.number}: {' '.join(round_words(debate, one))}"
        else:
            replied = sum(cell.ended for cell in one.cells)
            yield f"▸ Round {one.number} of {debate.rounds_max}: {replied} of {len(one.cells)} have replied"
    if debate.reason is not None:
        yield f"✓ {stop_words(debate)}"


def _stage_line(record: RunRecord) -> str:
    judge, ruling, final = record.judge, record.ruling, record.final
    if final.final is not None:
        return f"✓ Final: {final.final.kind.value}"
    if final.text:
        return f"▸ Writing the final · {len(final.text):,} characters"
    if ruling.ruling is not None:
        return f"✓ Ruling by {ruling.endpoint.name if ruling.endpoint else ruling.ruling.judge}"
    if ruling.endpoint is not None:
        return f"▸ {ruling.endpoint.name} is ruling on the debate · {len(ruling.text):,} characters"
    if judge.judgement is not None:
        return f"✓ Verdict by {judge.endpoint.name if judge.endpoint else judge.judgement.judge}"
    if judge.endpoint is not None:
        return f"▸ {judge.endpoint.name} is judging · {len(judge.text):,} characters"
    if record.grace is not None:
        return f"… Judging starts in {record.grace.wait_s:.0f} s unless {', '.join(record.grace.waiting)} ends first"
    return "… Waiting for the answers"
