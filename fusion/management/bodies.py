"""Daphne's requests with a bound on their bodies, which Daphne and Twisted lack."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

CUT_OFF = 4  # times the limit: who sends as much as that will not listen to an answer


def bounded_factory(max_bytes: int, max_upload_bytes: int, upload_paths: Collection[str]) -> Any:
    """The factory of Daphne's connections, whose requests keep a body of at most `max_bytes`, or `max_upload_bytes` of
    a form with files at one of `upload_paths`.

    Twisted takes a whole body into a file before anyone sees the request, however large it is, and then reads the
    fields of a form a second time, in memory, with a bare 400 for those that it cannot read; both are left to Django.
    What is over the limit is let past instead of kept: who is still sending does not read an answer yet. Such a request
    comes without a body but with its length, by which the pages refuse it.
    """
    # Here, because Daphne makes the process's event loop when it is imported.
    from daphne.http_protocol import HTTPFactory, WebRequest

    class BoundedRequest(WebRequest):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, parsePOSTFormSubmission=False, **kwargs)
            self._body_bytes = 0
            self._max_bytes = max_bytes
            self._is_over = False

        def gotLength(self, length: int | None) -> None:
            kind = self.requestHeaders.getRawHeaders(b"content-type") or [b""]
            if kind[0].lower().startswith(b"multipart/form-data"):
                self._max_bytes = max_upload_bytes
            self._is_over = length is not None and length > self._max_bytes
            super().gotLength(0 if self._is_over else length)

        def handleContentChunk(self, data: bytes) -> None:
            self._body_bytes += len(data)
            if self._body_bytes > CUT_OFF * self._max_bytes:
                self.channel.loseConnection()
            if self._body_bytes > self._max_bytes and not self._is_over:
                self._is_over = True
                self.content.seek(0)
                self.content.truncate()
            if not self._is_over:
                super().handleContentChunk(data)

        def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
            address = path.partition(b"?")[0].decode("ascii", "replace")
            if self._body_bytes > max_bytes and address not in upload_paths and not self._is_over:
                self._is_over = True
                self.content.seek(0)
                self.content.truncate()
            if self._is_over:
                self.requestHeaders.setRawHeaders(b"content-length", [str(self._body_bytes).encode()])
            super().requestReceived(command, path, version)

    class BoundedFactory(HTTPFactory):
        def buildProtocol(self, addr: Any) -> Any:
            protocol = super().buildProtocol(addr)
            protocol.requestFactory = BoundedRequest
            return protocol

    return BoundedFactory
