"""What a browser says of itself, in words: `Firefox 140 on Linux`. It may say anything; only words of ours come out."""

from __future__ import annotations

import re
from typing import Final

UNKNOWN: Final = "Unknown browser"
# In this order, because most also call themselves what they descend from. The version is what is kept of each.
_BROWSERS: Final = (
    ("Edge", r"\bEdg(?:e|A|iOS)?/"),
    ("Opera", r"\b(?:OPR|OPT|OPiOS)/"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Vivaldi", r"\bVivaldi/"),
    ("Yandex Browser", r"\bYaBrowser/"),
    ("Firefox", r"\b(?:Firefox|FxiOS)/"),
    ("Chrome", r"(?:Chrome|CriOS|Chromium)/"),
    ("Safari", r"\bVersion/"),
)
_SYSTEMS: Final = (
    ("iPadOS", r"\biPad\b"),
    ("iOS", r"\b(?:iPhone|iPod)\b"),
    ("Android", r"\bAndroid\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Windows", r"\bWindows\b"),
    ("macOS", r"\b(?:Macintosh|Mac OS X)\b"),
    ("Linux", r"\b(?:Linux|X11)\b"),
)


def browser_in_words(user_agent: str) -> str:
    """Browser with its main version, and system, as far as they are known."""
    browser = _browser_of(user_agent)
    system = next((name for name, sign in _SYSTEMS if re.search(sign, user_agent)), "")
    return f"{browser} on {system}" if system else browser


def _browser_of(user_agent: str) -> str:
    for name, sign in _BROWSERS:
        if found := re.search(sign + r"([0-9]{1,4})(?![0-9])", user_agent):
            return f"{name} {found[1]}"
    return UNKNOWN
