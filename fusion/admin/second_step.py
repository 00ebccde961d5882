"""Second factors: an administrator takes them off an account whose owner has lost them, and sees no secret."""

from __future__ import annotations

from allauth.mfa import admin as allauth_pages  # first, so that its page is there to be replaced
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from fusion.admin.history import HistoryAdmin

__all__ = ["AuthenticatorAdmin", "allauth_pages"]

admin.site.unregister(Authenticator)  # django-allauth's own page shows what is stored


@admin.register(Authenticator)
class AuthenticatorAdmin(HistoryAdmin):
    """Delete the app and the recovery codes of somebody who cannot sign in any more: then the password is enough."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__email", "user__name")
    fields = ("user", "type", "created_at", "last_used_at")

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return bool(request.user.is_superuser)
