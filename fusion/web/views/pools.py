"""Pools: the cards, one pool with its versions, and the editor."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from fusion.catalogue.available import TeamModels, models_of, models_of_environment
from fusion.errors import InvalidInput, NotAllowed
from fusion.models import Pool, PoolVersion, Team, User
from fusion.runs.pool_changes import rule_lines, version_log
from fusion.runs.pool_facts import PoolCard, pool_cards, pool_outlook
from fusion.runs.pools import PoolSpec, create_pool, delete_pool, duplicate_pool, save_pool, spec_of
from fusion.runs.selectors import visible_pools
from fusion.teams.rights import Action, may, require_pool_editor, require_runner
from fusion.teams.selectors import current_team, find_current_team
from fusion.web.forms.models import model_choices
from fusion.web.forms.pools import PoolEditor, is_action
from fusion.web.views.entry import allow, read_only, signed_in, write_only


@signed_in
@read_only
def pool_list(request: HttpRequest) -> HttpResponse:
    """The pools of the current team that the person may ask, as cards."""
    user = _person(request)
    team = find_current_team(user)
    context = {
        "cards": pool_cards(user, list(visible_pools(user).filter(team=team))),
        "may_create": _may_create(user, team),
        "problems": () if team is None else models_of(team).problems(),
    }
    return render(request, "fusion/pools/page.html", context)


@signed_in
@read_only
def pool_detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One pool: its rules as they are now, what it will do, and how they came about."""
    user = _person(request)
    pool = _pool(user, public_id)
    spec, models = spec_of(_current(pool)), models_of(pool.team)
    context = {
        "card": _card(user, pool),
        "spec": spec,
        "rules": rule_lines(spec, models),
        "outlook": pool_outlook(spec, models),
        "versions": version_log(user, pool),
        "may_create": _may_create(user, pool.team),
    }
    return render(request, "fusion/pools/detail.html", context)


@signed_in
@allow("GET", "HEAD", "POST")
def pool_create(request: HttpRequest) -> HttpResponse:
    """The editor for a new pool of the person's team."""
    user = _person(request)
    team = _team_to_write_in(user)
    models = models_of(team)
    if request.method != "POST":
        return _editor(request, PoolEditor.of_spec(PoolSpec(name="", members=()), models))
    if is_action(request.POST.get("do", "")):
        return _editor(request, PoolEditor.after_action(request.POST, models))
    editor = PoolEditor.of_post(request.POST, models)
    if editor.is_valid():
        try:
            pool = create_pool(author=user, team=team, spec=editor.spec())
        except InvalidInput as exc:
            editor.refuse(exc)
        else:
            messages.success(request, f"Pool “{pool.name}” is ready.")
            return redirect("pool-detail", public_id=pool.public_id)
    return _editor(request, editor, status=422)


@signed_in
@allow("GET", "HEAD", "POST")
def pool_edit(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The editor for an existing pool; saving writes a new version, earlier runs keep theirs."""
    user = _person(request)
    pool = _pool(user, public_id)
    _require_editor(user, pool)
    models = models_of(pool.team)
    if request.method != "POST":
        return _editor(request, PoolEditor.of_spec(spec_of(_current(pool)), models), pool=pool)
    if is_action(request.POST.get("do", "")):
        return _editor(request, PoolEditor.after_action(request.POST, models), pool=pool)
    editor = PoolEditor.of_post(request.POST, models)
    if editor.is_valid():
        try:
            before = _current(pool).number
            version = save_pool(pool=pool, author=user, spec=editor.spec())
        except InvalidInput as exc:
            editor.refuse(exc)
        else:
            messages.success(request, _saved(before, version.number))
            return redirect("pool-detail", public_id=pool.public_id)
    return _editor(request, editor, pool=pool, status=422)


def _saved(before: int, after: int) -> str:
    if before == after:
        return f"Saved. The rules are as they were, so version {after} stays."
    return f"Saved as version {after}. Earlier runs keep the version that they used."


@signed_in
@write_only
def pool_duplicate(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Copy a pool and open the copy's editor."""
    user = _person(request)
    try:
        copy = duplicate_pool(pool=_pool(user, public_id), author=user)
    except NotAllowed as exc:
        raise PermissionDenied(exc.message) from exc
    except InvalidInput as exc:
        messages.error(request, f"This pool cannot be copied as it is. {exc.message}")
        return redirect("pool-detail", public_id=public_id)
    messages.success(request, f"“{copy.name}” is a copy of your own; change what you like.")
    return redirect("pool-edit", public_id=copy.public_id)


@signed_in
@allow("GET", "HEAD", "POST")
def pool_delete(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Say what stays, then delete; a pool's runs are kept."""
    user = _person(request)
    pool = _pool(user, public_id)
    _require_editor(user, pool)
    if request.method != "POST":
        return render(request, "fusion/pools/delete.html", {"card": _card(user, pool)})
    delete_pool(pool=pool, person=user)
    messages.success(request, f"Pool “{pool.name}” is deleted. Its runs are still in the history.")
    return redirect("pools")


@signed_in
@write_only
def pool_preview(request: HttpRequest) -> HttpResponse:
    """What the rules in the editor would do as they stand there now; parts that make no sense yet are left out."""
    models = _models_for_preview(_person(request), request.GET.get("pool", ""))
    outlook = pool_outlook(PoolEditor.of_post(request.POST, models).draft(), models)
    return render(request, "fusion/pools/_preview.html", {"outlook": outlook})


def _models_for_preview(user: User, public_id: str) -> TeamModels:
    """What the team of the edited pool can ask, or of a new one the team that the person works in."""
    if public_id:
        return models_of(_pool(user, uuid_or_404(public_id)).team)
    team = find_current_team(user)
    return models_of_environment() if team is None else models_of(team)


def _editor(request: HttpRequest, editor: PoolEditor, *, pool: Pool | None = None, status: int = 200) -> HttpResponse:
    context = {
        "editor": editor,
        "pool": pool,
        "models": model_choices(editor.models),
        "outlook": pool_outlook(editor.draft(), editor.models),
        "problems": editor.models.problems(),
    }
    is_fragment = request.headers.get("HX-Target") == "pool-members"
    template = "fusion/pools/_members.html" if is_fragment else "fusion/pools/edit.html"
    return render(request, template, context, status=status)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _pool(user: User, public_id: UUID) -> Pool:
    return get_object_or_404(visible_pools(user), public_id=public_id)


def uuid_or_404(text: str) -> UUID:
    """A public id from a query string, where no route has checked it. Raises Http404."""
    try:
        return UUID(text)
    except ValueError as exc:
        raise Http404("There is no such pool.") from exc


def _current(pool: Pool) -> PoolVersion:
    assert pool.current is not None  # visible_pools leaves out pools without rules
    return pool.current


def _card(user: User, pool: Pool) -> PoolCard:
    return pool_cards(user, [pool])[0]


def _may_create(user: User, team: Team | None) -> bool:
    return team is not None and may(user, team, Action.RUN)


def _team_to_write_in(user: User) -> Team:
    """Raises PermissionDenied, with what to do, for somebody who may not make pools."""
    try:
        team = current_team(user)
        require_runner(user, team)
    except Team.DoesNotExist as exc:
        raise PermissionDenied("You are in no team yet. Ask a team admin to invite you.") from exc
    except NotAllowed as exc:
        raise PermissionDenied(exc.message) from exc
    return team


def _require_editor(user: User, pool: Pool) -> None:
    try:
        require_pool_editor(user, pool)
    except NotAllowed as exc:
        raise PermissionDenied(exc.message) from exc
