"""Connections: who serves LLMs to a team or to the whole site, and with which key."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from fusion.models.sealing import SealedField

if TYPE_CHECKING:
    from fusion.models.team import Team

SLUG = RegexValidator(r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$", "Small letters, digits and hyphens, at most 40.")


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def live(self) -> ConnectionQuerySet:
        return self.filter(deleted_at=None)

    def usable_by(self, team: Team) -> ConnectionQuerySet:
        """The team's own and those of the site that are there for it; switched-off ones too, since they keep their
        slug from meaning another."""
        return (
            self.live()
            .filter(Q(team=team) | Q(team=None) & (Q(for_all_teams=True) | Q(teams=team)))
            .order_by("slug", "pk")
            .distinct()
        )


class Connection(models.Model):
    """One address that serves LLMs, with its key. Without a team it is the site's, for all teams or for chosen ones.

    Refs are `slug:model-id`. A team's own connection hides one of the site's with the same slug. `secret_sealed` is
    the encrypted key (`sealing.py`), `last4` all that is ever shown of it; both are bound to the host of `base_url`.
    `local`: an administrator's word that a private address is meant. `changed_at` moves with address, key and switch.
    `listed_at` and `list_problem` tell of the last time that its models were asked for.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    team = models.ForeignKey("fusion.Team", on_delete=models.CASCADE, null=True, blank=True, related_name="connections")
    slug = models.CharField(max_length=40, validators=[SLUG])
    label = models.CharField("name", max_length=60)
    preset = models.CharField(max_length=40)
    base_url = models.URLField("address", max_length=300, blank=True)
    secret_sealed = SealedField(hint="last4", blank=True)
    last4 = models.CharField(max_length=4, blank=True, editable=False)
    local = models.BooleanField(default=False)
    is_enabled = models.BooleanField(default=True)
    for_all_teams = models.BooleanField(default=True)
    teams = models.ManyToManyField("fusion.Team", blank=True, related_name="site_connections")
    created_by = models.ForeignKey(
        "fusion.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    listed_at = models.DateTimeField(null=True, blank=True, editable=False)
    list_problem = models.TextField(blank=True, editable=False)

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        ordering = ("label", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("team", "slug"), condition=Q(deleted_at=None), name="connection_slug_unique_in_team"
            ),
            models.UniqueConstraint(
                fields=("slug",), condition=Q(deleted_at=None, team=None), name="connection_slug_unique_on_site"
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def owner(self) -> str:
        """What its key is sealed to: this row and its host, so that it opens for no other."""
        return f"connection:{self.public_id}@{self.origin}"

    @property
    def origin(self) -> str:
        """Scheme, host and port of its address, spelled in one way; empty without an address."""
        parts = urlsplit(self.base_url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
        return f"{parts.scheme}://{(parts.hostname or '').rstrip('.')}:{port}" if parts.hostname else ""
