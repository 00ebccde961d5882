"""What is said about the images of a prompt, to whoever sees them and to whoever does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from fusion.engine.budget import IMAGE_TOKENS, estimate_tokens
from fusion.engine.prompts import render
from fusion.engine.types import Image, Message

Reader = Literal["judge", "debater"]
Messages = tuple[Message, ...]


def counted(images: Sequence[Image]) -> str:
    return "an image" if len(images) == 1 else f"{len(images)} images"


def member_messages(prompt: str, system_note: str, images: tuple[Image, ...]) -> tuple[Messages, Messages | None]:
    """A member's messages, and what it is told instead if it cannot see; None without images.

    Either way the question is the person's own words: what we say about it stands in the system message.
    """
    seen = (*_system(system_note), Message("user", prompt, images))
    if not images:
        return seen, None
    note = render("images_member_unseen", images=counted(images)).strip()
    return seen, (*_system(f"{system_note}\n\n{note}".strip()), Message("user", prompt))


def _system(text: str) -> Messages:
    return (Message("system", text),) if text else ()


def with_images(messages: Messages, images: tuple[Image, ...], reader: Reader) -> tuple[Messages, Messages | None]:
    """The messages with the images at the question, and the same for who cannot see; unchanged and None without any."""
    if not images:
        return messages, None
    seen = _noted(messages, f"images_{reader}", images)
    place = next(number for number, message in enumerate(seen) if message.role == "user")
    shown = replace(seen[place], images=images)
    return (*seen[:place], shown, *seen[place + 1 :]), _noted(messages, f"images_{reader}_unseen", images)


def for_writer(messages: Messages, images: tuple[Image, ...]) -> Messages:
    """A writer sees no images: it only joins what others wrote."""
    return _noted(messages, "images_writer", images) if images else messages


def images_tokens(images: Sequence[Image]) -> int:
    """What images and the note about them take of a context, at most."""
    return len(images) * IMAGE_TOKENS + estimate_tokens(_LONGEST) if images else 0


_LONGEST = " " * 600  # more than any of the notes takes


def _noted(messages: Messages, template: str, images: Sequence[Image]) -> Messages:
    """The note stands before the question, in the same message: some providers take no two of a role in a row."""
    place = next(number for number, message in enumerate(messages) if message.role == "user")
    note = render(template, images=counted(images))
    user = replace(messages[place], content=f"{note}\n{messages[place].content}")
    return (*messages[:place], user, *messages[place + 1 :])
