"""Addresses of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from fusion.teams.views import login, second_step

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/login/", login, name="account_login"),
    path("accounts/second-step/authenticate/", second_step, name="mfa_authenticate"),
    path("accounts/second-step/", include("allauth.mfa.urls")),
    path("accounts/sessions/", include("allauth.usersessions.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("", include("fusion.web.urls")),
]

handler400 = "fusion.web.views.errors.bad_request"
handler403 = "fusion.web.views.errors.permission_denied"
handler404 = "fusion.web.views.errors.page_not_found"
handler500 = "fusion.web.views.errors.server_error"
