"""Debate in the pool editor, the composer, the history and the steering of a run; and who may not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fusion.catalogue.available import models_of_environment
from fusion.engine.types import Mode
from fusion.models import Pool, Run, RunCommand, User
from fusion.models.team import Role
from fusion.runs import services
from fusion.runs.pool_changes import changes
from fusion.runs.pools import planned_calls, spec_of
from fusion.runs.selectors import load_record
from tests.factories import client_of, make_pool, make_run, make_user, simulated_spec, team_of
from tests.web.test_pools import _form

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _no_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs change their rows, nothing is asked."""
    monkeypatch.setattr("fusion.runs.services.dispatch_run", lambda run_pk: None)
    monkeypatch.setattr("fusion.runs.services.deliver_command", lambda *args: None)


@pytest.fixture
def debating_pool(alice: User) -> Pool:
    return make_pool(alice, name="Arguing", mode="debate", debate_rounds=2)


def _text(response: Any) -> str:
    """What stands on the page, tags and white space apart."""
    return " ".join(re.sub(r"<[^>]*>", " ", response.content.decode()).split())


# --- how much it will be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "rounds", "least", "most", "words"),
    [(3, 1, 5, 9, "5 to 9"), (3, 2, 5, 12, "5 to 12"), (1, 3, 1, 1, "1")],
)
def test_a_debate_makes_n_plus_two_calls_without_a_dispute_and_one_per_member_and_round_with_one(
    db: None, members: int, rounds: int, least: int, most: int, words: str
) -> None:
    spec = simulated_spec(mode="debate", debate_rounds=rounds)
    spec = simulated_spec(mode="debate", debate_rounds=rounds, members=spec.members[:members])
    plan = planned_calls(spec)
    assert (plan.total_min, plan.total_debated, plan.words) == (least, most, words)
    assert plan.total_max >= plan.total_debated
    assert planned_calls(spec, "merge").words == str(plan.total_min)


def test_the_composer_says_how_many_calls_a_debate_may_make(alice: User, debating_pool: Pool) -> None:
    client = client_of(alice)
    page = _text(client.get("/", {"pool": str(debating_pool.public_id)}))
    assert "Debate they argue where they disagree, the judge rules" in page
    assert "This run makes 5 to 12 calls" in page and "debate: up to 2 rounds" in page
    assert "if the answers contradict each other, up to 6 more to debate it and 1 for the ruling" in page
    merge = client.get("/", {"pool": str(debating_pool.public_id), "mode": "merge"}, headers={"HX-Target": "ask-plan"})
    assert "This run makes 5 calls" in _text(merge) and "debate" not in _text(merge)


def test_the_outlook_of_a_pool_says_it_too(alice: User, debating_pool: Pool) -> None:
    page = _text(client_of(alice).get(f"/pools/{debating_pool.public_id}"))
    assert (
        "Calls 5 to 12 3 members, 1 judge, 1 writer; if there is something to debate, up to 6 rebuttals and a" in page
    )
    assert "Mode Debate, at most 2 rounds" in page


# --- the pool editor --------------------------------------------------------------------------------------


def test_rounds_are_chosen_with_the_pool_and_kept_in_its_version(alice: User) -> None:
    client = client_of(alice)
    form = client.get("/pools/new?template=empty").content.decode()
    assert "the members argue it out" in form and 'value="1" id="id_debate_rounds_0" checked' in form
    saved = client.post("/pools/new", _form(mode="debate", debate_rounds="3"))
    assert saved.status_code == 302
    pool = Pool.objects.get(name="Deep review")
    assert pool.current is not None
    assert (pool.current.mode, pool.current.debate_rounds) == ("debate", 3)
    assert 'value="3" id="id_debate_rounds_2" checked' in client.get(f"/pools/{pool.public_id}/edit").content.decode()


def test_a_form_without_rounds_means_one_and_a_number_out_of_range_is_refused(alice: User) -> None:
    client = client_of(alice)
    refused = client.post("/pools/new", _form(mode="debate", debate_rounds="4"))
    assert refused.status_code == 422 and "4 is not one of the available choices" in refused.content.decode()
    assert client.post("/pools/new", _form(mode="debate")).status_code == 302
    current = Pool.objects.get(name="Deep review").current
    assert current is not None and current.debate_rounds == 1


def test_the_log_of_a_pool_tells_of_rounds_only_where_they_matter(alice: User, debating_pool: Pool) -> None:
    assert debating_pool.current is not None
    spec = spec_of(debating_pool.current)
    other = simulated_spec(name=spec.name, mode="debate", debate_rounds=1)
    models = models_of_environment()
    assert changes(spec, other, models) == ["Mode: Debate, at most 2 rounds → Debate, at most 1 round"]
    assert (
        changes(
            simulated_spec(mode="merge", debate_rounds=2),
            simulated_spec(mode="merge", debate_rounds=1),
            models_of_environment(),
        )
        == []
    )


# --- lists ------------------------------------------------------------------------------------------------


def test_the_history_can_be_narrowed_to_debates(alice: User, debating_pool: Pool) -> None:
    make_run(alice, pool=debating_pool, prompt="argued about")
    make_run(alice, prompt="merely merged")
    page = _text(client_of(alice).get("/history", {"mode": "debate"}))
    assert "argued about" in page and "merely merged" not in page


# --- the page ---------------------------------------------------------------------------------------------


def test_the_section_is_open_while_it_debates_and_folded_afterwards(alice: User, debating_pool: Pool) -> None:
    run = make_run(alice, pool=debating_pool, state=Run.State.RUNNING)
    client = client_of(alice)
    assert '<details class="debate__fold" open>' in client.get(f"/r/{run.public_id}").content.decode()
    Run.objects.filter(pk=run.pk).update(state=Run.State.DONE)
    assert '<details class="debate__fold">' in client.get(f"/r/{run.public_id}").content.decode()


# --- stop after this round ----------------------------------------------------------------------------------


@pytest.fixture
def run(alice: User, debating_pool: Pool) -> Run:
    return make_run(alice, pool=debating_pool, state=Run.State.RUNNING)


def test_a_debate_is_asked_to_end_after_its_round(run: Run, alice: User) -> None:
    client = client_of(alice)
    assert client.post(f"/r/{run.public_id}/act", {"do": "end-debate"}, headers=HTMX).status_code == 204
    assert list(RunCommand.objects.values_list("kind", "person")) == [("end-debate", alice.pk)]
    assert client.post(f"/r/{run.public_id}/act", {"do": "end-debate"}).status_code == 302


def test_whoever_may_not_steer_may_not_end_a_debate(run: Run, alice: User, charlie: User) -> None:
    viewer = make_user("victor", team=team_of(alice), role=Role.VIEWER)
    path = f"/r/{run.public_id}/act"
    assert client_of(charlie).post(path, {"do": "end-debate"}, headers=HTMX).status_code == 404
    assert client_of(viewer).post(path, {"do": "end-debate"}, headers=HTMX).status_code == 403
    assert not RunCommand.objects.exists()


def test_a_debate_that_is_over_or_was_none_cannot_be_ended(run: Run, alice: User) -> None:
    client, path = client_of(alice), f"/r/{run.public_id}/act"
    run.executions.update(mode="merge")
    refused = client.post(path, {"do": "end-debate"}, headers=HTMX)
    assert refused.status_code == 422 and "does not debate" in refused.content.decode()
    run.executions.update(mode="debate")
    Run.objects.filter(pk=run.pk).update(state=Run.State.DONE)
    assert client.post(path, {"do": "end-debate"}, headers=HTMX).status_code == 409
    assert not RunCommand.objects.exists()


def test_a_debate_on_stored_answers_can_be_ended_though_the_run_began_as_a_merge(run: Run, alice: User) -> None:
    Run.objects.filter(pk=run.pk).update(mode="merge")
    services.end_debate(run=Run.objects.get(pk=run.pk), person=alice)
    assert RunCommand.objects.get().kind == "end-debate"


def test_a_run_of_another_mode_shows_no_debate(alice: User) -> None:
    run = make_run(alice, pool=make_pool(alice, mode="merge"))
    assert load_record(run).mode is Mode.MERGE
    assert "run-debate" not in client_of(alice).get(f"/r/{run.public_id}").content.decode()
