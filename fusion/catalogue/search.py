"""Looking for models by what one types: words, and conditions on price, context, family.

`claude <5$ >100k` finds models with “claude” in name, id, family or provider, both of whose prices are below 5 dollars
per million tokens, and whose context is larger than 100,000 tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal

from fusion.catalogue.amounts import PICOS_PER_USD_PER_MTOK
from fusion.catalogue.entries import CatalogueEntry

QUERY_CHARS = 200
_BOUND = re.compile(r"([<>]=?)(\$?)(\d{1,9}(?:\.\d{1,6})?|\.\d{1,6})([$km]?)", re.ASCII | re.IGNORECASE)
_THOUSANDS = {"": 1, "k": 1_000, "m": 1_000_000}

Condition = Callable[[CatalogueEntry], bool]


def search_models(entries: Iterable[CatalogueEntry], query: str) -> list[CatalogueEntry]:
    """Those that fulfil every part of the query, best first: the name begins with what was typed, a word of it does,
    it stands anywhere; otherwise in their order."""
    parts = query[:QUERY_CHARS].lower().split()
    conditions = [condition_of(part) for part in parts]
    found = [entry for entry in entries if all(holds(entry) for holds in conditions)]
    words = " ".join(part for part in parts if _special(part) is None)
    return sorted(found, key=lambda entry: _rank(entry, words)) if words else found


def condition_of(part: str) -> Condition:
    """What one part of a query asks for; what is no condition is a word to look for."""
    special = _special(part)
    return special if special is not None else lambda entry: part in _text(entry)


def is_free(entry: CatalogueEntry) -> bool:
    """Known to cost nothing, which an unknown price is not."""
    return entry.price is not None and entry.price.input_picos == entry.price.output_picos == 0


def sees_images(entry: CatalogueEntry) -> bool:
    return "image" in entry.input_modalities


def _special(part: str) -> Condition | None:
    if part in _FLAGS:
        return _FLAGS[part]
    name, colon, value = part.partition(":")
    if colon and value and name in _NAMED:
        of = _NAMED[name]
        return lambda entry: value in of(entry)
    match = _BOUND.fullmatch(part)
    return None if match is None else _bound(*match.groups())


def _bound(sign: str, dollar: str, number: str, unit: str) -> Condition | None:
    if dollar and unit:
        return None
    if dollar or unit == "$":
        picos = Decimal(number) * PICOS_PER_USD_PER_MTOK
        return lambda entry: (
            entry.price is not None and _holds(max(entry.price.input_picos, entry.price.output_picos), sign, picos)
        )
    tokens = Decimal(number) * _THOUSANDS[unit]
    return lambda entry: entry.context_tokens is not None and _holds(entry.context_tokens, sign, tokens)


def _holds(value: int, sign: str, bound: Decimal) -> bool:
    if sign.endswith("=") and value == bound:
        return True
    return value < bound if sign[0] == "<" else value > bound


def _text(entry: CatalogueEntry) -> str:
    return f"{entry.name} {entry.ref} {entry.family} {entry.provider}".lower()


def _rank(entry: CatalogueEntry, words: str) -> int:
    name, model_id = entry.name.lower(), entry.model_id.lower()
    if name.startswith(words) or model_id.startswith(words) or entry.ref.lower() == words:
        return 0
    return 1 if any(f"{mark}{words}" in f"{name}\n{model_id}" for mark in " /-:") else 2


_FLAGS: dict[str, Condition] = {
    "free": is_free,
    "priced": lambda entry: entry.price is not None and not is_free(entry),
    "unpriced": lambda entry: entry.price is None,
    "images": sees_images,
}
_NAMED: dict[str, Callable[[CatalogueEntry], str]] = {
    "family": lambda entry: entry.family.lower(),
    "provider": lambda entry: f"{entry.provider.lower()} {entry.connection}",
}
