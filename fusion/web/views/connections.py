"""Connections: a team's own, which its admins manage, and the site's, which its administrators do; the same pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_post_parameters

from fusion.catalogue.cards import ConnectionCard, card_of, cards_of_teams, site_cards, team_cards
from fusion.catalogue.connections import (
    Changed,
    ConnectionGone,
    create_connection,
    delete_connection,
    is_site_administrator,
    mark_local,
    pools_taken_over,
    site_administrators,
    switch_connection,
    update_connection,
)
from fusion.catalogue.sources import has_namesake, sources_of
from fusion.catalogue.usage import SeenUse, use_of
from fusion.errors import FusionError, ProviderAddressRefused
from fusion.models import Connection, Team
from fusion.providers.presets import PRESETS
from fusion.runs.probing import Probe, check_connection
from fusion.teams.rights import Action
from fusion.web.confirming import is_confirmed, require_confirmed
from fusion.web.forms.connections import ConnectionForm
from fusion.web.limits import may_again
from fusion.web.shown.words import listed, plural
from fusion.web.views.entry import allow, read_only, signed_in, write_only
from fusion.web.views.refusals import refusal
from fusion.web.views.runs import status_of
from fusion.web.views.teams.gate import person_of, team_for

TESTS, TESTS_PER_S = 10, 60
TOO_OFTEN = "That were many tests in a short time. Wait a minute, then test again."
STALE = (
    'It is a while since you signed in. <a href="{}?next={}" target="_blank" rel="noopener">Confirm that it is you</a> '
    "(in another tab), then come back and send this again."
)
WHERE_KEYS_ARE = {
    "openrouter": "https://openrouter.ai/settings/keys",
    "openai": "https://platform.openai.com/api-keys",
    "anthropic": "https://console.anthropic.com/settings/keys",
    "gemini": "https://aistudio.google.com/apikey",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Whose connections the pages are about; without a team, the site's."""

    team: Team | None

    @property
    def kind(self) -> str:
        return "site" if self.team is None else "team"

    @property
    def template(self) -> str:
        return f"fusion/{self.kind}/base.html"

    def rows(self) -> QuerySet[Connection]:
        return Connection.objects.live().filter(team=self.team).select_related("team")

    def url(self, name: str, row: Connection | None = None) -> str:
        arguments: dict[str, UUID] = {} if self.team is None else {"team_id": self.team.public_id}
        if row is not None:
            arguments["public_id"] = row.public_id
        return reverse(f"{self.kind}-connection{name}", kwargs=arguments)

    def urls(self, row: Connection) -> dict[str, str]:
        return {name: self.url(f"-{name}", row) for name in ("edit", "test", "switch", "delete")}


# --- the pages ---------------------------------------------------------------------------------------


@signed_in
@read_only
def connection_list(request: HttpRequest, team_id: UUID | None = None) -> HttpResponse:
    """The connections as cards: one's own to manage, the others to read."""
    return _list(request, _place(request, team_id))


@sensitive_post_parameters("key")
@signed_in
@allow("GET", "HEAD", "POST")
def connection_new(request: HttpRequest, team_id: UUID | None = None) -> HttpResponse:
    """The form for a new connection; what was typed stays in it, except for the key."""
    place, person = _place(request, team_id), person_of(request)
    form = _form(request, place, None)
    if _may_go_on(request, form):
        try:
            row = create_connection(
                actor=person,
                team=place.team,
                spec=form.spec(),
                key=form.key_change() or "",
                agrees_to_pay=form.cleaned_data.get("agrees_to_pay", False),
            )
        except FusionError as failure:
            form.add_failure(failure)
        else:
            messages.success(request, f"“{row.label}” is there.")
            return _test_and_leave(request, place, row)
    return _page(request, place, form, None)


@sensitive_post_parameters("key")
@signed_in
@allow("GET", "HEAD", "POST")
def connection_edit(request: HttpRequest, public_id: UUID, team_id: UUID | None = None) -> HttpResponse:
    """The form of a connection; its key can be replaced or cleared, not read."""
    place, person = _place(request, team_id), person_of(request)
    row = get_object_or_404(place.rows(), public_id=public_id)
    form = _form(request, place, row)
    if _may_go_on(request, form):
        try:
            changed = update_connection(actor=person, connection=row, spec=form.spec(), key=form.key_change())
        except FusionError as failure:
            form.add_failure(failure)
        else:
            _say_what_went(request, changed)
            return _test_and_leave(request, place, changed.connection)
    return _page(request, place, form, row)


@signed_in
@write_only
def connection_test(request: HttpRequest, public_id: UUID, team_id: UUID | None = None) -> HttpResponse:
    """Ask the connection for its models and tell how it went, in its card."""
    place = _place(request, team_id)
    row = get_object_or_404(place.rows(), public_id=public_id)
    was_well = not card_of(row).problem
    outcome = _tested(request, row)
    if request.headers.get("HX-Request") == "true":
        context = {"tested": outcome, "card": card_of(row), "old_problem": not was_well}
        return render(request, "fusion/connections/_tested_live.html", context)
    return _list(request, place, tested={row.pk: outcome})


@signed_in
@allow("GET", "HEAD", "POST")
def connection_switch(request: HttpRequest, public_id: UUID, team_id: UUID | None = None) -> HttpResponse:
    """Say what stops, then switch it off; or switch it on again."""
    place, person = _place(request, team_id), person_of(request)
    row = get_object_or_404(place.rows(), public_id=public_id)
    require_confirmed(request)
    if request.method != "POST":
        return _confirm(request, place, row, "switch")
    on = request.POST.get("on") == "yes"
    try:
        switch_connection(actor=person, connection=row, on=on)
    except FusionError as failure:
        return _refused(request, failure)
    messages.success(request, f"“{row.label}” is {'on' if on else 'off'}.")
    return redirect(place.url("s"))


@signed_in
@allow("GET", "HEAD", "POST")
def connection_delete(request: HttpRequest, public_id: UUID, team_id: UUID | None = None) -> HttpResponse:
    """Say what stops and what stays, then delete it with its key."""
    place, person = _place(request, team_id), person_of(request)
    row = get_object_or_404(place.rows(), public_id=public_id)
    require_confirmed(request)
    if request.method != "POST":
        return _confirm(request, place, row, "delete")
    try:
        delete_connection(actor=person, connection=row)
    except FusionError as failure:
        return _refused(request, failure)
    messages.success(request, f"“{row.label}” is deleted, and its key is wiped.")
    return redirect(place.url("s"))


@signed_in
@write_only
def site_connection_local(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """An administrator's word that the private address of a team's connection is meant, or its withdrawal."""
    place, person = _place(request, None), person_of(request)
    row = get_object_or_404(Connection.objects.live().filter(team__deleted_at=None), public_id=public_id)
    require_confirmed(request)
    local = request.POST.get("local") == "yes"
    try:
        mark_local(actor=person, connection=row, local=local)
    except FusionError as failure:
        return _refused(request, failure)
    words = "may ask its private address" if local else "may not ask private addresses any more"
    messages.success(request, f"“{row.label}” {words}.")
    return redirect(place.url("s"))


def _refused(request: HttpRequest, failure: FusionError) -> HttpResponse:
    """Somebody else was faster: the connection is gone, or the right to change it."""
    return refusal(request, failure.message, status=404 if isinstance(failure, ConnectionGone) else status_of(failure))


# --- their parts -------------------------------------------------------------------------------------


def _place(request: HttpRequest, team_id: UUID | None) -> Place:
    """Raises Http404, PermissionDenied. The site's pages do not exist for who is no administrator of it."""
    if team_id is not None:
        return Place(team_for(request, team_id, Action.CONNECTIONS))
    if not is_site_administrator(person_of(request)):
        raise Http404("Only the site's administrators have these pages.")
    return Place(None)


def _list(request: HttpRequest, place: Place, *, tested: dict[int, Probe] | None = None) -> HttpResponse:
    if place.team is not None:
        own, others = team_cards(place.team, person_of(request))
        teams: list[ConnectionCard] = []
    else:
        own, others = site_cards()
        teams = cards_of_teams()
    context = {
        "place": place,
        "team": place.team,
        "new_url": place.url("-new"),
        "own": list(_shown(place, own, tested or {})),
        "others": others,
        "of_teams": teams,
        "keys": _where_keys_are(),
    }
    return render(request, "fusion/connections/page.html", context)


def _shown(place: Place, cards: Iterable[ConnectionCard], tested: dict[int, Probe]) -> Iterable[dict[str, Any]]:
    for card in cards:
        assert card.row is not None
        yield {"card": card, "urls": place.urls(card.row), "tested": tested.get(card.row.pk)}


def _form(request: HttpRequest, place: Place, row: Connection | None) -> ConnectionForm:
    return ConnectionForm(
        request.POST if request.method == "POST" else None,
        row=row,
        for_site=place.team is None,
        says_local=is_site_administrator(person_of(request)),
        initial={} if row is not None else {"preset": request.GET.get("preset", "openrouter")},
    )


def _may_go_on(request: HttpRequest, form: ConnectionForm) -> bool:
    """Whether what was typed can be stored. A form with a key is not kept for later: it says so, and can be sent again.

    Raises ReauthenticationRequired for a page that is only opened, so that this seldom happens.
    """
    if not form.is_bound:
        require_confirmed(request)
    if form.is_bound and not is_confirmed(request):
        form.add_error(None, format_html(STALE, reverse("account_reauthenticate"), quote(request.path)))
    return form.is_valid()


def _page(request: HttpRequest, place: Place, form: ConnectionForm, row: Connection | None) -> HttpResponse:
    context = {
        "place": place,
        "team": place.team,
        "form": form,
        "row": row,
        "provider": "" if row is None else PRESETS[row.preset].label,
        "list_url": place.url("s"),
        "presets": _presets(form) if row is None else [],
        "taken": _taken_names(request, place) if row is None else [],
        "administrators": site_administrators(),
    }
    return render(request, "fusion/connections/form.html", context, status=422 if form.is_bound else 200)


def _presets(form: ConnectionForm) -> list[tuple[Any, Any, str]]:
    """Each radio of the chooser with what there is to know about the provider, and where its keys are."""
    return [
        (radio, PRESETS[radio.data["value"]], WHERE_KEYS_ARE.get(radio.data["value"], "")) for radio in form["preset"]
    ]


def _where_keys_are() -> list[tuple[str, str, str]]:
    return [(PRESETS[slug].label, PRESETS[slug].key_env, url) for slug, url in WHERE_KEYS_ARE.items()]


def _taken_names(request: HttpRequest, place: Place) -> list[tuple[str, str, SeenUse]]:
    """Short names that mean another's connection to the team now, with the pools that the team's own would pay for."""
    team = place.team
    if team is None:
        return []
    person = person_of(request)
    others = [source for source in sources_of(team).values() if source.team_pk is None]
    uses = [(source, pools_taken_over(team=team, slug=source.slug)) for source in others]
    return [(source.slug, source.made.label, use.seen_by(person)) for source, use in uses if use.pools]


def _confirm(request: HttpRequest, place: Place, row: Connection, deed: str) -> HttpResponse:
    use = use_of(row)
    context = {
        "place": place,
        "team": place.team,
        "row": row,
        "deed": deed,
        "list_url": place.url("s"),
        "use": use.seen_by(person_of(request)),
        "counts": (len(use.pools), use.teams, len(use.runs)),
        "namesake": place.team is not None and has_namesake(place.team, row.slug),
    }
    return render(request, "fusion/connections/confirm.html", context)


def _tested(request: HttpRequest, row: Connection) -> Probe:
    if not may_again(person_of(request), "test-connection", times=TESTS, per_s=TESTS_PER_S):
        return Probe(0, problem=TOO_OFTEN, code="too_often")
    outcome = check_connection(row)
    if outcome.code == ProviderAddressRefused.code and not is_site_administrator(person_of(request)):
        return replace(outcome, problem=f"{outcome.problem} Administrators: {site_administrators()}.")
    return outcome


def _test_and_leave(request: HttpRequest, place: Place, row: Connection) -> HttpResponse:
    """Who has just saved wants to know whether it works."""
    outcome = _tested(request, row) if row.is_enabled else None
    if outcome is not None and outcome.problem:
        messages.warning(request, outcome.problem)
    elif outcome is not None:
        messages.success(request, f"It lists {outcome.count} model{'' if outcome.count == 1 else 's'}.")
    return redirect(place.url("s"))


def _say_what_went(request: HttpRequest, changed: Changed) -> None:
    label = changed.connection.label
    messages.success(request, f"“{label}” is saved.")
    if changed.key_cleared:
        messages.warning(request, "Its address leads to another host now, so the key was cleared. Type one for it.")
    if changed.stopped.pools:
        messages.warning(request, _stopped_words(changed.stopped.seen_by(person_of(request))))
    if changed.local_cleared:
        messages.warning(
            request, f"The new address is not marked as local any more. If it is private, ask {site_administrators()}."
        )


def _stopped_words(use: SeenUse) -> str:
    names = [f"“{pool.name}” of {pool.team.name}" for pool in use.pools]
    if use.private_pools:
        names.append(plural(use.private_pools, "private pool"))
    return f"In teams that may not use it any more, these stop until they name another model: {listed(names)}."
