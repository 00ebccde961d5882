"""Images that come with a question."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.core.files.storage import Storage, storages
from django.db import models
from django.db.models import Q
from django.utils import timezone

from fusion.models.run import Run

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from fusion.models.user import User


def image_storage() -> Storage:
    """Where the files are: outside of everything that a web server hands out."""
    return storages["images"]


class PromptImageQuerySet(models.QuerySet["PromptImage"]):
    def visible_to(self, user: User | AnonymousUser) -> PromptImageQuerySet:
        """Images of the runs that the person may read; before a question has it, an image is its author's alone."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(Q(run=None, author=user) | Q(run__in=Run.objects.visible_to(user)))


class PromptImage(models.Model):
    """One image, checked and encoded anew by us. `run` is empty until a question has been asked with it.

    `name` is ours, made of random digits: nothing of what a browser called the file is kept. The file stays as long as
    the row; what has no row is swept away.
    """

    class MediaType(models.TextChoices):
        PNG = "image/png", "PNG"
        JPEG = "image/jpeg", "JPEG"
        WEBP = "image/webp", "WebP"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    team = models.ForeignKey("fusion.Team", on_delete=models.CASCADE, related_name="images")
    author = models.ForeignKey("fusion.User", on_delete=models.PROTECT, related_name="images")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, null=True, blank=True, related_name="images")
    position = models.PositiveSmallIntegerField(default=0)
    name = models.CharField(max_length=80, unique=True, editable=False)
    sha256 = models.CharField(max_length=64, editable=False)
    media_type = models.CharField(max_length=20, choices=MediaType.choices, editable=False)
    width = models.PositiveIntegerField(editable=False)
    height = models.PositiveIntegerField(editable=False)
    bytes = models.PositiveIntegerField(editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = PromptImageQuerySet.as_manager()

    class Meta:
        ordering = ("run", "position", "pk")
        indexes = [models.Index(fields=("created_at",), condition=Q(run=None), name="prompt_image_unused")]

    def __str__(self) -> str:
        return f"{self.get_media_type_display()}, {self.width} × {self.height}"
