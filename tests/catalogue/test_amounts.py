"""Prices are decimal text on the outside and whole pico-dollars inside; nothing is rounded on the way."""

from __future__ import annotations

import pytest

from fusion.catalogue.amounts import picos_of, usd_per_mtok
from fusion.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "picos", "shown"),
    [
        ("0.50", 500_000, "0.50"),
        ("1.50", 1_500_000, "1.50"),
        ("15", 15_000_000, "15.00"),
        ("$3", 3_000_000, "3.00"),
        (" 0.075 ", 75_000, "0.075"),
        (".5", 500_000, "0.50"),
        ("0.000001", 1, "0.000001"),
        ("0.1000000000", 100_000, "0.10"),
        ("0", 0, "0.00"),
        ("1000000", 10**12, "1000000.00"),
    ],
)
def test_what_is_typed_is_kept_exactly(text: str, picos: int, shown: str) -> None:
    assert picos_of(text) == picos and usd_per_mtok(picos) == shown


@pytest.mark.parametrize("text", ["0.0000001", "1.0000005"])
def test_a_price_finer_than_a_pico_is_refused_not_rounded(text: str) -> None:
    with pytest.raises(InvalidInput, match="at most six decimal places"):
        picos_of(text, field="input_usd")


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1,5", "1e3", "NaN", "Infinity", "1 000", "0x1", "١", "1.2.3", "--", "$", "1000000.000001", "9" * 99],
)
def test_what_is_no_price_is_refused_with_the_field_named(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        picos_of(text, field="output_usd")
    assert refused.value.field == "output_usd"
