"""The front page: a question, a panel to ask, and what is going on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fusion.catalogue.available import TeamModels, models_of, models_of_environment
from fusion.catalogue.entries import CatalogueEntry
from fusion.catalogue.health import Health, failing, health_of
from fusion.errors import PoolUnusable
from fusion.live.record import EndpointFacts
from fusion.models import Pool, PoolVersion, Run, Team, User
from fusion.models.pool import Mode
from fusion.models.run import BlindMembers
from fusion.runs.examples import bundled_questions
from fusion.runs.history import for_list
from fusion.runs.plan import check_usable
from fusion.runs.pool_estimates import Estimate, estimate, habits_of
from fusion.runs.pools import CallPlan, PoolSpec, planned_calls, spec_of, troubles_of
from fusion.runs.selectors import search_runs, visible_pools
from fusion.teams.rights import Action, may, refusal_of
from fusion.teams.selectors import find_current_team
from fusion.web.forms.runs import RunForm, new_key
from fusion.web.uploads import SentImages, Upload
from fusion.web.views.entry import read_only, signed_in

RECENT = 8


@dataclass(frozen=True, slots=True)
class Tightest:
    """The member that takes the shortest question, in tokens of its context."""

    letter: str
    name: str
    tokens: int


@dataclass(frozen=True, slots=True)
class PoolOption:
    """One pool of the picker with everything that its run will call.

    `problem`: why it cannot be asked as it stands. `failing`: sentences about who failed lately or is not
    listed any more.
    `tightest`: the member with the least room for a question. `blind` and `unsure`: who cannot see images, and of whom
    nobody says it, the judge among them. `health`: the last day of each model, by ref. `estimate`: how long it
    will take and what it will cost, in a plan.
    """

    public_id: str
    name: str
    mode: str
    mode_label: str
    members: tuple[tuple[str, EndpointFacts], ...]
    judge: EndpointFacts | None
    writer: EndpointFacts | None
    calls: CallPlan
    simulated: bool
    problem: str
    tightest: Tightest | None
    failing: tuple[str, ...]
    blind: tuple[str, ...]
    unsure: tuple[str, ...]
    health: Mapping[str, Health]
    estimate: Estimate | None


@signed_in
@read_only
def ask(request: HttpRequest) -> HttpResponse:
    """The composer; for htmx's `plan` request only what the chosen pool would call."""
    user = request.user
    assert isinstance(user, User)
    if request.headers.get("HX-Target") == "ask-plan":
        plan = pool_option(_chosen_pool(user, request.GET.get("pool", "")), request.GET.get("mode", ""), is_plan=True)
        response = render(request, "fusion/ask/_plan.html", {"plan": plan})
    else:
        source = _source(user, request.GET.get("from", ""))
        form = RunForm(user=user, initial=_initial(request, user, source), sent=_images_of(source))
        response = ask_page(request, form)
    response["Vary"] = "HX-Request, HX-Target, Cookie"
    return response


def ask_page(request: HttpRequest, form: RunForm, *, status: int = 200) -> HttpResponse:
    """The whole page around `form`, which keeps what was typed."""
    user = request.user
    assert isinstance(user, User)
    team = find_current_team(user)
    chosen_id, mode = str(form["pool"].value() or ""), str(form["mode"].value() or "")
    pools = _offered(user, team, chosen_id)
    chosen = next((pool for pool in pools if str(pool.public_id) == chosen_id), pools[0] if pools else None)
    runs = for_list(search_runs(user, team=team))
    recent = list(runs[:RECENT])
    context = {
        "form": form,
        "options": [(pool_option(pool, ""), "" if pool.team == team else pool.team.name) for pool in pools],
        "refusal": "" if team is None or may(user, team, Action.RUN) else refusal_of(team, Action.RUN),
        "has_team": team is not None,
        "plan": pool_option(chosen, mode, is_plan=True),
        "modes": Mode.choices,
        "questions": bundled_questions(),
        "recent": [run for run in recent if not run.is_in_flight],
        "running": list(runs.in_flight().order_by("-pk")[:10]),
        "is_first": not recent,
        "images_max": settings.FUSION_IMAGES_PER_PROMPT,
        "image_max_bytes": settings.FUSION_IMAGE_MAX_BYTES,
        "blind_choices": BlindMembers.choices,
        "blind_members": form["blind_members"].value() or BlindMembers.TELL,
        "prompt_limit": settings.FUSION_PROMPT_MAX_CHARS,
        "only_simulated": _is_only_simulated(team),
        "connect_to": team if team is not None and may(user, team, Action.CONNECTIONS) else None,
    }
    return render(request, "fusion/ask/page.html", context, status=status)


def _offered(user: User, team: Team | None, chosen: str) -> list[Pool]:
    """The pools of the current team; and the one that was chosen, should it be another team's."""
    mine = Q(team=team)
    return list(visible_pools(user).filter(mine | Q(public_id=chosen) if _is_uuid(chosen) else mine))


def _is_only_simulated(team: Team | None) -> bool:
    """Whether the team that the person works in has no real model to ask."""
    models = models_of_environment() if team is None else models_of(team)
    return all(source.is_simulated for source in models.connections())


def _images_of(source: Run | None) -> SentImages:
    """The images of a question that is asked again in other words; the new run gets copies."""
    return SentImages(tuple(Upload("", image) for image in source.images.all())) if source is not None else SentImages()


def _initial(request: HttpRequest, user: User, source: Run | None) -> dict[str, Any]:
    """An empty question, or one that is asked again in other words; the pool is the one used last."""
    initial: dict[str, Any] = {"idempotency_key": new_key()}
    last = source or search_runs(user, team=find_current_team(user)).filter(author=user).defer("prompt").first()
    if source is not None:
        initial["prompt"] = source.prompt
        initial["mode"] = source.mode
        initial["blind_members"] = source.blind_members
    if last is not None:
        initial["pool"] = str(last.pool_version.pool.public_id)
    example = next((known for known in bundled_questions() if known.slug == request.GET.get("example")), None)
    if example is not None:
        initial["prompt"] = example.prompt
    asked_pool = _chosen_pool(user, request.GET.get("pool", "")) if request.GET.get("pool") else None
    if asked_pool is not None:
        initial["pool"] = str(asked_pool.public_id)
    return initial


def _source(user: User, public_id: str) -> Run | None:
    """The run to start from, if the person may read it."""
    if not _is_uuid(public_id):
        return None
    return Run.objects.visible_to(user).filter(public_id=public_id).select_related("pool_version__pool").first()


def _chosen_pool(user: User, public_id: str) -> Pool | None:
    return visible_pools(user).filter(public_id=public_id).first() if _is_uuid(public_id) else None


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def pool_option(pool: Pool | None, mode: str, *, is_plan: bool = False) -> PoolOption | None:
    """What a run of `pool` in `mode` (its own, if empty) will call; as a plan also how its models behave lately."""
    if pool is None or pool.current is None:
        return None
    version = pool.current
    mode, spec = mode if mode in Mode.values else version.mode, spec_of(version)
    calls = planned_calls(spec, mode)
    models = models_of(pool.team)
    members = tuple((seat.letter, _facts(seat.ref, models)) for seat in version.members.all())
    judge = _facts(version.judge, models) if calls.judge and version.judge else None
    writer = _facts(version.writer or version.judge, models) if calls.writer else None
    facts = [facts for _, facts in members] + [known for known in (judge, writer) if known is not None]
    asked = [entry for known in facts if (entry := models.entry(known.ref)) is not None]
    return PoolOption(
        public_id=str(pool.public_id),
        name=pool.name,
        mode=mode,
        mode_label=Mode(mode).label,
        members=members,
        judge=judge,
        writer=writer,
        calls=calls,
        simulated=any(known.simulated for known in facts),
        problem=_problem(version),
        tightest=_tightest(members, models),
        failing=(*_failing([*members, *_others(judge, writer)], asked), *_vanished(spec, models)) if is_plan else (),
        blind=tuple(_with_sight([*members, *_others(judge, None)], False, models)),
        unsure=tuple(_with_sight([*members, *_others(judge, None)], None, models)),
        health=health_of(asked) if is_plan else {},
        estimate=_estimate(replace(spec, mode=mode), pool.team, models) if is_plan else None,
    )


def _estimate(spec: PoolSpec, team: Team, models: TeamModels) -> Estimate:
    refs = [*(member.ref for member in spec.members), spec.judge, spec.writer]
    return estimate(spec, models, habits_of(team, [ref for ref in refs if ref]))


def _vanished(spec: PoolSpec, models: TeamModels) -> Iterator[str]:
    """What the pool does about each model that its provider does not list any more."""
    yield from (trouble.sentence for trouble in troubles_of(spec, models) if not trouble.blocks)


def _problem(version: PoolVersion) -> str:
    try:
        check_usable(version)
    except PoolUnusable as exc:
        return exc.message
    return ""


def _others(judge: EndpointFacts | None, writer: EndpointFacts | None) -> list[tuple[str, EndpointFacts]]:
    named = (("The judge", judge), ("The writer", None if writer == judge else writer))
    return [(name, facts) for name, facts in named if facts is not None]


def _failing(parts: list[tuple[str, EndpointFacts]], asked: list[CatalogueEntry]) -> Iterator[str]:
    """One sentence for each part of the pool whose latest calls failed."""
    found = failing(asked)
    for name, facts in parts:
        lately = found.get(facts.ref)
        if lately is not None:
            yield f"{name} ({facts.name}) failed in {lately.failed} of its last {lately.calls} calls."


def _with_sight(parts: list[tuple[str, EndpointFacts]], sees: bool | None, models: TeamModels) -> Iterator[str]:
    """Those of whom the catalogue says this about images."""
    for name, facts in parts:
        known = models.entry(facts.ref)
        if known is not None and known.sees is sees:
            yield f"{name} ({facts.name})" if len(name) == 1 else "the judge"


def _tightest(members: tuple[tuple[str, EndpointFacts], ...], models: TeamModels) -> Tightest | None:
    """None while no member's context is known."""
    known = [(letter, models.entry(facts.ref)) for letter, facts in members]
    sized = [
        Tightest(letter, found.name, found.context_tokens)
        for letter, found in known
        if found is not None and found.context_tokens is not None
    ]
    return min(sized, key=lambda one: one.tokens, default=None)


def _facts(ref: str, models: TeamModels) -> EndpointFacts:
    """What is known of a model; a ref whose connection is gone is shown as it is."""
    known = models.entry(ref)
    return known.facts() if known is not None else EndpointFacts(ref, ref, ref, "not available")
