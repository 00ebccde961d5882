"""The last line of defence for logs: whatever is shaped like a key leaves no trace, wherever it came from."""

from __future__ import annotations

import logging
import re

_MARK = "[key]"
_KEY_SHAPES = re.compile(
    r"""(?ix)
    (?P<lead> \b(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:(?:bearer|basic|token)\s+)?
        | \bbearer\s+
        | \b(?:x-)?(?:goog-)?api[_-]?key["']?\s*[:=]\s*["']?
        | \b(?:secret|password|setup[_-]?code)["']?\s*[:=]\s*["']?
        | [?&](?:key|api_key|access_token|token)= )
    [^\s"',;&<>\])}]+
    | \b(?:sk|pk|rk|xai|gsk|hf|r8|pplx|nvapi|csk|tgp|fw|fz|ghp|glpat|xoxb)[-_][\w*.\-]{6,}
    | \bAIza[\w\-*]{10,}
    | \bAKIA[0-9A-Z]{8,}
    | \beyJ[\w\-]{8,}(?:\.[\w\-]+){1,2}
    """
)


def without_keys(text: str) -> str:
    """`text` with everything shaped like a key, an Authorization header or a password replaced by a mark."""
    return _KEY_SHAPES.sub(lambda found: (found["lead"] or "") + _MARK, text)


class RedactingFormatter(logging.Formatter):
    """Formats first and redacts the whole result, so that arguments and tracebacks are covered too."""

    def format(self, record: logging.LogRecord) -> str:
        return without_keys(super().format(record))
