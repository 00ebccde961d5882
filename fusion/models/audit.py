"""The audit log: who did what to what, for ever."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models
from django.utils import timezone


class AuditIsAppendOnly(TypeError):
    """Somebody tried to change or delete what was written down."""


class AuditQuerySet(models.QuerySet["AuditEvent"]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise AuditIsAppendOnly("The audit log is only added to.")

    def delete(self) -> NoReturn:
        raise AuditIsAppendOnly("The audit log is only added to.")


class AuditEvent(models.Model):
    """One thing that somebody did. Written beside the change, in its transaction; secrets never come in.

    `team` None: it concerns the site. `action` is `noun.verb`. `actor` None: the installation itself (a command, the
    environment). `before` and `after`: the facts that changed, as {name: value}. `address`: the client's.
    """

    team = models.ForeignKey("fusion.Team", on_delete=models.PROTECT, null=True, blank=True, related_name="audit")
    actor = models.ForeignKey("fusion.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=60, blank=True)
    target_name = models.CharField(max_length=200, blank=True)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    at = models.DateTimeField(default=timezone.now, editable=False)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ("-at", "-pk")
        indexes = [models.Index(fields=("team", "-at"), name="audit_team_recent")]

    def __str__(self) -> str:
        return f"{self.action} {self.target_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise AuditIsAppendOnly("The audit log is only added to.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditIsAppendOnly("The audit log is only added to.")
