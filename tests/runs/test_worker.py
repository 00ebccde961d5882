"""Leases and recovery: whose runs are whose, and what happens to those of a process that is gone."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from fusion.models import Run, RunExecution, User, WorkerLease
from fusion.runs import ending, leases
from tests import factories

pytestmark = pytest.mark.django_db


def lease(name: str, *, seconds: float) -> WorkerLease:
    return WorkerLease.objects.create(name=name, expires_at=timezone.now() + timedelta(seconds=seconds))


@pytest.fixture
def person() -> User:
    return factories.make_user("alice")


def running(person: User, held_by: WorkerLease | None) -> Run:
    return factories.make_run(person, state=Run.State.RUNNING, worker=held_by)


def ended_process() -> str:
    """The name of a process of this host that certainly ended."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    place = leases.process_name().rsplit(":", 2)[0]
    return f"{place}:{process.pid}:1"


def test_this_process_is_not_dead() -> None:
    assert not leases.is_dead(leases.process_name())


def test_a_process_of_another_host_is_not_called_dead() -> None:
    assert not leases.is_dead("elsewhere:1:1")


def test_a_new_process_with_an_old_number_is_another_process() -> None:
    place, pid, _ = leases.process_name().rsplit(":", 2)
    assert leases.is_dead(f"{place}:{pid}:1")


def test_the_runs_of_a_killed_process_are_interrupted_at_once_and_keep_their_texts(person: User) -> None:
    run = running(person, lease(ended_process(), seconds=20))
    run.answers.filter(letter="A").update(state="done", text="whole")
    run.answers.filter(letter="B").update(state="streaming", text="half")
    assert ending.recover_runs() == 1
    run.refresh_from_db()
    assert run.state == Run.State.INTERRUPTED
    assert run.failure_message
    assert list(run.answers.values_list("letter", "state", "text")) == [
        ("A", "done", "whole"),
        ("B", "interrupted", "half"),
        ("C", "interrupted", ""),
    ]
    assert not WorkerLease.objects.exists()


def test_the_runs_of_a_living_lease_are_left_alone(person: User) -> None:
    run = running(person, lease("elsewhere:1:1", seconds=20))
    assert ending.recover_runs() == 0
    run.refresh_from_db()
    assert run.state == Run.State.RUNNING


def test_the_runs_of_an_expired_lease_are_interrupted(person: User) -> None:
    run = running(person, lease("elsewhere:1:1", seconds=-1))
    assert ending.recover_runs() == 1
    run.refresh_from_db()
    assert run.state == Run.State.INTERRUPTED


def test_recovering_twice_changes_nothing_more(person: User) -> None:
    running(person, lease("elsewhere:1:1", seconds=-1))
    assert ending.recover_runs() == 1
    assert ending.recover_runs() == 0


def test_ended_and_queued_runs_are_not_touched(person: User) -> None:
    done = factories.make_run(person, state=Run.State.DONE)
    queued = factories.make_run(person, state=Run.State.QUEUED)
    assert ending.recover_runs() == 0
    done.refresh_from_db()
    queued.refresh_from_db()
    assert (done.state, queued.state) == (Run.State.DONE, Run.State.QUEUED)


def test_a_run_that_was_judged_again_meanwhile_is_not_closed_as_lost(person: User) -> None:
    """It keeps the time at which it was first started, so that does not tell one execution from the next."""
    ours = lease("ours", seconds=30)
    run = running(person, ours)
    held = ending.runs_of(ours.pk)
    RunExecution.objects.create(run=run, number=2, kind="rejudge", mode="best-of", rubric="general", person=person)
    ending.close_lost(ours.pk, held)
    run.refresh_from_db()
    assert run.state == Run.State.RUNNING
    ending.close_lost(ours.pk, ending.runs_of(ours.pk))
    run.refresh_from_db()
    assert (run.state, run.failure_code) == (Run.State.FAILED, "not_stored")
