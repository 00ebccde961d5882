"""Two-step sign-in: who has to have it, and how its secrets are kept; codes and pages are django-allauth's."""

from __future__ import annotations

from typing import Any, Final

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from fusion.models import User
from fusion.models.sealing import seal, unseal

OWNER: Final = "authenticator"
# Where django-allauth keeps a secret in an authenticator's data, by its type.
SECRET_OF: Final = {Authenticator.Type.TOTP: "secret", Authenticator.Type.RECOVERY_CODES: "seed"}


class SecondFactorAdapter(DefaultMFAAdapter):
    """The secrets of authenticators are sealed with the site's keys; a code is asked for in our own words."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "This is not a code that works now. Take the newest one from your app, or a recovery code.",
    }

    def get_totp_issuer(self) -> str:
        return f"Fusion {settings.FUSION_ADDRESS.host}"

    def encrypt(self, text: str) -> str:
        return seal(text, owner=OWNER)

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(encrypted_text, owner=OWNER)


def must_set_up(person: User | AnonymousUser) -> bool:
    """Whether FUSION_SECOND_FACTOR asks it of this person and they have none yet."""
    asked_of = settings.FUSION_SECOND_FACTOR
    if asked_of == "optional" or not isinstance(person, User):
        return False
    if asked_of == "administrators" and not person.is_staff:
        return False
    return not Authenticator.objects.filter(user=person, type=Authenticator.Type.TOTP).exists()


def sealed_secret(row: Any) -> str:
    """The sealed text in an authenticator's data; empty when it holds none."""
    return str(row.data.get(SECRET_OF.get(row.type, ""), ""))
