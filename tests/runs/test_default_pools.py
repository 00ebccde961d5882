"""Pools that are there without anybody having made them."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError

from fusion.catalogue import available
from fusion.catalogue.sources import sources_from_settings
from fusion.catalogue.stored import store_list
from fusion.models import Pool, Team
from fusion.providers import registry
from fusion.providers.catalogue import ModelInfo
from fusion.runs import pools
from fusion.runs.database import in_database
from fusion.runs.identity import pool_for, system_user
from fusion.runs.pools import defaults
from fusion.runs.worker import refresh_catalogue, refresh_what_failed

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab(settings: Any) -> None:
    """A connection that nobody listens on."""
    settings.FUSION_PROVIDER_ENV = {"FUSION_PROVIDER_URL": "http://127.0.0.1:9/v1", "FUSION_PROVIDER_NAME": "Lab"}
    available.reset()


def list_models(*ids: str) -> None:
    source = next(source for source in sources_from_settings() if source.slug == "custom")
    store_list(source, [ModelInfo(one, one) for one in ids])


def made_of(team: Team, origin: str = "custom") -> Pool:
    return Pool.objects.get(team=team, origin=origin)


def refs(pool: Pool) -> list[str]:
    assert pool.current is not None
    return [member.ref for member in pool.current.members.all()]


def test_a_team_gets_the_simulated_pool_once(team: Team) -> None:
    pools.add_default_pools(team=team)
    pools.add_default_pools(team=team)
    assert [pool.origin for pool in team.pools.all()] == ["sim"]


def test_a_key_that_is_added_later_gives_every_team_a_pool(team: Team, lab: None) -> None:
    pools.add_default_pools_everywhere()
    assert not Pool.objects.filter(origin="custom").exists()
    list_models("a", "b", "c", "d")
    pools.add_default_pools_everywhere()
    pool = made_of(team)
    assert refs(pool) == ["custom:a", "custom:b", "custom:c"]
    assert pool.name == "Lab panel"


def test_a_deleted_default_pool_does_not_come_back(team: Team, lab: None) -> None:
    list_models("a", "b")
    pools.add_default_pools_everywhere()
    pool = made_of(team)
    pools.delete_pool(pool=pool, person=pool.author)
    pools.add_default_pools_everywhere()
    pools.add_default_pools(team=team)
    assert Pool.objects.filter(team=team, origin="custom").count() == 1
    assert made_of(team).deleted_at is not None


def test_two_models_are_members_and_the_one_that_does_not_judge_steps_in(team: Team, lab: None) -> None:
    list_models("a", "b")
    pools.add_default_pools(team=team)
    version = made_of(team).current
    assert version is not None
    assert refs(made_of(team)) == ["custom:a", "custom:b"]
    assert [version.judge, *version.fallback_judges] == ["custom:a", "custom:b"]


def test_an_only_model_sits_twice_because_one_answer_cannot_be_compared(team: Team, lab: None) -> None:
    list_models("a")
    pools.add_default_pools(team=team)
    version = made_of(team).current
    assert version is not None
    assert refs(made_of(team)) == ["custom:a", "custom:a"]
    assert (version.judge, version.fallback_judges) == ("custom:a", [])


def test_a_connection_that_lists_nothing_gets_no_pool(team: Team, lab: None) -> None:
    list_models()
    assert [pool.origin for pool in pools.add_default_pools(team=team)] == ["sim"]


def test_somebody_who_makes_the_same_pool_at_the_same_time_is_no_error(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(**_: object) -> Pool:
        raise IntegrityError("UNIQUE constraint failed")

    monkeypatch.setattr(defaults, "create_pool", too_late)
    assert pools.add_default_pools(team=team) == []


def test_the_system_user_has_pools_to_ask(db: None) -> None:
    assert pool_for(system_user()).origin == "sim"


def test_without_a_name_a_pool_whose_models_are_gone_is_passed_over(team: Team, lab: None) -> None:
    list_models("a", "b")
    pools.add_default_pools(team=team)
    made = made_of(team)
    assert pool_for(made.author) == made
    assert made.current is not None
    made.current.members.update(ref="gone:a")
    assert pool_for(made.author).origin == "sim"


@pytest.mark.django_db(transaction=True)
async def test_an_unreachable_connection_hides_nothing_and_is_asked_again(
    transactional_db: None, lab: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await refresh_catalogue()
    models = await in_database(available.models_of_environment)
    assert len(models.problems()) == 1
    assert any(known.simulated for known in await in_database(models.all))

    async def now_it_answers(_: object) -> list[ModelInfo]:
        return [ModelInfo("a", "a")]

    monkeypatch.setattr(registry, "list_models", now_it_answers)
    await refresh_what_failed()
    models = await in_database(available.models_of_environment)
    assert models.problems() == ()
    known = await in_database(models.entry, "custom:a")
    assert known is not None and known.entry_id
