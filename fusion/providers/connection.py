"""Who serves models, and with which key."""

from __future__ import annotations

from dataclasses import dataclass, field

from fusion.providers.redaction import remember_secret


@dataclass(frozen=True, slots=True)
class Connection:
    """One address that serves LLMs, with its key; `slug` has no colon, so that `slug:model-id` can be taken apart.

    `preset` names the data in `presets.py`. `key_name` is where a person would look for the key (an environment
    variable), empty when there is no such place. `local`: an administrator's word that this machine or a private
    network is meant; without it only the open internet is reached (`addresses.py`). From its making on, the key is
    struck out of logs and of what providers say (`redaction.py`).
    """

    slug: str
    preset: str
    label: str
    base_url: str
    api_key: str = field(default="", repr=False)
    key_name: str = ""
    local: bool = False

    def __post_init__(self) -> None:
        remember_secret(self.api_key)
