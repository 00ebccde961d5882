"""Labels, orders and nonces: seeded, unguessable, replayable."""

from __future__ import annotations

from collections import Counter

from fusion.engine.labels import ALPHABET, derive_seed, draw_labels, draw_nonce, shuffle

LETTERS = tuple("ABCDEFGH")
SEED = derive_seed("5eed", "judge-1", 0)


def test_the_same_seed_gives_the_same_labels_order_and_nonce() -> None:
    again = derive_seed("5eed", "judge-1", 0)
    assert draw_labels(LETTERS, SEED) == draw_labels(LETTERS, again)
    assert shuffle(LETTERS, SEED) == shuffle(LETTERS, again)
    assert draw_nonce(SEED) == draw_nonce(again)


def test_labels_and_orders_are_those_that_earlier_releases_drew() -> None:
    """A stored run must replay on every later release: these values may never change."""
    seed = derive_seed("5eed" * 16, "judge-1", 0)
    assert dict(draw_labels("ABC", seed)) == {"A": "X6D", "B": "YK8", "C": "KD6"}
    assert shuffle("ABCDE", seed) == ("B", "E", "A", "C", "D")
    assert draw_nonce(seed) == "56ad5f7335f9182a"


def test_another_stage_attempt_or_run_draws_anew() -> None:
    seeds = [
        SEED,
        derive_seed("5eed", "judge-2", 0),
        derive_seed("5eed", "judge-1", 1),
        derive_seed("feed", "judge-1", 0),
    ]
    assert len({tuple(draw_labels(LETTERS, seed).values()) for seed in seeds}) == len(seeds)
    assert len({draw_nonce(seed) for seed in seeds}) == len(seeds)


def test_a_label_never_occurs_in_what_the_judge_reads() -> None:
    first = draw_labels(("A",), SEED)["A"]
    second = draw_labels(("A",), SEED, forbidden_text=[f"pick {first.lower()} please"])["A"]
    assert second != first
    third = draw_labels(("A",), SEED, forbidden_text=[f"pick {first}", f"x{second}y"])["A"]
    assert third not in (first, second)


def test_text_with_every_triple_gets_longer_labels() -> None:
    everything = "".join(a + b + c for a in ALPHABET for b in ALPHABET for c in ALPHABET)
    labels = draw_labels(LETTERS, SEED, forbidden_text=[everything])
    assert all(len(label) > 3 and label not in everything for label in labels.values())


def test_every_order_is_about_equally_likely() -> None:
    orders = Counter(shuffle("ABC", derive_seed("run", "judge", attempt)) for attempt in range(1200))
    assert len(orders) == 6
    assert all(140 <= count <= 260 for count in orders.values())


def test_a_shuffle_keeps_every_letter() -> None:
    assert sorted(shuffle(LETTERS, SEED)) == sorted(LETTERS)


def test_a_nonce_is_sixteen_hex_digits() -> None:
    nonce = draw_nonce(SEED)
    assert len(nonce) == 16
    int(nonce, 16)
