"""The audit log: one line beside every change that somebody may ask about later."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

from fusion.models import AuditEvent, Team, User

NAME_CHARS = 200

# The client's address of the request that is being answered; empty outside of one. Set by the web's middleware.
client_address: ContextVar[str] = ContextVar("client_address", default="")


def record_action(
    action: str,
    *,
    actor: User | None,
    team: Team | None,
    target: str = "",
    target_name: str = "",
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> AuditEvent:
    """Write down what somebody did, in the caller's transaction. `action` is `noun.verb`, `target` `noun:public-id`.

    `before` and `after` hold what changed, as JSON values; the caller leaves secrets out.
    """
    return AuditEvent.objects.create(
        action=action,
        actor=actor,
        team=team,
        target=target,
        target_name=target_name[:NAME_CHARS],
        before=dict(before or {}),
        after=dict(after or {}),
        address=client_address.get() or None,
    )
