"""Asking connections for their models: what is found is counted, what fails is told, what a person did stays."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from fusion.catalogue import available, stored
from fusion.catalogue.available import models_of_environment
from fusion.errors import ProviderAuthFailed
from fusion.models import Connection, ModelEntry
from fusion.providers import registry
from fusion.providers.catalogue import ModelInfo, Price
from fusion.runs.database import close_database_threads
from tests.catalogue.conftest import make_connection
from tests.factories import make_team

pytestmark = pytest.mark.django_db(transaction=True)
PRICE = Price(1_000_000, 2_000_000)


class Lists:
    """What each connection lists, by slug; an error is raised."""

    def __init__(self) -> None:
        self.by_slug: dict[str, Any] = {}

    async def list_models(self, connection: registry.Connection) -> tuple[ModelInfo, ...]:
        known = self.by_slug[connection.slug]
        if isinstance(known, Exception):
            raise known
        return tuple(known)


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Lists]:
    settings.FUSION_PROVIDER_ENV = {"FUSION_PROVIDER_URL": "http://127.0.0.1:9/v1", "FUSION_PROVIDER_NAME": "Custom"}
    available.reset()
    known = Lists()
    monkeypatch.setattr("fusion.runs.listing.registry.list_models", known.list_models)
    yield known
    close_database_threads()


def refresh(*slugs: str) -> str:
    out = StringIO()
    call_command("refresh_models", *slugs, stdout=out)
    return out.getvalue()


def test_each_connection_tells_what_was_found_and_what_changed(lists: Lists) -> None:
    make_connection("lab", make_team("core"))
    make_connection("house")
    lists.by_slug = {
        "custom": [ModelInfo("a", "A")],
        "lab": [ModelInfo("a", "A", price=PRICE), ModelInfo("b", "B")],
        "house": [],
    }
    assert refresh() == (
        "custom (the environment's): 1 model: 1 new, 0 changed, 0 vanished, 0 with another price\n"
        "house (the site's): 0 models: 0 new, 0 changed, 0 vanished, 0 with another price\n"
        "lab (team core): 2 models: 2 new, 0 changed, 0 vanished, 0 with another price\n"
    )
    lists.by_slug["lab"] = [ModelInfo("a", "A", price=Price(9, 9)), ModelInfo("c", "C")]
    assert refresh("lab") == "lab (team core): 2 models: 1 new, 0 changed, 1 vanished, 1 with another price\n"
    lists.by_slug["lab"] = [ModelInfo("a", "Renamed", price=Price(9, 9)), ModelInfo("b", "B"), ModelInfo("c", "C")]
    assert refresh("lab") == "lab (team core): 3 models: 0 new, 2 changed, 0 vanished, 0 with another price\n"
    assert {entry.model_id for entry in models_of_environment().all() if not entry.simulated} == {"a"}


def test_the_exact_failure_is_told_and_the_others_are_read_all_the_same(lists: Lists) -> None:
    make_connection("house")
    lists.by_slug = {"custom": ProviderAuthFailed("Custom refused the key (401)."), "house": [ModelInfo("a", "A")]}
    out = StringIO()
    with pytest.raises(CommandError, match=r"1 of 2 lists did not come\.") as failed:
        call_command("refresh_models", stdout=out)
    assert failed.value.returncode == 1
    assert "custom (the environment's): Custom refused the key (401).\n" in out.getvalue()
    assert "house (the site's): 1 model: 1 new" in out.getvalue()


def test_a_connection_that_is_switched_off_is_not_asked(lists: Lists) -> None:
    make_connection("house", is_enabled=False)
    lists.by_slug = {"custom": []}
    with pytest.raises(CommandError):
        refresh("house")
    assert Connection.objects.get().listed_at is None


def test_a_slug_that_nobody_has_is_a_wrong_argument(lists: Lists) -> None:
    with pytest.raises(CommandError, match="There is no connection “nowhere”") as refused:
        refresh("custom", "nowhere")
    assert refused.value.returncode == 2


def test_a_terminal_is_not_steered_by_what_a_provider_says(lists: Lists) -> None:
    lists.by_slug = {"custom": ProviderAuthFailed("no\x1b[2J")}
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("refresh_models", stdout=out)
    assert "\x1b" not in out.getvalue()


def test_a_list_that_says_the_same_again_changes_nothing(lists: Lists) -> None:
    lists.by_slug = {"custom": [ModelInfo("a", "A", "x", 1000, PRICE)]}
    refresh()
    before, revision = list(ModelEntry.objects.values()), stored.revision()
    refresh()
    assert list(ModelEntry.objects.values()) == before and stored.revision() == revision
