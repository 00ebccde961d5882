"""What a simulated model says of images: that they arrived, or that it was told of them, and that nobody looked."""

from __future__ import annotations

import re

from fusion.engine.prompts import render
from fusion.engine.types import CompletionRequest, Image

_SEEN = "\n\n*Simulated: {what} reached me with this question ({facts}). No model looked at {them}.*\n"
_TOLD = "\n\n*Simulated: I was told that the question came with {what}, which I cannot see.*\n"


def about_images(request: CompletionRequest) -> str:
    """A line to put below an answer; empty for a question without images."""
    images = [image for message in request.messages for image in message.images]
    if images:
        facts = ", ".join(map(_facts, images))
        return _SEEN.format(what=_count(len(images)), facts=facts, them="it" if len(images) == 1 else "them")
    told = next((found for message in request.messages if (found := _NOTE.search(message.content))), None)
    return _TOLD.format(what=told["images"]) if told else ""


def _count(number: int) -> str:
    return "an image" if number == 1 else f"{number} images"


def _facts(image: Image) -> str:
    kind = image.media_type.removeprefix("image/").upper()
    return f"{kind}, {image.width} × {image.height}" if image.width else kind


def _note_pattern() -> re.Pattern[str]:
    """The engine's own note, as it stands in the system message."""
    mark = "\0"
    before, _, after = render("images_member_unseen", images=mark).strip().partition(mark)
    return re.compile(f"{re.escape(before)}(?P<images>an image|\\d+ images){re.escape(after)}")


_NOTE = _note_pattern()
