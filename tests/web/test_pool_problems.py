"""Simulating a problem: chosen in the pool editor, for simulated models only, and said wherever the pool is shown."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fusion.catalogue import available
from fusion.models import Pool, User
from fusion.runs.pools import MemberSpec, save_pool, spec_of
from fusion.web.forms import models as model_forms
from tests.factories import client_of, make_pool, simulated_spec

LIMITED = "rate limited, however often it is asked"


def _main(response: Any) -> str:
    content: str = response.content.decode()
    return content.split("<main", 1)[1]


def _shown(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def _form(pool: Pool, **changes: str) -> dict[str, str]:
    """What the editor of `pool` sends when only `changes` were made."""
    page = _main(client_of(pool.author).get(f"/pools/{pool.public_id}/edit"))
    form = re.search(r'<form id="pool-form".*?</form>', page, re.S)
    assert form is not None
    values = {"do": "save"}
    for name, body in re.findall(r'<select[^>]*\bname="([^"]+)"[^>]*>(.*?)</select>', form[0], re.S):
        chosen = re.search(r'value="([^"]*)"[^>]*\bselected', body)
        values[name] = chosen[1] if chosen else ""
    for tag in re.findall(r"<input[^>]+>", form[0]):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and ("radio" not in tag or "checked" in tag):
            values[name[1]] = value[1] if value else ""
    return values | changes


def _saved(pool: Pool, **changes: str) -> Pool:
    answer = client_of(pool.author).post(f"/pools/{pool.public_id}/edit", _form(pool, **changes))
    assert answer.status_code == 302, _shown(_main(answer))
    pool.refresh_from_db()
    return pool


def test_a_problem_chosen_for_a_member_and_the_judges_is_stored_and_shown_again(alice: User) -> None:
    pool = make_pool(alice)
    _saved(
        pool,
        **{
            "members-0-problem": "rate-limited",
            "judge_problem": "garble",
            "fallback_judge_1_problem": "silent",
            "writer": "sim:bold",
            "writer_problem": "cut",
        },
    )
    assert pool.current is not None
    spec = spec_of(pool.current)
    assert spec.members[0].ref == "sim:careful!rate-limited"
    assert (spec.judge, spec.fallback_judges[0]) == ("sim:arbiter!garble", "sim:careful!silent")
    assert spec.writer == "sim:bold!cut"
    again = _form(pool)
    assert (again["members-0-ref"], again["members-0-problem"]) == ("sim:careful", "rate-limited")
    assert (again["judge"], again["judge_problem"]) == ("sim:arbiter", "garble")
    number = pool.current.number
    _saved(pool)
    assert pool.current.number == number, "saving what is stored changes nothing"


def test_a_problem_can_be_taken_back(alice: User) -> None:
    pool = make_pool(alice, members=(MemberSpec("sim:bold!cut"), MemberSpec("sim:terse")))
    _saved(pool, **{"members-0-problem": ""})
    assert pool.current is not None and spec_of(pool.current).members[0].ref == "sim:bold"


def test_the_problem_is_said_on_the_card_the_pool_and_the_question_form(alice: User) -> None:
    spec = simulated_spec()
    members = (MemberSpec("sim:careful!rate-limited"), *spec.members[1:])
    pool = make_pool(alice, members=members, judge="sim:arbiter!garble")
    client = client_of(alice)
    for path in ("/pools", f"/pools/{pool.public_id}", f"/?pool={pool.public_id}"):
        shown = _shown(_main(client.get(path)))
        assert f"simulates: {LIMITED}" in shown, path
        assert "simulates: its verdict cannot be read" in shown, path
        assert "!rate-limited" not in shown and "!garble" not in shown, path


def test_a_version_says_which_problem_came_and_went_and_no_member_seems_exchanged(alice: User) -> None:
    pool = make_pool(alice)
    assert pool.current is not None
    _saved(pool, **{"members-0-problem": "rate-limited", "judge_problem": "tie"})
    shown = _shown(_main(client_of(alice).get(f"/pools/{pool.public_id}")))
    assert f"Simulated · Careful: simulated problem none → {LIMITED}" in shown
    assert "Judge: Simulated · Arbiter → Simulated · Arbiter (simulates: cannot separate the answers)" in shown
    assert "Added Simulated" not in shown and "Removed Simulated" not in shown


def test_a_judge_that_simulates_a_problem_is_still_known_to_sit_on_the_panel(alice: User) -> None:
    pool = make_pool(alice, judge="sim:careful!cut")
    shown = _shown(_main(client_of(alice).get(f"/pools/{pool.public_id}")))
    assert "The judge also sits on the panel" in shown


def test_a_judge_is_not_offered_what_only_a_member_can_suffer_and_the_other_way_round(alice: User) -> None:
    pool = make_pool(alice)
    page = _main(client_of(alice).get(f"/pools/{pool.public_id}/edit"))
    selects = dict(re.findall(r'<select name="([^"]+_?problem)"[^>]*>(.*?)</select>', page, re.S))
    assert 'value="garble"' in selects["judge_problem"] and 'value="pause"' not in selects["judge_problem"]
    assert 'value="pause"' in selects["members-0-problem"] and 'value="garble"' not in selects["members-0-problem"]


def test_a_problem_that_this_part_cannot_have_is_refused_and_nothing_typed_is_lost(alice: User) -> None:
    pool = make_pool(alice)
    answer = client_of(alice).post(
        f"/pools/{pool.public_id}/edit", _form(pool, **{"members-0-problem": "tie", "name": "Mine"})
    )
    assert answer.status_code == 422
    assert 'value="Mine"' in _main(answer) and "Simulate a problem" in _shown(_main(answer))


@pytest.fixture
def _a_real_connection(settings: Any) -> None:
    settings.FUSION_PROVIDER_ENV = {"FUSION_PROVIDER_URL": "http://localhost:9/v1"}
    available.reset()


@pytest.mark.usefixtures("_a_real_connection")
def test_a_real_model_has_no_problems_to_choose_and_ignores_one_that_is_sent(alice: User) -> None:
    pool = make_pool(alice, members=(MemberSpec("custom:real"), MemberSpec("sim:terse")))
    page = _main(client_of(alice).get(f"/pools/{pool.public_id}/edit"))
    real, simulated = (re.search(rf'<input id="id_members-{at}-ref"[^>]*>', page) for at in (0, 1))
    assert real and "data-simulates" not in real[0]
    assert simulated and "data-simulates" in simulated[0]
    form = _form(pool, **{"members-0-ref": "custom:real", "members-1-ref": "sim:terse", "members-0-problem": "cut"})
    _saved(pool, **form)
    assert pool.current is not None and spec_of(pool.current).members[0].ref == "custom:real"


def test_without_simulated_models_there_is_nothing_to_simulate(alice: User, settings: Any) -> None:
    settings.FUSION_SIMULATED = False
    settings.FUSION_PROVIDER_ENV = {"FUSION_PROVIDER_URL": "http://localhost:9/v1"}
    available.reset()
    assert "Simulate a problem" not in _main(client_of(alice).get("/pools/new"))


def test_where_models_are_typed_the_list_says_which_ones_can_simulate(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_forms, "LONG_LIST", 1)
    pool = make_pool(alice)
    page = _main(client_of(alice).get(f"/pools/{pool.public_id}/edit"))
    assert '<option value="sim:bold" data-simulates>' in page
    assert re.search(r'<input id="id_judge"[^>]*data-simulates', page)


def test_a_button_of_the_editor_keeps_the_chosen_problem(alice: User) -> None:
    pool = make_pool(alice)
    moved = client_of(alice).post(
        f"/pools/{pool.public_id}/edit", _form(pool, **{"members-0-problem": "rate-limited", "do": "down-0"})
    )
    select = re.search(r'<select name="members-1-problem".*?</select>', _main(moved), re.S)
    assert select and re.search(r'value="rate-limited"\s+selected', select[0])


def test_a_stored_spec_with_a_problem_can_be_asked_and_an_unknown_problem_cannot(alice: User) -> None:
    models = available.models_of_environment()
    known = models.entry("sim:terse!stall")
    assert known is not None and (known.model_id, known.name) == ("terse", "Simulated · Terse")
    assert models.endpoint(known).model_id == "terse!stall"
    assert models.entry("sim:terse!no-such") is None and models.entry("sim:nobody!stall") is None
    pool = make_pool(alice)
    save_pool(pool=pool, author=alice, spec=simulated_spec(judge="sim:arbiter!tie"))
