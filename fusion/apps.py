"""The application, and the one place where other applications' events reach our rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

if TYPE_CHECKING:
    from fusion.models import User


class FusionConfig(AppConfig):
    name = "fusion"
    verbose_name = "Fusion"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from allauth.account.signals import user_logged_in  # needs loaded applications

        user_logged_in.connect(welcome, dispatch_uid="fusion-welcome")


def welcome(sender: Any, *, user: User, **facts: Any) -> None:
    """Whoever signs in finds a team, its pools and an address for messages about the account, also when the account
    came from the command line, a set-up file or the admin."""
    from allauth.account.models import EmailAddress  # needs loaded applications

    from fusion.runs.pools import add_default_pools
    from fusion.teams.services import ensure_personal_team

    add_default_pools(team=ensure_personal_team(user))
    if not EmailAddress.objects.filter(user=user).exists():
        EmailAddress.objects.get_or_create(email=user.email.lower(), defaults={"user": user, "primary": True})
