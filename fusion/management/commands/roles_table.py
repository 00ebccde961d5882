"""`manage.py roles_table`: prints the table of docs/roles.md."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from fusion.teams.rights import role_table


class Command(BaseCommand):
    help = "Print the table of roles and rights in Markdown, for docs/roles.md."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(role_table())
