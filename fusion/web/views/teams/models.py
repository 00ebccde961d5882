"""The models that a team can ask: the list, one of them with its prices, adding and changing, reading lists anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fusion.catalogue.available import TeamModels, models_of
from fusion.catalogue.edits import (
    add_model,
    edit_model,
    edits_of,
    is_hand_made,
    may_edit_models,
    price_history,
    remove_model,
    require_editor,
    set_price,
    take_listed_fact,
    take_listed_price,
)
from fusion.catalogue.entries import CatalogueEntry
from fusion.catalogue.health import NO_CALLS
from fusion.catalogue.search import search_models
from fusion.catalogue.sources import Source
from fusion.catalogue.stored import FROM_LIST, PRICE, current_prices, entry_of_row, price_of
from fusion.errors import FusionError, NotAllowed
from fusion.models import ModelEntry, Team, User
from fusion.runs.listing import Refreshed, refresh_each
from fusion.runs.pools import add_default_pools_everywhere
from fusion.runs.selectors import pools_that_use
from fusion.teams.rights import Action, may
from fusion.web.forms.catalogue import AddModelForm, FactsForm, ModelFilterForm, PriceForm
from fusion.web.shown.models import COLUMN_WORDS, ModelShown, edit_words, price_shown, show, shown
from fusion.web.views.entry import allow, read_only, signed_in, write_only
from fusion.web.views.teams.gate import person_of, team_for

PAGE_SIZE = 50
OPTIONS = 50
REFRESH_S = 30.0
REFRESH_AGAIN_S = 20
_SORTS: dict[str, Callable[[ModelShown], Any]] = {
    "name": lambda one: one.entry.name.lower(),
    "provider": lambda one: one.entry.provider.lower(),
    "family": lambda one: one.entry.family or None,
    "context": lambda one: one.entry.context_tokens,
    "input": lambda one: one.entry.price.input_picos if one.entry.price is not None else None,
    "output": lambda one: one.entry.price.output_picos if one.entry.price is not None else None,
    "health": lambda one: one.health.failed / one.health.calls if one.health.calls else None,
}


# --- looking -----------------------------------------------------------------------------------------


@signed_in
@read_only
def team_models(request: HttpRequest, team_id: UUID) -> HttpResponse:
    """Everything that the team can ask. A live search gets the table alone, from the same fragment."""
    team = team_for(request, team_id, Action.READ)
    models = models_of(team)
    known = models.known()
    form = ModelFilterForm(request.GET, entries=known)
    sort = request.GET.get("sort", "")
    context = {
        "team": team,
        "form": form,
        "page": _page(form.find(known), sort, request.GET.get("page", "1")),
        "sort": sort,
        "is_empty": not known,
        "problems": (*models.obstacles(), *models.problems()),
        "may_add": bool(_editable(models, person_of(request))),
        "refreshable": _refreshable(models),
        "may_refresh": may(person_of(request), team, Action.CATALOGUE),
    }
    is_search = request.headers.get("HX-Target") == "models-results"
    response = render(request, "fusion/models/_results.html" if is_search else "fusion/models/page.html", context)
    response["Vary"] = "HX-Request, HX-Target, Cookie"
    return response


def _page(found: Sequence[CatalogueEntry], sort: str, number: str) -> Page[ModelShown]:
    """One page of the table; only a sort by health needs that of every model."""
    by = sort.removeprefix("-")
    if by == "health":
        found = [one.entry for one in _sorted(shown(found), sort)]
    elif by in _SORTS:
        found = [one.entry for one in _sorted([show(entry, NO_CALLS) for entry in found], sort)]
    page: Page[Any] = Paginator(found, PAGE_SIZE).get_page(number)
    page.object_list = shown(list(page.object_list))
    return page


def _sorted(rows: list[ModelShown], sort: str) -> list[ModelShown]:
    """What is not known stands last, whichever way it is sorted."""
    of = _SORTS[sort.removeprefix("-")]
    known = [row for row in rows if of(row) is not None]
    known.sort(key=of, reverse=sort.startswith("-"))
    return known + [row for row in rows if of(row) is None]


@signed_in
@read_only
def team_model_options(request: HttpRequest, team_id: UUID) -> HttpResponse:
    """What a picker offers for the words typed so far: the options of its list."""
    models = models_of(team_for(request, team_id, Action.READ))
    query = request.GET.get("q", "")
    found = search_models(models.all(), query)
    context = {
        "options": shown(found[:OPTIONS]),
        "more": max(0, len(found) - OPTIONS),
        "typed": _unlisted(models, query.strip()) if not found else None,
        "simulating": {one.ref for one in found[:OPTIONS] if models.problems_at(one.connection, "member")},
    }
    return render(request, "fusion/models/_options.html", context)


def _unlisted(models: TeamModels, query: str) -> CatalogueEntry | None:
    """A model that no list names but that can be asked all the same, typed out as `connection:model-id`."""
    return models.entry(query) if ":" in query and len(query) <= 240 else None


@signed_in
@read_only
def team_model(request: HttpRequest, team_id: UUID, public_id: UUID) -> HttpResponse:
    """One model: what is known of it and from whom, its prices since when, how it behaves, which pools use it."""
    team = team_for(request, team_id, Action.READ)
    source, row = _row(team, public_id)
    return render(request, "fusion/models/detail.html", _about(person_of(request), team, source, row))


def _about(person: User, team: Team, source: Source, row: ModelEntry) -> dict[str, Any]:
    entry = entry_of_row(source, row, current_prices([row]).get(row.pk))
    may_edit = may_edit_models(person, source)
    return {
        "team": team,
        "source": source,
        "row": row,
        "model": shown([entry])[0],
        "edited": [words for name, words in COLUMN_WORDS.items() if name in row.edited],
        "prices": [(version, price_shown(price_of(version))) for version in price_history(row)],
        "pools": pools_that_use(person, team, entry.ref),
        "may_edit": may_edit,
        "edits": [(event, edit_words(event)) for event in edits_of(row)] if may_edit else [],
        "is_hand_made": is_hand_made(row),
    }


# --- changing ----------------------------------------------------------------------------------------


@signed_in
@allow("GET", "HEAD", "POST")
def team_model_add(request: HttpRequest, team_id: UUID) -> HttpResponse:
    """Add a model that no list names, to a connection that the person may change."""
    team = team_for(request, team_id, Action.READ)
    person = person_of(request)
    sources = _editable(models_of(team), person)
    if not sources:
        _refuse(person, team)
    initial = {"connection": request.GET.get("connection", "")}
    form = AddModelForm(request.POST if request.method == "POST" else None, sources=sources, initial=initial)
    if form.is_valid():
        try:
            data = form.cleaned_data
            row = add_model(
                person=person, source=form.source(), model_id=data["model_id"], facts=form.facts(), price=form.price()
            )
        except FusionError as failure:
            form.add_failure(failure)
        else:
            messages.success(request, f"“{row.name}” is in the list.")
            return redirect("team-model", team.public_id, row.public_id)
    context = {"team": team, "form": form}
    return render(request, "fusion/models/new.html", context, status=422 if form.is_bound else 200)


@signed_in
@allow("GET", "HEAD", "POST")
def team_model_edit(request: HttpRequest, team_id: UUID, public_id: UUID) -> HttpResponse:
    """Change what is known of a model or its price, or take the provider's word again."""
    team = team_for(request, team_id, Action.READ)
    person = person_of(request)
    source, row = _row(team, public_id)
    _require_editor(person, source)
    do = request.POST.get("do", "")
    if do.startswith("follow-"):
        return _follow(request, team, source, row, do.removeprefix("follow-"))
    price = price_of(current_prices([row]).get(row.pk))
    facts = FactsForm(request.POST if do == "facts" else None, row=row)
    money = PriceForm(request.POST if do == "price" else None, price=price)
    sent: FactsForm | PriceForm = money if do == "price" else facts
    if sent.is_valid():
        try:
            if isinstance(sent, PriceForm):
                set_price(person=person, source=source, row=row, price=sent.price())
            else:
                edit_model(person=person, source=source, row=row, facts=sent.facts())
        except FusionError as failure:
            sent.add_failure(failure)
        else:
            messages.success(request, "Saved.")
            return redirect("team-model", team.public_id, row.public_id)
    context = _about(person, team, source, row) | {"facts": facts, "money": money, "columns": _followable(row)}
    return render(request, "fusion/models/edit.html", context, status=422 if request.method == "POST" else 200)


def _follow(request: HttpRequest, team: Team, source: Source, row: ModelEntry, name: str) -> HttpResponse:
    """Take the provider's word again: for a price what it said last, for the rest what it says now."""
    person = person_of(request)
    if name == PRICE:
        take_listed_price(person=person, source=source, row=row)
        messages.success(request, "The provider's price holds again.")
    else:
        take_listed_fact(person=person, source=source, row=row, name=name)
        outcome = _refresh([source])[0]
        if outcome.problem:
            messages.warning(request, f"{outcome.problem} What stands here is replaced when the list comes next.")
        else:
            messages.success(request, "The provider's list says it again.")
    return redirect("team-model", team.public_id, row.public_id)


def _followable(row: ModelEntry) -> list[tuple[str, str]]:
    """The edited columns for which there is a provider's word to take."""
    return (
        [] if is_hand_made(row) else [(name, COLUMN_WORDS[name]) for name in (*FROM_LIST, PRICE) if name in row.edited]
    )


@signed_in
@write_only
def team_model_remove(request: HttpRequest, team_id: UUID, public_id: UUID) -> HttpResponse:
    """Remove a model that somebody added by hand."""
    team = team_for(request, team_id, Action.READ)
    person = person_of(request)
    source, row = _row(team, public_id)
    _require_editor(person, source)
    try:
        remove_model(person=person, source=source, row=row)
    except FusionError as failure:
        messages.error(request, failure.message)
        return redirect("team-model", team.public_id, row.public_id)
    messages.success(request, f"“{row.name}” is not in the list any more. Runs that asked it keep their answers.")
    return redirect("team-models", team.public_id)


@signed_in
@write_only
def team_models_refresh(request: HttpRequest, team_id: UUID) -> HttpResponse:
    """Ask one connection, or `all`, for its models now; each at most once in a while, whoever presses the button."""
    team = team_for(request, team_id, Action.CATALOGUE)
    wanted = request.POST.get("connection", "")
    sources = [one for one in _refreshable(models_of(team)) if wanted in ("all", one.slug)]
    due = [source for source in sources if cache.add(f"models-refresh:{source.key}", 1, REFRESH_AGAIN_S)]
    if not sources:
        messages.error(request, "Choose a connection whose models can be asked for.")
    elif not due:
        messages.warning(request, f"These models were asked for a moment ago: wait {REFRESH_AGAIN_S} seconds.")
    for outcome in _refresh(due) if due else ():
        tell = messages.error if outcome.problem else messages.success
        tell(request, f"{outcome.source.made.label}: {outcome.words}")
    return redirect("team-models", team.public_id)


def _refresh(sources: list[Source]) -> list[Refreshed]:
    """Ask the connections, within a time limit; then teams get the default pools that became possible."""
    try:
        outcomes = async_to_sync(_refresh_in_time)(sources)
    except TimeoutError:
        return [Refreshed(source, problem=f"{source.made.label} took too long.") for source in sources]
    add_default_pools_everywhere()
    return outcomes


async def _refresh_in_time(sources: list[Source]) -> list[Refreshed]:
    async with asyncio.timeout(REFRESH_S):
        return await refresh_each(sources)


# --- parts -------------------------------------------------------------------------------------------


def _row(team: Team, public_id: UUID) -> tuple[Source, ModelEntry]:
    """Raises Http404 for a model behind a connection that the team cannot name."""
    found = models_of(team).row(public_id)
    if found is None:
        raise Http404("There is no such model.")
    return found


def _editable(models: TeamModels, person: User) -> list[Source]:
    return [source for source in models.sources.values() if not source.is_simulated and may_edit_models(person, source)]


def _refreshable(models: TeamModels) -> list[Source]:
    return [source for source in models.connections() if not source.is_simulated]


def _require_editor(person: User, source: Source) -> None:
    try:
        require_editor(person, source)
    except NotAllowed as exc:
        raise PermissionDenied(exc.message) from exc


def _refuse(person: User, team: Team) -> None:
    """There is no connection that the person may change: a team of their own comes first in the sentence."""
    own = next((source for source in models_of(team).sources.values() if source.team_pk is not None), None)
    if own is not None:
        _require_editor(person, own)
    raise PermissionDenied("There is no connection whose models you may change. A team admin can add one.")
