"""Daphne's connections with the bounds that Daphne and Twisted lack: on bodies, on slow heads, on their number."""

from __future__ import annotations

import contextlib
import logging
import resource
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)

CUT_OFF = 4  # times the limit: who sends as much as that will not listen to an answer
FILES_WANTED = 65_536
FILES_RESERVED = 256  # for the database, for asking models, for what is read from disk
TELL_AGAIN_S = 60.0
ROOT_PATH = b"daphne-root-path"
BUSY = b"This server has as many connections open as it takes. Try again in a moment.\n"
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 10\r\n"
    b"Content-Security-Policy: default-src 'none'\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BUSY), BUSY)
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one server: bytes of a body, of one with files at `upload_paths`, the highest file number of a connection."""

    max_bytes: int
    max_upload_bytes: int
    upload_paths: frozenset[str]
    highest_file: int


def raise_file_limit() -> int:
    """Let this process open as many files as it may; returns the highest number a visitor's connection may have.

    Every connection is an open file, numbered from below. Without a bound, who opens enough of them leaves none for the
    database and for the providers, and every run under way fails.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # some systems allow fewer than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    files = FILES_WANTED if soft == resource.RLIM_INFINITY else soft
    return files - min(FILES_RESERVED, files // 2)


# Stands for a class of Daphne's or Twisted's: Daphne makes the process's event loop when it is imported, so not here.
_Beside: Any = object


class BoundedRequest(_Beside):
    """A request that keeps a bounded body.

    Twisted takes a whole body into a file before anyone sees the request, however large it is, and then reads the
    fields of a form a second time, in memory, with a bare 400 for those that it cannot read; both are left to Django.
    What is over the limit is let past instead of kept: who is still sending does not read an answer yet. Such a request
    comes without a body but with its length, by which the pages refuse it.
    """

    limits: Limits

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, parsePOSTFormSubmission=False, **kwargs)
        self._body_bytes = 0
        self._max_bytes = self.limits.max_bytes
        self._is_over = False

    def gotLength(self, length: int | None) -> None:
        kind = self.requestHeaders.getRawHeaders(b"content-type") or [b""]
        if kind[0].lower().startswith(b"multipart/form-data"):
            self._max_bytes = self.limits.max_upload_bytes
        self._is_over = length is not None and length > self._max_bytes
        super().gotLength(0 if self._is_over else length)

    def handleContentChunk(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self._body_bytes > CUT_OFF * self._max_bytes:
            self.channel.loseConnection()
        if self._body_bytes > self._max_bytes:
            self._let_past()
        if not self._is_over:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        address = path.partition(b"?")[0].decode("ascii", "replace")
        if self._body_bytes > self.limits.max_bytes and address not in self.limits.upload_paths:
            self._let_past()
        if self._is_over:
            self.requestHeaders.setRawHeaders(b"content-length", [str(self._body_bytes).encode()])
        # Daphne would let whoever sends this header say where the site begins, in its links and redirects.
        self.requestHeaders.removeHeader(ROOT_PATH)
        super().requestReceived(command, path, version)

    def _let_past(self) -> None:
        if not self._is_over:
            self._is_over = True
            self.content.seek(0)
            self.content.truncate()

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Daphne's own errors, in plain text: its page has inline style and says what serves here."""
        plain = [
            (b"Content-Type", b"text/plain; charset=utf-8"),
            (b"Content-Security-Policy", b"default-src 'none'"),
        ]
        self.handle_reply({"type": "http.response.start", "status": status, "headers": plain})
        said = f"{status} {status_text.decode('ascii')}\n"
        self.handle_reply({"type": "http.response.body", "body": said.encode()})


class BoundedChannel(_Beside):
    """A connection on which a request's head comes within the idle time (a minute), not a byte at a time."""

    limits: Limits
    _part = "none"

    def connectionMade(self) -> None:
        super().connectionMade()
        if self.transport.fileno() > self.limits.highest_file:
            self.factory.note_refused()
            self.transport.write(REFUSAL)
            self.loseConnection()

    def resetTimeout(self) -> None:
        if self._part != "head":
            super().resetTimeout()
        if self._part == "none":
            self._part = "head"

    def allHeadersReceived(self) -> None:
        self._part = "body"
        self.resetTimeout()
        super().allHeadersReceived()

    def allContentReceived(self) -> None:
        self._part = "none"
        super().allContentReceived()


class BoundedFactory(_Beside):
    """Makes such connections with such requests, and tells the log of those that it refuses, once a minute."""

    limits: Limits
    request: Any
    _told_at = -TELL_AGAIN_S

    def note_refused(self) -> None:
        if time.monotonic() - self._told_at >= TELL_AGAIN_S:
            self._told_at = time.monotonic()
            open_files = self.limits.highest_file
            log.warning("Too many connections are open (%d files): new ones are refused for now", open_files)

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = self.request
        return protocol


def bounded_factory(
    max_bytes: int, max_upload_bytes: int, upload_paths: Collection[str], *, highest_file: int = FILES_WANTED
) -> Any:
    """The factory of Daphne's connections, whose requests keep a body of at most `max_bytes`, or `max_upload_bytes` of
    a form with files at one of `upload_paths`. A connection whose file number is above `highest_file` is refused."""
    from daphne.http_protocol import HTTPFactory, WebRequest
    from twisted.web.http import HTTPChannel

    limits = {"limits": Limits(max_bytes, max_upload_bytes, frozenset(upload_paths), highest_file)}
    request = type("Request", (BoundedRequest, WebRequest), limits)
    channel = type("Channel", (BoundedChannel, HTTPChannel), limits)
    return type("Factory", (BoundedFactory, HTTPFactory), {**limits, "request": request, "protocol": channel})
