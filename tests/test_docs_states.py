"""The table of states tells the truth: every problem is in it in its own words, every test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

from fusion.providers.simulated import PROBLEMS

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "states.md").read_text()
WHO = {
    frozenset({"member", "judge", "writer"}): "all",
    frozenset({"member"}): "members",
    frozenset({"judge"}): "judges",
}


def test_every_problem_is_listed_with_what_it_does_and_who_can_have_it() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| (\w+) \|$", TEXT, re.M)
    assert listed == [(problem.key, problem.words, WHO[problem.parts]) for problem in PROBLEMS]


def test_every_problem_that_a_state_names_exists() -> None:
    states = TEXT.partition("## The states")[2]
    ways = [row.split(" | ")[1] for row in states.splitlines() if row.startswith("| ")][1:]
    named = {name for way in ways for name in re.findall(r"`([a-z]+(?:-[a-z]+)*)`", way)}
    assert named <= {problem.key for problem in PROBLEMS} and len(named) > 12


def test_every_test_that_is_named_exists() -> None:
    paths = list((ROOT / "tests").rglob("test_*.py"))
    names, sources = {path.name for path in paths}, [path.read_text() for path in paths]
    for name in re.findall(r"`(test_\w+\.py)`", TEXT):
        assert name in names, name
    for name in re.findall(r"`(test_\w+)`", TEXT):
        assert any(f"def {name}(" in source for source in sources), name
