"""Serving in a process of its own: it starts by itself, says what to do, and ends in order."""

from __future__ import annotations

import http.client
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fusion.management.bodies import FILES_RESERVED, raise_file_limit
from tests.processes import PATIENCE_S, ROOT, free_port, wait_for

SOCKET = "/ws/r/00000000-0000-4000-8000-000000000000"
SOCKET_HEADERS = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


@dataclass
class ServedSite:
    """A running server: `address` once it is ready, and everything it printed."""

    process: subprocess.Popen[str]
    port: int
    lines: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if "Ctrl-C stops the server." in line:
                self.ready.set()
        self.ended.set()
        self.ready.set()

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}

    def written_bytes(self) -> int:
        """What the process has written so far, to files and sockets."""
        told = Path(f"/proc/{self.process.pid}/io").read_text()
        return int(told.partition("wchar: ")[2].split()[0])

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)
        self.ended.wait(PATIENCE_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


Serve = Callable[..., ServedSite]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One installation for the module: the first server makes it, the others find it."""
    return tmp_path_factory.mktemp("served") / "data"


@pytest.fixture
def serve(data_dir: Path) -> Iterator[Serve]:
    """Starts servers and waits until each is ready or has ended."""
    started: list[ServedSite] = []

    def start(*, port: int = 0, data_dir: Path = data_dir, **env: str) -> ServedSite:
        site = launch(data_dir, port or free_port(), env)
        started.append(site)
        assert site.ready.wait(PATIENCE_S), site.text
        return site

    yield start
    for site in started:
        site.end()


@pytest.fixture(scope="module")
def site(data_dir: Path) -> Iterator[ServedSite]:
    """A server that no test stops."""
    running = launch(data_dir, free_port(), {})
    assert running.ready.wait(PATIENCE_S), running.text
    yield running
    running.end()


def launch(data_dir: Path, port: int, env: dict[str, str], *, limit: str = "") -> ServedSite:
    own = {
        "PATH": os.environ["PATH"],
        "FUSION_ENV_FILE": os.devnull,
        "FUSION_DATA_DIR": str(data_dir),
        "PORT": str(port),
    }
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'{limit}exec "$0" manage.py serve', sys.executable],
        cwd=ROOT,
        env={**own, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    launched = ServedSite(process, port)
    threading.Thread(target=launched.read, daemon=True).start()
    return launched


def test_a_first_start_makes_everything_and_says_what_to_do(site: ServedSite, data_dir: Path) -> None:
    assert f"Fusion is ready at http://127.0.0.1:{site.port}" in site.text
    assert "simulated models answer" in site.text
    assert "create the first account" in site.text
    code = re.search(r"setup code: ((?:[0-9A-Z]{4}-){3}[0-9A-Z]{4})", site.text)
    assert code is not None
    assert code[1] in (data_dir / "secrets.env").read_text()
    status, headers = site.get("/accounts/signup/")
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "same-origin"


def test_static_files_are_hashed_compressed_and_kept_for_ever(site: ServedSite, data_dir: Path) -> None:
    name = next(path.name for path in (data_dir / "static" / "css").glob("base.*.css"))
    status, headers = site.get(f"/static/css/{name}", **{"Accept-Encoding": "br"})
    assert status == 200
    assert headers["content-encoding"] == "br"
    assert "immutable" in headers["cache-control"]


def test_another_host_name_is_not_answered(site: ServedSite) -> None:
    assert site.get("/accounts/signup/", Host="evil.example")[0] == 400


MANY = "&".join(f"a{number}=1" for number in range(2000)).encode()
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}
TOO_LARGE = 33 * 1024 * 1024


def in_pieces(size: int) -> Iterator[bytes]:
    yield b"prompt="
    for _ in range(size // 65536):
        yield b"x" * 65536


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        (in_pieces(TOO_LARGE), {**FORM, "Content-Length": str(7 + TOO_LARGE)}, 413, "more than the 32.0 MB that can"),
        (in_pieces(TOO_LARGE), {**FORM, "Transfer-Encoding": "chunked"}, 413, "more than the 32.0 MB that can be sent"),
        (in_pieces(TOO_LARGE), {**MULTIPART, "Transfer-Encoding": "chunked"}, 413, "more than the 32.0 MB that can be"),
        (MANY, FORM, 400, "This request could not be read"),
        (b"--y\r\nnot a form", MULTIPART, 403, "Go back, reload and send it again"),
        (b"--x\r\n", {"Content-Type": "multipart/form-data"}, 400, "This request could not be read"),
    ],
    ids=["declared too large", "too large in chunks", "a form too large", "many fields", "not a form", "no boundary"],
)
def test_a_body_that_cannot_be_taken_is_refused_with_a_page_and_no_traceback(
    site: ServedSite, body: bytes | Iterator[bytes], headers: dict[str, str], status: int, words: str
) -> None:
    own = {"Cookie": f"fusion_csrf={'a' * 32}", "Origin": f"http://127.0.0.1:{site.port}"}
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE_S)
    encoded = "Transfer-Encoding" in headers
    connection.request("POST", "/accounts/login/", body, {**own, **headers}, encode_chunked=encoded)
    answer = connection.getresponse()
    page = answer.read().decode()
    connection.close()
    assert (answer.status, words in page) == (status, True), page
    assert "Traceback" not in site.text


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="this system does not tell what a process wrote")
def test_nothing_is_kept_of_a_body_that_says_it_is_too_large(site: ServedSite) -> None:
    before = site.written_bytes()
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE_S)
    headers = {**FORM, "Content-Length": str(7 + TOO_LARGE)}
    connection.request("POST", "/accounts/login/", in_pieces(TOO_LARGE), headers)
    assert connection.getresponse().status == 413
    connection.close()
    assert site.written_bytes() - before < TOO_LARGE / 10


def test_who_sends_without_end_is_cut_off(site: ServedSite) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE_S)
    endless = in_pieces(10 * TOO_LARGE)
    with pytest.raises(ConnectionError):
        connection.request(
            "POST", "/accounts/login/", endless, {**FORM, "Transfer-Encoding": "chunked"}, encode_chunked=True
        )
    connection.close()
    assert site.get("/accounts/signup/")[0] == 200


def test_a_form_in_parts_still_arrives(site: ServedSite) -> None:
    """Nothing but Django reads forms now; what it can read comes to the page."""
    body = b'--x\r\nContent-Disposition: form-data; name="login"\r\n\r\nnobody@example.com\r\n--x--\r\n'
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE_S)
    own = {"Cookie": f"fusion_csrf={'a' * 32}", "X-CSRFToken": "a" * 32, "Origin": f"http://127.0.0.1:{site.port}"}
    connection.request("POST", "/accounts/login/", body, {**own, **MULTIPART})
    answer = connection.getresponse()
    page = answer.read().decode()
    connection.close()
    assert answer.status == 200 and "nobody@example.com" in page


@pytest.mark.parametrize("codec", ["hex", "idna", "undefined", "raw_unicode_escape", "utf-7"])
def test_a_form_in_an_encoding_of_its_own_is_refused_with_words(site: ServedSite, codec: str) -> None:
    """Any codec of Python's can be named: some are none for text, some give what can be neither stored nor sent."""
    body = b'--x\r\nContent-Disposition: form-data; name="login"\r\n\r\n\\ud800 +2AA-\r\n--x--\r\n'
    kind = {"Content-Type": f"{MULTIPART['Content-Type']}; charset={codec}"}
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE_S)
    connection.request("POST", "/accounts/login/", body, {**kind, "Cookie": f"fusion_csrf={'a' * 32}"})
    answer = connection.getresponse()
    page = answer.read().decode()
    connection.close()
    assert (answer.status, "Forms are read as UTF-8" in page) == (415, True), page
    assert "Traceback" not in site.text


@pytest.mark.parametrize("kind", ["text/plain; charset*=nope''%41", "multipart/form-data; boundary*=\x01''x"])
def test_a_content_type_in_an_encoding_that_there_is_not_is_none(site: ServedSite, kind: str) -> None:
    assert site.get("/accounts/signup/", **{"Content-Type": kind})[0] == 200
    assert "Traceback" not in site.text


@pytest.mark.parametrize("prefix", ["https://evil.example", "//evil.example", "/below", "\xe9"])
def test_a_visitor_does_not_say_where_the_site_begins(site: ServedSite, prefix: str) -> None:
    """Daphne takes a header's word for it: links and redirects would lead to wherever it says."""
    status, headers = site.get("/history", **{"Daphne-Root-Path": prefix})
    assert (status, headers["location"]) == (302, "/accounts/login/?next=/history")
    own = {**SOCKET_HEADERS, "Origin": f"http://127.0.0.1:{site.port}", "Daphne-Root-Path": prefix}
    assert site.get(SOCKET, **own)[0] == 101
    assert "Traceback" not in site.text


def test_a_system_that_allows_fewer_files_than_it_says_is_served_with_what_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """macOS says that there is no limit, and refuses more than its kernel's."""

    def refuse(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (2560, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_file_limit() == 2560 - FILES_RESERVED


FILES = 400


def test_who_opens_many_connections_leaves_files_for_the_database_and_others_a_word(
    data_dir: Path, site: ServedSite
) -> None:
    """Of so few files half are kept back; beyond the others a connection is refused with words and let go."""
    small = launch(data_dir, free_port(), {}, limit=f"ulimit -n {FILES}; ")
    opened: list[socket.socket] = []
    try:
        assert small.ready.wait(PATIENCE_S), small.text
        opened += [socket.create_connection(("127.0.0.1", small.port), PATIENCE_S) for _ in range(FILES)]
        files = f"/proc/{small.process.pid}/fd"
        status, headers = small.get("/accounts/signup/")
        assert (status, headers["content-security-policy"]) == (503, "default-src 'none'")
        assert len(os.listdir(files)) < FILES * 3 / 4
        wait_for(lambda: "Too many connections are open" in small.text)  # which is read beside what happens here
        for one in opened:
            one.close()
        wait_for(lambda: small.get("/accounts/signup/")[0] == 200)
    finally:
        for one in opened:
            one.close()
        small.end()


SLOW_HEAD = """
from fusion.management.bodies import bounded_factory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

class Server:
    def protocol_connected(self, protocol): pass
    protocol_disconnected = protocol_connected

class Transport(StringTransport):
    def fileno(self): return 3

def connected(clock):
    factory = bounded_factory(1000, 1000, ())(Server())
    factory.reactor = clock
    channel, transport = factory.buildProtocol(None), Transport()
    channel.makeConnection(transport)
    return channel, transport

clock = Clock()
channel, transport = connected(clock)
head = b"POST / HTTP/1.1\\r\\nContent-Length: 900\\r\\nX: " + b"a" * 1000
seconds = 0
while not transport.disconnecting and seconds < 1000:
    channel.dataReceived(head[seconds : seconds + 1])
    clock.advance(1)
    seconds += 1
print(seconds)
channel, transport = connected(clock)
channel.dataReceived(b"POST / HTTP/1.1\\r\\nContent-Length: 900\\r\\n\\r\\n")
for _ in range(200):
    channel.dataReceived(b"a")
    clock.advance(30)
print(transport.disconnecting)
"""


def test_a_head_that_comes_a_byte_at_a_time_is_not_waited_for_and_a_slow_body_is() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SLOW_HEAD], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert ran.stdout.split() == ["60", "False"], ran.stderr


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://evil.example", 403),
        ("http://127.0.0.1:1", 403),
        ("null", 403),
        ("", 403),
        ("http://a:99999", 400),
    ],
)
def test_a_socket_from_another_page_is_refused(site: ServedSite, origin: str, status: int) -> None:
    assert site.get(SOCKET, **SOCKET_HEADERS, **({"Origin": origin} if origin else {}))[0] == status


def test_a_socket_from_our_own_page_is_not(site: ServedSite) -> None:
    assert site.get(SOCKET, **SOCKET_HEADERS, Origin=f"http://127.0.0.1:{site.port}")[0] == 101


def test_a_second_start_keeps_its_secrets_and_does_nothing_of_the_first_again(
    serve: Serve, site: ServedSite, data_dir: Path
) -> None:
    first_time_only = ("The database is up to date.", "Static files are collected.")
    assert all(words in site.text for words in first_time_only)
    before = (data_dir / "secrets.env").read_text()
    second = serve()
    assert (data_dir / "secrets.env").read_text() == before
    assert not any(words in second.text for words in first_time_only)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_in_order(serve: Serve, number: int) -> None:
    stopped = serve()
    assert stopped.stop(number) == 0
    assert stopped.ended.wait(PATIENCE_S)
    assert "Stopped. No run was under way." in stopped.text


def test_a_signal_that_comes_twice_at_once_still_ends_the_server_in_order(serve: Serve) -> None:
    """As from a service manager: it signals `make` and the server, and `make` passes its own on."""
    stopped = serve()
    stopped.process.send_signal(signal.SIGTERM)
    time.sleep(0.05)  # so that the two are not merged into one on the way
    assert stopped.stop() == 0
    assert stopped.ended.wait(PATIENCE_S)
    assert "Stopped. No run was under way." in stopped.text


def test_a_taken_port_is_a_sentence(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = serve(port=port)
        assert refused.process.wait(PATIENCE_S) == 1
        assert f"Cannot listen on 127.0.0.1 port {port}" in refused.text
        assert "Is Fusion running already?" in refused.text
        assert "Traceback" not in refused.text


def test_an_address_that_this_machine_does_not_have_is_a_sentence_about_the_address(serve: Serve) -> None:
    refused = serve(HOST="192.0.2.1")
    assert refused.process.wait(PATIENCE_S) == 1
    assert "Set HOST to an address of this machine" in refused.text
    assert "port, like" not in refused.text and "Traceback" not in refused.text


def test_static_files_that_cannot_be_written_are_a_sentence(serve: Serve, data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "static").write_text("a file where the directory belongs")
    shutil.copy(data_dir / "db.sqlite3", tmp_path)
    refused = serve(data_dir=tmp_path)
    assert refused.process.wait(PATIENCE_S) == 1
    assert f"The static files cannot be written to {tmp_path / 'static'}" in refused.text
    assert "Traceback" not in refused.text


def test_a_terminal_that_knows_ascii_alone_sees_the_start_too(serve: Serve) -> None:
    started = serve(PYTHONIOENCODING="ascii")
    assert "Put OPENROUTER_API_KEY=" in started.text
    assert started.stop() == 0


def test_behind_https_cookies_are_secure_and_browsers_are_told_to_stay(serve: Serve) -> None:
    public = serve(FUSION_URL="https://fusion.example.com")
    status, headers = public.get("/accounts/signup/", Host="fusion.example.com")
    assert status == 200
    assert headers["strict-transport-security"].startswith("max-age=31536000")
    assert "Secure" in headers["set-cookie"]


def test_a_database_of_a_newer_release_is_left_alone(
    serve: Serve, site: ServedSite, data_dir: Path, tmp_path: Path
) -> None:
    with sqlite3.connect(data_dir / "db.sqlite3") as current, sqlite3.connect(tmp_path / "db.sqlite3") as copy:
        current.backup(copy)
        copy.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('fusion', '9999_future', '2030-01-01')"
        )
    current.close()
    copy.close()
    refused = serve(data_dir=tmp_path)
    assert refused.process.wait(PATIENCE_S) == 1
    assert "newer release" in refused.text
    assert "Traceback" not in refused.text
