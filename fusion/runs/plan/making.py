"""The plan that the engine runs, from the rules of a pool version and what there is to do."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from functools import partial

from django.conf import settings

from fusion.catalogue.available import TeamModels
from fusion.engine.labels import derive_seed
from fusion.engine.rubrics import RUBRICS
from fusion.engine.types import Answer, Chunk, CompletionRequest, Endpoint, Member, Plan
from fusion.errors import ProviderModelUnknown
from fusion.models import PoolVersion, Run, RunExecution
from fusion.models.pool import PoolMember
from fusion.runs.images import images_of
from fusion.runs.plan.asking import MODES
from fusion.runs.plan.times import limits_of, panel_s
from fusion.runs.plan.todo import Todo
from fusion.runs.pools.checking import why_not
from fusion.runs.selectors import judge_refs

UsualMs = Mapping[str, int | None]  # what a model usually takes to its first token, by ref


def run_seed(public_id: object) -> str:
    """The run's seed (hex): HMAC-SHA256 of its id under the installation's secret, so that nobody can guess labels."""
    return hmac.new(settings.SECRET_KEY.encode(), str(public_id).encode(), hashlib.sha256).hexdigest()


def plan_of(run: Run, execution: RunExecution, todo: Todo, models: TeamModels, usual_ms: UsualMs) -> Plan:
    """The engine's plan of one execution."""
    version = run.pool_version
    seats = [seat for seat in version.members.all() if todo.chosen is None or seat.letter in todo.given]
    endpoint = partial(_endpoint, version=version, models=models)
    asks_person = version.on_quorum_missed == "stop" and todo.chosen is None
    return Plan(
        run_id=str(run.public_id),
        prompt=run.prompt,
        mode=MODES[execution.mode],
        members=tuple(
            _member(seat, todo.given.get(seat.letter), endpoint(seat.ref), usual_ms.get(seat.ref)) for seat in seats
        ),
        anchor=PoolMember.LETTERS[version.anchor],
        judges=tuple(endpoint(ref) for ref in judge_refs(version, execution.judge)),
        writer=endpoint(version.writer) if version.writer else None,
        rubric=RUBRICS[execution.rubric],
        seed=_seed(run, execution),
        judge_instructions=version.judge_instructions,
        limits=limits_of(version, MODES[execution.mode]),
        on_quorum_missed="stop" if asks_person else "judge",
        on_judge_failure="anchor" if version.on_judge_failure == "anchor" and not todo.keeps_final else "none",
        given_judgement=todo.judgement,
        given_rounds=todo.rounds,
        given_ruling=todo.ruling,
        given_stop=todo.stop,
        answers_only=todo.answers_only,
        images=images_of(run),
        blind_members="leave_out" if run.blind_members == "leave_out" else "tell",
    )


def _seed(run: Run, execution: RunExecution) -> str:
    """A re-judge draws labels and an order of its own: another order is half of what a second look is for."""
    if execution.kind != RunExecution.Kind.REJUDGE:
        return run.seed
    return derive_seed(run.seed, "rejudge", execution.number).hex()


def _member(seat: PoolMember, given: Answer | None, endpoint: Endpoint, usual_ms: int | None) -> Member:
    return Member(
        letter=seat.letter,
        endpoint=endpoint,
        temperature=None if seat.temperature is None else float(seat.temperature),
        max_tokens=seat.max_tokens or settings.FUSION_MEMBER_MAX_TOKENS,
        system_note=seat.system_note,
        timeout_s=float(seat.timeout_s or panel_s(seat.version)),
        given=given,
        usual_ttft_s=None if usual_ms is None else usual_ms / 1000,
    )


def _endpoint(ref: str, *, version: PoolVersion, models: TeamModels) -> Endpoint:
    known = models.entry(ref)
    if known is not None and not why_not(ref, version, models):
        return models.endpoint(known)
    connection, _, model_id = ref.partition(":")
    return Endpoint(ref, model_id, model_id, connection, GoneProvider())


class GoneProvider:
    """Stands in for a connection that is gone: what exists needs none, and who asks is told."""

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        raise ProviderModelUnknown(f"“{request.model_id[:120]}” cannot be asked here any more: its connection is gone.")
        yield  # makes this a generator
