"""What became of a pool's models, and what the pool does about it, in sentences."""

from __future__ import annotations

import pytest
from django.utils import timezone
from django.utils.formats import date_format

from fusion.catalogue.available import models_of
from fusion.models import ModelEntry, Team
from fusion.runs.pools import MemberSpec, PoolSpec, Trouble, nearest, pool_warnings, troubles_of
from tests.shelves import change_connection, info, make_connection, vanish

pytestmark = pytest.mark.django_db


def _spec(**changes: object) -> PoolSpec:
    members = tuple(MemberSpec(f"lab:{name}") for name in "abc")
    return PoolSpec(**({"name": "P", "members": members, "judge": "lab:judge"} | changes))  # type: ignore[arg-type]


def _only(team: Team, spec: PoolSpec) -> Trouble:
    (trouble,) = troubles_of(spec, models_of(team))
    return trouble


@pytest.fixture
def lab(team: Team) -> None:
    row = make_connection(team, models=("a", "b", "c", "judge", "second", "w"))
    for model in ("b", "judge", "w"):
        vanish(row, model)


def _since(model_id: str) -> str:
    return date_format(timezone.localtime(ModelEntry.objects.get(model_id=model_id).vanished_at), "j M")


@pytest.mark.parametrize(
    ("changes", "effect"),
    [
        ({}, "if that fails, the others answer (quorum 2 of 3)."),
        ({"quorum": 3}, "the quorum of 3 is missed and the others are judged all the same"),
        ({"quorum": 3, "on_quorum_missed": "stop"}, "is missed and the run stops to ask."),
        ({"members": (MemberSpec("lab:b"), MemberSpec("lab:a"))}, "the other answer is the final, without a verdict."),
        ({"members": (MemberSpec("lab:b"),)}, "if that fails, the run fails."),
    ],
)
def test_a_member_that_is_not_listed_any_more_is_still_asked(
    team: Team, lab: None, changes: dict[str, object], effect: str
) -> None:
    trouble = _only(team, _spec(judge="lab:second", **changes))
    assert trouble.reason.endswith(f"“b” is not listed by Lab since {_since('b')}.")
    assert "It is still asked" in trouble.effect and effect in trouble.effect
    assert not trouble.blocks


@pytest.mark.parametrize(
    ("changes", "effect"),
    [
        ({"fallback_judges": ("lab:second",)}, "if that fails, second judges."),
        ({}, "if that fails, the answers are shown without a verdict."),
        ({"on_judge_failure": "anchor"}, "the anchor's answer is shipped, labelled as not judged."),
    ],
)
def test_a_judge_that_vanished_leaves_it_to_the_fallback(
    team: Team, lab: None, changes: dict[str, object], effect: str
) -> None:
    trouble = _only(team, _spec(members=(MemberSpec("lab:a"), MemberSpec("lab:c")), **changes))
    assert (trouble.field, trouble.who) == ("judge", "The judge")
    assert effect in trouble.effect


def test_a_connection_that_is_off_or_gone_blocks_every_run(team: Team) -> None:
    row = make_connection(team, models=("a", "b", "c", "judge"))
    change_connection(row, is_enabled=False)
    troubles = troubles_of(_spec(), models_of(team))
    assert [trouble.field for trouble in troubles] == ["members-0-ref", "members-1-ref", "members-2-ref", "judge"]
    assert all(trouble.blocks and "“Lab” is switched off" in trouble.sentence for trouble in troubles)
    assert all("Runs cannot start" in trouble.effect for trouble in troubles)


def test_the_nearest_models_are_of_the_same_family_first(team: Team) -> None:
    models = (info("x/big-4", "x"), info("x/big-5", "x"), info("x/tiny-1", "x"), info("y/big-4", "y"))
    row = make_connection(team, models=models)
    vanish(row, "x/big-4")
    found = [entry.model_id for entry in nearest("lab:x/big-4", models_of(team))]
    assert found[0] == "x/big-5" and "x/big-4" not in found
    assert found.index("y/big-4") > found.index("x/tiny-1")


def test_models_that_a_provider_never_listed_are_named_in_one_warning(team: Team, lab: None) -> None:
    spec = _spec(members=tuple(MemberSpec(f"lab:{name}") for name in ("x", "a", "y")), judge="lab:z")
    said = [one.message for one in pool_warnings(spec, models_of(team)) if one.code == "unlisted"]
    assert said == ["Lab does not list “x”, “y” or “z”."]
