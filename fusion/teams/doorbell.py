"""Telling open sockets that somebody's rights have changed."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction

from fusion.models import User


def group_of_user(user_pk: int) -> str:
    """The channel layer's group for all sockets of one person; `rights.changed` goes there."""
    return f"user.{user_pk}"


def tell_rights_changed(user_pk: int) -> None:
    """Have every socket of a person look at their rights again, once the change is committed; called outside a loop."""
    layer = get_channel_layer()
    if layer is not None:
        send = async_to_sync(layer.group_send)
        transaction.on_commit(lambda: send(group_of_user(user_pk), {"type": "rights.changed"}))


def tell_whom_it_concerns(sender: Any, *, user: User, **facts: Any) -> None:
    """Receives django-allauth's signals of a new password, which ends every session but one, and of a second step that
    was given up."""
    tell_rights_changed(user.pk)


def tell_whose_session_it_was(sender: Any, *, instance: Session, **facts: Any) -> None:
    """Receives `post_delete` of sessions: whoever had it signed out, was signed out, or goes on with another one."""
    owner = instance.get_decoded().get(SESSION_KEY)
    if owner is not None:
        tell_rights_changed(int(owner))
