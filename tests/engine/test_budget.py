"""Fitting answers into a judge's context."""

from __future__ import annotations

from fusion.engine.budget import (
    answer_budget,
    assumed_context,
    cut_middle,
    drop_repeats,
    estimate_tokens,
    fit,
    water_level,
)

LONG = "".join(f"Line {number}.\n" for number in range(1_000))


def total(texts: dict[str, str]) -> int:
    return sum(map(estimate_tokens, texts.values()))


def test_the_budget_is_what_the_rest_of_the_prompt_leaves() -> None:
    room = answer_budget(context_tokens=10_000, max_output_tokens=2_000, overhead_tokens=1_500, reasoning_reserve=500)
    assert room == 10_000 - 2_000 - 1_500 - 500 - 500
    assert answer_budget(context_tokens=1_000, max_output_tokens=2_000, overhead_tokens=0) == 0


def test_an_unknown_context_grows_with_the_question() -> None:
    assert assumed_context(overhead_tokens=3_000, max_output_tokens=8_192, answers=3) == 32_768
    assert assumed_context(overhead_tokens=70_000, max_output_tokens=8_192, answers=3) == 131_072


def test_the_water_level_takes_from_the_long_only() -> None:
    assert water_level([100, 1_000, 1_000], 1_100) == 500
    assert water_level([100, 200, 300], 600) == 300
    assert water_level([10, 10], 0) == 0
    assert water_level([], 10) == 0


def test_what_fits_is_sent_whole() -> None:
    fitted = fit({"A": LONG, "B": "\n\n\n\nshort"}, 100_000, uniform=True)
    assert fitted.texts == {"A": LONG, "B": "\n\n\n\nshort"}
    assert fitted.trims == ()


def test_a_trim_shows_how_much_is_missing_and_keeps_head_and_tail() -> None:
    fitted = fit({"A": LONG, "B": "short"}, 1_000)
    shown = fitted.texts["A"]
    (trim,) = fitted.trims
    assert trim.letter == "A" and fitted.texts["B"] == "short"
    assert f"[… {trim.omitted_tokens:,} tokens omitted …]" in shown and trim.omitted_tokens > 1_840
    head, tail = shown.split("\n[…")[0], shown.split("omitted …]\n")[1]
    assert LONG.startswith(head) and LONG.endswith(tail)
    assert 0.55 < len(head) / (len(head) + len(tail)) < 0.65


def test_loss_free_trims_come_first() -> None:
    question = "What is the capital of France?" * 20
    text = f"{question}\n\n\n\n\nParis."
    fitted = fit({"A": text, "B": "Paris."}, estimate_tokens(text) - 10, prompt=question)
    assert fitted.trims == ()
    assert fitted.texts["A"].startswith("[… the question repeated, ") and fitted.texts["A"].endswith("…]\n\nParis.")


def test_blank_lines_in_code_are_not_touched() -> None:
    code = "```\na\n\n\n\nb\n```"
    assert drop_repeats(f"x\n\n\n\n{code}", "") == f"x\n\n{code}"


def test_for_best_of_all_answers_are_trimmed_alike_and_for_merge_only_the_long() -> None:
    texts = {"A": LONG, "B": "a\n\n\n\nb"}
    assert fit(texts, 1_000, uniform=True).texts["B"] == "a\n\nb"
    assert fit(texts, 1_000, uniform=False).texts["B"] == "a\n\n\n\nb"


def test_a_cut_to_almost_nothing_is_still_within_its_level() -> None:
    for level in range(60):
        text, omitted = cut_middle(LONG, level)
        assert estimate_tokens(text) <= level
        assert omitted >= estimate_tokens(LONG) - level
