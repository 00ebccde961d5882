"""The audit log as people read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from fusion.models import AuditEvent, Invitation, Membership

ACTIONS = {
    "team.create": "made the team",
    "team.rename": "renamed the team",
    "team.delete": "deleted the team",
    "member.role": "changed the role of",
    "member.add": "added",
    "member.remove": "removed",
    "member.leave": "left",
    "invitation.create": "invited",
    "invitation.resend": "sent anew the invitation of",
    "invitation.revoke": "withdrew the invitation of",
    "invitation.accept": "accepted the invitation of",
    "run.delete": "deleted a run",
    "run.restore": "brought back a run",
    "run.read": "read a run in the administration",
    "run.erase": "erased a run for good in the administration",
    "connection.create": "added the connection",
    "connection.update": "changed the connection",
    "connection.switch-on": "switched on the connection",
    "connection.switch-off": "switched off the connection",
    "connection.mark-local": "decided about private addresses of the connection",
    "connection.delete": "deleted the connection",
    "secret.forgotten": "forgot what could not be decrypted of",
    "model.add": "added the model",
    "model.edit": "changed the model",
    "model.price": "changed the price of",
    "model.follow": "took the provider's word again about",
    "model.remove": "removed the model",
    "pool.create": "made the pool",
    "pool.change": "changed the pool",
    "pool.delete": "deleted the pool",
    "team.provision": "set up the team",
    "member.provision": "set up the membership of",
    "account.delete": "deleted the account",
    "person.rights": "changed what somebody may do on the site:",
    "second-step.on": "switched on two-step sign-in",
    "second-step.off": "switched off two-step sign-in",
    "second-step.codes": "made new recovery codes",
    "second-step.take-off": "took two-step sign-in off the account of",
    "second-step.void-codes": "voided the recovery codes of",
}
CHARS_MAX = 300


@dataclass(frozen=True, slots=True)
class Change:
    """One fact that changed; None where there was or is none."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line of the log in words."""

    event: AuditEvent
    who: str
    what: str
    target: str
    changes: tuple[Change, ...]


def audit_rows(events: Iterable[AuditEvent]) -> list[AuditRow]:
    """Lines for `events`; two queries for the names of people, who may have changed or given them up since."""
    events = list(events)
    names = _names([event.target for event in events])
    return [_row(event, names) for event in events]


def action_words(action: str) -> str:
    """`connection.test` reads `connection test` until somebody finds better words for it."""
    return ACTIONS.get(action, action.replace(".", " ").replace("_", " "))


def _row(event: AuditEvent, names: Mapping[str, str]) -> AuditRow:
    return AuditRow(
        event=event,
        who=event.actor.get_short_name() if event.actor is not None else "Fusion",
        what=action_words(event.action),
        target=names.get(event.target) or event.target_name,
        changes=tuple(_changes(event.before, event.after)),
    )


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> Iterable[Change]:
    """What differs; of something new, what it has."""
    for name in dict.fromkeys((*before, *after)):
        told = before[name] != after[name] if name in before and name in after else before.get(name) or after.get(name)
        if told:
            yield Change(name.replace("_", " "), _text(before, name), _text(after, name))


def _text(facts: Mapping[str, object], name: str) -> str | None:
    if name not in facts:
        return None
    value = facts[name]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= CHARS_MAX else f"{text[:CHARS_MAX]}…"


def _names(targets: Iterable[str]) -> dict[str, str]:
    """Names of members and invitations, which the log itself does not hold."""
    ids: dict[str, set[UUID]] = {"member": set(), "invitation": set()}
    for target in targets:
        kind, _, public_id = target.partition(":")
        if kind in ids:
            ids[kind].add(UUID(public_id))
    members = Membership.objects.filter(public_id__in=ids["member"]).select_related("user")
    invitations = Invitation.objects.filter(public_id__in=ids["invitation"]).select_related("accepted_by")
    return {
        **{f"member:{one.public_id}": one.user.get_short_name() for one in members},
        **{f"invitation:{one.public_id}": _invited(one) for one in invitations},
    }


def _invited(one: Invitation) -> str:
    if one.email:
        return one.email
    return one.accepted_by.get_short_name() if one.accepted_by is not None else "whoever has the link"
