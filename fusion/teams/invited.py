"""The invitation that a visitor without an account came with: its hash, kept in their session until they sign up."""

from __future__ import annotations

from django.http import HttpRequest

from fusion.models import Invitation
from fusion.teams.invitations import find_invitation, inviter_still_may

SESSION_KEY = "invitation"


def keep_invitation(request: HttpRequest, token_hash: str) -> None:
    """Let this visitor make an account with the invitation, as long as it can be accepted."""
    request.session[SESSION_KEY] = token_hash


def kept_invitation(request: HttpRequest) -> Invitation | None:
    """The invitation that the visitor may still sign up with."""
    token_hash = request.session.get(SESSION_KEY, "")
    found = find_invitation(token_hash) if token_hash else None
    return found if found is not None and inviter_still_may(found) else None


def forget_invitation(request: HttpRequest) -> None:
    request.session.pop(SESSION_KEY, None)
