"""Servers in processes of their own: the model server of `tests.upstream`, and Fusion through `manage.py serve`."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 180.0
DATABASE = "db.sqlite3"


def wait_for(condition: Callable[[], object]) -> None:
    """Until it holds, which it does in any case; the patience is for a machine that is busy with something else."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def environment(data_dir: Path, **variables: str) -> dict[str, str]:
    """The environment of a command that knows nothing of this machine's settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "FUSION_ENV_FILE": os.devnull,
        "FUSION_DATA_DIR": str(data_dir),
        "DJANGO_SETTINGS_MODULE": "fusion_site.settings",
        **variables,
    }


def manage(data_dir: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` to its end and give what it printed."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(data_dir, **variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def migrate(data_dir: Path) -> None:
    """Give an installation its tables: migrations run once for all tests of a process, their result is copied."""
    data_dir.mkdir(parents=True, exist_ok=True)
    shutil.copy(_migrated_database(), data_dir / DATABASE)


@cache
def _migrated_database() -> Path:
    made = Path(tempfile.mkdtemp(prefix="fusion-migrated-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    migrated = manage(made, "migrate", "--verbosity", "0")
    assert migrated.returncode == 0, migrated.stderr
    return made / DATABASE


@contextmanager
def upstream_process() -> Iterator[str]:
    """The base URL of a model server that lives as long as the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.upstream"], cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def upstream_stats(url: str) -> dict[str, Any]:
    """What the model server counted so far."""
    return tell_upstream(url, "stats")


def tell_upstream(url: str, deed: str) -> dict[str, Any]:
    """Have the model server hold streams back or let them on, as `tests.upstream` says; gives what it counted."""
    with urllib.request.urlopen(f"{url}/{deed}", timeout=PATIENCE_S) as reply:
        stats: dict[str, Any] = json.load(reply)
    return stats


def free_port() -> int:
    """A port that nobody else is given while this process lives: connections to it are refused until ours listens.

    A port that was free a moment ago may be anybody's by the time a server has started. This one stays bound without
    listening, beside which a server that means just this port may bind it too, as often as it starts.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        if sys.platform == "linux":  # other systems let nobody bind it beside us
            held.detach()
    return port


class Served:
    """`manage.py serve` on a loopback port; it can be killed and started again on the same data."""

    def __init__(self, data_dir: Path, **variables: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = ""
        self.data_dir = data_dir
        self._variables = variables
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Start and wait until pages are served."""
        env = environment(self.data_dir, PORT=str(self.port), PYTHONUNBUFFERED="1", **self._variables)
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        self._wait_until_served()

    def _read_log(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            self.log += line

    def _wait_until_served(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/accounts/login/", timeout=5).close()
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        raise AssertionError(f"The server did not come up:\n{self.log}")

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        assert self._process is not None
        self._process.kill()
        self._ended()

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._ended()

    def _ended(self) -> int:
        assert self._process is not None and self._reader is not None
        status = self._process.wait(timeout=PATIENCE_S)
        self._reader.join(timeout=5)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return status


@contextmanager
def served(data_dir: Path, **variables: str) -> Iterator[Served]:
    """A running Fusion with its own data, stopped at the end of the block."""
    server = Served(data_dir, **variables)
    server.start()
    try:
        yield server
    finally:
        try:
            server.stop()
        except (AssertionError, ProcessLookupError, subprocess.TimeoutExpired):
            server.kill()


# --- people and pools in an installation of its own ------------------------------------------------

SET_UP = """
import json
import time
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from fusion.web.confirming import CONFIRMED_AT
from tests.factories import MemberSpec, make_pool, make_user
user = make_user("alice", is_staff=True, is_superuser=True)
members = tuple(MemberSpec("custom:" + name) for name in {members!r})
rules = dict(judge="custom:{judge}", fallback_judges=(), **{rules!r})
pool = make_pool(user, name="Bench", members=members, **rules)
if slow := tuple(MemberSpec("custom:" + name) for name in {slow!r}):
    make_pool(user, name="Slow", members=slow, **rules)
    quick = tuple(MemberSpec(f"custom:m-{{letter}}-mixed-rate800-tokens700") for letter in "ab")
    make_pool(user, name="Late", members=(*quick, slow[0]), **rules)
    at_once = tuple(MemberSpec(f"custom:{{letter}}-rate2000-tokens420") for letter in "abc")
    make_pool(user, name="Quick", members=at_once, **rules)
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session[CONFIRMED_AT] = time.time()
session.save()
print(json.dumps([session.session_key, str(pool.public_id)]))
"""


def set_up(
    data_dir: Path, upstream: str, *, members: list[str], judge: str, slow: tuple[str, ...] = (), **rules: Any
) -> tuple[str, str]:
    """Make alice with a session, and a pool of the model server's models: session key, pool id.

    `slow`: members of a second pool of that name, for runs that have to be still under way when something is done. Of
    a third pool, `Late`, two members answer at once, with Markdown, and the last is the first of `slow`. All members of
    a fourth, `Quick`, answer at once, for runs that only have to be over.
    """
    migrate(data_dir)
    script = SET_UP.format(members=members, judge=judge, slow=slow, rules={"grace_s": 60, **rules})
    made = manage(data_dir, "shell", "--no-imports", "--command", script, FUSION_PROVIDER_URL=upstream)
    assert made.returncode == 0, made.stderr
    session, pool = json.loads(made.stdout.strip().splitlines()[-1])
    return session, pool
