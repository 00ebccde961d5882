"""One run: starting, watching, steering, deleting it."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache

from fusion.errors import FusionError, InvalidInput, NotAllowed, RunStateConflict, TeamConflict, TooManyRuns
from fusion.models import Run, Team, User
from fusion.runs import finals, services
from fusion.teams.rights import Action, may
from fusion.teams.selectors import former_members, team_elsewhere
from fusion.web.back import way_back
from fusion.web.forms.runs import RunForm, new_key
from fusion.web.screen import Screen
from fusion.web.uploads import sent_images
from fusion.web.views.ask import ask_page
from fusion.web.views.entry import read_only, signed_in, write_only
from fusion.web.views.refusals import refusal
from fusion.web.watch import screen_for, screen_of_final, screen_to_follow

HTTP_STATUS: dict[type[FusionError], int] = {
    NotAllowed: 403,
    RunStateConflict: 409,
    TeamConflict: 409,
    TooManyRuns: 429,
    InvalidInput: 422,
}


def status_of(failure: FusionError) -> int:
    """The HTTP status that says the same as a service's refusal."""
    return next((status for kind, status in HTTP_STATUS.items() if isinstance(failure, kind)), 422)


@signed_in
@write_only
def run_create(request: HttpRequest) -> HttpResponse:
    """Start a run and go to its page; or give the form back as it was, with what is wrong."""
    user = person_of(request)
    form = RunForm(request.POST, user=user, sent=sent_images(request, user))
    status = 422
    if form.is_valid():
        data = form.cleaned_data
        try:
            run = services.start_run(
                author=user,
                pool=data["pool"],
                prompt=data["prompt"],
                mode=data["mode"] or None,
                idempotency_key=data["idempotency_key"],
                private=data["private"],
                images=form.sent.images,
                blind_members=data["blind_members"],
            )
        except FusionError as failure:
            form.add_failure(failure)
            status = status_of(failure)
        else:
            return redirect("run-detail", run.public_id)
    return ask_page(request, form, status=status)


@signed_in
@never_cache
@read_only
def run_detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The run as it is now; the page stays up to date by itself."""
    user = person_of(request)
    run = visible_run(user, public_id)
    context = _screen(run, request.GET.get("final")).context()
    context |= {
        "mode": run.mode,
        "mode_label": run.get_mode_display(),
        "pool_id": run.pool_version.pool.public_id,
        "may_run": may(user, run.team, Action.RUN),
        "again_key": new_key(),
        "blind_members": run.blind_members,
        "elsewhere": team_elsewhere(user, run.team),
        "author_left": bool(former_members([(run.team_id, run.author_id)])),
        # What is open stays open for whoever came while the run was under way; see data-watching.
        "is_watched": not context["is_final"],
    }
    return render(request, "fusion/runs/page.html", context)


def _screen(run: Run, final: str | None) -> Screen:
    """The run as it is now, or with the final of that number."""
    if final is None:
        return screen_for(run)
    screen = screen_of_final(run, final_number(final))
    if screen is None:
        raise Http404("This run has no such final.")
    return screen


def final_number(text: str) -> int:
    """The number of a final as an address names it; 404 for what is none."""
    if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII):
        raise Http404("Finals have numbers.")
    return int(text)


@signed_in
@read_only
def run_live(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The frames after `after`, for browsers that get no socket; 204 or 304 when there is nothing new."""
    after = request.GET.get("after", "")
    screen = screen_to_follow(visible_run(person_of(request), public_id), after)
    etag = f'"{screen.token}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponseNotModified(headers={"ETag": etag, "Cache-Control": "private, no-cache"})
    frames = screen.frames_or_snapshot(after)
    status = 200 if frames else 204
    return HttpResponse("".join(frames), status=status, headers={"ETag": etag, "Cache-Control": "private, no-cache"})


@signed_in
@write_only
def run_act(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Steer a run: `do` says how, `letter` whom it concerns. Scripts get 204, people their page."""
    user = person_of(request)
    run = visible_run(user, public_id)
    was_over = not run.is_in_flight
    try:
        _act(run, user, request.GET.get("do") or request.POST.get("do", ""), request.POST)
    except FusionError as failure:
        return refusal(request, failure.message, status=status_of(failure))
    if request.headers.get("HX-Request") != "true":
        return redirect("run-detail", run.public_id)
    return HttpResponse(status=204, headers=_reload(request, run) if was_over else {})


def _reload(request: HttpRequest, run: Run) -> dict[str, str]:
    """A page of an ended run has no socket: it is loaded anew to watch what was just started, where it was scrolled to.

    One that shows another final goes to the run's own address.
    """
    if "?" not in request.headers.get("HX-Current-URL", ""):
        return {"HX-Refresh": "true"}
    return {"HX-Redirect": reverse("run-detail", args=[run.public_id])}


def _act(run: Run, person: User, deed: str, data: QueryDict) -> None:
    """Raises InvalidInput for an unknown deed, and what the service raises."""
    whole: dict[str, Callable[..., None]] = {
        "stop": services.stop_run,
        "judge-now": services.judge_now,
        "wait-for-all": services.wait_for_all,
        "end-debate": services.end_debate,
        "resume": services.resume_run,
        "judge": finals.judge_again,
    }
    single: dict[str, Callable[..., None]] = {
        "stop-answer": services.stop_answer,
        "retry": services.retry_answer,
        "pick": finals.pick_final,
    }
    if deed in whole:
        whole[deed](run=run, person=person)
    elif deed in single:
        single[deed](run=run, person=person, letter=data.get("letter", ""))
    elif deed == "choose":
        finals.choose_final(run=run, person=person, number=final_number(data.get("final", "")))
    else:
        raise InvalidInput("This is not something that can be done with a run.")


@signed_in
@write_only
def run_delete(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Take a run out of every list; the history offers to undo it for a while."""
    run = visible_run(person_of(request), public_id)
    try:
        services.delete_run(run=run, person=person_of(request))
    except FusionError as failure:
        return refusal(request, failure.message, status=status_of(failure))
    return redirect(way_back(request, reverse("history")))


@signed_in
@write_only
def run_restore(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Bring a deleted run back. Only who could delete it can see that it exists."""
    user = person_of(request)
    runs = Run.objects.filter(Q(is_private=False) | Q(author=user), team__in=Team.objects.visible_to(user))
    run = get_object_or_404(runs, public_id=public_id)
    try:
        services.restore_run(run=run, person=user)
    except FusionError as failure:
        return refusal(request, failure.message, status=404 if run.deleted_at else status_of(failure))
    messages.success(request, "The run is back.")
    return redirect(way_back(request, reverse("run-detail", args=[run.public_id])))


def person_of(request: HttpRequest) -> User:
    user = request.user
    assert isinstance(user, User)
    return user


def visible_run(user: User, public_id: UUID) -> Run:
    runs = Run.objects.visible_to(user).select_related("pool_version__pool", "author", "team")
    return get_object_or_404(runs, public_id=public_id)
