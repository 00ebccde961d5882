"""Every rule of the editor is stored, reaches the plan of a run, and is what the run does."""

from __future__ import annotations

from typing import Any

import pytest

from fusion.engine.types import AnswerState, Mode, RunState
from fusion.models import Pool, Run, User
from fusion.runs.plan import prepare
from fusion.runs.selectors import run_with_rows
from fusion.runs.worker import Worker
from tests.factories import client_of, make_run, team_of
from tests.runs.conftest import ask, pool_of
from tests.runs.steering import db, ended
from tests.shelves import make_connection
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db

FORM = {
    "do": "save",
    "name": "All of it",
    "visibility": "team",
    "editors": "members",
    "mode": "debate",
    "debate_rounds": "3",
    "rubric": "research",
    "judge": "lab:judge",
    "fallback_judge_1": "lab:b",
    "fallback_judge_2": "lab:c",
    "writer": "lab:w",
    "judge_instructions": "Mind the units.",
    "anchor": "1",
    "quorum": "1",
    "grace_s": "7",
    "panel_timeout_s": "500",
    "judge_timeout_s": "200",
    "on_quorum_missed": "stop",
    "on_judge_failure": "anchor",
    "members-0-ref": "lab:a",
    "members-0-temperature": "0.3",
    "members-0-max_tokens": "777",
    "members-0-timeout_s": "33",
    "members-0-system_note": "Be brief.",
    "members-1-ref": "lab:b",
    "members-2-ref": "lab:c",
}


def test_everything_in_the_editor_reaches_the_plan_of_a_run(alice: User, settings: Any) -> None:
    settings.FUSION_PANEL_TIMEOUT_S, settings.FUSION_JUDGE_TIMEOUT_S, settings.FUSION_RUN_TIMEOUT_S = 120, 90, 420
    settings.FUSION_ROUND_TIMEOUT_S = 60
    make_connection(team_of(alice), models=("a", "b", "c", "judge", "w"))
    assert client_of(alice).post("/pools/new", FORM).status_code == 302
    pool = Pool.objects.get()
    run = make_run(alice, pool=pool, state=Run.State.QUEUED)
    plan = prepare(run_with_rows(run.pk)).plan
    first, second, _ = plan.members
    assert (first.endpoint.ref, first.temperature, first.max_tokens) == ("lab:a", 0.3, 777)
    assert (first.timeout_s, first.system_note) == (33, "Be brief.")
    assert (second.temperature, second.timeout_s) == (None, 500)  # as long as the panel is open
    assert (plan.anchor, plan.mode, plan.rubric.title) == ("B", Mode.DEBATE, "Research")
    assert [judge.ref for judge in plan.judges] == ["lab:judge", "lab:b", "lab:c"]
    assert plan.writer is not None and plan.writer.ref == "lab:w"
    assert plan.judge_instructions == "Mind the units."
    limits = plan.limits
    assert (limits.quorum, limits.grace_min_s, limits.grace_max_s) == (1, 7, 7)
    assert (limits.panel_s, limits.judge_s, limits.debate_rounds) == (500, 200, 3)
    # The run's own deadline leaves room for what the pool gives its panel, three judges, three rounds and a ruling.
    assert limits.overall_s == 420 + (500 - 120) + 3 * (200 - 90) + 3 * 60 + 200
    assert (plan.on_quorum_missed, plan.on_judge_failure) == ("stop", "anchor")
    assert pool.editors == "members"


@pytest.mark.django_db(transaction=True)
async def test_a_judge_has_no_longer_than_its_pool_gives_it(worker: Worker, upstream: Upstream, person: User) -> None:
    pool = await db(pool_of)(person, "m-a-tokens5", "m-b-tokens6", judge="judge-hang", judge_timeout_s=1)
    record = await ended(await db(ask)(person, pool))  # which does not wait as long as the site's own time, 90 s
    assert record.state is RunState.UNJUDGED


@pytest.mark.django_db(transaction=True)
async def test_a_pool_may_give_its_members_more_time_than_the_site_does(
    worker: Worker, upstream: Upstream, person: User, settings: Any
) -> None:
    settings.FUSION_PANEL_TIMEOUT_S = 0.1
    pool = await db(pool_of)(person, "m-ttft300-tokens5", panel_timeout_s=60)
    record = await ended(await db(ask)(person, pool))
    assert record.answers["A"].state is AnswerState.DONE
