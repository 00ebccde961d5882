"""A run of what a set-up file made: people, a team, its connection, priced models and a pool."""

from __future__ import annotations

from typing import Any

import pytest

from fusion.engine.types import RunState
from fusion.management.setup.applying import apply_setup
from fusion.management.setup.reading import read_setup
from fusion.models import Call
from fusion.runs.identity import pool_for, run_as
from fusion.runs.worker import Worker
from tests.runs.conftest import ask
from tests.runs.steering import db, ended
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)

FILE = """\
[[users]]
email = "owner@example.com"
password = "correct horse battery"
staff = true

[[teams]]
slug = "core"
name = "Core team"
members = [{ email = "owner@example.com", role = "owner" }]

[[connections]]
slug = "lab"
preset = "openai-compatible"
base_url = "URL"
api_key_env = "LAB_KEY"
local = true
team = "core"

[[models]]
connection = "lab"
id = "vendor/model-a-tokens5"
name = "Model A"
context = 128000
input_usd_per_mtok = "0.50"
output_usd_per_mtok = "1.50"

[[pools]]
team = "core"
slug = "review"
name = "Review"
mode = "merge"
members = ["lab:vendor/model-a-tokens5", { model = "lab:vendor/model-b-tokens5", temperature = 0.7, max_tokens = 2000 }]
anchor = "lab:vendor/model-a-tokens5"
judge = "lab:judge-tokens5"
fallback_judges = []
visibility = "team"
"""


def _provisioned(url: str) -> tuple[Any, Any]:
    apply_setup(read_setup(FILE.replace("URL", url)))
    owner = run_as()
    return owner, pool_for(owner, "core/review")


async def test_what_a_file_sets_up_can_be_asked_and_its_prices_are_on_the_receipt(
    worker: Worker, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "sk-lab-0123456789")
    owner, pool = await db(_provisioned)(upstream.url)
    assert owner.email == "owner@example.com"
    run = await db(ask)(owner, pool)
    assert (await ended(run)).state is RunState.DONE
    calls = {call.ref: call for call in await db(lambda: list(Call.objects.filter(run=run)))()}
    assert {call.payer for call in calls.values()} == {"team"}
    priced, unpriced = calls["lab:vendor/model-a-tokens5"], calls["lab:vendor/model-b-tokens5"]
    assert priced.input_tokens is not None and priced.output_tokens is not None
    assert priced.cost_nanos == (priced.input_tokens * 500_000 + priced.output_tokens * 1_500_000 + 500) // 1000
    assert unpriced.cost_nanos is None and priced.endpoint["name"] == "Model A"
