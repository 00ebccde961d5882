"""Making an upstream's words fit to show and to store: no keys, no control characters, a sane length."""

from __future__ import annotations

import re
import unicodedata

SHOWN_CHARS = 300
_LOOKED_AT_CHARS = 4000
_WINDOW = 8  # this many characters of a key in a row count as the key
_MARK = "[key]"

_KEY_SHAPES = re.compile(
    r"""(?ix)
    (?P<lead> \b(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:(?:bearer|basic|token)\s+)?
        | \bbearer\s+
        | \bx-(?:goog-)?api-key["']?\s*[:=]\s*["']?
        | \bapi[_-]?key["']?\s*[:=]\s*["']?
        | [?&](?:key|api_key|access_token|token)= )
    [^\s"',;&<>]+
    | \b(?:sk|pk|rk|xai|gsk|hf|r8|pplx|nvapi|csk|tgp|fw|ghp|glpat|xoxb)[-_][\w*.\-]{6,}
    | \bAIza[\w\-*]{10,}
    | \bAKIA[0-9A-Z]{8,}
    | \beyJ[\w\-]{8,}(?:\.[\w\-]+){1,2}
    """
)


def clean_words(text: str, secret: str = "") -> str:
    """`text` on one line, without `secret`, without anything shaped like a key, cut to SHOWN_CHARS characters."""
    text = _printable(text[:_LOOKED_AT_CHARS])
    if secret:
        text = _without_secret(text, secret)
    text = _KEY_SHAPES.sub(lambda found: (found["lead"] or "") + _MARK, text)
    return shorten(" ".join(text.split()))


def shorten(text: str, limit: int = SHOWN_CHARS) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _printable(text: str) -> str:
    """White space becomes a space; control, format, surrogate and private characters go."""
    return "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )


def _without_secret(text: str, secret: str) -> str:
    """Replaces the secret and every piece of it that is long enough to matter."""
    text = text.replace(secret, _MARK)
    windows = {secret[start : start + _WINDOW] for start in range(len(secret) - _WINDOW + 1)}
    covered: set[int] = set()
    for start in range(len(text) - _WINDOW + 1):
        if text[start : start + _WINDOW] in windows:
            covered.update(range(start, start + _WINDOW))
    kept: list[str] = []
    for index, character in enumerate(text):
        if index not in covered:
            kept.append(character)
        elif index - 1 not in covered:
            kept.append(_MARK)
    return "".join(kept)
