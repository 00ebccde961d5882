"""What a call costs, in whole numbers: tokens times pico-dollars, rounded once to nano-dollars."""

from __future__ import annotations

from typing import Protocol

from fusion.engine.types import Usage

PICOS_PER_NANO = 1000


class TokenPrice(Protocol):
    """Whole pico-dollars per token; `cached_input_picos` None means that no cheaper price is known."""

    @property
    def input_picos(self) -> int: ...
    @property
    def output_picos(self) -> int: ...
    @property
    def cached_input_picos(self) -> int | None: ...


def cost_nanos(usage: Usage | None, price: TokenPrice | None) -> int | None:
    """Whole nano-dollars for `usage`, or None where neither the provider nor a price list says.

    What the provider reports it charged comes first. Cached input tokens cost the input price when no other is known.
    """
    if usage is None:
        return None
    if usage.cost_nanos is not None:
        return usage.cost_nanos
    if price is None:
        return None
    cached_price = price.input_picos if price.cached_input_picos is None else price.cached_input_picos
    cached = min(usage.cached_input_tokens, usage.input_tokens)
    picos = (
        (usage.input_tokens - cached) * price.input_picos
        + cached * cached_price
        + usage.output_tokens * price.output_picos
    )
    return (picos + PICOS_PER_NANO // 2) // PICOS_PER_NANO
