"""Runs and what they left: to read, never to edit. A superuser may delete a whole run for good."""

from __future__ import annotations

from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest

from fusion.admin.history import HistoryAdmin, HistoryInline
from fusion.admin.reading import ReadAloudAdmin, note_deed
from fusion.models import (
    Answer,
    Call,
    FinalAnswer,
    PromptImage,
    Run,
    RunCommand,
    RunEvent,
    RunExecution,
    VerdictRecord,
    WorkerLease,
)
from fusion.runs.costs import exact_usd


class AnswerInline(HistoryInline):
    model = Answer
    fields = ("letter", "attempt", "is_current", "ref", "state", "output_tokens", "ttft_ms", "total_ms", "failure_code")


class CallInline(HistoryInline):
    model = Call
    fields = (
        "role",
        "letter",
        "ref",
        "attempt",
        "status",
        "input_tokens",
        "output_tokens",
        "cost",
        "total_ms",
        "failure_code",
    )
    readonly_fields = ("cost",)

    @admin.display(description="cost")
    def cost(self, call: Call) -> str:
        return exact_usd(call.cost_nanos)


class FinalInline(HistoryInline):
    model = FinalAnswer
    fields = (
        "number",
        "kind",
        "mode",
        "rubric",
        "letter",
        "writer",
        "truncated",
        "picked_by",
        "is_current",
        "created_at",
    )


class ExecutionInline(HistoryInline):
    model = RunExecution
    fields = (
        "number",
        "kind",
        "letters",
        "mode",
        "judge",
        "rubric",
        "person",
        "state",
        "failure_code",
        "created_at",
        "ended_at",
    )


@admin.register(Run)
class RunAdmin(ReadAloudAdmin):
    """Lists hold no question; the page of a run does, and opening it is written down."""

    list_display = (
        "public_id",
        "state",
        "mode",
        "pool_version",
        "author",
        "team",
        "created_at",
        "finished_at",
        "deleted_at",
    )
    list_filter = ("state", "mode", "is_private", ("deleted_at", admin.EmptyFieldListFilter))
    list_select_related = ("pool_version__pool", "author", "team")
    search_fields = ("public_id", "author__email", "team__name", "pool_version__pool__name", "failure_code")
    date_hierarchy = "created_at"
    inlines = (AnswerInline, CallInline, FinalInline, ExecutionInline)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """For good, with all that belongs to it; a run in flight first has to be stopped."""
        in_flight = isinstance(obj, Run) and obj.is_in_flight
        return bool(request.user.is_active and getattr(request.user, "is_superuser", False)) and not in_flight

    def delete_model(self, request: HttpRequest, obj: Run) -> None:
        note_deed(request, obj, "run.erase")
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        ended = queryset.exclude(state__in=(Run.State.QUEUED, Run.State.RUNNING))
        for run in ended:
            note_deed(request, run, "run.erase")
        ended.delete()


class PartOfRunAdmin(ReadAloudAdmin):
    """Deleted with its run, never alone."""

    list_select_related = ("run",)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Django asks this for each kind of row that goes when a run is deleted; nothing here offers it by itself."""
        deleting_a_run = request.resolver_match is not None and request.resolver_match.url_name in (
            "fusion_run_delete",
            "fusion_run_changelist",
        )
        return deleting_a_run and bool(getattr(request.user, "is_superuser", False))


@admin.register(Answer)
class AnswerAdmin(PartOfRunAdmin):
    list_display = (
        "run",
        "letter",
        "attempt",
        "ref",
        "state",
        "late",
        "output_tokens",
        "ttft_ms",
        "total_ms",
        "failure_code",
    )
    list_filter = ("state", "late", "is_current")
    search_fields = ("run__public_id", "ref", "failure_code")


@admin.register(Call)
class CallAdmin(PartOfRunAdmin):
    list_display = (
        "ended_at",
        "role",
        "ref",
        "status",
        "input_tokens",
        "output_tokens",
        "cost",
        "cost_source",
        "total_ms",
        "run",
    )
    list_filter = ("role", "status", "cost_source", "usage_estimated")
    search_fields = ("run__public_id", "ref", "upstream_model", "upstream_id", "failure_code")
    date_hierarchy = "ended_at"

    @admin.display(description="cost", ordering="cost_nanos")
    def cost(self, call: Call) -> str:
        return exact_usd(call.cost_nanos)


@admin.register(VerdictRecord)
class VerdictAdmin(PartOfRunAdmin):
    list_display = ("run", "judge", "created_at")
    search_fields = ("run__public_id", "judge")
    date_hierarchy = "created_at"


@admin.register(FinalAnswer)
class FinalAdmin(PartOfRunAdmin):
    list_display = (
        "run",
        "number",
        "kind",
        "mode",
        "rubric",
        "letter",
        "writer",
        "truncated",
        "picked_by",
        "is_current",
        "created_at",
    )
    list_filter = ("kind", "mode", "is_current", "truncated")
    list_select_related = ("run", "picked_by")  # type: ignore[assignment]  # longer
    search_fields = ("run__public_id", "writer")
    date_hierarchy = "created_at"


@admin.register(RunExecution)
class ExecutionAdmin(PartOfRunAdmin):
    list_display = ("run", "number", "kind", "mode", "judge", "rubric", "person", "state", "created_at", "ended_at")
    list_filter = ("kind", "mode", "state")
    list_select_related = ("run", "person")  # type: ignore[assignment]  # longer
    search_fields = ("run__public_id", "judge", "person__email", "failure_code")
    date_hierarchy = "created_at"


@admin.register(RunEvent)
class RunEventAdmin(PartOfRunAdmin):
    list_display = ("run", "seq", "at_ms", "kind")
    list_filter = ("kind",)
    search_fields = ("run__public_id",)


@admin.register(RunCommand)
class RunCommandAdmin(PartOfRunAdmin):
    list_display = ("run", "kind", "letter", "person", "created_at", "handled_at")
    list_filter = ("kind",)
    list_select_related = ("run", "person")  # type: ignore[assignment]  # longer
    search_fields = ("run__public_id", "person__email")


@admin.register(PromptImage)
class PromptImageAdmin(HistoryAdmin):
    """What is known of an image; looking at it takes the right to read its run."""

    list_display = ("public_id", "team", "author", "run", "media_type", "width", "height", "bytes", "created_at")
    list_filter = ("media_type",)
    list_select_related = ("team", "author", "run")
    search_fields = ("public_id", "team__name", "author__email", "run__public_id")
    date_hierarchy = "created_at"


@admin.register(WorkerLease)
class WorkerLeaseAdmin(HistoryAdmin):
    list_display = ("name", "started_at", "expires_at")
    search_fields = ("name",)
