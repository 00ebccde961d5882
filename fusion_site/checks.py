"""What is wrong with the configuration, as system checks: one sentence each, before any command runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from fusion.errors import InvalidInput
from fusion.providers.registry import connections_from_env
from fusion_site.configuration import EVERY_INTERFACE

SECRET_KEY_MIN_CHARS = 50
SETUP_CODE_MIN_CHARS, SETUP_CODE_MAX_CHARS = 8, 40


@register()
def configuration_is_usable(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every value that could not be used as it was written."""
    return [Error(sentence, id="fusion.E001") for sentence in settings.FUSION_PROBLEMS]


@register()
def secrets_are_usable(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    if len(settings.SECRET_KEY) < SECRET_KEY_MIN_CHARS:
        problems.append(
            Error(f"FUSION_SECRET_KEY has fewer than {SECRET_KEY_MIN_CHARS} characters.", _NEW_SECRET, id="fusion.E002")
        )
    if not all(_is_fernet_key(key.strip()) for key in settings.FUSION_SECRET_KEYS):
        problems.append(
            Error(
                "FUSION_SECRET_KEYS must be Fernet keys, newest first, between commas.", _NEW_SECRET, id="fusion.E003"
            )
        )
    code = "".join(settings.FUSION_SETUP_CODE.split()).replace("-", "")
    if not SETUP_CODE_MIN_CHARS <= len(code) <= SETUP_CODE_MAX_CHARS:
        sentence = f"FUSION_SETUP_CODE must have {SETUP_CODE_MIN_CHARS} to {SETUP_CODE_MAX_CHARS} letters and digits."
        problems.append(Error(sentence, _NEW_SECRET, id="fusion.E005"))
    return problems


@register()
def names_are_known(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """A variable with a slip of the pen in its name would be without effect, and nobody would know."""
    return [
        Warning(f"{name} is not a variable of Fusion and has no effect.", f"Is {meant} meant?", id="fusion.W002")
        for name, meant in settings.FUSION_STRAYS.items()
    ]


@register()
def connections_are_usable(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    try:
        connections_from_env(settings.FUSION_PROVIDER_ENV)
    except InvalidInput as exc:
        return [Error(exc.message, id="fusion.E004")]
    return []


@register()
def address_is_reachable(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Listening everywhere without saying under which name would refuse every visitor from elsewhere."""
    if settings.FUSION_HOST in EVERY_INTERFACE and not settings.FUSION_URL_GIVEN:
        return [
            Warning(
                f"HOST is {settings.FUSION_HOST}, but only {settings.FUSION_URL} will be answered.",
                "Set FUSION_URL to the address that people type, like http://192.168.1.20:8000.",
                id="fusion.W001",
            )
        ]
    return []


_NEW_SECRET = "Remove the variable: a good one is made and kept in secrets.env in the data directory."  # noqa: S105


def _is_fernet_key(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True
