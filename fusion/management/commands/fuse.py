"""`manage.py fuse "question"`: one run from the command line, through the same services and engine as the page.

Live progress goes to stderr when that is a terminal; the final alone goes to stdout. Exit status: 0 with a final,
1 without one or when it could not be written, 2 for bad arguments, 130 after Ctrl-C, which stops the upstream calls
first.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from fusion.engine.controls import Controls
from fusion.engine.types import RunState
from fusion.errors import FusionError, InvalidInput, RunStateConflict
from fusion.live.record import RunRecord
from fusion.live.runs import LIVE, LiveRun
from fusion.models import Pool, PromptImage, Run, User
from fusion.models.pool import Mode
from fusion.models.run import BlindMembers
from fusion.runs.database import close_database_threads, in_database
from fusion.runs.exports import record_to_json
from fusion.runs.identity import pool_for, run_as
from fusion.runs.images import check_number, take_image
from fusion.runs.pictures import check_size
from fusion.runs.progress import Progress, harmless
from fusion.runs.selectors import load_record
from fusion.runs.services import check_prompt, start_run, stop_run
from fusion.runs.worker import Worker, refresh_catalogue

WITH_FINAL, WITHOUT_FINAL, BAD_ARGUMENTS, INTERRUPTED = 0, 1, 2, 130
LOOK_S = 0.3
EPILOG = (
    "The final goes to standard output, everything else to standard error. Exit status: 0 with a final, 1 without one, "
    "2 for bad arguments, 130 after Ctrl-C, which stops the calls first and keeps what came."
)


class Refused(CommandError):
    """What Django shows as `fuse: sentence`: it writes the name of the class before it."""


Refused.__name__ = "fuse"


class Command(BaseCommand):
    help = "Ask a pool one question and print the final answer."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, epilog=EPILOG, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("question", help="the question; - reads it from standard input")
        parser.add_argument(
            "--pool",
            default="",
            metavar="[TEAM/]SLUG",
            help="the pool to ask (default: the first that can be asked, one with real models if there is one)",
        )
        parser.add_argument(
            "--mode", default=None, choices=Mode.values, help="how the answers become one (default: as the pool says)"
        )
        parser.add_argument(
            "--image", dest="images", action="append", default=[], metavar="FILE", help="an image (repeat for more)"
        )
        parser.add_argument(
            "--leave-out-blind", action="store_true", help="do not ask members that cannot see the images"
        )
        parser.add_argument(
            "--as",
            dest="email",
            default="",
            metavar="EMAIL",
            help="the person who asks (default: the first administrator)",
        )
        parser.add_argument("--json", action="store_true", help="print the whole run as one JSON object")
        parser.add_argument("--quiet", action="store_true", help="no progress on stderr")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            status = asyncio.run(_ask(_question(options["question"]), options))
        except FusionError as exc:
            raise Refused(exc.message, returncode=BAD_ARGUMENTS) from exc
        except DatabaseError as exc:
            raise Refused(_database_problem(exc), returncode=WITHOUT_FINAL) from exc
        except KeyboardInterrupt:
            status = INTERRUPTED
        finally:
            close_database_threads()
        sys.exit(status)


def _question(argument: str) -> str:
    """The question as an argument or from standard input; bytes that are not text are refused with the prompt."""
    question = argument if argument != "-" else _standard_input()
    check_prompt(question)
    return question


def _standard_input() -> str:
    if sys.stdin is None:
        raise InvalidInput("Standard input is closed: give the question as an argument, or pipe it in.")
    if sys.stdin.isatty():
        _write(sys.stderr, "Type the question, then press Ctrl-D on a line of its own.\n")
    return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")


def _database_problem(exc: DatabaseError) -> str:
    if "locked" in str(exc):
        return "The database is held by another process and did not come free: ask again in a moment."
    return f"The database cannot be used: {exc}. `manage.py migrate` makes or updates it."


async def _ask(question: str, options: dict[str, Any]) -> int:
    is_watched = sys.stderr is not None and sys.stderr.isatty()
    progress = Progress(sys.stderr, enabled=is_watched and not options["quiet"])
    interrupt = _Interrupt(progress)
    worker = Worker(picks_up=False, on_start=interrupt.started)
    try:
        await worker.start()
        record = await _run(worker, interrupt, question, options)
    except asyncio.CancelledError:
        if interrupt.came:
            return INTERRUPTED
        raise
    finally:
        interrupt.close()
        progress.close()
        await worker.stop()
    is_written = _print(record, as_json=options["json"])
    if interrupt.came:
        return INTERRUPTED
    return WITH_FINAL if is_written and record.final.final is not None else WITHOUT_FINAL


async def _run(worker: Worker, interrupt: _Interrupt, question: str, options: dict[str, Any]) -> RunRecord:
    """Start the run and see it to its end, in this process or in the one that was quicker to take it."""
    await refresh_catalogue()
    person = await in_database(run_as, options["email"])
    pool = await in_database(pool_for, person, options["pool"])
    run = await in_database(_start, person, pool, question, options)
    try:
        await worker.until_ended(run.pk)
        return await _stored_end(run)
    except asyncio.CancelledError:
        await in_database(_stop, run, person)
        raise


async def _stored_end(run: Run) -> RunRecord:
    """The run's record once it has ended; what was live here when the database is away."""
    live = LIVE.get(str(run.public_id))
    while True:
        try:
            record = await in_database(load_record, run)
        except DatabaseError:
            if live is None:
                raise
            return live.record
        if record.is_final or (live is not None and live.record.is_final):
            return record if record.is_final or live is None else live.record
        await asyncio.sleep(LOOK_S)


class _Interrupt:
    """Ctrl-C is a person's stop: calls end, what came is kept. Before the run is alive, and the second time, it ends
    the command at once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._stop: Callable[[], object] | None = None
        self.came = False
        self._loop.add_signal_handler(signal.SIGINT, self._on_signal)

    def started(self, live: LiveRun, controls: Controls) -> None:
        """The run is alive; a Ctrl-C that came before is obeyed now."""
        self._stop = controls.stop_all
        if self.came:
            controls.stop_all()
        self._progress.watch(live)

    def _on_signal(self) -> None:
        if self._stop is None or self.came:
            self.came = True
            if self._task is not None:
                self._task.cancel()
            return
        self.came = True
        self._stop()

    def close(self) -> None:
        """From now on Ctrl-C is what it always is."""
        self._loop.remove_signal_handler(signal.SIGINT)


def _start(person: User, pool: Pool, question: str, options: dict[str, Any]) -> Run:
    check_number(len(options["images"]))
    return start_run(
        author=person,
        pool=pool,
        prompt=question,
        mode=options["mode"],
        idempotency_key=uuid.uuid4().hex,
        images=[_image(person, pool, name) for name in options["images"]],
        blind_members=BlindMembers.LEAVE_OUT if options["leave_out_blind"] else BlindMembers.TELL,
    )


def _image(person: User, pool: Pool, name: str) -> PromptImage:
    """The image of that file, as it will be sent. Raises InvalidInput with the file's name."""
    try:
        size = Path(name).stat().st_size
        check_size(size)
        image, note = take_image(author=person, team=pool.team, data=Path(name).read_bytes())
    except OSError as exc:
        raise InvalidInput(f"{name} cannot be read: {exc.strerror}.", field="images") from exc
    except InvalidInput as exc:
        raise InvalidInput(f"{name}: {exc.message}", code=exc.code, field="images") from exc
    if note:
        _write(sys.stderr, f"Note: {name}: {note}\n")
    return image


def _stop(run: Run, person: User) -> None:
    try:
        stop_run(run=run, person=person)
    except RunStateConflict:
        return  # it has ended


# --- printing ----------------------------------------------------------------------------------------


def _print(record: RunRecord, *, as_json: bool) -> bool:
    """The final or the whole run to stdout, what there is to say about it to stderr; whether it could be written."""
    problem = ""
    if as_json:
        problem = _write(sys.stdout, json.dumps(record_to_json(record), ensure_ascii=False, indent=2) + "\n")
    elif record.final.final is not None:
        problem = _write(sys.stdout, record.final.text + ("" if record.final.text.endswith("\n") else "\n"))
    remarks = [*_remarks(record, as_json=as_json), *([problem] if problem else ())]
    if remarks and record.final.final is not None and sys.stdout is not None and sys.stdout.isatty():
        remarks.insert(0, "")
    for sentence in remarks:
        _write(sys.stderr, f"{sentence}\n")
    return not problem


def _remarks(record: RunRecord, *, as_json: bool) -> Iterator[str]:
    """What the final does not say of itself: how it came to be, or why there is none."""
    if record.final.final is None and not as_json:
        yield record.failure.message if record.failure else _without_final(record)
    if record.final.final is not None and not as_json:
        for column in record.answers.values():
            if column.failure is not None:
                yield f"Note: {column.letter} ({column.endpoint.name}): {column.failure.message}"
    for note in record.degraded:
        yield f"Note: {note.message}"
    if record.simulated:
        yield "Note: Some or all of this comes from the built-in simulation, not from a model."


def _without_final(record: RunRecord) -> str:
    if record.state is RunState.CANCELLED:
        return f"Stopped before there was a final. What had come is kept as run {record.public_id}."
    return f"The run ended without a final ({record.state.value.replace('_', ' ')})."


def _write(stream: TextIO | None, text: str) -> str:
    """Byte for byte into a file or a pipe, on a terminal without what would steer it; why it could not be written.

    A reader that is gone is no error.
    """
    if stream is None:
        return "The final could not be written: standard output is closed."
    if stream.isatty():
        text = harmless(text)
    try:
        stream.flush()
        stream.buffer.write(text.encode("utf-8", "replace"))
        stream.flush()
    except OSError as exc:
        # Python flushes once more at exit; nothing may be left to complain about.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return "" if isinstance(exc, BrokenPipeError) else f"The final could not be written: {exc.strerror}."
    return ""
