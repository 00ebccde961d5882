"""Telling open sockets that somebody's rights have changed."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction


def group_of_user(user_pk: int) -> str:
    """The channel layer's group for all sockets of one person; `rights.changed` goes there."""
    return f"user.{user_pk}"


def tell_rights_changed(user_pk: int) -> None:
    """Have every socket of a person look at their rights again, once the change is committed; called outside a loop."""
    layer = get_channel_layer()
    if layer is not None:
        send = async_to_sync(layer.group_send)
        transaction.on_commit(lambda: send(group_of_user(user_pk), {"type": "rights.changed"}))
