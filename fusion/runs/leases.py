"""Whose runs are whose: each process that executes runs holds a lease and renews it every few seconds.

A lease names host, process-number space, process and process start, so that a dead process of this host is known at
once, and a living one is never given up, however long its machine slept. Leases from elsewhere count until they expire.
"""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from pathlib import Path

from django.utils import timezone

from fusion.models import WorkerLease

LEASE_S = 20.0


def process_name() -> str:
    """This process, so that its name never comes again: host, space of process numbers, number, start."""
    return f"{_place()}:{os.getpid()}:{_start_of(os.getpid())}"


def _place() -> str:
    """Where process numbers mean the same: containers may share a host's name, but count their own processes."""
    try:
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        space = ""
    return f"{socket.gethostname()[:64]}:{space}"


def _start_of(pid: int) -> str:
    """When a process started, as the kernel counts; empty when it does not run (or the kernel does not say)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return ""


def is_dead(name: str) -> bool:
    """Whether the process of that name certainly ended: it was here and is not any more."""
    pid, started = _process_here(name)
    return pid is not None and bool(started) and _start_of(pid) != started


def is_alive(name: str) -> bool:
    """Whether the process of that name certainly runs: it is here, with the same start."""
    pid, started = _process_here(name)
    return pid is not None and bool(started) and _start_of(pid) == started


def _process_here(name: str) -> tuple[int | None, str]:
    place, _, process = name.rpartition(":")
    place, _, pid = place.rpartition(":")
    return (int(pid), process) if place == _place() and pid.isdigit() else (None, "")


# --- in a database thread ----------------------------------------------------------------------------


def take_lease() -> int:
    """A lease for this process; gives its key."""
    return WorkerLease.objects.create(name=process_name(), expires_at=_expiry()).pk


def keep_lease(lease_pk: int) -> None:
    """Renew a lease, or bring it back if others gave it up meanwhile: runs point at its key."""
    WorkerLease.objects.update_or_create(pk=lease_pk, defaults={"name": process_name(), "expires_at": _expiry()})


def drop_lease(lease_pk: int) -> None:
    WorkerLease.objects.filter(pk=lease_pk).delete()


def leases_gone() -> list[int]:
    """Keys of the leases whose process certainly ended, or was not heard of in time and cannot be looked up."""
    now = timezone.now()
    return [lease.pk for lease in WorkerLease.objects.all() if _is_gone(lease, now)]


def _is_gone(lease: WorkerLease, now: datetime) -> bool:
    return is_dead(lease.name) or (lease.expires_at < now and not is_alive(lease.name))


def _expiry() -> datetime:
    return timezone.now() + timedelta(seconds=LEASE_S)
