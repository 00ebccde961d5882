"""The last line of defence for logs: no known secret and nothing shaped like one, wherever it came from."""

from __future__ import annotations

import logging

from fusion.providers.redaction import without_keys


class RedactingFormatter(logging.Formatter):
    """Formats first and redacts the whole result, so that arguments and tracebacks are covered too."""

    def format(self, record: logging.LogRecord) -> str:
        return without_keys(super().format(record))
