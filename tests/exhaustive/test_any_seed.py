"""Labels of any seed are short, distinct and no words."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from fusion.engine.labels import ALPHABET, draw_labels
from tests.engine.test_labels import LETTERS
from tests.exhaustive.examples import examples


@examples
@given(st.binary(min_size=1, max_size=32))
def test_labels_are_short_distinct_and_no_words(seed: bytes) -> None:
    labels = list(draw_labels(LETTERS, seed).values())
    assert len(set(labels)) == len(LETTERS)
    for label in labels:
        assert len(label) == 3 and set(label) <= set(ALPHABET) and not set(label) & set("AEIOU")
        assert not label.isdigit() and not label.isalpha()
    assert all(sum(a != b for a, b in zip(one, other, strict=True)) >= 2 for one, other in combinations(labels, 2))
