"""The wiring as an application: its system checks, and the admin site behind the site's own sign-in."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig

from fusion.providers.redaction import remember_secret


class FusionSiteConfig(AppConfig):
    name = "fusion_site"
    verbose_name = "Fusion's wiring"

    def ready(self) -> None:
        # These need loaded applications; the checks register themselves.
        from allauth.account.signals import (
            authentication_step_completed,
            password_changed,
            password_reset,
            password_set,
        )
        from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
        from django.contrib.auth.signals import user_logged_in
        from django.contrib.sessions.models import Session
        from django.db.models.signals import post_delete

        from fusion.teams.doorbell import tell_whom_it_concerns, tell_whose_session_it_was
        from fusion.teams.second_factor import note_given_up, note_new_codes, note_set_up
        from fusion.web.confirming import note_confirmation, note_sign_in
        from fusion_site import checks  # noqa: F401

        own = (settings.SECRET_KEY, settings.FUSION_SETUP_CODE, settings.EMAIL_HOST_PASSWORD)
        for secret in (*own, *settings.FUSION_SECRET_KEYS):
            remember_secret(secret.strip())
        user_logged_in.connect(note_sign_in, dispatch_uid="fusion-sign-in")
        authentication_step_completed.connect(note_confirmation, dispatch_uid="fusion-confirmation")
        authenticator_added.connect(note_set_up, dispatch_uid="fusion-second-step-on")
        authenticator_removed.connect(note_given_up, dispatch_uid="fusion-second-step-off")
        authenticator_reset.connect(note_new_codes, dispatch_uid="fusion-second-step-codes")
        post_delete.connect(tell_whose_session_it_was, sender=Session, dispatch_uid="fusion-session-ended")
        for changed in (password_changed, password_set, password_reset, authenticator_removed):
            changed.connect(tell_whom_it_concerns, dispatch_uid="fusion-rights-changed")


class FusionAdminConfig(AdminConfig):
    """Django's admin with our own site class: one way to sign in, with the limits that it has."""

    default_site = "fusion_site.admin_site.FusionAdminSite"
