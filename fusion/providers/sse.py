"""Server-sent events from raw bytes, as they come.

Follows the event stream format of the WHATWG HTML standard, section 9.2, kept to what a completion stream needs: the
payloads of `data:` lines. It works on bytes, so a UTF-8 character may be split anywhere; whoever reads the payload
decodes it whole.
"""

from __future__ import annotations

import re

from fusion.errors import ProviderMalformed

MAX_LINE_BYTES = 1 << 20
MAX_EVENT_BYTES = 4 << 20

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


class SSEParser:
    """Turns pieces of a byte stream into the payloads of its events.

    Lines end in LF, CRLF or CR; a payload of several `data:` lines is joined by LF; comments and other fields are
    skipped. A line or an event above its limit raises ProviderMalformed, so memory stays flat whatever is sent.
    """

    def __init__(self, *, max_line_bytes: int = MAX_LINE_BYTES, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_line = max_line_bytes
        self._max_event = max_event_bytes
        self._parts: list[bytes] = []  # pieces of the unfinished last line
        self._parts_size = 0
        self._data: list[bytes] = []  # data lines of the unfinished event
        self._data_size = 0
        self._after_cr = False  # the last byte was a CR, so a leading LF belongs to it
        self._at_start = True

    def feed(self, piece: bytes) -> list[bytes]:
        """The payloads of the events that `piece` completes."""
        if self._after_cr and piece:
            self._after_cr = False
            if piece[:1] == b"\n":
                piece = piece[1:]
        lines = self._split(piece)
        payloads: list[bytes] = []
        for line in lines:
            if line:
                self._take_line(line)
            elif self._data:
                payloads.append(self._take_event())
        return payloads

    def finish(self) -> list[bytes]:
        """The payload of an event that the end of the stream left without its blank line, if there is one."""
        if self._parts:
            self._take_line(self._take_parts())
        return [self._take_event()] if self._data else []

    def _split(self, piece: bytes) -> list[bytes]:
        """The complete lines in `piece`; the rest is kept for later."""
        if b"\r" in piece:
            lines = _LINE_END.split(piece)
            self._after_cr = piece.endswith(b"\r")
        else:
            lines = piece.split(b"\n")
        rest = lines.pop()
        if lines and self._parts:
            lines[0] = self._take_parts(lines[0])
        if rest:
            self._keep(rest)
        return lines

    def _keep(self, rest: bytes) -> None:
        self._parts.append(rest)
        self._parts_size += len(rest)
        if self._parts_size > self._max_line:
            raise ProviderMalformed("The provider sent a line longer than allowed; its stream was given up.")

    def _take_parts(self, end: bytes = b"") -> bytes:
        line = b"".join(self._parts) + end
        self._parts.clear()
        self._parts_size = 0
        return line

    def _take_line(self, line: bytes) -> None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if line[:5] != b"data:":
            if line == b"data":
                self._data.append(b"")
            return
        value = line[6:] if line[5:6] == b" " else line[5:]
        self._data_size += len(value) + 1
        if self._data_size > self._max_event or len(line) > self._max_line:
            raise ProviderMalformed("The provider sent an event larger than allowed; its stream was given up.")
        self._data.append(value)

    def _take_event(self) -> bytes:
        payload = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data.clear()
        self._data_size = 0
        return payload
