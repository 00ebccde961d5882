"""The last line of defence for logs: no known secret and nothing shaped like one, wherever it came from."""

from __future__ import annotations

import logging
import re

from fusion.providers.redaction import without_keys

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class RedactingFormatter(logging.Formatter):
    """Formats first and redacts the whole result, so that arguments and tracebacks are covered too.

    A terminal that shows the log obeys control characters, and what visitors send may hold some: they are spelled out.
    """

    def format(self, record: logging.LogRecord) -> str:
        return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", without_keys(super().format(record)))
