"""A stored run replays: planned again from its rows, it draws the labels and the order that its judge saw."""

from __future__ import annotations

import pytest

from fusion.engine.controls import Controls
from fusion.engine.events import JudgeEnded, JudgeStarted
from fusion.engine.fuse import fuse
from fusion.engine.types import RunState
from fusion.models import RunEvent, User
from fusion.runs.plan import prepare
from fusion.runs.selectors import run_with_rows
from fusion.runs.worker import Worker
from tests.engine.fakes import EventLog
from tests.runs.conftest import ask, pool_of
from tests.runs.steering import db, ended
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_run_planned_again_from_its_rows_shows_its_judge_the_same_labels_in_the_same_order(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, "m-a-tokens20", "m-b-tokens30", "m-c-tokens25", judge="judge-tokens5")
    run = await db(ask)(person, pool)
    stored = await ended(run)
    assert stored.judge.judgement is not None
    asked = await db(RunEvent.objects.filter(run=run, kind="JudgeStarted").get)()
    plan = (await db(lambda: prepare(run_with_rows(run.pk)))()).plan
    log = EventLog()
    assert await fuse(plan, emit=log, controls=Controls()) is RunState.DONE
    (again,) = log.of(JudgeStarted)
    assert (dict(again.labels), list(again.order)) == (asked.data["labels"], asked.data["order"])
    (judged,) = log.of(JudgeEnded)
    assert judged.judgement.chosen == stored.judge.judgement.chosen
