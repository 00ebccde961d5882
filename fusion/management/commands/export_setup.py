"""`manage.py export_setup`: what is set up here as a file for `manage.py provision`, without passwords and keys."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from fusion.management.setup.exporting import export_setup


class Command(BaseCommand):
    help = "Print people, teams, connections, models and pools as TOML, without secrets."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(export_setup(), ending="")
