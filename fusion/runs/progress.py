"""A run's live progress on a terminal: a line per member, per round of a debate, for judge and final, in place."""

from __future__ import annotations

import asyncio
import os
import shutil
import unicodedata
from collections.abc import Iterator
from typing import TextIO

from fusion.engine.types import AnswerState, Final, FinalKind, Judgement
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
STANDINGS = {
    "clear": "{letter} is best",
    "close": "{letter} is best, by a little",
    "could_not_separate": "could not tell the best apart, takes {letter}",
    "none_acceptable": "none of the answers is acceptable",
    "cannot_judge": "cannot tell which answer is right",
}
FINALS = {
    FinalKind.VERBATIM: "answer {letter}, word for word",
    FinalKind.MERGED: "written from the answers, on the base of {letter}",
    FinalKind.RULED: "written from the ruling, on the base of {letter}",
    FinalKind.SINGLE: "answer {letter}, the only one",
    FinalKind.ANCHOR: "answer {letter}, without a verdict",
    FinalKind.PICKED: "answer {letter}, picked by a person",
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
        """Stop and draw the end once, with an empty line between it and what follows."""
        if self._task is not None:
            self._task.cancel()
            self._draw()
            self._stream.write("\n")

    async def _redraw(self) -> None:
        while True:
            self._draw()
            await asyncio.sleep(REDRAW_S)

    def _draw(self) -> None:
        if self._live is None:
            return
        with self._live.lock:
            lines = progress_lines(self._live.record, width=_width(self._stream))
        up = f"\x1b[{self._lines}A" if self._lines else ""
        self._stream.write(up + "".join(f"\r\x1b[2K{line}\n" for line in lines))
        self._stream.flush()
        self._lines = len(lines)


def _width(stream: TextIO) -> int:
    """The columns of the terminal that is drawn on: `shutil` would ask standard output, which may be a file."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return columns or shutil.get_terminal_size().columns


def harmless(text: str) -> str:
    """`text` without anything that a terminal would obey, such as escape sequences; lines stay."""
    return text.replace("\r\n", "\n").translate(_CONTROLS)


def progress_lines(record: RunRecord, *, width: int) -> list[str]:
    """The run as lines of text that fit `width`: pool and members, then judge and final once they matter."""
    lines = [f"{record.pool_name} · {record.mode.value}"]
    lines += [_member_line(column) for column in record.answers.values()]
    lines += _debate_lines(record.debate)
    if record.judge.judgement is not None and (record.final.text or record.final.final is not None):
        lines.append(_verdict_line(record, record.judge.judgement))
    lines.append(_stage_line(record))
    return [_cut(harmless(line).replace("\n", " "), max(20, width - 1)) for line in lines]


def _cut(line: str, width: int) -> str:
    """As much of the line as fits `width` columns: a line that wraps would not be redrawn in its place."""
    columns = fitting = 0  # `fitting`: so many characters leave a column for the dots
    for place, character in enumerate(line, 1):
        columns += 0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        if columns > width:
            return line[:fitting] + "…"
        if columns < width:
            fitting = place
    return line


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
        return _final_line(record, final.final)
    if record.is_final:
        return f"■ No final: {record.state.value.replace('_', ' ')}"
    if final.text:
        return f"▸ Writing the final · {len(final.text):,} characters"
    if ruling.ruling is not None:
        return f"✓ Ruling by {ruling.endpoint.name if ruling.endpoint else ruling.ruling.judge}"
    if ruling.endpoint is not None:
        return f"▸ {ruling.endpoint.name} is ruling on the debate · {len(ruling.text):,} characters"
    if judge.judgement is not None:
        return _verdict_line(record, judge.judgement)
    if judge.endpoint is not None:
        return f"▸ {judge.endpoint.name} is judging · {len(judge.text):,} characters"
    if record.grace is not None:
        return f"… Judging starts in {record.grace.wait_s:.0f} s unless {', '.join(record.grace.waiting)} ends first"
    return "… Waiting for the answers"


def _verdict_line(record: RunRecord, judgement: Judgement) -> str:
    name = record.judge.endpoint.name if record.judge.endpoint else judgement.judge
    return f"✓ Verdict by {name}: {STANDINGS[judgement.standing].format(letter=judgement.chosen)}"


def _final_line(record: RunRecord, final: Final) -> str:
    seconds = f" · {record.now_ms / 1000:.1f} s in all" if record.is_final and record.now_ms else ""
    return f"✓ Final: {FINALS[final.kind].format(letter=final.letter)}{seconds}"
