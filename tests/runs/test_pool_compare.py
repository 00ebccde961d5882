"""Two versions beside each other: everything that differs is there, and hostile texts cost nothing."""

from __future__ import annotations

import time

import pytest

from fusion.catalogue.available import models_of
from fusion.models import User
from fusion.runs.pool_compare import compare, word_diff
from fusion.runs.pools import MemberSpec, PoolSpec
from tests.factories import team_of
from tests.shelves import make_connection

pytestmark = pytest.mark.django_db


def _spec(*members: MemberSpec, **rules: object) -> PoolSpec:
    return PoolSpec(name="P", members=members, judge="lab:judge", **rules)  # type: ignore[arg-type]


def test_members_are_told_apart_by_what_happened_to_them(alice: User) -> None:
    make_connection(team_of(alice), models=("a", "b", "c", "d", "judge"))
    a, b, c, d = (MemberSpec(f"lab:{name}") for name in "abcd")
    found = compare(_spec(a, b, c), _spec(a, c, d, MemberSpec("lab:a", max_tokens=9)), models_of(team_of(alice)))
    told = [(pair.name, pair.old_letter, pair.new_letter, pair.how) for pair in found.members]
    assert told == [
        ("a", "A", "A", "same"),
        ("c", "C", "B", "moved"),
        ("d", "", "C", "added"),
        ("a", "", "D", "added"),
        ("b", "B", "", "removed"),
    ]


def test_settings_rules_and_texts_are_compared(alice: User) -> None:
    make_connection(team_of(alice), models=("a", "judge"))
    old = _spec(MemberSpec("lab:a", system_note="Be very brief."), quorum=1, judge_instructions="Mind units.")
    new = _spec(MemberSpec("lab:a", system_note="Be brief.", max_tokens=50), mode="merge", judge_timeout_s=30)
    found = compare(old, new, models_of(team_of(alice)))
    (pair,) = found.members
    assert pair.how == "changed"
    changed = {line.title: (line.old, line.new) for line in [*pair.lines, *found.rules] if line.changed}
    assert changed == {
        "Token limit": ("default", "50"),
        "System note": ("Be very brief.", "Be brief."),
        "Mode": ("Best-of", "Merge"),
        "Quorum": ("1", "two thirds"),
        "Judge's deadline": ("default", "30 s"),
        "Judge instructions": ("Mind units.", ""),
    }
    assert not found.is_empty and compare(old, old, models_of(team_of(alice))).is_empty


def test_a_word_diff_holds_both_texts_whole() -> None:
    old, new = "Be very brief.\nUse  two spaces.", "Be brief.\nUse  two spaces, always."
    parts = word_diff(old, new)
    assert "".join(part.text for part in parts if part.kind != "new") == old
    assert "".join(part.text for part in parts if part.kind != "old") == new
    assert [(part.kind, part.text) for part in parts][:3] == [
        ("same", "Be "),
        ("old", "very "),
        ("same", "brief.\nUse  two "),
    ]


@pytest.mark.parametrize(("old", "new"), [("a " * 2000, "b a " * 1000), ("x" * 4000, "y" * 4000), ("\n \n" * 1300, "")])
def test_texts_made_to_be_slow_are_not(old: str, new: str) -> None:
    begun = time.process_time()
    word_diff(old, new)
    assert time.process_time() - begun < 2
