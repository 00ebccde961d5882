"""Secrets at rest: sealed with the site's newest key, to the one row that they belong to.

A sealed text is `key id:Fernet token`. Inside the token stands the owner beside the secret, so that a text copied into
another row does not open there. The key's id, the beginning of its digest, tells which key is missing when it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.core import checks
from django.db import models

from fusion.errors import SecretUnreadable

__all__ = [
    "SealedField",
    "SecretUnreadable",
    "is_current",
    "key_ids",
    "last4",
    "rotate",
    "seal",
    "sealed_columns",
    "unseal",
]

if TYPE_CHECKING:
    _Text = models.TextField[str, str]
else:
    _Text = models.TextField

LAST = 4
_SHORTEST_TOLD = 12  # of a shorter secret the last four would tell too much
_SEALED = re.compile(r"([0-9a-f]{8}):([\w-]+={0,2})", re.ASCII)


def seal(secret: str, *, owner: str) -> str:
    """`secret` as a text that only the site's keys open, and only for `owner`; empty stays empty."""
    if not secret:
        return ""
    return _with_id(_box().encrypt(f"{owner}\0{secret}".encode()))


def unseal(sealed: str, *, owner: str) -> str:
    """The secret in `sealed`. Raises SecretUnreadable: its key is missing, it is damaged, or it is somebody else's."""
    if not sealed:
        return ""
    found, _, secret = _open(sealed).partition("\0")
    if found != owner:
        raise SecretUnreadable("A stored secret belongs to something else: enter it anew.")
    return secret


def rotate(sealed: str) -> str:
    """The same secret, sealed with the newest key; unchanged if it is already. Raises SecretUnreadable."""
    if not sealed or is_current(sealed):
        return sealed
    return _with_id(_box().encrypt(_open(sealed).encode()))


def is_current(sealed: str) -> bool:
    """Whether the newest key sealed it."""
    return sealed.startswith(f"{key_ids()[0]}:")


def key_ids() -> list[str]:
    """A public name for each of the site's keys, newest first."""
    return [hashlib.sha256(b"fusion-key-id:" + key.encode()).hexdigest()[:8] for key in _keys()]


def last4(secret: str) -> str:
    """What may be shown of a secret; nothing of a short one."""
    return secret[-LAST:] if len(secret) >= _SHORTEST_TOLD else ""


class SealedField(_Text):
    """A column of sealed texts. It takes nothing else, so that a secret is never stored in the clear by mistake.

    `sealed_to`: the attribute of a row that says what its secret is sealed to. `hint`: the column with what is shown of
    the secret, which goes when the secret goes; empty when there is none.
    """

    def __init__(self, *args: Any, sealed_to: str = "owner", hint: str = "", **kwargs: Any) -> None:
        self.sealed_to = sealed_to
        self.hint = hint
        super().__init__(*args, **{**kwargs, "editable": False})

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["editable"]
        return name, path, args, {**kwargs, "sealed_to": self.sealed_to, "hint": self.hint}

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        if value and not _SEALED.fullmatch(value):
            raise ValueError(f"{self.name} takes sealed texts only")  # without the value: it may be a secret
        return value

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        if hasattr(self.model, self.sealed_to):
            return super().check(**kwargs)
        return [
            checks.Error(f"{self.model.__name__} has no “{self.sealed_to}” to seal to.", obj=self, id="fusion.E005")
        ]

    def unseal_in(self, row: models.Model) -> str:
        """The secret of this row. Raises SecretUnreadable."""
        return unseal(getattr(row, self.attname), owner=getattr(row, self.sealed_to))


def sealed_columns() -> Iterator[tuple[type[models.Model], SealedField]]:
    """Every column of sealed texts in every table."""
    for model in apps.get_models():
        for field in model._meta.local_concrete_fields:
            if isinstance(field, SealedField):
                yield model, field


def _open(sealed: str) -> str:
    parts = _SEALED.fullmatch(sealed)
    if parts is None:
        raise SecretUnreadable("A stored secret is damaged: enter it anew.")
    if parts[1] not in key_ids():
        raise SecretUnreadable(
            f"A stored secret was sealed with the key {parts[1]}, which FUSION_SECRET_KEYS does not have: put that key "
            "back, or enter the secret anew.",
            key_id=parts[1],
        )
    try:
        return _box().decrypt(parts[2]).decode()
    except InvalidToken as exc:
        raise SecretUnreadable("A stored secret is damaged: enter it anew.") from exc


def _with_id(token: bytes) -> str:
    return f"{key_ids()[0]}:{token.decode()}"


def _keys() -> tuple[str, ...]:
    return tuple(key.strip() for key in settings.FUSION_SECRET_KEYS)


def _box() -> MultiFernet:
    return _box_of(_keys())


@lru_cache(maxsize=4)
def _box_of(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
