"""The list of past runs: search, filters, paging."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import groupby
from operator import attrgetter

from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fusion.engine.types import RunState
from fusion.models import Run, Team, User
from fusion.runs.history import UNDO_S, HistoryRow, for_list, history_rows, just_deleted
from fusion.runs.selectors import search_runs
from fusion.teams.selectors import find_current_team
from fusion.web.forms.history import HistoryForm
from fusion.web.shown.words import RUN_WORDS
from fusion.web.views.entry import read_only, signed_in

PAGE_SIZE = 25


@signed_in
@read_only
def history(request: HttpRequest) -> HttpResponse:
    """The current team's runs that the person may read, newest first. A live search gets the results alone."""
    user = request.user
    assert isinstance(user, User)
    team = find_current_team(user)
    form = HistoryForm(request.GET, user=user, team=team)
    page = _page(user, team, form, request.GET.get("page", "1"))
    rows = history_rows(user, list(page), query=str(form.filters["query"]))
    is_search = request.headers.get("HX-Target") == "history-results"
    context = {
        "form": form,
        "is_search": is_search,
        "page": page,
        "days": [(day, [(row, RUN_WORDS[RunState(row.state)]) for row in of_day]) for day, of_day in _by_day(rows)],
        "has_any_run": bool(page.paginator.count) or Run.objects.visible_to(user).filter(team=team).exists(),
        "undo": just_deleted(user),
        "undo_s": UNDO_S,
    }
    template = "fusion/history/_results.html" if is_search else "fusion/history/page.html"
    response = render(request, template, context)
    # The same address gives a page or a fragment: a cache must not mix them up.
    response["Vary"] = "HX-Request, HX-Target, Cookie"
    return response


def _by_day(rows: list[HistoryRow]) -> Iterator[tuple[date, Iterator[HistoryRow]]]:
    return groupby(rows, key=attrgetter("day"))


def _page(user: User, team: Team | None, form: HistoryForm, number: str) -> Page[Run]:
    runs = for_list(search_runs(user, team=team, **form.filters))  # type: ignore[arg-type]  # cleaned by the form
    return Paginator(runs, PAGE_SIZE).get_page(number)
