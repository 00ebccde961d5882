"""`manage.py fuse "question"`: one run from the command line, through the same services and engine as the page.

Live progress goes to stderr when that is a terminal; the final alone goes to stdout. Exit status: 0 with a final,
1 without one, 2 for bad arguments, 130 after Ctrl-C, which stops the upstream calls first.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from fusion.engine.controls import Controls
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


class Command(BaseCommand):
    help = "Ask a pool one question and print the final answer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("question", help="the question; - reads it from standard input")
        parser.add_argument(
            "--pool", default="", metavar="[TEAM/]SLUG", help="the pool to ask (default: the first one)"
        )
        parser.add_argument("--mode", default=None, choices=Mode.values, help="instead of the pool's mode")
        parser.add_argument(
            "--image", dest="images", action="append", default=[], metavar="FILE", help="an image (repeat for more)"
        )
        parser.add_argument(
            "--leave-out-blind", action="store_true", help="do not ask members that cannot see the images"
        )
        parser.add_argument("--as", dest="email", default="", metavar="EMAIL", help="the person who asks")
        parser.add_argument("--json", action="store_true", help="print the whole run as one JSON object")
        parser.add_argument("--quiet", action="store_true", help="no progress on stderr")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            status = asyncio.run(_ask(_question(options["question"]), options))
        except FusionError as exc:
            raise CommandError(exc.message, returncode=BAD_ARGUMENTS) from exc
        except DatabaseError as exc:
            problem = f"The database cannot be used: {exc}. `manage.py migrate` makes or updates it."
            raise CommandError(problem, returncode=WITHOUT_FINAL) from exc
        except KeyboardInterrupt:
            status = INTERRUPTED
        finally:
            close_database_threads()
        sys.exit(status)


def _question(argument: str) -> str:
    """The question as an argument or from standard input; bytes that are not text are refused with the prompt."""
    question = argument if argument != "-" else sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    check_prompt(question)
    return question


async def _ask(question: str, options: dict[str, Any]) -> int:
    progress = Progress(sys.stderr, enabled=not options["quiet"] and sys.stderr.isatty())
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
    _print(record, as_json=options["json"])
    if interrupt.came:
        return INTERRUPTED
    return WITHOUT_FINAL if record.final.final is None else WITH_FINAL


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


def _print(record: RunRecord, *, as_json: bool) -> None:
    if as_json:
        _write(sys.stdout, json.dumps(record_to_json(record), ensure_ascii=False, indent=2) + "\n")
    elif record.final.final is not None:
        _write(sys.stdout, record.final.text + ("" if record.final.text.endswith("\n") else "\n"))
    else:
        reason = record.failure.message if record.failure else f"The run ended without a final ({record.state})."
        _write(sys.stderr, f"{reason}\n")
    for note in record.degraded:
        _write(sys.stderr, f"Note: {note.message}\n")


def _write(stream: TextIO, text: str) -> None:
    """Byte for byte into a file or a pipe, on a terminal without what would steer it; a gone reader is no error."""
    if stream.isatty():
        text = harmless(text)
    try:
        stream.flush()
        stream.buffer.write(text.encode("utf-8", "replace"))
        stream.flush()
    except BrokenPipeError:
        # Python flushes once more at exit; nothing may be left to complain about.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
