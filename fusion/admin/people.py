"""People, teams and who is in which."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from allauth.usersessions import admin as allauth_pages  # noqa: F401 - first, so that its page is there to be replaced
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.http import HttpRequest, HttpResponse

from fusion.admin.history import AnyModelAdmin, AnyTabularInline, HistoryAdmin
from fusion.models import Invitation, Membership, Team, User
from fusion.models.team import Role
from fusion.teams.accounts import farewell_of
from fusion.teams.audit import record_action
from fusion.teams.doorbell import tell_rights_changed
from fusion.teams.lifecycle import team_ref
from fusion.teams.members import member_ref
from fusion.teams.services import ensure_personal_team

if TYPE_CHECKING:
    AnyUserCreationForm = AdminUserCreationForm[User]
    AnyUserAdmin = UserAdmin[User]
    AnyUserForm = UserChangeForm[User]
    AnyMembershipForm = forms.ModelForm[Membership]
    AnyInlineFormSet = forms.BaseInlineFormSet[Membership, Any, Any]
else:
    AnyUserCreationForm = AdminUserCreationForm
    AnyUserAdmin = UserAdmin
    AnyUserForm = UserChangeForm
    AnyMembershipForm = forms.ModelForm
    AnyInlineFormSet = forms.BaseInlineFormSet


RIGHTS = ("is_active", "is_staff", "is_superuser")


class TellsMembers(AnyModelAdmin):
    """Sockets of people whose membership was changed, in a form of its own or inside another's, are told at once, and
    the team's audit log tells of it."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        _tell(obj)
        _record(request, form)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        for one in formset.forms:
            _record(request, one)
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


def _record(request: HttpRequest, form: Any) -> None:
    """Write down what a form changed of a membership, of a team's name or of what a person may do on the site."""
    row, changed = form.instance, set(form.changed_data)
    if isinstance(row, User):
        _record_rights(
            request, row, {name: form.initial[name] for name in RIGHTS if name in changed & set(form.initial)}
        )
    elif isinstance(row, Team) and "name" in changed and form.initial:
        names = {"before": {"name": form.initial["name"]}, "after": {"name": row.name}}
        record_action(
            "team.rename", actor=_actor(request), team=row, target=team_ref(row), target_name=row.name, **names
        )
    elif isinstance(row, Membership) and changed & {"team", "user", "role", "left_at"}:
        was_here = "role" in form.initial and form.initial.get("left_at") is None
        before: dict[str, object] = {"role": form.initial["role"]} if was_here else {}
        after: dict[str, object] = {"role": row.role} if row.left_at is None else {}
        if before != after:
            verb = "remove" if not after else "role" if before else "add"
            record_action(
                f"member.{verb}",
                actor=_actor(request),
                team=row.team,
                target=member_ref(row),
                before=before,
                after=after,
            )


def _record_rights(request: HttpRequest, person: User, before: dict[str, object]) -> None:
    if before:
        after = {name: getattr(person, name) for name in before}
        target = f"person:{person.pk}"
        record_action("person.rights", actor=_actor(request), team=None, target=target, before=before, after=after)


def _actor(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


# --- there is always an owner ------------------------------------------------------------------------


def _is_owner(role: object, left_at: object) -> bool:
    return role == Role.OWNER and left_at is None


def _require_owners(changes: Iterable[forms.ModelForm[Membership]]) -> None:
    """Raises ValidationError when these forms together would take the last owner of a team, or give somebody's
    membership to another."""
    valid = [form for form in changes if form.is_valid()]
    if any(form.instance.pk and {"team", "user"} & set(form.changed_data) for form in valid):
        raise forms.ValidationError("A membership stays that of its person in its team: add another one.", "moved")
    ends = [form.instance for form in valid if form.instance.pk and _was_owner(form) and not _is_owner_now(form)]
    made = {form.instance.team_id for form in valid if _is_owner_now(form) and form.instance.user.is_active}
    gone = [row.pk for row in ends]
    for row in ends:
        owners = Membership.objects.filter(team_id=row.team_id, role=Role.OWNER, left_at=None, user__is_active=True)
        if row.team_id not in made and not owners.exclude(pk__in=gone).exists():
            raise forms.ValidationError("A team always has an owner. Make somebody else an owner first.", "last_owner")


def _was_owner(form: forms.ModelForm[Membership]) -> bool:
    return _is_owner(form.initial.get("role"), form.initial.get("left_at"))


def _is_owner_now(form: forms.ModelForm[Membership]) -> bool:
    return _is_owner(form.instance.role, form.instance.left_at)


class MembershipForm(AnyMembershipForm):
    def _post_clean(self) -> None:
        """Only here the row says what was typed."""
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        if not self.errors:
            try:
                _require_owners([self])
            except forms.ValidationError as exc:
                self.add_error(None, exc)


class MembershipFormSet(AnyInlineFormSet):
    def clean(self) -> None:
        super().clean()
        _require_owners(self.forms)


class MembershipInline(AnyTabularInline):
    """Rows are not deleted: who left stays known, so that history stays attributable."""

    model = Membership
    formset = MembershipFormSet
    can_delete = False
    extra = 0
    fields = ("team", "user", "role", "joined_at", "left_at")
    readonly_fields = ("joined_at",)
    autocomplete_fields = ("team", "user")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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


class PersonForm(AnyUserForm):
    """An account that is there. It cannot be switched off while others depend on it."""

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or {}
        farewell = farewell_of(self.instance)
        ends = not typed.get("is_active", True)
        if ends and farewell.owned:
            names = ", ".join(f"“{team.name}”" for team in farewell.owned)
            self.add_error("is_active", f"They are the only owner of {names}. Make somebody else an owner there first.")
        if farewell.is_last_administrator and (ends or not typed.get("is_superuser", True)):
            self.add_error(None, "This is the only administrator of the site. Make somebody else one first.")
        return typed


@admin.register(User)
class PersonAdmin(TellsMembers, AnyUserAdmin):
    form = PersonForm
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

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Another password ends the sessions that were begun with the one before."""
        response: HttpResponse = super().user_change_password(request, id, form_url)
        person = self.get_object(request, unquote(id))
        if request.method == "POST" and person is not None:
            _tell(person)
        return response

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """A person without a team could do nothing: they get one of their own."""
        super().save_related(request, form, formsets, change)
        ensure_personal_team(form.instance)


@admin.register(Team)
class TeamAdmin(TellsMembers):
    """Its name and its people. An owner deletes it on its own page, which stops its runs and wipes its keys."""

    list_display = ("name", "slug", "members", "created_at")
    search_fields = ("name", "slug", "memberships__user__email")
    date_hierarchy = "created_at"
    readonly_fields = ("public_id", "created_at", "deleted_at")
    inlines = (MembershipInline,)

    @admin.display(description="members")
    def members(self, team: Team) -> int:
        return team.memberships.filter(left_at=None).count()


@admin.register(Membership)
class MembershipAdmin(TellsMembers):
    """Somebody is taken out by the time at which they left; the row stays."""

    form = MembershipForm
    list_display = ("user", "team", "role", "joined_at", "left_at")
    list_filter = ("role", ("left_at", admin.EmptyFieldListFilter))
    list_select_related = ("user", "team")
    search_fields = ("user__email", "user__name", "team__name", "team__slug")
    autocomplete_fields = ("team", "user")

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        """A membership stays that of its person in its team."""
        return ("joined_at",) if obj is None else ("team", "user", "joined_at")

    def has_delete_permission(self, request: HttpRequest, obj: Membership | None = None) -> bool:
        return False


@admin.register(Invitation)
class InvitationAdmin(HistoryAdmin):
    list_display = ("email", "team", "role", "invited_by", "created_at", "expires_at", "accepted_at", "revoked_at")
    list_filter = ("role", ("accepted_at", admin.EmptyFieldListFilter), ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("team", "invited_by")
    search_fields = ("email", "team__name", "invited_by__email")
    date_hierarchy = "created_at"
    exclude = ("token_hash",)


admin.site.unregister(UserSession)  # django-allauth's own page shows their keys, and its search is an error here


@admin.register(UserSession)
class UserSessionAdmin(HistoryAdmin):
    """Who is signed in, and from where. The key of a session would let whoever reads it in as that person."""

    list_display = ("user", "created_at", "last_seen_at", "ip", "user_agent")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__name", "ip")
    date_hierarchy = "created_at"
    exclude = ("session_key", "data")
