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
    runs = [factories.make_run(alice) for _ in range(4)]
    for run in runs:
        run.answers.update(state="done", text="Words")
    old = move("0001_initial")
    _as_it_was(old, runs[0].pk, [{}])
    _as_it_was(old, runs[1].pk, [{}, {"keeps_verdict": True}], asked_anew="B")
    _as_it_was(old, runs[3].pk, [{}, {}], kind="anchor")
    old.get_model("fusion", "Run").objects.filter(pk=runs[2].pk).update(
        state="queued", retry_letters="B", finished_at="2026-03-01T12:00:00Z"
    )
    move("")
    up_to_date, out_of_date, waiting, twice = (load_record(Run.objects.get(pk=run.pk)) for run in runs)
    assert (up_to_date.final.number, up_to_date.final.text, up_to_date.final.out_of_date) == (1, "Words", False)
    assert [note.message for note in up_to_date.degraded] == ["Late."] and up_to_date.final.ready_at_ms == 2
    assert out_of_date.final.out_of_date and out_of_date.final.number == 1
    assert list(runs[1].executions.values_list("number", "state")) == [(1, "done"), (2, "done")]
    final = FinalAnswer.objects.get(run=runs[1])
    assert (final.execution, final.known) == (1, dict.fromkeys(up_to_date.answers, 1))
    assert [(mark.number, mark.is_current, mark.out_of_date) for mark in twice.finals] == [
        (1, False, False),
        (2, True, False),
    ]
    assert list(runs[3].executions.values_list("number", "state")) == [(1, "unjudged"), (2, "done")]
    pending = runs[2].executions.get()
    assert (pending.kind, pending.letters, pending.keeps_final, pending.state) == ("answers", "B", True, "")
    assert waiting.state == "queued" and User.objects.count() >= 1


def _as_it_was(
    old: Any, run_pk: int, executions: list[dict[str, Any]], *, asked_anew: str = "", kind: str = "verbatim"
) -> None:
    """The events, finals and attempts of a done run as the first release stored them."""
    event, finals = old.get_model("fusion", "RunEvent").objects, old.get_model("fusion", "FinalAnswer").objects
    seq = 0
    for data in executions:
        event.create(run_id=run_pk, seq=seq, at_ms=0, kind="RunStarted", data={"mode": "best-of", **data})
        if not data:
            event.create(run_id=run_pk, seq=seq + 1, at_ms=1, kind="Degraded", data={"code": "x", "message": "Late."})
            event.create(run_id=run_pk, seq=seq + 2, at_ms=2, kind="FinalEnded", data={"kind": kind})
            finals.filter(run_id=run_pk).update(is_current=False)
            finals.create(run_id=run_pk, kind=kind, letter="A", text="Words", out_of_date=bool(asked_anew))
        seq += 3
    if asked_anew:
        event.create(run_id=run_pk, seq=seq, at_ms=1, kind="AnswerAsked", data={"letter": asked_anew})
        answers = old.get_model("fusion", "Answer").objects.filter(run_id=run_pk, letter=asked_anew)
        again = answers.get()
        answers.update(is_current=False)
        again.pk, again.attempt = None, 2
        again.save()
