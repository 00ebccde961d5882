"""Connections, the models behind them and their prices. Keys are neither shown nor taken here: the team's and the
site's own pages do that, because a key is bound to its address."""

from __future__ import annotations

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from fusion.admin.history import HistoryAdmin, HistoryInline
from fusion.models import CatalogueRevision, Connection, ModelEntry, PriceVersion


@admin.register(Connection)
class ConnectionAdmin(HistoryAdmin):
    list_display = ("label", "slug", "team", "preset", "base_url", "last4", "local", "is_enabled", "listed_at")
    list_filter = ("preset", "local", "is_enabled", ("team", admin.EmptyFieldListFilter))
    list_select_related = ("team",)
    search_fields = ("label", "slug", "base_url", "team__name", "public_id")
    date_hierarchy = "created_at"
    exclude = ("secret_sealed",)
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}  # Django's own way


class PriceInline(HistoryInline):
    model = PriceVersion
    fields = (
        "effective_from",
        "status",
        "input_picos",
        "output_picos",
        "cached_input_picos",
        "source",
        "author",
    )


@admin.register(ModelEntry)
class ModelEntryAdmin(HistoryAdmin):
    list_display = ("name", "model_id", "connection", "env_slug", "family", "context_tokens", "listed", "vanished_at")
    list_filter = ("family", "listed", ("vanished_at", admin.EmptyFieldListFilter))
    list_select_related = ("connection",)
    search_fields = ("name", "model_id", "connection__label", "env_slug")
    inlines = (PriceInline,)


@admin.register(PriceVersion)
class PriceVersionAdmin(HistoryAdmin):
    list_display = ("entry", "effective_from", "status", "input_picos", "output_picos", "source", "author")
    list_filter = ("status", "source")
    list_select_related = ("entry", "author")
    search_fields = ("entry__name", "entry__model_id")
    date_hierarchy = "effective_from"


@admin.register(CatalogueRevision)
class CatalogueRevisionAdmin(HistoryAdmin):
    list_display = ("number",)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Nothing to look at; it counts changes for the processes that remember models."""
        return False
