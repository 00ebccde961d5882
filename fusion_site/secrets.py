"""The installation's own secrets: made once, kept in one file that only its owner reads."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from dotenv import dotenv_values

MAKERS: Mapping[str, Callable[[], str]] = {
    "FUSION_SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "FUSION_SECRET_KEYS": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "FUSION_SETUP_CODE": lambda: "-".join("".join(secrets.choice(_LEGIBLE) for _ in range(4)) for _ in range(4)),
}
_LEGIBLE = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # 32 signs without look-alikes: 80 bits in a code
_HEADING = "# Made by Fusion. Keep it with your backups and nowhere else: stored keys cannot be read without it.\n"


def stored_secrets(path: Path, *, given: Mapping[str, str]) -> dict[str, str]:
    """The secrets in `path`; those that neither it nor `given` has are made and added. Mode 600. Raises OSError."""
    stored = _read(path)
    missing = [name for name in MAKERS if not stored.get(name) and not given.get(name)]
    if missing:
        _write(path, {**stored, **{name: MAKERS[name]() for name in missing}})
        stored = _read(path)  # another process may have been first: whoever came last is what both read
    return stored


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value}


def _write(path: Path, values: Mapping[str, str]) -> None:
    """Whole or not at all: a half-written file would mean new secrets at the next start."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(_HEADING + "".join(f"{name}={value}\n" for name, value in values.items()))
        file.flush()
        os.fsync(file.fileno())
    _publish(draft, path)


def _publish(draft: Path, path: Path) -> None:
    """A first file is linked, which fails when another process was faster; theirs then counts."""
    if path.exists():
        draft.replace(path)
        return
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        draft.replace(path)
        return
    draft.unlink()
