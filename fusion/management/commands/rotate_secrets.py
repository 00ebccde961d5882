"""`manage.py rotate_secrets`: seal every stored secret with the newest of FUSION_SECRET_KEYS.

To change the key: put a new one in front of the old ones, restart, run this, then take the old ones out.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from fusion.models.sealing import key_ids
from fusion.teams.secrets import ColumnReport, forget_unreadable_secrets, inspect_secrets, rotate_secrets


class Command(BaseCommand):
    help = "Seal every stored secret with the newest of FUSION_SECRET_KEYS; exit status 1 if any cannot be opened."

    def add_arguments(self, parser: ArgumentParser) -> None:
        way = parser.add_mutually_exclusive_group()
        way.add_argument("--check", action="store_true", help="only tell, change nothing")
        way.add_argument(
            "--forget",
            action="store_true",
            help="empty the secrets that cannot be opened, so that they can be set anew",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Keys, newest first: {', '.join(key_ids())}")
        work, done = rotate_secrets, "sealed anew"
        if options["check"]:
            work, done = inspect_secrets, "sealed with an older key"
        elif options["forget"]:
            work, done = forget_unreadable_secrets, "sealed with an older key"
        try:
            reports = work()
        except DatabaseError as exc:
            raise CommandError(f"The database cannot be used: {exc}") from exc
        for report in reports:
            self._tell(report, done, forgotten=options["forget"])
        lost = sum(len(report.unreadable) for report in reports)
        if lost and not options["forget"]:
            raise CommandError(f"{lost} cannot be opened; the lines above say why.")

    def _tell(self, report: ColumnReport, done: str, *, forgotten: bool) -> None:
        lost = "emptied" if forgotten else "unreadable"
        counts = f"{report.total} stored, {report.current} already current, {report.stale} {done}"
        self.stdout.write(f"{report.name}: {counts}, {len(report.unreadable)} {lost}")
        for row, why in report.unreadable:
            self.stdout.write(f"  {row}: {'emptied; enter it anew.' if forgotten else why.message}")
