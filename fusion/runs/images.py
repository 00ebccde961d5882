"""Images of questions: taken in, given to a run, read for the engine, swept away when nothing needs them."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final, cast
from uuid import UUID

from django.conf import settings
from django.core.files.base import ContentFile
from django.utils import timezone

from fusion.engine.types import Image
from fusion.errors import InvalidInput
from fusion.models import PromptImage, Run, Team, User
from fusion.models.attachment import image_storage
from fusion.runs.pictures import Picture, checked_picture
from fusion.teams.rights import require_runner

log = logging.getLogger(__name__)

UNUSED_KEPT: Final = timedelta(days=1)
STRAY_KEPT: Final = timedelta(hours=1)  # a file is written before its row
UNUSED_MAX: Final = 200  # of one person
SUFFIXES: Final = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


def take_image(*, author: User, team: Team, data: bytes) -> tuple[PromptImage, str]:
    """Check an image, store it for its author, and say in words what became of it; empty when it is as it was sent.

    Blocks while it decodes. Raises InvalidInput, with nothing stored, and NotAllowed.
    """
    require_runner(author, team)
    if PromptImage.objects.filter(run=None, author=author).count() >= UNUSED_MAX:
        raise InvalidInput(
            f"{UNUSED_MAX} images of yours wait for a question. Ask with them, or wait: they go after a day.",
            code="too_many_unused_images",
            field="images",
        )
    picture = checked_picture(data)
    row = PromptImage(author=author, team=team, **_facts(picture))
    row.name = _stored(picture.data, picture.media_type)
    row.save(force_insert=True)
    return row, _said(picture)


def _facts(picture: Picture) -> dict[str, object]:
    return {
        "sha256": hashlib.sha256(picture.data).hexdigest(),
        "media_type": picture.media_type,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(picture.data),
    }


def _said(picture: Picture) -> str:
    said = []
    if picture.scaled_from is not None:
        width, height = picture.scaled_from
        said.append(f"scaled down from {width} × {height}")
    if picture.was_animated:
        said.append("its first frame alone")
    return ", ".join(said)


def _stored(data: bytes, media_type: str) -> str:
    """The name of a new file; a full disk is said, not a traceback."""
    token = secrets.token_hex(16)
    try:
        return image_storage().save(f"{token[:2]}/{token}.{SUFFIXES[media_type]}", ContentFile(data))
    except OSError as exc:
        log.exception("An image could not be stored")
        raise InvalidInput(
            "The image could not be stored: the server's disk is full or cannot be written. Tell whoever runs it.",
            code="image_not_stored",
            field="images",
        ) from exc


# --- of a question -------------------------------------------------------------------------------------


def check_number(number: int) -> None:
    """Raises InvalidInput for more images than one question may have."""
    limit: int = settings.FUSION_IMAGES_PER_PROMPT
    if number > limit:
        many = f"{limit} are allowed" if limit != 1 else "one is allowed"
        raise InvalidInput(
            f"The question has {number} images; {many if limit else 'none are allowed here'}. Remove {number - limit}.",
            code="too_many_images",
            field="images",
        )


def find_images(user: User, public_ids: Iterable[str | UUID]) -> list[PromptImage | None]:
    """The images of these ids, in their order, None for each that the person cannot use (any more)."""
    wanted = [_uuid(public_id) for public_id in public_ids]
    usable = PromptImage.objects.visible_to(user).filter(public_id__in=[one for one in wanted if one is not None])
    found = {row.public_id: row for row in usable}
    return [None if one is None else found.get(one) for one in dict.fromkeys(wanted)]


def _uuid(public_id: str | UUID) -> UUID | None:
    try:
        return UUID(str(public_id))
    except ValueError:
        return None


def give_images(*, run: Run, images: Sequence[PromptImage]) -> None:
    """Make images the run's own, in this order; one that a run has already is copied. In the run's own transaction."""
    for position, image in enumerate(images):
        mine = PromptImage.objects.filter(pk=image.pk, run=None)
        if not mine.update(run=run, team=run.team, position=position):
            _copy(image, run, position)


def _copy(image: PromptImage, run: Run, position: int) -> None:
    data = image_bytes(image)
    PromptImage.objects.create(
        author=run.author,
        team=run.team,
        run=run,
        position=position,
        name=_stored(data, image.media_type),
        **{name: getattr(image, name) for name in ("sha256", "media_type", "width", "height", "bytes")},
    )


def image_bytes(image: PromptImage) -> bytes:
    """Raises InvalidInput when the file is gone, as after a backup of the database alone."""
    try:
        with image_storage().open(image.name) as file:
            return cast(bytes, file.read())
    except OSError as exc:
        raise InvalidInput(
            "An image of this question is not in the server's storage any more. Add it again in a new question.",
            code="image_gone",
            field="images",
        ) from exc


def images_of(run: Run) -> tuple[Image, ...]:
    """A run's images as the engine's values. Raises InvalidInput when a file is gone."""
    return tuple(
        Image(row.media_type, image_bytes(row), row.width, row.height)  # type: ignore[arg-type]  # one of ours
        for row in run.images.all()
    )


# --- sweeping ------------------------------------------------------------------------------------------


def sweep_images() -> int:
    """Remove uploads that no question used for a day, and files that have no row (any more); returns how many files.

    A run that is deleted for good takes its rows along; their files go here.
    """
    unused = PromptImage.objects.filter(run=None, created_at__lt=timezone.now() - UNUSED_KEPT)
    for pk in list(unused.values_list("pk", flat=True)):
        PromptImage.objects.filter(pk=pk, run=None).delete()  # unless it was used in this very moment
    storage, limit, swept = image_storage(), timezone.now() - STRAY_KEPT, 0
    kept = set(PromptImage.objects.values_list("name", flat=True))
    for name in _stored_names():
        if name not in kept and storage.get_modified_time(name) < limit:
            storage.delete(name)
            swept += 1
    return swept


def _stored_names() -> Iterator[str]:
    storage = image_storage()
    if not storage.exists(""):
        return
    for folder in storage.listdir("")[0]:
        for name in storage.listdir(folder)[1]:
            yield f"{folder}/{name}"
