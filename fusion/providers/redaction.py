"""Making words fit to show, to store and to log: no keys, no control characters, a sane length.

Keys are found in two ways. By value: what this process holds is remembered here, so that it is found in whatever shape
it comes back. By shape: whatever looks like a key or stands where one stands, whoever it belongs to.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

SHOWN_CHARS = 300
_LOOKED_AT_CHARS = 4000
_WINDOW = 8  # this many characters of a key in a row count as the key
_MARK = "[key]"
_MAX_KNOWN = 2000  # secrets; of more, those that were used last are known

_KEY_SHAPES = re.compile(
    r"""(?ix)
    (?P<lead> (?: (?<![a-z0-9])(?: (?:proxy-)?authorization | (?:x-)?(?:goog-)?api[_-]?key | (?:x-)?auth[_-]?token
                | (?:access|refresh|id|session)[_-]?token | (?:client[_-]?)?secret(?:[_-]?keys?)? | passw(?:or)?d
                | setup[_-]?code | (?:fusion_)?session(?:id|_key)? | (?:fusion_)?csrf(?:token|middlewaretoken)? )
            (?: [\\"']*\s*[:=]\s*(?:b(?=["']))?[\\"']* | ["'],\s*b?["'] ) )
            (?:(?:bearer|basic|token)\s+)?
        | \bbearer\s+
        | [?&](?:key|token|sig|signature)= )
    [^\s"',;&<>\])}\\]+
    | (?P<cookie> \b(?:set-)?cookie (?: [\\"']*\s*:\s*(?:b(?=["']))?[\\"']* | ["'],\s*b?["'] ) ) [^"'\r\n\\]+
    | \b(?:sk|pk|rk|xai|gsk|hf|r8|pplx|nvapi|csk|tgp|fw|fz|ghp|glpat|xoxb)[-_][\w*.\-]{6,}
    | \bAIza[\w\-*]{10,}
    | \bAKIA[0-9A-Z]{8,}
    | \beyJ[\w\-]{8,}(?:\.[\w\-]+){1,2}
    """
)

_known: dict[str, None] = {}


def remember_secret(secret: str) -> None:
    """From now on `secret` is struck out of logs and of what providers say; a short one is not, it would hit words."""
    if len(secret) < _WINDOW:
        return
    for form in {secret, quote(secret, safe="")}:
        _known.pop(form, None)
        _known[form] = None
    while len(_known) > _MAX_KNOWN:
        _known.pop(next(iter(_known)), None)


def without_keys(text: str) -> str:
    """`text` with every known secret and everything shaped like a key, a credential or a cookie replaced by a mark."""
    for secret in tuple(_known):
        if secret in text:
            text = text.replace(secret, _MARK)
    return _KEY_SHAPES.sub(lambda found: (found["lead"] or found["cookie"] or "") + _MARK, text)


def clean_words(text: str, secret: str = "") -> str:
    """`text` on one line, without `secret`, without anything shaped like a key, cut to SHOWN_CHARS characters."""
    text = _printable(text[:_LOOKED_AT_CHARS])
    if secret:
        text = _without_secret(text, secret)
    return shorten(" ".join(without_keys(text).split()))


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
