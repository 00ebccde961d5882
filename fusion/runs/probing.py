"""Testing one connection: asking it for its models while somebody waits, and writing the list down if it came."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import httpx
from asgiref.sync import async_to_sync

from fusion.catalogue.sources import source_of, with_key
from fusion.catalogue.stored import store_list, store_list_problem
from fusion.errors import FusionError
from fusion.models import Connection as StoredConnection
from fusion.providers import registry
from fusion.providers.catalogue import ModelInfo
from fusion.providers.clients import new_client
from fusion.providers.connection import Connection
from fusion.providers.presets import PRESETS

log = logging.getLogger(__name__)

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Probe:
    """How a test went. `models`: the first of `count`. `problem`: why there is no list, and its `code`."""

    took_ms: int
    count: int = 0
    models: tuple[str, ...] = ()
    problem: str = ""
    code: str = ""


def check_connection(row: StoredConnection) -> Probe:
    """Ask a stored connection for its models, at most for the time that listing has; waits in the caller's thread.

    It is asked on a client of its own: nothing is kept open, and no event loop of the process is held up.
    """
    started = time.monotonic()
    source = source_of(row)
    try:
        if PRESETS[row.preset].needs_key and not row.secret_sealed:
            return Probe(0, problem=f"“{row.label}” has no key. Type one first.", code="no_key")
        connection = with_key(source)
        infos = async_to_sync(_list)(connection, new_client(local=connection.local))
        if not source.is_simulated:
            store_list(source, infos)
    except FusionError as exc:
        return _failed(row, exc.code, exc.message, started)
    except Exception:
        log.exception("The models of a connection could not be listed")
        return _failed(row, "internal_error", f"The list of models of {row.label} could not be read.", started)
    return Probe(_ms(started), len(infos), tuple(info.name or info.model_id for info in infos[:SHOWN]))


async def _list(connection: Connection, client: httpx.AsyncClient) -> tuple[ModelInfo, ...]:
    async with client:
        return await registry.list_models(connection, client=lambda: client)


def _failed(row: StoredConnection, code: str, message: str, started: float) -> Probe:
    store_list_problem(source_of(row), message)
    return Probe(_ms(started), problem=message, code=code)


def _ms(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
