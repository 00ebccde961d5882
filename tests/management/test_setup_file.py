"""Reading a set-up file: every mistake is told with its line and its name."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fusion.management.setup.reading import SetupRefused, read_setup
from fusion.management.setup.tables import SeatTable

FILE = """\
[[users]]
email = "owner@example.com"
password_env = "OWNER_PASSWORD"        # or password = "..."
staff = true

[[teams]]
slug = "core"
name = "Core team"
members = [{ email = "owner@example.com", role = "owner" }]

[[pools]]
team = "core"
slug = "review"
members = [
  "lab:vendor/model-a",
  { model = "lab:vendor/model-b", temperature = 0.7, max_tokens = 2000 },
]
judge = "lab:vendor/judge"

[[pools]]
team = "core"
slug = "other"
members = ["lab:a"]
"""


def _refusal(text: str) -> str:
    with pytest.raises(SetupRefused) as caught:
        read_setup(text)
    return caught.value.message


def test_numbers_come_exactly_as_they_were_written() -> None:
    seat = read_setup(FILE).document.pools[0].members[1]
    assert isinstance(seat, SeatTable) and seat.temperature == Decimal("0.7") and seat.max_tokens == 2000


@pytest.mark.parametrize(
    ("typed", "wrong", "line", "told"),
    [
        (
            "staff = true",
            "staf = true",
            4,
            "[[users]] number 1, “staf”: this key is not known here. Did you mean “staff”?",
        ),
        ('role = "owner"', 'rôle = "owner"', 9, "This is not TOML"),
        ('role = "owner" }', 'rank = "owner" }', 9, "“rank”: this key is not known here."),
        ('role = "owner" }', 'role = "boss" }', 9, "“role”"),
        ("max_tokens = 2000", 'max_tokens = "2000"', 16, "“max_tokens”"),
        ("temperature = 0.7", "temprature = 0.7", 16, "Did you mean “temperature”?"),
        ('slug = "other"', 'slug = "Other!"', 22, "[[pools]] number 2, “slug”"),
        ('slug = "other"\n', "", 20, "[[pools]] number 2, “slug”: field required"),
        ("[[pools]]\nteam", "[[pool]]\nteam", 11, "[[pool]]: this key is not known here. Did you mean “pools”?"),
        ('members = ["lab:a"]', "members = 7", 23, "“members”"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_name(typed: str, wrong: str, line: int, told: str) -> None:
    refusal = _refusal(FILE.replace(typed, wrong, 1))
    assert f"line {line}" in refusal and told in refusal


def test_all_mistakes_are_told_at_once() -> None:
    refusal = _refusal(FILE.replace("staff", "staf").replace("max_tokens", "max_tokns"))
    assert "line 4" in refusal and "line 16" in refusal


def test_what_is_not_a_table_at_all_is_refused_with_words() -> None:
    for text in ("[", "pools = 3", "[pools]\nslug = 'x'", "x = 1", "[[pools]]\n" * 3, "[" * 100_000):
        assert _refusal(text)
