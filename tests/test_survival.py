"""A served installation that is killed, stopped and started again: nothing that was answered is lost or asked twice."""

from __future__ import annotations

import re
import secrets
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import PATIENCE_S, Served, served, set_up, upstream_process, upstream_stats, wait_for

QUICK, SLOW, JUDGE = "m-b-ttft10-rate400-tokens40", "m-slow-ttft10-rate20-tokens900", "judge-tokens20"


@pytest.fixture
def upstream() -> Iterator[str]:
    with upstream_process() as url:
        yield url


@pytest.fixture
def installation(tmp_path: Path, upstream: str) -> Iterator[tuple[Served, httpx.Client, str]]:
    """A running Fusion, a signed-in client and a pool of one quick and one slow member."""
    session, pool = set_up(tmp_path, upstream, members=[QUICK, SLOW], judge=JUDGE)
    with served(tmp_path, FUSION_PROVIDER_URL=upstream) as server, client_of(server, session) as client:
        yield server, client, pool


def client_of(server: Served, session: str) -> httpx.Client:
    token = secrets.token_hex(16)
    return httpx.Client(
        base_url=server.url,
        cookies={"fusion_session": session, "fusion_csrf": token},
        headers={"X-CSRFToken": token, "Origin": server.url},
        timeout=PATIENCE_S,
        trust_env=False,
    )


def ask(client: httpx.Client, pool: str, mode: str = "best-of") -> str:
    form = {"prompt": "Why?", "pool": pool, "mode": mode, "idempotency_key": secrets.token_hex(16)}
    reply = client.post("/runs", data=form)
    assert reply.status_code == 302, reply.text[:800]
    return reply.headers["Location"].rstrip("/").rpartition("/")[2]


def answers(server: Served, run: str) -> dict[str, tuple[str, str, int]]:
    """State, text and attempt of the current answers, as stored."""
    database = sqlite3.connect(server.data_dir / "db.sqlite3")
    rows = database.execute(
        "SELECT letter, answer.state, text, attempt FROM fusion_answer answer JOIN fusion_run run ON run.id = run_id "
        "WHERE public_id = ? AND is_current",
        [run.replace("-", "")],
    ).fetchall()
    database.close()
    return {letter: (state, text, attempt) for letter, state, text, attempt in rows}


def test_after_kill_9_the_finished_answer_is_there_and_only_the_missing_one_is_asked_again(
    installation: tuple[Served, httpx.Client, str], upstream: str
) -> None:
    server, client, pool = installation
    run = ask(client, pool)
    wait_for(lambda: answers(server, run)["A"][0] == "done" and len(answers(server, run)["B"][1]) > 20)
    server.kill()
    partial = answers(server, run)["B"][1]
    server.start()

    page = client.get(f"/r/{run}")
    assert page.status_code == 200
    assert "Interrupted" in page.text
    assert re.search(r"Run only what is missing", page.text)
    stored = answers(server, run)
    assert stored["A"][0] == "done"
    assert stored["B"][:2] == ("interrupted", partial)
    assert client.get(f"/r/{run}/export.json", params={"answer": "B"}).text == partial

    resumed = client.post(f"/r/{run}/act", data={"do": "resume"})
    assert resumed.status_code == 302
    wait_for(lambda: upstream_stats(upstream)["asked"].get(SLOW) == 2)
    client.post(f"/r/{run}/act", data={"do": "stop-answer", "letter": "B"})
    wait_for(lambda: answers(server, run)["B"][0] == "stopped")
    assert answers(server, run)["B"][2] == 2
    assert upstream_stats(upstream)["asked"][QUICK] == 1


FIRST, SECOND = "m-a-tokens30", "m-b-yields-tokens20"
SLOW_JUDGE, WRITING, SLOW_WRITER = "judge-rate20-tokens900", "judge-unique-tokens20", "m-w-rate20-tokens900"
DISPUTING, SLOW_DEBATER = "judge-disputes-tokens5", "m-b-slowly-tokens20"
STAGES: dict[str, tuple[str, list[str], str, dict[str, Any], str]] = {
    # stage: mode, members, judge, further rules, who is asked when the server is killed and once more after it
    "the judge": ("best-of", [FIRST, SECOND], SLOW_JUDGE, {}, SLOW_JUDGE),
    "the writer": ("merge", [FIRST, SECOND], WRITING, {"writer": f"custom:{SLOW_WRITER}"}, SLOW_WRITER),
    "a round of a debate": ("debate", [FIRST, SLOW_DEBATER], DISPUTING, {"debate_rounds": 1}, SLOW_DEBATER),
}


@pytest.mark.parametrize("stage", STAGES)
def test_after_kill_9_in_a_later_stage_only_that_one_is_asked_again(stage: str, tmp_path: Path, upstream: str) -> None:
    mode, members, judge, rules, slow = STAGES[stage]
    session, pool = set_up(tmp_path, upstream, members=members, judge=judge, **rules)
    with served(tmp_path, FUSION_PROVIDER_URL=upstream) as server, client_of(server, session) as client:
        run = ask(client, pool, mode)
        answered = 1 if slow in members else 0  # its own answer came before its part in the debate
        wait_for(lambda: upstream_stats(upstream)["asked"].get(slow) == answered + 1)
        wait_for(lambda: upstream_stats(upstream)["open"] == 1)
        wait_for(lambda: len(calls(server, run)) == upstream_stats(upstream)["begun"] - 1)
        before = upstream_stats(upstream)["asked"]
        server.kill()
        stored = answers(server, run)
        assert {state for state, _, _ in stored.values()} == {"done"}
        server.start()
        page = client.get(f"/r/{run}").text
        assert "Interrupted" in page and 'id="act-resume"' in page
        assert answers(server, run) == stored
        assert client.post(f"/r/{run}/act", data={"do": "resume"}).status_code == 302
        wait_for(lambda: upstream_stats(upstream)["asked"][slow] == before[slow] + 1)
        client.post(f"/r/{run}/act", data={"do": "stop"})
        wait_for(lambda: upstream_stats(upstream)["open"] == 0)
        asked = upstream_stats(upstream)["asked"]
        round_anew = {FIRST} if mode == "debate" else set()  # a round is whole or it is asked again
        unchanged = set(before) - {slow} - round_anew
        assert {name: asked[name] for name in unchanged} == {name: before[name] for name in unchanged}
        assert answers(server, run) == stored


def calls(server: Served, run: str) -> list[str]:
    """The roles of the calls that are on the receipt."""
    database = sqlite3.connect(server.data_dir / "db.sqlite3")
    query = "SELECT role FROM fusion_call c JOIN fusion_run r ON r.id = run_id WHERE public_id = ?"
    rows = database.execute(query, [run.replace("-", "")]).fetchall()
    database.close()
    return [role for (role,) in rows]


def test_sigterm_stores_what_came_says_what_it_left_and_ends_in_time(
    installation: tuple[Served, httpx.Client, str], upstream: str
) -> None:
    server, client, pool = installation
    run = ask(client, pool)
    wait_for(lambda: upstream_stats(upstream)["open"] == 1 and answers(server, run)["A"][0] == "done")
    assert server.stop() == 0
    wait_for(lambda: upstream_stats(upstream)["open"] == 0)
    assert "1 run" in server.log
    assert answers(server, run)["B"][0] == "interrupted"
    server.start()
    assert "Interrupted" in client.get(f"/r/{run}").text


def test_stop_closes_every_upstream_connection_within_a_second(
    installation: tuple[Served, httpx.Client, str], upstream: str
) -> None:
    server, client, pool = installation
    run = ask(client, pool)
    wait_for(lambda: upstream_stats(upstream)["open"] == 1 and answers(server, run)["A"][0] == "done")
    assert client.post(f"/r/{run}/act", data={"do": "stop"}).status_code == 302
    assert closes_within_a_second(client, upstream)
    wait_for(lambda: answers(server, run)["B"][0] == "stopped")
    assert answers(server, run)["B"][1]


def closes_within_a_second(client: httpx.Client, upstream: str) -> bool:
    """Whether no stream is open any more after a second, told by what the two processes did instead of by the clock.

    Each of twenty rounds takes 50 ms, and longer where one of them is kept from working: both answer something in it.
    """
    for _ in range(20):
        client.get("/accounts/login/")
        if upstream_stats(upstream)["open"] == 0:
            return True
        time.sleep(0.05)
    return False
