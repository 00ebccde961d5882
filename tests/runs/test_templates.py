"""Templates come to what is really there: families differ, unknown is not cheap, and what is impossible says why."""

from __future__ import annotations

from typing import Any

import pytest

from fusion.catalogue import available
from fusion.catalogue.available import models_of
from fusion.models import Team, User
from fusion.runs.pool_estimates import Habit, Habits
from fusion.runs.pools import PoolSpec, create_pool
from fusion.runs.templates import TEMPLATES, Offer, offers
from tests.shelves import info, make_connection

pytestmark = pytest.mark.django_db

LAB = (
    info("one/huge-1", "one", ("3", "15")),
    info("one/mini-1", "one", ("0.1", "0.4")),
    info("two/huge-2", "two", ("2", "10")),
    info("two/mini-2", "two", ("0.2", "0.6")),
    info("three/huge-3", "three", ("5", "20")),
    info("three/lite-3", "three", ("0.05", "0.2")),
    info("four/nameless", "four"),
)


SMALL = {"lab:one/mini-1", "lab:two/mini-2", "lab:three/lite-3"}


def _offers(team: Team, habits: Habits | None = None) -> dict[str, Offer]:
    return {one.template.slug: one for one in offers(models_of(team), habits or {})}


def _spec(found: dict[str, Offer], slug: str) -> PoolSpec:
    spec = found[slug].spec
    assert spec is not None, found[slug].problem
    return spec


def _refs(spec: PoolSpec) -> list[str]:
    return [member.ref for member in spec.members]


def test_with_the_simulated_provider_alone_every_template_makes_a_pool(alice: User, team: Team) -> None:
    found = _offers(team)
    assert len(found) == len(TEMPLATES) == 7
    for slug in found:
        pool = create_pool(author=alice, team=team, spec=_spec(found, slug))
        assert pool.current is not None and pool.current.members.count() >= 2


def test_real_models_are_never_mixed_with_simulated_ones(team: Team) -> None:
    make_connection(team, models=LAB)
    for one in _offers(team).values():
        assert one.spec is not None
        assert all(ref.startswith("lab:") for ref in (*_refs(one.spec), one.spec.judge, *one.spec.fallback_judges))


@pytest.mark.parametrize("slug", ["quality", "code-review", "research"])
def test_a_panel_of_the_best_takes_one_of_each_family_and_a_judge_from_outside(team: Team, slug: str) -> None:
    make_connection(team, models=LAB)
    spec = _spec(_offers(team), slug)
    families = [ref.split(":")[1].split("/")[0] for ref in _refs(spec)]
    assert len(set(families)) == len(families) == 3
    assert spec.judge not in _refs(spec)
    assert not any("mini" in ref or "lite" in ref or "nameless" in ref for ref in [*_refs(spec)[:2], spec.judge])


def test_a_budget_is_of_the_cheapest_and_an_unknown_price_is_not_cheap(team: Team) -> None:
    make_connection(team, models=LAB)
    spec = _spec(_offers(team), "budget")
    assert {*_refs(spec), spec.judge} == SMALL and spec.judge not in _refs(spec)
    assert spec.mode == "best-of"


def test_without_prices_a_budget_is_not_possible_and_says_so(team: Team) -> None:
    make_connection(team, models=(info("a", "one"), info("b", "two"), info("c", "two", ("1", "2"))))
    found = _offers(team)["budget"]
    assert found.spec is None
    assert found.problem.startswith("It needs 2 different models with a known price; there is only one here.")


def test_a_dear_model_is_not_taken_for_cheap_because_it_is_of_another_family(team: Team) -> None:
    make_connection(team, models=(*LAB[:3], info("five/dear", "five", ("9", "30")), LAB[3]))
    spec = _spec(_offers(team), "budget")
    assert {*_refs(spec), spec.judge} == {"lab:one/mini-1", "lab:two/mini-2"}


def test_the_fastest_are_those_that_were_measured_to_be(team: Team) -> None:
    make_connection(team, models=LAB)
    spec = _spec(_offers(team), "fast")
    assert {*_refs(spec), spec.judge} == SMALL
    habits = {(f"lab:{name}", "panel"): Habit(900, ttft, 10, 10) for name, ttft in (("three/huge-3", 90),)}
    assert _refs(_spec(_offers(team, habits), "fast"))[0] == "lab:three/huge-3"


def test_one_model_alone_can_be_fused_with_itself_and_nothing_else(team: Team) -> None:
    make_connection(team, models=(info("solo", "one", ("1", "2")),))
    found = _offers(team)
    assert [slug for slug, one in found.items() if one.spec is not None] == ["self-fusion"]
    assert _refs(_spec(found, "self-fusion")) == ["lab:solo"] * 3
    assert "Use the self-fusion" in found["quality"].problem


def test_a_self_fusion_is_judged_by_another_family_where_there_is_one(team: Team) -> None:
    make_connection(team, models=LAB)
    spec = _spec(_offers(team), "self-fusion")
    assert len(set(_refs(spec))) == 1 and spec.judge not in _refs(spec)


def test_with_no_model_at_all_every_template_says_so(team: Team, settings: Any) -> None:
    settings.FUSION_SIMULATED = False
    available.reset()
    assert all(one.spec is None and "there is none here" in one.problem for one in _offers(team).values())
