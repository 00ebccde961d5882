"""Bringing an installation up to date before it serves: data directory, database, static files. Cheap when all is."""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.executor import MigrationExecutor

_DATABASE_HELP = (
    "Is its directory writable for this account, and is there room on the disk? If the file itself is damaged, put a "
    "backup in its place."
)


def prepare_data_dir() -> None:
    """Make the data directory, for this account alone. Raises CommandError."""
    try:
        settings.DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise CommandError(f"{settings.DATA_DIR} cannot be made ({exc.strerror}): set FUSION_DATA_DIR.") from exc


def migrate_if_needed() -> bool:
    """Apply the migrations that are missing; True when there were any. Raises CommandError with a sentence."""
    try:
        executor = MigrationExecutor(connection)
        _refuse_newer(executor)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            call_command("migrate", interactive=False, verbosity=0)
    except (DatabaseError, InconsistentMigrationHistory) as exc:
        file = settings.DATABASES["default"]["NAME"]
        raise CommandError(f"The database {file} cannot be used: {exc}. {_DATABASE_HELP}") from exc
    return bool(missing)


def _refuse_newer(executor: MigrationExecutor) -> None:
    """Tables of a newer release would be misread, and their rows damaged."""
    unknown = [name for app, name in executor.loader.applied_migrations if app == "fusion"]
    newer = sorted(name for name in unknown if ("fusion", name) not in executor.loader.disk_migrations)
    if newer:
        raise CommandError(
            f"The database was made by a newer release of Fusion (it has {newer[-1]}): update the code, or restore an "
            "older copy of the database."
        )


def collect_static_if_needed() -> bool:
    """Collect, hash and compress static files when any of them changed; True when they did."""
    stamp = settings.DATA_DIR / "static.fingerprint"
    fingerprint = _fingerprint_of_sources()
    manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
    if manifest.exists() and stamp.exists() and stamp.read_text() == fingerprint:
        return False
    try:
        call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text(fingerprint)
    except OSError as exc:
        raise CommandError(
            f"The static files cannot be written to {settings.STATIC_ROOT} ({exc.strerror}): make room, or make the "
            "directory writable for this account, then start again."
        ) from exc
    return True


def _fingerprint_of_sources() -> str:
    """A digest of the path and content of every static file that would be collected, and of how it is stored."""
    digest = hashlib.sha256(repr(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            with storage.open(path) as file:
                digest.update(path.encode() + b"\0" + hashlib.sha256(file.read()).digest())
    return digest.hexdigest()
