"""People, teams and who is in which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.http import HttpRequest

from fusion.admin.history import AnyModelAdmin, AnyTabularInline, HistoryAdmin
from fusion.models import Invitation, Membership, Team, User
from fusion.teams.doorbell import tell_rights_changed
from fusion.teams.services import ensure_personal_team

if TYPE_CHECKING:
    AnyUserCreationForm = AdminUserCreationForm[User]
    AnyUserAdmin = UserAdmin[User]
else:
    AnyUserCreationForm = AdminUserCreationForm
    AnyUserAdmin = UserAdmin


class TellsMembers(AnyModelAdmin):
    """Sockets of people whose membership was changed, in a form of its own or inside another's, are told at once."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        _tell(obj)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        changed = [row for row, _ in formset.changed_objects]
        for row in (*formset.new_objects, *changed, *formset.deleted_objects):
            _tell(row)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        _tell(obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for row in queryset:
            _tell(row)
        super().delete_queryset(request, queryset)


def _tell(row: Any) -> None:
    if isinstance(row, Membership):
        tell_rights_changed(row.user_id)
    elif isinstance(row, User):
        tell_rights_changed(row.pk)


class MembershipInline(AnyTabularInline):
    model = Membership
    extra = 0
    fields = ("team", "user", "role", "joined_at", "left_at")
    readonly_fields = ("joined_at",)
    autocomplete_fields = ("team", "user")


class PersonCreationForm(AnyUserCreationForm):
    """A new account; leave the password unusable to have the person set one by the reset link."""

    class Meta:
        model = User
        fields = ("email", "name")

    def clean_email(self) -> str:
        """Addresses are compared without regard to case, which the table enforces and the form has to say."""
        email: str = self.cleaned_data["email"]
        if User.objects.filter(email__iexact=email).exists():
            raise forms.ValidationError("There is an account with this address.", code="unique")
        return email


@admin.register(User)
class PersonAdmin(TellsMembers, AnyUserAdmin):
    add_form = PersonCreationForm
    list_display = ("email", "name", "is_active", "is_staff", "is_superuser", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "is_system")
    search_fields = ("email", "name")
    ordering = ("email",)
    date_hierarchy = "date_joined"
    readonly_fields = ("date_joined", "last_login", "is_system")
    inlines = (MembershipInline,)
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "is_system", "groups", "user_permissions")}),
        ("Times", {"fields": ("date_joined", "last_login")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "name", "usable_password", "password1", "password2")}),
    )

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.inlines if obj is not None else ()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """A person without a team could do nothing: they get one of their own."""
        super().save_related(request, form, formsets, change)
        ensure_personal_team(form.instance)


@admin.register(Team)
class TeamAdmin(TellsMembers):
    list_display = ("name", "slug", "members", "created_at")
    search_fields = ("name", "slug", "memberships__user__email")
    date_hierarchy = "created_at"
    readonly_fields = ("public_id", "created_at")
    inlines = (MembershipInline,)

    @admin.display(description="members")
    def members(self, team: Team) -> int:
        return team.memberships.filter(left_at=None).count()


@admin.register(Membership)
class MembershipAdmin(TellsMembers):
    list_display = ("user", "team", "role", "joined_at", "left_at")
    list_filter = ("role", ("left_at", admin.EmptyFieldListFilter))
    list_select_related = ("user", "team")
    search_fields = ("user__email", "user__name", "team__name", "team__slug")
    readonly_fields = ("joined_at",)
    autocomplete_fields = ("team", "user")


@admin.register(Invitation)
class InvitationAdmin(HistoryAdmin):
    list_display = ("email", "team", "role", "invited_by", "created_at", "expires_at", "accepted_at", "revoked_at")
    list_filter = ("role", ("accepted_at", admin.EmptyFieldListFilter), ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("team", "invited_by")
    search_fields = ("email", "team__name", "invited_by__email")
    date_hierarchy = "created_at"
    exclude = ("token_hash",)
