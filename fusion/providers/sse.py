"""Server-sent events from raw bytes, as they come.

Follows the event stream format of the WHATWG HTML standard, section 9.2, kept to what a completion stream needs: the
payloads of `data:` lines. It works on bytes, so a UTF-8 character may be split anywhere; whoever reads the payload
decodes it whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fusion.errors import ProviderMalformed

MAX_LINE_BYTES = MAX_EVENT_BYTES = 9 << 18  # a whole answer of 2 MB may come in one event
MAX_STRAY_BYTES = 4096

_LINE_COST = 64  # bytes of memory that a line takes beyond its own
_FIELDS = (b"", b"event", b"id", b"retry")  # what stands before the colon of a comment is nothing
_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


class SSEParser:
    """Turns pieces of a byte stream into the payloads of its events.

    Lines end in LF, CRLF or CR; a payload of several `data:` lines is joined by LF; comments and other fields are
    skipped. A line or an event above its limit raises ProviderMalformed, so memory stays flat whatever is sent.
    `stray` is the beginning of the first line that no event stream has: servers write what went wrong in plain words,
    or as JSON, into a stream that they had begun.
    """

    def __init__(self, *, max_line_bytes: int = MAX_LINE_BYTES, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_line = max_line_bytes
        self._max_event = max_event_bytes
        self.stray = b""
        self._rest = bytearray()  # the unfinished last line
        self._data: list[bytes] = []  # data lines of the unfinished event
        self._data_size = 0
        self._after_cr = False  # the last byte was a CR, so a leading LF belongs to it
        self._at_start = True

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The payloads of the events that `piece` completes; those before a fault are given before it is raised."""
        if self._after_cr and piece:
            self._after_cr = False
            if piece[:1] == b"\n":
                piece = piece[1:]
        lines = self._split(piece)
        lines.reverse()
        while lines:  # a line may be large: it is let go of as soon as its value is taken
            if line := lines.pop():
                self._take_line(line)
            elif self._data:
                yield self._take_event()
        if len(self._rest) > self._max_line:
            raise ProviderMalformed("The provider sent a line longer than allowed; its stream was given up.")

    def finish(self) -> list[bytes]:
        """The payload of an event that the end of the stream left without its blank line, if there is one."""
        if self._rest:
            self._take_line(self._take_rest())
        return [self._take_event()] if self._data else []

    def _split(self, piece: bytes) -> list[bytes]:
        """The complete lines in `piece`; the rest is kept for later."""
        if b"\r" in piece:
            lines = _LINE_END.split(piece)
            self._after_cr = piece.endswith(b"\r")
        else:
            lines = piece.split(b"\n")
        rest = lines.pop()
        if lines and self._rest:
            lines[0] = self._take_rest(lines[0])
        self._rest += rest
        return lines

    def _take_rest(self, end: bytes = b"") -> bytes:
        self._rest += end
        line = bytes(self._rest)
        self._rest.clear()
        return line

    def _take_line(self, line: bytes) -> None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if line[:5] == b"data:":
            self._take_data(line[6:] if line[5:6] == b" " else line[5:])
        elif line == b"data":
            self._take_data(b"")
        elif not self.stray and line.partition(b":")[0] not in _FIELDS:
            self.stray = line.strip()[:MAX_STRAY_BYTES]

    def _take_data(self, value: bytes) -> None:
        self._data_size += len(value) + _LINE_COST
        if self._data_size > self._max_event or len(value) > self._max_line:
            raise ProviderMalformed("The provider sent an event larger than allowed; its stream was given up.")
        self._data.append(value)

    def _take_event(self) -> bytes:
        payload = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data.clear()
        self._data_size = 0
        return payload
