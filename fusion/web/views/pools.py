"""Pools: the cards, one pool with its versions, the editor, copying and deleting."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from fusion.catalogue.available import models_of, models_of_environment
from fusion.errors import InvalidInput, NotAllowed
from fusion.models import Pool, PoolVersion, Team, User
from fusion.models.pool import Mode
from fusion.runs.pool_changes import rule_lines, version_log
from fusion.runs.pool_estimates import habits_of
from fusion.runs.pool_facts import PoolCard, matching, offer_cards, pool_cards, pool_outlook
from fusion.runs.pool_usage import pool_usage
from fusion.runs.pools import (
    PoolSpec,
    create_pool,
    delete_pool,
    duplicate_pool,
    save_pool,
    spec_of,
    spec_of_copy,
    troubles_of,
)
from fusion.runs.selectors import visible_pools
from fusion.runs.templates import Shelf, offer, template_named
from fusion.teams.rights import (
    Action,
    allows,
    may,
    may_manage_pool,
    require_pool_editor,
    require_pool_manager,
    require_runner,
)
from fusion.teams.selectors import current_team, find_current_team, memberships_of, team_elsewhere
from fusion.web.forms.models import model_choices
from fusion.web.forms.pools import PoolEditor, is_action
from fusion.web.views.entry import allow, read_only, signed_in, write_only

MANY = 6  # more pools than this are searched
EMPTY = "empty"


@signed_in
@read_only
def pool_list(request: HttpRequest) -> HttpResponse:
    """The pools of the current team that the person may ask, as cards, those used last first."""
    user = _person(request)
    team = find_current_team(user)
    cards = pool_cards(user, list(visible_pools(user).filter(team=team)))
    query, mode = request.GET.get("q", "")[:200], request.GET.get("mode", "")
    context = {
        "cards": matching(cards, query=query, mode=mode),
        "total": len(cards),
        "is_many": len(cards) > MANY,
        "query": query,
        "mode": mode,
        "modes": Mode.choices,
        "may_create": _may_create(user, team),
        "teams": _teams_to_write_in(user),
        "problems": () if team is None else models_of(team).problems(),
    }
    return render(request, "fusion/pools/page.html", context)


@signed_in
@read_only
def pool_detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One pool: its rules as they are now, what it will do, and how they came about."""
    user = _person(request)
    pool = pool_of(user, public_id)
    version = current_version(pool)
    spec, models = spec_of(version), models_of(pool.team)
    context = {
        "card": _card(user, pool),
        "spec": spec,
        "rules": rule_lines(spec, models),
        "outlook": pool_outlook(spec, models, team=pool.team, version=version),
        "versions": version_log(user, pool),
        "teams": _teams_to_write_in(user),
        "elsewhere": team_elsewhere(user, pool.team),
    }
    return render(request, "fusion/pools/detail.html", context)


@signed_in
@allow("GET", "HEAD", "POST")
def pool_create(request: HttpRequest) -> HttpResponse:
    """What a new pool may start from, and its editor. `team`: whose pool it becomes, else the current team's."""
    user = _person(request)
    team = _team_to_write_in(user, request.GET.get("team", ""))
    if request.method != "POST":
        return _begin(request, user, team)
    models = models_of(team)
    if is_action(request.POST.get("do", "")):
        return _editor(request, PoolEditor.after_action(request.POST, models), team=team)
    editor = PoolEditor.of_post(request.POST, models)
    if editor.is_valid():
        try:
            pool = create_pool(author=user, team=team, spec=editor.spec())
        except InvalidInput as exc:
            editor.refuse(exc)
        else:
            messages.success(request, f"Pool “{pool.name}” is ready.")
            return redirect("pool-detail", public_id=pool.public_id)
    return _editor(request, editor, team=team, status=422)


def _begin(request: HttpRequest, user: User, team: Team) -> HttpResponse:
    """The templates, or the editor filled in from one of them or from another pool."""
    models = models_of(team)
    if "copy" in request.GET:
        spec = spec_of_copy(pool_of(user, uuid_or_404(request.GET["copy"])))
        return _editor(request, PoolEditor.of_spec(spec, models), team=team)
    slug = request.GET.get("template", "")
    if slug == EMPTY:
        return _editor(request, PoolEditor.of_spec(PoolSpec(name="", members=()), models), team=team)
    if not slug:
        context = {"offers": offer_cards(team, models), "team": team, "problems": models.problems()}
        return render(request, "fusion/pools/start.html", context)
    template = template_named(slug)
    if template is None:
        raise Http404("There is no such template.")
    chosen = offer(template, Shelf(models, habits_of(team)))
    if chosen.spec is None:
        messages.error(request, f"“{template.name}” is not possible here. {chosen.problem}")
        return redirect(_new_address(team))
    return _editor(request, PoolEditor.of_spec(chosen.spec, models), team=team)


@signed_in
@allow("GET", "HEAD", "POST")
def pool_edit(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The editor for an existing pool; saving writes a new version, earlier runs keep theirs.

    `version`: the rules to begin with; `seat`: the field to go to.
    """
    user = _person(request)
    pool = pool_of(user, public_id)
    _require_editor(user, pool)
    models = models_of(pool.team)
    if request.method != "POST":
        spec = spec_of(version_of(pool, request.GET.get("version", "")))
        return _editor(request, PoolEditor.of_spec(spec, models, focus=request.GET.get("seat", "")), pool=pool)
    if is_action(request.POST.get("do", "")):
        return _editor(request, PoolEditor.after_action(request.POST, models), pool=pool)
    fixed = {} if may_manage_pool(user, pool) else {"visibility": pool.visibility, "editors": pool.editors}
    editor = PoolEditor.of_post(request.POST, models, fixed=fixed)
    if editor.is_valid():
        try:
            before = current_version(pool).number
            version = save_pool(pool=pool, author=user, spec=editor.spec())
        except InvalidInput as exc:
            editor.refuse(exc)
        else:
            messages.success(request, _saved(pool, before, version))
            return redirect("pool-detail", public_id=pool.public_id)
    return _editor(request, editor, pool=pool, status=422)


def _saved(pool: Pool, before: int, version: PoolVersion) -> str:
    reach = _reach_words(pool, version.pool)
    if before != version.number:
        return f"Saved as version {version.number}. Earlier runs keep the version that they used.{reach}"
    return f"Saved. The rules are as they were, so version {version.number} stays.{reach}"


def _reach_words(before: Pool, after: Pool) -> str:
    """What it means that a pool is private now, or the team's; empty when that has not changed."""
    if before.visibility == after.visibility:
        return ""
    if after.visibility == Pool.Visibility.PRIVATE:
        return " Only you see and ask it now; what others have asked with it stays readable in the team's history."
    return f" Everybody in {after.team.name} sees it now, and members may ask it."


@signed_in
@allow("GET", "HEAD", "POST")
def pool_duplicate(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Copy a pool into one of the person's teams and open the copy's editor; where its models are not all there, the
    editor opens with those seats marked and nothing is made yet."""
    user = _person(request)
    pool = pool_of(user, public_id)
    teams = _teams_to_write_in(user)
    if not teams:
        _team_to_write_in(user, str(pool.team.public_id))  # says why not
    if request.method != "POST":
        choices = [(team, _missing(pool, team)) for team in teams]
        return render(request, "fusion/pools/duplicate.html", {"pool": pool, "choices": choices})
    team = _team_to_write_in(user, request.POST.get("team", "") or str(pool.team.public_id))
    try:
        copy = duplicate_pool(pool=pool, author=user, team=team)
    except InvalidInput:
        messages.warning(request, "Not everything that this pool names is there. Nothing is saved yet.")
        return redirect(_new_address(team, copy=str(pool.public_id)))
    messages.success(request, f"“{copy.name}” is a copy of your own; change what you like.")
    return redirect("pool-edit", public_id=copy.public_id)


def _missing(pool: Pool, team: Team) -> list[str]:
    """The names of the pool's models that cannot be asked in a team."""
    troubles = troubles_of(spec_of_copy(pool), models_of(team))
    return list(dict.fromkeys(trouble.name for trouble in troubles if trouble.blocks))


@signed_in
@allow("GET", "HEAD", "POST")
def pool_delete(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Say what stays, then delete; a pool's runs are kept."""
    user = _person(request)
    pool = pool_of(user, public_id)
    try:
        require_pool_manager(user, pool)
    except NotAllowed as exc:
        raise PermissionDenied(exc.message) from exc
    if request.method != "POST":
        return render(request, "fusion/pools/delete.html", {"card": _card(user, pool)})
    delete_pool(pool=pool, person=user)
    messages.success(request, f"Pool “{pool.name}” is deleted. Its runs are still in the history.")
    return redirect("pools")


@signed_in
@write_only
def pool_preview(request: HttpRequest) -> HttpResponse:
    """What the rules in the editor would do as they stand there now; parts that make no sense yet are left out."""
    user = _person(request)
    pool = pool_of(user, uuid_or_404(request.GET["pool"])) if request.GET.get("pool") else None
    team = pool.team if pool is not None else _team_for_preview(user, request.GET.get("team", ""))
    models = models_of_environment() if team is None else models_of(team)
    draft = PoolEditor.of_post(request.POST, models).draft()
    context = {"outlook": pool_outlook(draft, models, team=team)} | _history(user, pool, draft)
    return render(request, "fusion/pools/_preview.html", context)


def _history(user: User, pool: Pool | None, draft: PoolSpec) -> dict[str, object]:
    """How the pool was used, which says what a run will take only while its rules are as they were then."""
    if pool is None:
        return {}
    stored = spec_of(current_version(pool))
    asks = [(one.members, one.judge, one.writer, one.mode) for one in (draft, stored)]
    return {"usage": pool_usage(user, [pool]).get(pool.pk), "as_stored": asks[0] == asks[1]}


def _team_for_preview(user: User, public_id: str) -> Team | None:
    if public_id:
        return get_object_or_404(Team.objects.visible_to(user), public_id=uuid_or_404(public_id))
    return find_current_team(user)


def _editor(
    request: HttpRequest, editor: PoolEditor, *, pool: Pool | None = None, team: Team | None = None, status: int = 200
) -> HttpResponse:
    """The editor's page; for htmx's buttons in the list of members only that list."""
    home = pool.team if pool is not None else team
    assert home is not None
    draft = editor.draft()
    stored = current_version(pool) if pool is not None and editor.begun_with is not None else None
    editor.mark(troubles_of(draft, editor.models, stored))
    context = {
        "editor": editor,
        "pool": pool,
        "team": home,
        "action": reverse("pool-edit", args=[pool.public_id]) if pool is not None else _new_address(team),
        "about": urlencode({"pool": pool.public_id} if pool is not None else {"team": home.public_id}),
        "may_manage": pool is None or may_manage_pool(_person(request), pool),
        "models": model_choices(editor.models, home),
        "outlook": pool_outlook(draft, editor.models, team=home, version=stored),
        "problems": editor.models.problems(),
    } | _history(_person(request), pool, draft)
    is_fragment = request.headers.get("HX-Target") == "pool-members"
    template = "fusion/pools/_members.html" if is_fragment else "fusion/pools/edit.html"
    return render(request, template, context, status=status)


def _new_address(team: Team | None, **query: str) -> str:
    known = {"team": str(team.public_id)} if team is not None else {}
    return f"{reverse('pool-create')}?{urlencode(known | query)}"


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def pool_of(user: User, public_id: UUID) -> Pool:
    return get_object_or_404(visible_pools(user), public_id=public_id)


def uuid_or_404(text: str) -> UUID:
    """A public id from a query string, where no route has checked it. Raises Http404."""
    try:
        return UUID(text)
    except ValueError as exc:
        raise Http404("There is no such pool.") from exc


def current_version(pool: Pool) -> PoolVersion:
    assert pool.current is not None  # visible_pools leaves out pools without rules
    return pool.current


def version_of(pool: Pool, number: str) -> PoolVersion:
    """The version of that number; the current one where none is named. Raises Http404."""
    if not number:
        return current_version(pool)
    if not (number.isascii() and number.isdigit() and len(number) < 8):
        raise Http404("There is no such version.")
    versions = PoolVersion.objects.select_related("pool", "author").prefetch_related("members")
    return get_object_or_404(versions, pool=pool, number=int(number))


def _card(user: User, pool: Pool) -> PoolCard:
    return pool_cards(user, [pool])[0]


def _may_create(user: User, team: Team | None) -> bool:
    return team is not None and may(user, team, Action.RUN)


def _teams_to_write_in(user: User) -> list[Team]:
    """The person's teams in which they may make pools, the oldest first."""
    return [one.team for one in memberships_of(user) if allows(one.role, Action.RUN)]


def _team_to_write_in(user: User, public_id: str = "") -> Team:
    """The team of that id, else the current one.

    Raises Http404, and PermissionDenied, with what to do, for somebody who may not make pools there.
    """
    if public_id:
        team = get_object_or_404(Team.objects.visible_to(user), public_id=uuid_or_404(public_id))
    else:
        team = _current_team(user)
    try:
        require_runner(user, team)
    except NotAllowed as exc:
        raise PermissionDenied(exc.message) from exc
    return team


def _current_team(user: User) -> Team:
    try:
        return current_team(user)
    except Team.DoesNotExist as exc:
        raise PermissionDenied("You are in no team yet. Ask a team admin to invite you.") from exc


def _require_editor(user: User, pool: Pool) -> None:
    try:
        require_pool_editor(user, pool)
    except NotAllowed as exc:
        raise PermissionDenied(exc.message) from exc
