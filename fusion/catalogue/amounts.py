"""Prices as people write them, dollars per million tokens, and as they are kept, whole pico-dollars per token."""

from __future__ import annotations

import re
from decimal import Decimal

from fusion.errors import InvalidInput

PICOS_PER_USD_PER_MTOK = 1_000_000  # a dollar is 1e12 picos, spread over 1e6 tokens
USD_PER_MTOK_MAX = 1_000_000
_DECIMAL = re.compile(r"\$?\s*(\d{1,12}(?:\.\d{0,40})?|\.\d{1,40})", re.ASCII)


def picos_of(text: str, *, field: str | None = None) -> int:
    """Pico-dollars per token for `text`, a decimal number of dollars per million tokens; exact, never rounded.

    Raises InvalidInput, naming `field`.
    """
    match = _DECIMAL.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(
            "Write the price as a plain decimal number of dollars per million tokens, such as 0.25.", field=field
        )
    picos = Decimal(match[1]) * PICOS_PER_USD_PER_MTOK
    if picos != picos.to_integral_value():
        raise InvalidInput(
            "A price has at most six decimal places, which is one pico-dollar per token: nothing is rounded.",
            field=field,
        )
    if picos > USD_PER_MTOK_MAX * PICOS_PER_USD_PER_MTOK:
        raise InvalidInput(f"A price is at most ${USD_PER_MTOK_MAX:,} per million tokens.", field=field)
    return int(picos)


def usd_per_mtok(picos: int) -> str:
    """Dollars per million tokens, exact, with at least two decimal places: `0.25`, `15.00`, `0.075`."""
    whole, rest = divmod(picos, PICOS_PER_USD_PER_MTOK)
    return f"{whole}.{f'{rest:06d}'.rstrip('0').ljust(2, '0')}"
