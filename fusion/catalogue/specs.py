"""What a person says about a connection, and what of it can be used."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from django.core.exceptions import ValidationError

from fusion.errors import InvalidInput
from fusion.models.connection import SLUG
from fusion.providers.presets import PRESETS
from fusion.providers.registry import SIMULATED, checked_base_url

LABEL_CHARS = 60
ADDRESS_CHARS = 300
KEY_CHARS = 2000
_KEY = re.compile(r"[\x21-\x7e]*")


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """A connection without its key. Empty slug, label and address mean those of the preset.

    `local`: a private address is meant, which only an administrator may say. `for_all_teams` and `teams` (slugs) are
    for the site's connections.
    """

    preset: str
    slug: str = ""
    label: str = ""
    base_url: str = ""
    local: bool = False
    for_all_teams: bool = True
    teams: tuple[str, ...] = ()


def checked_spec(spec: ConnectionSpec) -> ConnectionSpec:
    """The spec with its blanks filled in. Raises InvalidInput naming the field."""
    if spec.preset not in PRESETS:
        raise InvalidInput(f"Choose one of these providers: {', '.join(PRESETS)}.", field="preset")
    return replace(
        spec,
        slug=_checked_slug(spec.slug.strip() or _default_slug(spec.preset)),
        label=_checked_label(spec.label or PRESETS[spec.preset].label),
        base_url=_checked_address(spec),
        for_all_teams=spec.for_all_teams,
    )


def checked_key(key: str) -> str:
    """The key without the space around it. Raises InvalidInput, which never repeats it."""
    key = key.strip()
    if len(key) > KEY_CHARS:
        raise InvalidInput(f"A key has at most {KEY_CHARS} characters: copy it again.", field="key")
    if not _KEY.fullmatch(key):
        raise InvalidInput(
            "The key holds a character that no key has (a space, or one outside ASCII): copy it again.", field="key"
        )
    return key


def _default_slug(preset: str) -> str:
    return SIMULATED.slug if preset == SIMULATED.preset else preset


def _checked_slug(slug: str) -> str:
    try:
        SLUG(slug)
    except ValidationError as exc:
        raise InvalidInput(
            "A short name has small letters, digits and hyphens, at most 40, and no hyphen at its ends.", field="slug"
        ) from exc
    return slug


def _checked_label(label: str) -> str:
    label = " ".join(label.split())
    if len(label) > LABEL_CHARS:
        raise InvalidInput(f"A connection's name has at most {LABEL_CHARS} characters.", field="label")
    if not label.isprintable():
        raise InvalidInput("The name holds characters that cannot be shown. Type it anew.", field="label")
    return label


def _checked_address(spec: ConnectionSpec) -> str:
    """As the adapter takes it: without the path of a single endpoint, Ollama's with its compatible one."""
    if spec.preset == SIMULATED.preset:
        return ""
    typed = spec.base_url.strip() or PRESETS[spec.preset].base_url
    if not typed:
        raise InvalidInput(
            "Type the address of the model server, like https://models.example.com/v1.", field="base_url"
        )
    if len(typed) > ADDRESS_CHARS:
        raise InvalidInput(f"An address has at most {ADDRESS_CHARS} characters.", field="base_url")
    try:
        address = checked_base_url(typed, name="The address", local=spec.local)
    except InvalidInput as exc:
        raise InvalidInput(exc.message, field="base_url") from exc
    address = address.removesuffix("/chat/completions").removesuffix("/models")
    if spec.preset == "ollama" and not address.endswith("/v1"):
        address = f"{address.removesuffix('/api')}/v1"
    return address
