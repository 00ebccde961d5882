"""Tokens shown while an answer streams are estimated with what the model's earlier answers taught."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fusion.engine.types import Answer, AnswerState, Usage
from fusion.live.record import CHARS_PER_TOKEN
from fusion.runs import calibration


@pytest.fixture(autouse=True)
def _without_knowledge() -> Iterator[None]:
    calibration.forget()
    yield
    calibration.forget()


def answered(chars: int, usage: Usage | None, *, reasoning_chars: int = 0) -> Answer:
    return Answer("A", AnswerState.DONE, "x" * chars, usage=usage, reasoning_chars=reasoning_chars)


def test_an_unknown_model_gets_the_cautious_figure() -> None:
    assert calibration.chars_per_token("lab:m") == CHARS_PER_TOKEN


def test_the_first_answer_sets_the_figure_and_later_ones_move_it() -> None:
    calibration.learn("lab:m", answered(500, Usage(10, 100)))
    assert calibration.chars_per_token("lab:m") == 5.0
    calibration.learn("lab:m", answered(400, Usage(10, 100)))
    assert calibration.chars_per_token("lab:m") == pytest.approx(4.7)
    assert calibration.chars_per_token("lab:other") == CHARS_PER_TOKEN


@pytest.mark.parametrize(
    "answer",
    [
        answered(500, None),
        answered(500, Usage(10, 100, estimated=True)),
        answered(500, Usage(10, 100, reasoning_tokens=40)),
        answered(500, Usage(10, 100), reasoning_chars=9),
        answered(60, Usage(10, 10)),
        answered(5, Usage(10, 1000)),
        answered(50_000, Usage(10, 60)),
    ],
)
def test_what_says_nothing_about_the_model_is_left_out(answer: Answer) -> None:
    calibration.learn("lab:m", answer)
    assert calibration.chars_per_token("lab:m") == CHARS_PER_TOKEN
