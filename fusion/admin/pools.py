"""Pools and their versions. A pool's name and reach can be changed; a version never, because runs point at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from fusion.admin.history import AnyModelAdmin, HistoryAdmin, HistoryInline
from fusion.models import Pool, PoolMember, PoolVersion

if TYPE_CHECKING:
    AnyPoolForm = forms.ModelForm[Pool]
else:
    AnyPoolForm = forms.ModelForm


class PoolForm(AnyPoolForm):
    def clean_slug(self) -> str:
        """The team is not in the form, so Django leaves it to the database to find a slug that is taken."""
        slug: str = self.cleaned_data["slug"]
        others = Pool.objects.filter(team=self.instance.team, slug=slug, deleted_at=None).exclude(pk=self.instance.pk)
        if others.exists():
            raise forms.ValidationError("Another pool of this team has this slug.", code="slug_taken")
        return slug


class VersionInline(HistoryInline):
    model = PoolVersion
    fk_name = "pool"
    fields = ("number", "mode", "rubric", "judge", "writer", "author", "created_at")
    ordering = ("-number",)


class MemberInline(HistoryInline):
    model = PoolMember
    fields = ("position", "ref", "temperature", "max_tokens", "timeout_s", "system_note")


@admin.register(Pool)
class PoolAdmin(AnyModelAdmin):
    form = PoolForm
    list_display = ("name", "team", "author", "visibility", "current", "origin", "created_at", "deleted_at")
    list_filter = ("visibility", "origin", ("deleted_at", admin.EmptyFieldListFilter))
    list_select_related = ("team", "author", "current__pool")
    search_fields = ("name", "slug", "team__name", "author__email", "public_id")
    date_hierarchy = "created_at"
    fields = (
        "name",
        "slug",
        "visibility",
        "editors",
        "team",
        "author",
        "current",
        "origin",
        "public_id",
        "created_at",
        "deleted_at",
    )
    readonly_fields = ("team", "author", "current", "origin", "public_id", "created_at", "deleted_at")
    inlines = (VersionInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A pool without a version is of no use; the site's own pages make both."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Pool | None = None) -> bool:
        """Runs point at its versions; its team deletes it on its page, which keeps the rows."""
        return False


@admin.register(PoolVersion)
class PoolVersionAdmin(HistoryAdmin):
    list_display = ("pool", "number", "mode", "rubric", "judge", "members_listed", "author", "created_at")
    list_filter = ("mode", "rubric")
    search_fields = ("pool__name", "judge", "members__ref")
    date_hierarchy = "created_at"
    inlines = (MemberInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PoolVersion]:
        return PoolVersion.objects.select_related("pool", "author").prefetch_related("members")

    @admin.display(description="members")
    def members_listed(self, version: PoolVersion) -> str:
        return ", ".join(member.ref for member in version.members.all())


@admin.register(PoolMember)
class PoolMemberAdmin(HistoryAdmin):
    list_display = ("ref", "version", "position", "temperature", "max_tokens", "timeout_s")
    list_select_related = ("version__pool",)
    search_fields = ("ref", "version__pool__name")
