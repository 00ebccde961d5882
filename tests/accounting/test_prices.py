"""Costs are whole nano-dollars: exact, rounded once, and never zero for want of a price."""

from __future__ import annotations

from fusion.accounting.prices import cost_nanos
from fusion.engine.types import Usage
from fusion.providers.catalogue import Price

# 2.50 and 10.00 dollars per million tokens are 2,500,000 and 10,000,000 pico-dollars per token.
PRICE = Price(input_picos=2_500_000, output_picos=10_000_000, cached_input_picos=1_250_000)


def test_tokens_times_price_is_exact() -> None:
    assert cost_nanos(Usage(1000, 500), PRICE) == 1000 * 2_500 + 500 * 10_000


def test_cached_tokens_cost_their_own_price() -> None:
    assert cost_nanos(Usage(1000, 0, cached_input_tokens=400), PRICE) == 600 * 2_500 + 400 * 1_250


def test_more_cached_tokens_than_input_are_clamped() -> None:
    assert cost_nanos(Usage(10, 0, cached_input_tokens=1_000_000), PRICE) == 10 * 1_250


def test_cached_tokens_without_a_price_of_their_own_cost_the_input_price() -> None:
    assert cost_nanos(Usage(1000, 0, cached_input_tokens=400), Price(2_500_000, 0)) == 1000 * 2_500


def test_ten_tokens_at_two_cents_a_million_are_not_rounded_to_nothing() -> None:
    assert cost_nanos(Usage(10, 0), Price(20_000, 0)) == 200


def test_halves_are_rounded_up_once() -> None:
    assert cost_nanos(Usage(1, 1), Price(250, 250)) == 1
    assert cost_nanos(Usage(1, 0), Price(499, 0)) == 0


def test_what_the_provider_reports_comes_first() -> None:
    assert cost_nanos(Usage(1000, 500, cost_nanos=42), PRICE) == 42


def test_an_unknown_price_is_not_free() -> None:
    assert cost_nanos(Usage(1000, 500), None) is None
    assert cost_nanos(None, PRICE) is None
    assert cost_nanos(Usage(1000, 500), Price(0, 0)) == 0
