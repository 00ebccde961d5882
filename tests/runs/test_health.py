"""A model whose latest calls failed is told of before it is asked again; what was long ago is not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from fusion.engine.events import CallEnded
from fusion.engine.types import Failure, Role
from fusion.runs import health
from fusion.runs.health import Failing


@pytest.fixture(autouse=True)
def _without_knowledge() -> Iterator[None]:
    health.forget()
    yield
    health.forget()


def ended(ref: str, *failures: bool) -> None:
    for failed in failures:
        health.note(ref, failed=failed)


def test_too_few_calls_say_nothing() -> None:
    ended("lab:m", True, True)
    assert health.failing("lab:m") is None and health.failing("lab:never") is None


def test_a_model_that_fails_often_is_failing() -> None:
    ended("lab:m", True, True, False)
    assert health.failing("lab:m") == Failing(2, 3)


def test_a_slip_now_and_then_is_none() -> None:
    ended("lab:m", True, False, False, False)
    assert health.failing("lab:m") is None


def test_what_was_long_ago_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    ended("lab:m", True, True, True)
    later = time.monotonic() + health.LATELY_S + 1
    monkeypatch.setattr("fusion.runs.health.time.monotonic", lambda: later)
    assert health.failing("lab:m") is None


def test_only_the_latest_calls_are_kept() -> None:
    ended("lab:m", *[True] * 100, *[False] * health.KEPT)
    assert health.failing("lab:m") is None


def test_a_refusal_of_images_says_nothing_of_the_model() -> None:
    failure = Failure("provider_images_refused", "It takes no images.")
    for number in range(5):
        health.note_end(CallEnded(f"c{number}", Role.PANEL, "lab:m", 1, "A", "failed", None, None, 5, failure))
    assert health.failing("lab:m") is None
