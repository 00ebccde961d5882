"""`manage.py provision FILE.toml`: people, teams, connections, models and pools as a file says, all or nothing.

Running it again changes nothing. It adds and updates; it removes only where a table says `exclusive = true`.
Exit status: 0 when the file holds now, 1 when it was refused (nothing has changed then).
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fusion.errors import FusionError
from fusion.management.setup.applying import apply_setup
from fusion.management.setup.reading import read_setup

MAX_BYTES = 4 * 1024 * 1024


class Command(BaseCommand):
    help = "Set up people, teams, connections, models and pools from a TOML file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the file; - reads standard input")
        parser.add_argument("--dry-run", action="store_true", help="tell what would change, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            changes = apply_setup(read_setup(_text(options["file"])), dry_run=options["dry_run"])
        except FusionError as exc:
            raise CommandError(f"{options['file']}: nothing was changed.\n{exc.message}") from exc
        for line in changes:
            self.stdout.write(line)
        self.stdout.write(_summary(len(changes), dry_run=options["dry_run"]))


def _text(name: str) -> str:
    """The file's text. Raises CommandError: not there, too large, not UTF-8."""
    try:
        data = sys.stdin.buffer.read(MAX_BYTES + 1) if name == "-" else _bytes(Path(name))
        if len(data) > MAX_BYTES:
            raise CommandError(f"{name} is larger than {MAX_BYTES // 1024 // 1024} MiB.")
        return data.decode("utf-8-sig")
    except OSError as exc:
        raise CommandError(f"{name} cannot be read: {exc.strerror}.") from exc
    except UnicodeDecodeError as exc:
        raise CommandError(f"{name} is not a text in UTF-8.") from exc


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _summary(count: int, *, dry_run: bool) -> str:
    if not count:
        return "Nothing to change."
    noun = "change" if count == 1 else "changes"
    return f"{count} {noun} would be made." if dry_run else f"{count} {noun} made."
