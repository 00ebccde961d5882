"""What an installation has stored stays readable when its tables change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from fusion.models import FinalAnswer, Run, User
from fusion.runs.selectors import load_record
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

Move = Any  # gives the tables of that migration as historical models; an empty name is the newest


@pytest.fixture
def move() -> Iterator[Move]:
    """Moves the database to a migration; at the end it is up to date again."""

    def to(name: str) -> Any:
        executor = MigrationExecutor(connection)
        targets = [("fusion", name)] if name else executor.loader.graph.leaf_nodes()
        executor.migrate(targets)
        return executor.loader.project_state(targets).apps

    yield to
    to("")


def test_runs_from_before_several_finals_keep_their_final_their_notes_and_whether_it_is_out_of_date(move: Move) -> None:
    alice = factories.make_user("alice")
    runs = [factories.make_run(alice) for _ in range(3)]
    for run in runs:
        run.answers.update(state="done", text="Words")
    old = move("0001_initial")
    _as_it_was(old, runs[0].pk, [{}])
    _as_it_was(old, runs[1].pk, [{}, {"keeps_verdict": True}], out_of_date=True)
    old.get_model("fusion", "Run").objects.filter(pk=runs[2].pk).update(
        state="queued", retry_letters="B", finished_at="2026-03-01T12:00:00Z"
    )
    move("")
    up_to_date, out_of_date, waiting = (load_record(Run.objects.get(pk=run.pk)) for run in runs)
    assert (up_to_date.final.number, up_to_date.final.text, up_to_date.final.out_of_date) == (1, "Words", False)
    assert [note.message for note in up_to_date.degraded] == ["Late."]
    assert out_of_date.final.out_of_date and out_of_date.final.number == 1
    assert list(runs[1].executions.values_list("number", "state")) == [(1, "done"), (2, "done")]
    assert FinalAnswer.objects.get(run=runs[1]).execution == 1
    pending = runs[2].executions.get()
    assert (pending.kind, pending.letters, pending.keeps_final, pending.state) == ("answers", "B", True, "")
    assert waiting.state == "queued" and User.objects.count() >= 1


def _as_it_was(old: Any, run_pk: int, executions: list[dict[str, Any]], *, out_of_date: bool = False) -> None:
    """The events and the final of a done run as the first release stored them."""
    event = old.get_model("fusion", "RunEvent").objects
    seq = 0
    for data in executions:
        event.create(run_id=run_pk, seq=seq, at_ms=0, kind="RunStarted", data={"mode": "best-of", **data})
        if not data:
            event.create(run_id=run_pk, seq=seq + 1, at_ms=1, kind="Degraded", data={"code": "x", "message": "Late."})
            event.create(run_id=run_pk, seq=seq + 2, at_ms=2, kind="FinalEnded", data={"kind": "verbatim"})
        seq += 3
    final = {"kind": "verbatim", "letter": "A", "text": "Words", "out_of_date": out_of_date}
    old.get_model("fusion", "FinalAnswer").objects.create(run_id=run_pk, **final)
