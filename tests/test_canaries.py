"""A secret that is nowhere: each of them is a canary, everything that can fail fails, then everything is searched.

Upstreams repeat the key in every way that `tests.leaks` knows, the mail server repeats its password, pages break with
secrets in the exception. What people are sent, what is logged, and every byte of the database must hold none of them.
"""

from __future__ import annotations

import base64
import html
import logging
import re
import smtplib
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from asgiref.sync import sync_to_async
from cryptography.fernet import Fernet
from django.apps import apps
from django.conf import settings as site_settings
from django.db import connection as database
from django.test import Client

from fusion.catalogue import available
from fusion.catalogue.stored import note_change
from fusion.engine import retry
from fusion.live.record import RunRecord
from fusion.management.setup.applying import apply_setup
from fusion.management.setup.exporting import export_setup
from fusion.management.setup.reading import SetupRefused, read_setup
from fusion.models import AuditEvent, Connection, ModelEntry, Run, Team, User
from fusion.models.sealing import last4, seal
from fusion.providers import network
from fusion.runs import listing
from fusion.runs.database import close_database_threads
from fusion.runs.pools import MemberSpec
from fusion.runs.worker import Worker
from fusion.web.views import history
from fusion_site.redacting import RedactingFormatter
from tests import factories
from tests.leaks import LEAKS, Canaries, TellTale, make_canary
from tests.processes import free_port
from tests.runs.conftest import ask
from tests.runs.steering import ended

pytestmark = pytest.mark.django_db(transaction=True)

db = sync_to_async
MEMBERS = 6  # of a pool, beside the two that answer and so bring in the judge
PAGES_MAX = 80
KEPT_BY_DJANGO = {"session cookie"}  # its own table of sessions is keyed by it
# The process does not hold them; they only pass through forms, headers and files.
PEOPLES = {"password", "session cookie", "typed key", "key in a file", "password in a file"}


# --- the canaries, and what listens ------------------------------------------------------------------


class Heard(logging.Handler):
    """Everything that is logged, at any level: as it is written, and our own records before they are redacted."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.written: list[str] = []
        self.raw: list[str] = []
        self.setFormatter(RedactingFormatter("{name}: {message}", style="{"))

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(self.format(record))
        self.raw.append(f"{record.name}: {logging.Formatter().format(record)}")


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler, root = Heard(), logging.getLogger()
    levels = {
        logger: logger.level for logger in (root, *map(logging.getLogger, ("fusion", "django", "django.request")))
    }
    root.addHandler(handler)
    for logger in levels:
        logger.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    for logger, level in levels.items():
        logger.setLevel(level)


@pytest.fixture
def canaries(settings: Any, transactional_db: None) -> Canaries:
    """The installation's own; those of connections and people join them."""
    made = Canaries()
    settings.SECRET_KEY = made.add("SECRET_KEY", make_canary("Zq", chars=60))
    settings.FUSION_SECRET_KEYS = [made.add("sealing key", Fernet.generate_key().decode())]
    settings.FUSION_SETUP_CODE = made.add("setup code")
    settings.EMAIL_HOST_PASSWORD = made.add("SMTP password")
    apps.get_app_config("fusion_site").ready()
    return made


@pytest.fixture
async def telltale(settings: Any, canaries: Canaries) -> Any:
    """The upstream of the environment's connection, of the site's and of the team's."""
    async with TellTale() as server:
        settings.FUSION_PROVIDER_ENV = {
            "FUSION_PROVIDER_URL": server.url(),
            "FUSION_PROVIDER_KEY": canaries.add("environment's key"),
        }
        available.reset()
        yield server
    available.reset()


@pytest.fixture
async def worker(telltale: TellTale) -> Any:
    made = Worker(picks_up=False)
    await made.start()
    yield made
    await made.stop()
    await db(close_database_threads)()


@pytest.fixture
def alice(canaries: Canaries) -> User:
    made = factories.make_user("alice", is_staff=True, is_superuser=True)
    made.set_password(canaries.add("password"))
    made.save()
    return made


def connect(slug: str, url: str, key: str, *, team: Team | None = None, local: bool = True) -> None:
    row = Connection(slug=slug, label=slug, preset="openai-compatible", base_url=url, team=team, local=local)
    row.secret_sealed, row.last4 = seal(key, owner=row.owner), last4(key)
    row.save()
    note_change()


# --- what fails --------------------------------------------------------------------------------------


async def test_no_secret_is_in_a_page_an_export_a_log_or_the_database(
    worker: Worker, telltale: TellTale, canaries: Canaries, alice: User, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "RETRY_WAIT_S", (0.0, 0.0))
    site, own = canaries.add("site's key"), canaries.add("team's key")
    team = await db(factories.team_of)(alice)
    await db(connect)("lab", telltale.url(), site)
    await db(connect)("mine", telltale.url(), own, team=team)
    runs = await fail_at_upstreams(alice, telltale, monkeypatch, site)
    await fail_at_lists(telltale, site)
    browser = await db(signed_in)(alice, canaries)
    sent = {where: body async for where, body in _pages(browser, runs, monkeypatch, canaries)}
    with breaking_mail(monkeypatch) as passwords:
        sent["mail"] = await db(ask_for_mail)()

    assert telltale.heard == {canaries.values["environment's key"], site, own}
    assert telltale.asked >= {*LEAKS} and passwords == {canaries.values["SMTP password"]}
    assert_all_was_carried(heard, canaries)
    leaks = {where: found for where, body in sent.items() if (found := canaries.seek(body))}
    assert leaks == {}
    assert canaries.seek("\n".join(heard.written)) == []
    assert canaries.seek("\n".join(line for line in heard.raw if line.startswith("fusion"))) == []
    stored = await db(database_bytes)()
    assert b"leak-401" in stored and set(canaries.seek(stored)) <= KEPT_BY_DJANGO


async def fail_at_upstreams(alice: User, telltale: TellTale, monkeypatch: pytest.MonkeyPatch, site: str) -> list[Run]:
    """Each way of repeating a key, at each kind of connection; then connections that come to nothing."""
    kinds, runs = [kind for kind in LEAKS if kind not in ("name", "list")], []
    for slug in ("custom", "lab", "mine"):
        for start in range(0, len(kinds), MEMBERS):
            names = ["name", "name+again", *kinds[start : start + MEMBERS]]
            members = [MemberSpec(f"{slug}:leak-{name}") for name in names]
            runs.append(await run_of(alice, members, judge=f"{slug}:leak-401"))
    await db(connect)("refused", f"http://127.0.0.1:{free_port()}/v1", site)
    await db(connect)("no-tls", telltale.url().replace("http:", "https:"), site)
    await db(connect)("nowhere", "https://nowhere.example.com/v1", site, local=False)
    await db(connect)("near", telltale.url(), site, local=False)
    nowhere(monkeypatch)
    broken = [MemberSpec(f"{slug}:m") for slug in ("refused", "no-tls", "nowhere", "near")]
    runs.append(await run_of(alice, [MemberSpec("lab:leak-hang", timeout_s=2), *broken], judge="lab:leak-head"))
    return runs


async def run_of(alice: User, members: list[MemberSpec], judge: str) -> Run:
    pool = await db(factories.make_pool)(alice, members=tuple(members), judge=judge, fallback_judges=())
    run = await db(ask)(alice, pool, key=f"key-{pool.pk}")
    record: RunRecord = await ended(run)
    assert sum(column.failure is not None for column in record.answers.values()) >= len(members) - 2
    return run


def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = network._resolve

    async def failing(host: str, port: int) -> list[tuple[str, socket.AddressFamily]]:
        if host.endswith(".example.com"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return await resolve(host, port)

    monkeypatch.setattr(network, "_resolve", failing)


async def fail_at_lists(telltale: TellTale, site: str) -> None:
    """A list of models that repeats the key in each of the ways is a problem to be shown, or loses its entries."""
    for kind in LEAKS:
        await db(connect)(f"list-{kind}", telltale.url(kind), site)
    await listing.refresh_lists()
    problems = await db(lambda: Connection.objects.filter(slug__startswith="list-").exclude(list_problem="").count())()
    assert problems >= len(LEAKS) - 1
    assert not await db(ModelEntry.objects.filter(connection__slug="list-list").exists)()


# --- what people are sent ------------------------------------------------------------------------------


def signed_in(alice: User, canaries: Canaries) -> Client:
    """Through the form, once with a password that is not quite right."""
    browser = Client(raise_request_exception=False)
    wrong = canaries.values["password"] + "x"
    reply = browser.post("/accounts/login/", {"login": alice.email, "password": wrong})
    assert reply.status_code == 200 and not canaries.seek(reply.content)
    browser.post("/accounts/login/", {"login": alice.email, "password": canaries.values["password"]})
    assert browser.session.session_key
    canaries.add("session cookie", browser.session.session_key)
    return browser


async def _pages(browser: Client, runs: list[Run], monkeypatch: pytest.MonkeyPatch, canaries: Canaries) -> Any:
    for where, body in (await db(crawl)(browser)).items():
        yield where, body
    for run in runs:
        for extension in ("md", "json"):
            where = f"/r/{run.public_id}/export.{extension}"
            yield where, (await db(browser.get)(where)).content
    for where, body in (await db(failing_requests)(browser, canaries)).items():
        yield where, body
    for where, body in (await db(connection_requests)(browser, canaries)).items():
        yield where, body
    for where, text in (await db(set_up)(canaries)).items():
        yield where, text.encode()
    yield "audit", "\n".join(await db(told_in_audit)()).encode()
    yield "broken", await db(broken_page)(browser, monkeypatch, canaries)


def crawl(browser: Client) -> dict[str, bytes]:
    """Every page that links lead to, the administration's too."""
    found: dict[str, bytes] = {}
    waiting = ["/", "/history", "/pools", "/admin/", "/accounts/email/", "/accounts/sessions/"]
    while waiting and len(found) < PAGES_MAX:
        where = waiting.pop(0)
        reply = browser.get(where, follow=True)
        found[where] = b"".join(reply) if reply.streaming else reply.content
        assert reply.status_code < 500, where
        links = map(html.unescape, re.findall(r'href="(/[^"#]*)', found[where].decode("utf-8", "replace")))
        waiting += [
            link for link in dict.fromkeys(links) if link not in found and link not in waiting and _is_page(link)
        ]
    assert len(found) > 40
    return found


def _is_page(link: str) -> bool:
    return not link.startswith("/static/") and not re.search(r"logout|delete|/add/|[?&](o|_)=|language", link)


def failing_requests(browser: Client, canaries: Canaries) -> dict[str, bytes]:
    """Forms that are refused, and pages that do not exist; a stranger's too, who guesses at the setup code."""
    stranger = Client(raise_request_exception=False)
    asked = {
        "404": browser.get("/no/such/page"),
        "another method": browser.post("/history"),
        "another host": browser.get("/", HTTP_HOST="evil.example.com"),
        "no token": Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "a", "password": "b"}),
        "a run": browser.post("/runs", {"prompt": ""}),
        "a pool": browser.post("/pools/new", {"name": "x", "members-0-ref": "lab:leak-401"}),
        "a sign-up": stranger.post("/accounts/signup/", {"email": "x", "password1": "short", "setup_code": "guess"}),
        "an admin's sign-in": stranger.get("/admin/", follow=True),
        "a new password": browser.post(
            "/accounts/password/change/", {"oldpassword": canaries.values["password"], "password1": "x"}
        ),
    }
    return {where: reply.content for where, reply in asked.items()}


def connection_requests(browser: Client, canaries: Canaries) -> dict[str, bytes]:
    """Keys that are typed: refused, taken, tried at upstreams that repeat them, and moved to another host."""
    key, team = canaries.add("typed key"), Team.objects.get(slug="alice-team")
    new, typed = f"/team/{team.public_id}/connections/new", {"preset": "openai-compatible", "key": key}
    lists = list(
        Connection.objects.filter(slug__in=("list-401", "list-headers", "list-head", "near", "nowhere", "no-tls"))
    )
    sent = {
        "a refused address": browser.post(new, {**typed, "base_url": "http://[::1/v1"}),
        "a refused name": browser.post(new, {**typed, "base_url": "https://models.example.com/v1", "slug": "NO!"}),
        "a refused key": browser.post(new, {**typed, "key": f"{key} \u2026", "base_url": "https://a.example.com/v1"}),
        "a new connection": browser.post(
            new, {**typed, "base_url": "https://nowhere.example.com/v1", "slug": "typed"}, follow=True
        ),
    }
    row = Connection.objects.get(slug="typed")
    one = f"/team/{team.public_id}/connections/{row.public_id}"
    sent |= {
        "its form": browser.get(one),
        "its test": browser.post(f"{one}/test"),
        "its move": browser.post(one, {"preset": row.preset, "base_url": "https://b.example.com/v1", "label": "x"}),
    }
    sent |= {f"test of {row.slug}": browser.post(f"/site/connections/{row.public_id}/test") for row in lists}
    assert all(reply.status_code < 500 for reply in sent.values()) and len(lists) > 3
    return {where: reply.content for where, reply in sent.items()}


def set_up(canaries: Canaries) -> dict[str, str]:
    """A set-up file with secrets in it: refused, tried, applied, and written out again."""
    key, password = canaries.add("key in a file"), canaries.add("password in a file")
    good = (
        f'[[users]]\nemail = "filed@example.com"\npassword = "{password}"\n'
        f'[[connections]]\nslug = "filed"\npreset = "openai"\napi_key = "{key}"\n'
    )
    bad = {
        "an unknown key": good + "key = 1\n",
        "a wrong value": good + f'local = "{key}"\n',
        "no TOML": good + f'name = "{key}" "{password}"\n',
        "a table twice": good + f'api_key = "{key}"\n',
        "what cannot be": good + '[[pools]]\nteam = "nobodys"\nslug = "x"\nmembers = ["filed:m"]\n',
        "a bad address": good + 'base_url = "ftp://x"\n',
    }
    told = {f"set-up: {what}": _refusal(text) for what, text in bad.items()}
    told["set-up"] = "\n".join([*apply_setup(read_setup(good), dry_run=True), *apply_setup(read_setup(good))])
    assert Connection.objects.filter(slug="filed").exists()
    return told | {"set-up, written out": export_setup()}


def _refusal(text: str) -> str:
    with pytest.raises(SetupRefused) as refused:
        apply_setup(read_setup(text))
    return refused.value.message


def told_in_audit() -> list[str]:
    assert AuditEvent.objects.filter(action__startswith="connection.").exists()
    return [
        f"{event.action} {event.target} {event.target_name} {event.before} {event.after}"
        for event in AuditEvent.objects.all()
    ]


def broken_page(browser: Client, monkeypatch: pytest.MonkeyPatch, canaries: Canaries) -> bytes:
    """A page that breaks with every secret that the process holds in the exception."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(" ".join(value for what, value in canaries.values.items() if what not in PEOPLES))

    monkeypatch.setattr(history, "search_runs", broken)
    reply = browser.get("/history")
    assert reply.status_code == 500
    return bytes(reply.content)


class Mail(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False  # who was told no keeps the connection


class MailServer(socketserver.StreamRequestHandler):
    """Says no to everybody, and which password was wrong."""

    heard: set[str]

    def handle(self) -> None:
        self.wfile.write(b"220 mail\r\n")
        while line := self.rfile.readline().decode().strip():
            if line.upper().startswith("EHLO"):
                self.wfile.write(b"250-mail\r\n250 AUTH PLAIN\r\n")
            elif line.upper().startswith("AUTH PLAIN"):
                password = base64.b64decode(line.split(" ")[2]).decode().split("\0")[2]
                self.heard.add(password)
                self.wfile.write(f"535 5.7.8 {password} is not the password\r\n".encode())
            else:
                self.wfile.write(b"221 bye\r\n")


class Mailing(smtplib.SMTP):
    """Django leaves a connection open that refused it, and a captured log keeps it alive: ours are closed by us."""

    made: ClassVar[list[smtplib.SMTP]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.made.append(self)
        super().__init__(*args, **kwargs)

    @classmethod
    def close_all(cls) -> None:
        while cls.made:
            cls.made.pop().close()


@contextmanager
def breaking_mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    MailServer.heard = set()
    with Mail(("127.0.0.1", 0), MailServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(site_settings, "EMAIL_BACKEND", "django.core.mail.backends.smtp.EmailBackend")
        monkeypatch.setattr(site_settings, "EMAIL_HOST", "127.0.0.1")
        monkeypatch.setattr(site_settings, "EMAIL_PORT", server.server_address[1])
        monkeypatch.setattr(site_settings, "EMAIL_HOST_USER", "fusion")
        monkeypatch.setattr(site_settings, "EMAIL_USE_TLS", False)
        monkeypatch.setattr(smtplib, "SMTP", Mailing)
        yield MailServer.heard
        Mailing.close_all()
        server.shutdown()


def ask_for_mail() -> bytes:
    browser = Client(raise_request_exception=False)
    return bytes(browser.post("/accounts/password/reset/", {"email": "alice@example.com"}).content)


# --- where to look -------------------------------------------------------------------------------------


def assert_all_was_carried(heard: Heard, canaries: Canaries) -> None:
    """The failures did have the secrets in their hands: without redaction, the log would tell each of them."""
    assert set(canaries.seek("\n".join(heard.raw))) >= set(canaries.values) - PEOPLES


def database_bytes() -> bytes:
    """All that is on the disk: the file, and what has not yet been moved into it."""
    name = str(database.settings_dict["NAME"])
    return b"".join(path.read_bytes() for path in map(Path, (name, f"{name}-wal", f"{name}-journal")) if path.exists())
