"""The models behind connections, and what they cost since when."""

from __future__ import annotations

import secrets
import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone


class ModelEntry(models.Model):
    """One LLM behind one connection: a stored one, or (`env_slug`) one that the environment names.

    `edited`: names of the columns that a person set by hand; refreshing the list leaves those alone. `listed`: the
    provider named it when it was asked last; `vanished_at`: it did so before and does not now.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    connection = models.ForeignKey(
        "fusion.Connection", on_delete=models.CASCADE, null=True, blank=True, related_name="entries"
    )
    env_slug = models.CharField(max_length=40, blank=True, editable=False)
    model_id = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    family = models.CharField(max_length=60, blank=True)
    context_tokens = models.PositiveIntegerField(null=True, blank=True)
    input_modalities = models.JSONField(default=list, blank=True)
    output_modalities = models.JSONField(default=list, blank=True)
    edited = models.JSONField(default=list, blank=True, editable=False)
    listed = models.BooleanField(default=False, editable=False)
    vanished_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("name", "pk")
        verbose_name_plural = "model entries"
        constraints = [
            models.UniqueConstraint(fields=("connection", "env_slug", "model_id"), name="model_entry_once"),
            models.UniqueConstraint(
                fields=("env_slug", "model_id"), condition=Q(connection=None), name="model_entry_once_from_env"
            ),
            models.CheckConstraint(
                condition=Q(connection__isnull=False, env_slug="") | Q(connection=None) & ~Q(env_slug=""),
                name="model_entry_of_one_connection",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PriceVersion(models.Model):
    """What one token of a model costs from `effective_from` on, in whole pico-dollars; never updated, superseded.

    `unknown` is not `free`: one has no prices, the other's are zero.
    """

    class Source(models.TextChoices):
        UPSTREAM = "upstream", "the provider's list"
        MANUAL = "manual", "set by hand"
        PROVISIONED = "provisioned", "a set-up file"

    class Status(models.TextChoices):
        PRICED = "priced", "Priced"
        FREE = "free", "Free"
        UNKNOWN = "unknown", "Unknown"

    entry = models.ForeignKey(ModelEntry, on_delete=models.CASCADE, related_name="prices")
    effective_from = models.DateTimeField(default=timezone.now)
    source = models.CharField(max_length=12, choices=Source.choices)
    status = models.CharField(max_length=8, choices=Status.choices)
    input_picos = models.BigIntegerField(null=True, blank=True)
    output_picos = models.BigIntegerField(null=True, blank=True)
    cached_input_picos = models.BigIntegerField(null=True, blank=True)
    author = models.ForeignKey("fusion.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("entry", "-effective_from", "-pk")
        constraints = [
            models.CheckConstraint(
                condition=(
                    Q(status="unknown", input_picos=None, output_picos=None, cached_input_picos=None)
                    | Q(status="free", input_picos=0, output_picos=0)
                    | Q(status="priced", input_picos__gte=0, output_picos__gte=0)
                )
                & (Q(cached_input_picos=None) | Q(cached_input_picos__gte=0)),
                name="price_version_says_what_it_is",
            )
        ]

    def __str__(self) -> str:
        return f"{self.entry} {self.status} from {self.effective_from:%Y-%m-%d}"


class CatalogueRevision(models.Model):
    """One row that counts every change of connections, models and prices, so that each process knows what it
    remembers to be true."""

    number = models.PositiveBigIntegerField(default=1)

    def __str__(self) -> str:
        return f"revision {self.number}"

    @classmethod
    def move_on(cls) -> None:
        """Tell every process that what it remembers may not be true any more; in the transaction of the change.

        A random number and no counter: one that was rolled back must not be met again.
        """
        cls.objects.update_or_create(pk=1, defaults={"number": secrets.randbits(62)})
