"""Other people's questions and answers are readable in the administration, and whoever reads them there leaves a trace.

The team's own audit log tells of it, so that it can be asked about.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse

from fusion.admin.history import HistoryAdmin
from fusion.models import Run, User
from fusion.teams.audit import record_action


def note_deed(request: HttpRequest, run: Run, action: str) -> None:
    """Write it down, unless the person may read that run on its own page anyway."""
    person = request.user
    assert isinstance(person, User)
    if action != "run.read" or not Run.objects.visible_to(person).filter(pk=run.pk).exists():
        record_action(action, actor=person, team=run.team, target=f"run:{run.public_id}")


class ReadAloudAdmin(HistoryAdmin):
    """The page of a run or of a part of one."""

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().change_view(request, object_id, form_url, extra_context)
        row = self.get_object(request, unquote(object_id)) if response.status_code == 200 else None
        run = row if isinstance(row, Run) else getattr(row, "run", None)
        if run is not None:
            note_deed(request, run, "run.read")
        return response
