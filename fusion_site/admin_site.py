"""The administration site."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.http import HttpRequest, HttpResponse


class FusionAdminSite(admin.AdminSite):
    """Signing in happens on the site's own page: the admin's form knows no rate limit and no verification."""

    site_header = "Fusion administration"
    site_title = "Fusion administration"
    index_title = "Everything in this installation"
    enable_nav_sidebar = True

    def login(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        response: HttpResponse = secure_admin_login(super().login)(request, extra_context)
        return response
