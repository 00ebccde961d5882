"""How a model behaves is told from the calls of the last day, and only of connections that one can use."""

from __future__ import annotations

import time

import pytest

from fusion.catalogue import health
from fusion.catalogue.entries import CatalogueEntry
from fusion.catalogue.health import Failing, Health, failing, health_of
from fusion.catalogue.sources import Source
from fusion.models import Run, User
from tests.catalogue.conftest import make_connection
from tests.factories import make_call, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(alice: User) -> Run:
    return make_run(alice)


def entry(ref: str = "env:m", connection: int | None = None) -> CatalogueEntry:
    slug, _, model_id = ref.partition(":")
    return CatalogueEntry(ref, slug, model_id, model_id, slug, connection_pk=connection)


def of(ref: str = "env:m", connection: int | None = None) -> Health:
    return health_of([entry(ref, connection)])[ref]


def test_a_model_without_calls_says_so(run: Run) -> None:
    assert of() == Health() and (of().word, of().tone) == ("no calls yet", "")


def test_calls_failures_and_medians_are_counted(run: Run) -> None:
    for ttft_ms, total_ms, tokens in ((200, 2200, 100), (400, 2400, 200), (900, 2900, 60)):
        make_call(run, "env:m", ttft_ms=ttft_ms, total_ms=total_ms, output_tokens=tokens)
    make_call(run, "env:m", status="failed", ttft_ms=None, total_ms=50, output_tokens=None)
    assert of() == Health(calls=4, failed=1, ttft_ms=400, tokens_per_s=50)
    assert (of().failed_percent, of().tone, of().word) == (25, "warn", "some calls fail")


def test_a_persons_stop_and_what_does_not_fit_the_model_say_nothing_of_a_model(run: Run) -> None:
    make_call(run, "env:m", status="stopped")
    make_call(run, "env:m", status="failed", failure_code="provider_context_too_long")
    make_call(run, "env:m", status="failed", failure_code="provider_images_refused")
    make_call(run, "env:m", status="refused")
    make_call(run, "env:m", status="truncated", failure_code="provider_stream_cut")
    assert (of().calls, of().failed) == (2, 1)


def test_what_is_older_than_a_day_does_not_count(run: Run) -> None:
    make_call(run, "env:m", minutes_ago=24 * 60 + 1, status="failed")
    make_call(run, "env:m", minutes_ago=24 * 60 - 1)
    assert (of().calls, of().failed) == (1, 0)


def test_the_same_name_on_another_connection_is_another_model(run: Run, lab: Source) -> None:
    other = make_connection("lab")
    make_call(run, "lab:m", connection_id=lab.pk)
    make_call(run, "lab:m", connection=other, status="failed")
    make_call(run, "lab:m", payer="team")  # its connection is gone
    assert of("lab:m", lab.pk) == Health(1, 0, 400, 50)
    assert of("lab:m", other.pk).failed == 1
    assert of("lab:m") == Health()


def test_it_is_remembered_for_a_minute(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    make_call(run, "env:m")
    assert of().calls == 1
    make_call(run, "env:m")
    assert of().calls == 1
    now = time.monotonic()
    monkeypatch.setattr("fusion.catalogue.health.time.monotonic", lambda: now + health.KEPT_S + 1)
    assert of().calls == 2


def test_many_models_cost_one_query(run: Run, django_assert_num_queries: object) -> None:
    entries = [entry(f"env:m{number}") for number in range(300)]
    make_call(run, "env:m7")
    with django_assert_num_queries(1):  # type: ignore[operator]
        found = health_of(entries)
    assert found["env:m7"].calls == 1 and len(found) == 300


def test_a_failure_is_never_rounded_away(run: Run) -> None:
    assert Health(calls=1000, failed=1).failed_percent == 1 and Health(calls=1000, failed=1).tone == "ok"


def test_a_model_that_fails_often_is_failing(run: Run) -> None:
    for status in ("failed", "truncated", "ok"):
        make_call(run, "env:m", status=status)
    assert failing([entry()]) == {"env:m": Failing(2, 3)}


def test_too_few_calls_say_nothing(run: Run) -> None:
    make_call(run, "env:m", status="failed")
    make_call(run, "env:m", status="failed")
    assert failing([entry(), entry("env:never")]) == {} and of().tone == ""


def test_a_slip_now_and_then_is_no_failing(run: Run) -> None:
    for status in ("failed", "ok", "ok", "ok"):
        make_call(run, "env:m", status=status)
    assert failing([entry()]) == {}


def test_what_failed_long_ago_is_no_failing(run: Run) -> None:
    for _ in range(3):
        make_call(run, "env:m", status="failed", minutes_ago=16)
    assert failing([entry()]) == {} and of().tone == "bad"
