"""Messages to people who are invited."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import timezone

from fusion.models import Invitation

log = logging.getLogger(__name__)


def mail_invitation(invitation: Invitation, link: str) -> bool:
    """Send the link to the address that the invitation is for; False where there is none, or no mail can be sent."""
    if not invitation.email or not settings.EMAIL_HOST:
        return False
    context = {"invitation": invitation, "link": link}
    body = render_to_string("emails/invitation.txt", context)
    subject = " ".join(f"[Fusion] You are invited to {invitation.team.name}".split())
    try:
        EmailMessage(subject, body, to=[invitation.email]).send()
    except (SMTPException, OSError) as exc:
        log.warning("An invitation could not be mailed: %s", type(exc).__name__)
        return False
    Invitation.objects.filter(pk=invitation.pk).update(mailed_at=timezone.now())
    return True
