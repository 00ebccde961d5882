"""Two-step sign-in: who has to have it, and how its secrets are kept; codes and pages are django-allauth's."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction

from fusion.models import User
from fusion.models.sealing import seal, unseal
from fusion.teams.audit import record_action
from fusion.teams.doorbell import tell_rights_changed

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


# --- what was done with it ---------------------------------------------------------------------------


def note_set_up(sender: Any, *, user: User, authenticator: Authenticator, **facts: Any) -> None:
    """Receives django-allauth's `authenticator_added`, which comes for the first recovery codes too."""
    if authenticator.type == Authenticator.Type.TOTP:
        _record("on", user)


def note_given_up(sender: Any, *, user: User, authenticator: Authenticator, **facts: Any) -> None:
    """Receives `authenticator_removed`, which comes for the recovery codes that go with the app too."""
    if authenticator.type == Authenticator.Type.TOTP:
        _record("off", user)


def note_new_codes(sender: Any, *, user: User, **facts: Any) -> None:
    """Receives `authenticator_reset`."""
    _record("codes", user)


@transaction.atomic
def take_off(*, person: User, actor: User, codes_alone: bool = False) -> None:
    """Take the second step off somebody's account, or only the recovery codes; they are told by mail."""
    theirs = Authenticator.objects.filter(user=person)
    if codes_alone:
        theirs = theirs.filter(type=Authenticator.Type.RECOVERY_CODES)
    theirs.delete()
    tell_rights_changed(person.pk)
    _record("void-codes" if codes_alone else "take-off", person, actor=actor)
    template = "mfa/email/codes_taken" if codes_alone else "mfa/email/taken_off"
    transaction.on_commit(partial(get_account_adapter().send_notification_mail, template, person))


def _record(verb: str, person: User, actor: User | None = None) -> None:
    record_action(f"second-step.{verb}", actor=actor or person, team=None, target=f"person:{person.pk}")
