"""Images that come with a form: taken in one by one, each with a sentence when it could not be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile as DjangoUpload
from django.http import HttpRequest

from fusion.errors import FusionError, InvalidInput, NotAllowed
from fusion.models import PromptImage, Team, User
from fusion.runs.images import find_images, take_image
from fusion.runs.pictures import check_size
from fusion.teams.rights import Action, may
from fusion.teams.selectors import find_current_team, memberships_of

if TYPE_CHECKING:
    UploadedFile = DjangoUpload[bytes]
else:
    UploadedFile = DjangoUpload  # not generic at run time

FILES: Final = "images"  # the field of files
KEPT: Final = "image"  # the field of ids of images that are here already
NAME_CHARS: Final = 60
NOBODY: Final = "Your role in your teams lets you read runs, not start them. Ask a team admin."


@dataclass(frozen=True, slots=True)
class Upload:
    """What became of one file: an image, maybe with words about what was changed; or none, and why."""

    name: str
    image: PromptImage | None = None
    note: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SentImages:
    """The images of a form: those that are here, in order, with what was changed; sentences about the others."""

    uploads: tuple[Upload, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def images(self) -> list[PromptImage]:
        return [upload.image for upload in self.uploads if upload.image is not None]


def sent_images(request: HttpRequest, user: User) -> SentImages:
    """All images of a question's form: those uploaded before, then those whose files come along."""
    found = find_images(user, request.POST.getlist(KEPT))
    kept = [Upload("", image) for image in found if image is not None]
    gone = len(found) - len(kept)
    taken = take_uploads(user, request.FILES.getlist(FILES), room=max(0, settings.FUSION_IMAGES_PER_PROMPT - len(kept)))
    problems = [_sentence(upload) for upload in taken if upload.image is None]
    if gone:
        problems.insert(0, f"{gone} of the images {'is' if gone == 1 else 'are'} not there any more. Add them again.")
    return SentImages((*kept, *(upload for upload in taken if upload.image is not None)), tuple(problems))


def _sentence(upload: Upload) -> str:
    return f"{upload.name}: {upload.problem}" if upload.name else upload.problem


def take_uploads(user: User, files: Sequence[UploadedFile], *, room: int) -> list[Upload]:
    """Take files one after another; what is more than `room` is not looked at, and said once."""
    if not files:
        return []
    try:
        team = uploading_team(user)
    except NotAllowed as exc:
        return [Upload("", problem=exc.message)]
    taken = [_take(user, team, file) for file in files[:room]]
    if len(files) > room:
        taken.append(Upload("", problem=_too_many(len(files) - room)))
    return taken


def _too_many(number: int) -> str:
    limit: int = settings.FUSION_IMAGES_PER_PROMPT
    many = "an image was" if number == 1 else f"{number:,} images were"
    allowed = f"{limit} are allowed" if limit != 1 else "one is allowed"
    return f"{many.capitalize()} left away: {allowed if limit else 'none are allowed'} in a question."


def uploading_team(user: User) -> Team:
    """A team in which the person may ask: the one they work in before others. Raises NotAllowed.

    The image becomes the property of the asked pool's team; until then it is shown to nobody else.
    """
    current = find_current_team(user)
    teams = [*([current] if current is not None else []), *(one.team for one in memberships_of(user))]
    for team in teams:
        if may(user, team, Action.RUN):
            return team
    raise NotAllowed(NOBODY)


def _take(user: User, team: Team, file: UploadedFile) -> Upload:
    name = _shown(file.name or "")
    try:
        check_size(file.size or 0)
        image, note = take_image(author=user, team=team, data=file.read())
    except InvalidInput as exc:
        return Upload(name, problem=exc.message)
    except FusionError as exc:
        return Upload("", problem=exc.message)
    return Upload(name, image, note)


def _shown(name: str) -> str:
    """A stranger's file name as far as it is repeated to who sent it: printable and short. It is kept nowhere."""
    plain = "".join(character if character.isprintable() else "?" for character in name)
    return plain if len(plain) <= NAME_CHARS else f"{plain[: NAME_CHARS - 8]}…{plain[-7:]}"
