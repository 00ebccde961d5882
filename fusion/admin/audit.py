"""The audit log of every team and of the site; nobody adds to it by hand."""

from __future__ import annotations

from django.contrib import admin

from fusion.admin.history import HistoryAdmin
from fusion.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(HistoryAdmin):
    list_display = ("at", "actor", "action", "target_name", "team", "address")
    list_filter = ("action",)
    list_select_related = ("actor", "team")
    search_fields = ("action", "target", "target_name", "actor__email", "team__name")
    date_hierarchy = "at"
