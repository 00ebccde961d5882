"""Texts from outside as Markdown that cannot pass for the report's own words.

Whole texts stand in fences that are longer than any run of backticks inside them (CommonMark 0.31, 4.5: nothing in a
fence is interpreted, and only a fence at least as long closes it); short phrases are put on one line with every
character that Markdown reads escaped.
"""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&{}!])")
_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n\r"} | {0x7F: 0x2421}


def fenced(text: str) -> str:
    """`text` as a block that no content can end; control characters show as their symbols (␛ for ESC)."""
    runs = re.findall("`+", text)
    fence = "`" * max(3, 1 + max(map(len, runs), default=0))
    body = text.translate(_CONTROLS)
    end = "" if body.endswith("\n") or not body else "\n"
    return f"{fence}text\n{body}{end}{fence}"


def inline(text: str) -> str:
    """`text` as one line of plain words, with nothing left that Markdown or HTML would read."""
    one_line = " ".join(text.split()).translate(_CONTROLS)
    return _SPECIAL.sub(r"\\\1", one_line)


def quoted(quote: str) -> str:
    """A quote to put behind a sentence; nothing for an empty one."""
    return f" “{inline(quote)}”" if quote.strip() else ""
