"""The wiring as an application: its system checks, and the admin site behind the site's own sign-in."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class FusionSiteConfig(AppConfig):
    name = "fusion_site"
    verbose_name = "Fusion's wiring"

    def ready(self) -> None:
        from fusion_site import checks  # noqa: F401 - registers itself, and needs loaded applications


class FusionAdminConfig(AdminConfig):
    """Django's admin with our own site class: one way to sign in, with the limits that it has."""

    default_site = "fusion_site.admin_site.FusionAdminSite"
