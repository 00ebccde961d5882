"""Invitations as their page shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils import timezone

from fusion.models import Invitation
from fusion.teams.invitations import inviter_still_may


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """One invitation and what became of it. `tone` colours the word; `is_unused` ones can be sent anew."""

    invitation: Invitation
    whom: str
    word: str
    tone: str
    is_unused: bool


def invitation_rows(invitations: Iterable[Invitation]) -> list[InvitationRow]:
    """Rows in the given order; those that are still open are asked for their inviter's right."""
    return [_row(one) for one in invitations]


def _row(one: Invitation) -> InvitationRow:
    word, tone = _state(one)
    is_unused = one.accepted_at is None and one.revoked_at is None
    return InvitationRow(one, one.email or "Whoever has the link", word, tone, is_unused)


def _state(one: Invitation) -> tuple[str, str]:
    if one.accepted_at is not None:
        return "Accepted", "ok"
    if one.revoked_at is not None:
        return "Withdrawn", ""
    if one.expires_at <= timezone.now():
        return "Too old", "warn"
    if not inviter_still_may(one):
        return "Does not work: whoever invited may not any more", "warn"
    return "Open", "info"
