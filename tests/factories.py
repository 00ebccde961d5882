"""Rows for tests, as plain functions: every argument has a sensible default."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from fusion.catalogue.available import models_of
from fusion.live.record import EndpointFacts
from fusion.models import Answer, Call, Membership, Pool, Run, RunExecution, Team, User
from fusion.models.team import Role
from fusion.runs.plan import run_seed
from fusion.runs.pools import MemberSpec, PoolSpec, create_pool, default_specs

_numbers = itertools.count(1)


def make_user(name: str = "alice", *, team: Team | None = None, role: str = Role.OWNER, **fields: Any) -> User:
    """A person with the password `secret-pass-1`, in `team` or in a new team of their own."""
    user: User = User.objects.create_user(f"{name}@example.com", "secret-pass-1", name=name.title(), **fields)
    Membership.objects.create(team=team or make_team(f"{name}-team"), user=user, role=role)
    return user


def make_team(slug: str = "") -> Team:
    slug = slug or f"team-{next(_numbers)}"
    return Team.objects.create(slug=slug, name=slug.replace("-", " ").title())


def team_of(user: User) -> Team:
    membership = user.memberships.select_related("team").first()
    assert membership is not None
    return membership.team


def client_of(user: User, **settings: Any) -> Client:
    """A browser of that person, signed in; `settings` go to Django's test client."""
    client = Client(**settings)
    client.force_login(user)
    return client


def simulated_spec(**changes: Any) -> PoolSpec:
    """The simulated provider's recommended pool, with changes."""
    spec = dict(default_specs())["sim"]
    return PoolSpec(**{**{name: getattr(spec, name) for name in PoolSpec.__dataclass_fields__}, **changes})


def make_pool(author: User, **changes: Any) -> Pool:
    """A pool of simulated members in the author's team."""
    changes.setdefault("name", f"Pool {next(_numbers)}")
    return create_pool(author=author, team=team_of(author), spec=simulated_spec(**changes))


def make_run(author: User, *, pool: Pool | None = None, state: str = Run.State.DONE, **fields: Any) -> Run:
    """A stored run with one waiting answer row per member; nothing is executed."""
    pool = pool or make_pool(author)
    assert pool.current is not None
    run = Run(
        team=pool.team,
        author=author,
        pool_version=pool.current,
        mode=pool.current.mode,
        state=state,
        **{"prompt": "What is the capital of France?", "idempotency_key": f"key-{next(_numbers)}", **fields},
    )
    run.seed = run_seed(run.public_id)
    run.save()
    ended = "" if run.is_in_flight else state
    RunExecution.objects.create(
        run=run, number=1, mode=run.mode, rubric=pool.current.rubric, person=author, state=ended
    )
    models = models_of(pool.team)
    for seat in pool.current.members.all():
        known = models.entry(seat.ref)
        facts = known.facts() if known else EndpointFacts(seat.ref, seat.ref, seat.ref, "")
        Answer.objects.create(run=run, letter=seat.letter, ref=seat.ref, endpoint=asdict(facts))
    return run


def make_call(run: Run, ref: str, *, minutes_ago: float = 1, **fields: Any) -> Call:
    """A stored call that ended `minutes_ago`; it went well unless `fields` say otherwise."""
    values: dict[str, Any] = {"role": "panel", "status": "ok", "ttft_ms": 400, "total_ms": 2400, "output_tokens": 100}
    call_id = f"call-{next(_numbers)}"
    ended_at = timezone.now() - timedelta(minutes=minutes_ago)
    return Call.objects.create(run=run, call_id=call_id, ref=ref, ended_at=ended_at, **(values | fields))


__all__ = [
    "MemberSpec",
    "client_of",
    "make_call",
    "make_pool",
    "make_run",
    "make_team",
    "make_user",
    "simulated_spec",
    "team_of",
]
