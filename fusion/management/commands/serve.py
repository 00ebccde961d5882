"""`manage.py serve`: bring the installation up to date, then serve pages and execute runs until a signal comes."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.urls import reverse

from fusion.management.announcing import announcement
from fusion.management.preparing import collect_static_if_needed, migrate_if_needed, prepare_data_dir
from fusion.management.serving import Serving
from fusion.runs.database import close_database_threads
from fusion.runs.worker import Worker
from fusion.teams.secrets import refusal_to_start


class Command(BaseCommand):
    help = "Bring the database and the static files up to date, then serve this installation."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.FUSION_HOST, help="address to listen on (HOST)")
        parser.add_argument("--port", default=settings.FUSION_PORT, type=int, help="port to listen on (PORT)")

    def handle(self, *args: Any, **options: Any) -> None:
        self._prepare()
        self._text = announcement()
        connections.close_all()
        serving = Serving(
            host=options["host"],
            port=options["port"],
            max_body_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
            max_upload_bytes=settings.FUSION_UPLOAD_MAX_BYTES,
            upload_paths=(reverse("image-create"), reverse("run-create")),  # as in fusion.web.bodies
            worker=Worker(),
            ready=self._announce,
            say=self._say,
        )
        exit_code = serving.run()
        close_database_threads()
        connections.close_all()
        if serving.refusal:
            raise CommandError(
                f"Cannot listen on {options['host']} port {options['port']}: {serving.refusal}", returncode=exit_code
            )
        if exit_code:
            raise CommandError("The server ended with an error; the lines above say which.", returncode=exit_code)

    def _prepare(self) -> None:
        prepare_data_dir()
        if migrate_if_needed():
            self._say("The database is up to date.")
        if refusal := refusal_to_start():
            raise CommandError(refusal)
        if collect_static_if_needed():
            self._say("Static files are collected.")

    def _announce(self, recovered: int) -> None:
        if recovered:
            self._say(f"{recovered} unfinished run{'s' * (recovered > 1)} of an earlier start can be taken up again.")
        self._say(self._text)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
