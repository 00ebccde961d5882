"""Second factors: an administrator takes them off an account whose owner has lost them, and sees no secret."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from allauth.mfa import admin as allauth_pages  # first, so that its page is there to be replaced
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from fusion.admin.history import HistoryAdmin
from fusion.models import User
from fusion.teams.second_factor import take_off

__all__ = ["AuthenticatorAdmin", "allauth_pages"]

admin.site.unregister(Authenticator)  # django-allauth's own page shows what is stored


@admin.register(Authenticator)
class AuthenticatorAdmin(HistoryAdmin):
    """Delete the app of somebody who cannot sign in any more: the recovery codes go too, and the password is enough."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__email", "user__name")
    fields = ("user", "type", "created_at", "last_used_at")

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return bool(request.user.is_superuser)

    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        _take_off(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        _take_off(request, list(queryset.select_related("user")))


def _take_off(request: HttpRequest, rows: Iterable[Authenticator]) -> None:
    """Codes that stayed without their app would be good again once another app is set up, whoever has them."""
    assert isinstance(request.user, User)
    kinds: dict[User, set[str]] = {}
    for row in rows:
        kinds.setdefault(row.user, set()).add(row.type)
    for person, types in kinds.items():
        take_off(person=person, actor=request.user, codes_alone=types == {Authenticator.Type.RECOVERY_CODES})
