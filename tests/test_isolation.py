"""Who gets what from every address: each route × each kind of person, from the URL configuration itself.

A route that has no row fails. To add one, write a line for each method that it takes into ROUTES below: its name, the
method, and the status for each of WHO, in that order. `302/403` means either. A method without a row has to be refused:
anonymous people are sent to sign in, everybody else gets 405. An id in the address is filled from `World.arguments`;
all things in the world belong to alice's team, so a stranger and the site administrator, who are not in it, get 404.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import channel_layers
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import get_resolver, reverse
from django.urls.resolvers import URLPattern, URLResolver
from django.utils import timezone

from fusion.catalogue.connections import create_connection
from fusion.catalogue.specs import ConnectionSpec
from fusion.models import Answer, Connection, Invitation, Membership, ModelEntry, Pool, PromptImage, Run, Team, User
from fusion.models.team import Role
from fusion.runs.database import close_database_threads
from fusion.runs.images import take_image
from fusion.teams.invitations import hash_of
from fusion.web.routing import websocket_urlpatterns
from tests.factories import make_pool, make_run, make_user, team_of
from tests.pictures import picture

WHO = ("anonymous", "stranger", "viewer", "member", "billing", "admin", "owner", "site")

# route                        method  anon   stranger viewer member billing admin owner site
ROUTES = """
ask                            GET     302     200     200     200     200     200     200     200
run-create                     POST    302     422     403     302     403     302     302     422
run-detail                     GET     302     404     200     200     200     200     200     404
run-live                       GET     401     404     200     200     200     200     200     404
run-act                        POST    302     404     403     302     403     302     302     404
run-rejudge                    GET     302     404     403     200     403     200     200     404
run-rejudge                    POST    302     404     403     422     403     422     422     404
run-attempts                   GET     302     404     200     200     200     200     200     404
run-delete                     POST    302     404     403     403     403     302     302     404
run-restore                    POST    302     404     403     403     403     302     302     404
run-export                     GET     302     404     200     200     200     200     200     404
image-create                   POST    302     422     403     422     403     422     422     422
image-show                     GET     302     404     200     200     200     200     200     404
history                        GET     302     200     200     200     200     200     200     200
pools                          GET     302     200     200     200     200     200     200     200
pool-create                    GET     302     200     403     200     403     200     200     200
pool-create                    POST    302     422     403     422     403     422     422     422
pool-preview                   POST    302     200     200     200     200     200     200     200
pool-detail                    GET     302     404     200     200     200     200     200     404
pool-edit                      GET     302     404     403     403     403     200     200     404
pool-edit                      POST    302     404     403     403     403     422     422     404
pool-duplicate                 GET     302     404     403     200     403     200     200     404
pool-duplicate                 POST    302     404     403     302     403     302     302     404
pool-compare                   GET     302     404     200     200     200     200     200     404
pool-restore                   POST    302     404     403     403     403     302     302     404
pool-delete                    GET     302     404     403     403     403     200     200     404
pool-delete                    POST    302     404     403     403     403     302     302     404
team                           GET     302     302     302     302     302     302     302     302
team-switch                    POST    302     404     302     302     302     302     302     404
team-create                    GET     302     200     200     200     200     200     200     200
team-create                    POST    302     302     302     302     302     302     302     302
team-models                    GET     302     404     200     200     200     200     200     404
team-model-options             GET     302     404     200     200     200     200     200     404
team-models-refresh            POST    302     404     403     403     403     302     302     404
team-model-add                 GET     302     404     403     403     403     200     200     404
team-model-add                 POST    302     404     403     403     403     422     422     404
team-model                     GET     302     404     200     200     200     200     200     404
team-model-edit                GET     302     404     403     403     403     200     200     404
team-model-edit                POST    302     404     403     403     403     422     422     404
team-model-remove              POST    302     404     403     403     403     302     302     404
team-members                   GET     302     404     200     200     200     200     200     404
team-member-role               POST    302     404     403     403     403     302     302     404
team-member-remove             GET     302     404     403     403     403     200     200     404
team-member-remove             POST    302     404     403     403     403     302     302     404
team-leave                     GET     302     404     200     200     200     200     200     404
team-leave                     POST    302     404     302     302     302     302     409     404
team-hand-over                 GET     302     404     403     403     403     403     200     404
team-hand-over                 POST    302     404     403     403     403     403     302     404
team-invitations               GET     302     404     403     403     403     200     200     404
team-invitations               POST    302     404     403     403     403     200     200     404
team-invitation-resend         POST    302     404     403     403     403     200     200     404
team-invitation-revoke         POST    302     404     403     403     403     302     302     404
team-audit                     GET     302     404     403     403     403     200     200     404
team-settings                  GET     302     404     403     403     403     200     200     404
team-settings                  POST    302     404     403     403     403     302     302     404
team-delete                    GET     302     404     403     403     403     403     200     404
team-delete                    POST    302     404     403     403     403     403     302     404
team-stop-runs                 POST    302     404     403     403     403     403     302     404
invitation                     GET     200     200     200     200     200     200     200     200
invitation                     POST    302     302     409     409     409     409     409     302
account-delete                 GET     302     200     200     200     200     200     200     200
account-delete                 POST    302     302     302     302     302     302     422     422
team-connections               GET     302     404     403     403     403     200     200     404
team-connection-new            GET     302     404     403     403     403     200     200     404
team-connection-new            POST    302     404     403     403     403     422     422     404
team-connection-edit           GET     302     404     403     403     403     200     200     404
team-connection-edit           POST    302     404     403     403     403     302     302     404
team-connection-test           POST    302     404     403     403     403     200     200     404
team-connection-switch         GET     302     404     403     403     403     200     200     404
team-connection-switch         POST    302     404     403     403     403     302     302     404
team-connection-delete         GET     302     404     403     403     403     200     200     404
team-connection-delete         POST    302     404     403     403     403     302     302     404
site-connections               GET     302     404     404     404     404     404     404     200
site-connection-new            GET     302     404     404     404     404     404     404     200
site-connection-new            POST    302     404     404     404     404     404     404     422
site-connection-edit           GET     302     404     404     404     404     404     404     200
site-connection-edit           POST    302     404     404     404     404     404     404     422
site-connection-test           POST    302     404     404     404     404     404     404     200
site-connection-switch         GET     302     404     404     404     404     404     404     200
site-connection-switch         POST    302     404     404     404     404     404     404     302
site-connection-delete         GET     302     404     404     404     404     404     404     200
site-connection-delete         POST    302     404     404     404     404     404     404     302
site-connection-local          POST    302     404     404     404     404     404     404     302
theme-set                      POST    302     302     302     302     302     302     302     302

account_login                  GET     200     302     302     302     302     302     302     302
account_login                  POST    200     302     302     302     302     302     302     302
account_logout                 GET     302     200     200     200     200     200     200     200
account_logout                 POST    302     302     302     302     302     302     302     302
account_signup                 GET     200     302     302     302     302     302     302     302
account_signup                 POST    200     302     302     302     302     302     302     302
account_inactive               GET     200     200     200     200     200     200     200     200
account_reauthenticate         GET     302     200     200     200     200     200     200     200
account_reauthenticate         POST    302     200     200     200     200     200     200     200
account_email                  GET     302     200     200     200     200     200     200     200
account_email                  POST    302     302     302     302     302     302     302     302
account_email_verification_sent GET    200     200     200     200     200     200     200     200
account_change_password        GET     302     200     200     200     200     200     200     200
account_change_password        POST    302     200     200     200     200     200     200     200
account_set_password           GET     302     302     302     302     302     302     302     302
account_set_password           POST    302     302     302     302     302     302     302     302
account_reset_password         GET     200     200     200     200     200     200     200     200
account_reset_password         POST    200     200     200     200     200     200     200     200
account_reset_password_done    GET     200     200     200     200     200     200     200     200
account_reset_password_from_key GET    200     200     200     200     200     200     200     200
account_reset_password_from_key POST   200     200     200     200     200     200     200     200
account_reset_password_from_key_done GET 200   200     200     200     200     200     200     200
account_confirm_email          GET     200     200     200     200     200     200     200     200
account_confirm_email          POST    404     404     404     404     404     404     404     404
account_confirm_login_code     GET     302     302     302     302     302     302     302     302
account_confirm_login_code     POST    302     302     302     302     302     302     302     302
mfa_index                      GET     302     200     200     200     200     200     200     200
mfa_authenticate               GET     302     302     302     302     302     302     302     302
mfa_authenticate               POST    302     302     302     302     302     302     302     302
mfa_reauthenticate             GET     302     302     302     302     302     302     302     302
mfa_reauthenticate             POST    302     302     302     302     302     302     302     302
mfa_activate_totp              GET     302     302     302     302     302     302     302     302
mfa_activate_totp              POST    302     302     302     302     302     302     302     302
mfa_deactivate_totp            GET     302     404     404     404     404     404     404     404
mfa_deactivate_totp            POST    302     404     404     404     404     404     404     404
mfa_view_recovery_codes        GET     302     404     404     404     404     404     404     404
mfa_download_recovery_codes    GET     302     404     404     404     404     404     404     404
mfa_download_recovery_codes    POST    302     404     404     404     404     404     404     404
mfa_generate_recovery_codes    GET     302     302     302     302     302     302     302     302
mfa_generate_recovery_codes    POST    302     302     302     302     302     302     302     302
usersessions_list              GET     302     200     200     200     200     200     200     200
usersessions_list              POST    302     302     302     302     302     302     302     302

admin:login                    GET     302     403     403     403     403     403     403     302
admin:login                    POST    302     403     403     403     403     403     403     302
admin:logout                   GET     302     302     302     302     302     302     302     405
admin:logout                   POST    302     302     302     302     302     302     302     200
admin:index                    *       302     302     302     302     302     302     302     200
admin:app_list                 *       302     302     302     302     302     302     302     200
admin:jsi18n                   GET     302     302     302     302     302     302     302     200
admin:jsi18n                   POST    302     302     302     302     302     302     302     405
admin:password_change_done     GET     302     302     302     302     302     302     302     200
admin:password_change_done     POST    302     302     302     302     302     302     302     405
admin:autocomplete             GET     302     302     302     302     302     302     302     403
admin:autocomplete             POST    302     302     302     302     302     302     302     405
admin:*_changelist             *       302     302     302     302     302     302     302     200/302/403
admin:*                        *       302     302     302     302     302     302     302     200/302/403/404
"""
INVITED = "the-secret-of-an-invitation"
SOCKETS = {
    # route: the code that a socket is closed with, for each of WHO; 0 stays open
    "ws/r/<uuid:public_id>": (4401, 4404, 0, 0, 0, 0, 0, 4404),
    "": (4404,) * len(WHO),  # no such socket
}

Row = tuple[str, ...]


def expectations() -> dict[tuple[str, str], Row]:
    """Rows of ROUTES by route and method."""
    lines = (line.split() for line in ROUTES.splitlines() if line.strip())
    return {(name, method): tuple(statuses) for name, method, *statuses in lines}


EXPECTED = expectations()


def row_of(name: str, method: str) -> Row | None:
    """The row of a route: its own, else that of a pattern which takes both methods."""
    if (name, method) in EXPECTED:
        return EXPECTED[name, method]
    found = (row for (known, takes), row in EXPECTED.items() if takes == "*" and fnmatchcase(name, known))
    return next(found, None)


@dataclass(frozen=True, slots=True)
class Route:
    """One address of the URL configuration; `arguments` are the names of what it is filled with."""

    name: str
    arguments: tuple[str, ...]


def routes(patterns: Any = None, namespace: str = "") -> Iterator[Route]:
    """Every named route; those without a name are old addresses that lead to one, or the admin's own 404."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(
                pattern.url_patterns, f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            )
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield Route(namespace + pattern.name, tuple(pattern.pattern.regex.groupindex))
        else:
            assert isinstance(pattern, URLPattern) and namespace == "admin:", f"{pattern} needs a name"


ALL = sorted(set(routes()), key=lambda route: route.name)


@dataclass(frozen=True, slots=True)
class World:
    """alice's team with one of everything, and the session of each of WHO."""

    sessions: dict[str, str]
    people: dict[str, User]
    team: Team
    other_team: Team
    pool: Pool
    run: Run
    colleague: Membership
    invitation: Invitation
    image: PromptImage
    connections: dict[str, Connection]
    model: ModelEntry

    def arguments(self, route: Route, **instead: object) -> dict[str, object]:
        """What an address of alice's team is filled with. `instead`: other values by the argument's name."""
        known: dict[str, object] = {
            "team_id": self.team.public_id,
            "public_id": self._public_id(route.name),
            "letter": "A",
            "extension": "md",
            "token": INVITED,
            "key": "no-such-key",
            "uidb36": "1",
            "app_label": "fusion",
            "object_id": self._row_id(route.name),
            "id": self.people["member"].pk,
            "content_type_id": 1,
            **instead,
        }
        missing = set(route.arguments) - set(known)
        assert not missing, f"Tell World.arguments in {__name__} what to put for {missing} of {route.name}."
        return {name: known[name] for name in route.arguments}

    def _public_id(self, name: str) -> object:
        by_prefix: dict[str, Any] = {
            "run-": self.run,
            "pool-": self.pool,
            "image-": self.image,
            "team-member": self.colleague,
            "team-invitation": self.invitation,
            "team-connection": self.connections["team"],
            "site-connection": self.connections["site"],
            "team-model": self.model,
        }
        thing = next((thing for prefix, thing in by_prefix.items() if name.startswith(prefix)), None)
        return thing.public_id if thing is not None else uuid.uuid4()

    def _row_id(self, name: str) -> object:
        """The newest row of the model that a page of the administration is about."""
        found = re.match(r"admin:(\w+?)_(\w+)_\w+$", name)
        if found is None or (found[1], found[2]) not in {
            (m._meta.app_label, m._meta.model_name) for m in apps.get_models()
        }:
            return 1
        return apps.get_model(found[1], found[2])._default_manager.values_list("pk", flat=True).last() or 1


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[World]:
    """Made once, because each cell is undone: the whole file runs inside one transaction that is rolled back."""
    with django_db_blocker.unblock(), transaction.atomic():  # type: ignore[attr-defined]
        yield make_world()
        transaction.set_rollback(True)


def make_world() -> World:
    owner = make_user("alice")
    team = team_of(owner)
    people = {
        "owner": owner,
        "stranger": make_user("charlie"),
        "site": make_user("root", is_staff=True, is_superuser=True),
        **{role: make_user(role, team=team, role=role) for role in ("viewer", "member", "billing", "admin")},
    }
    colleague = make_user("carl", team=team, role=Role.MEMBER)
    pool = make_pool(owner)
    run = make_run(owner, pool=pool)
    now = Answer.objects.get(run=run, letter="A")
    Answer.objects.create(run=run, letter="A", ref=now.ref, endpoint=now.endpoint, attempt=2, is_current=False)
    image, _ = take_image(author=owner, team=team, data=picture())
    PromptImage.objects.filter(pk=image.pk).update(run=run)
    invitation = Invitation.objects.create(
        team=team, invited_by=owner, token_hash=hash_of(INVITED), expires_at=timezone.now() + timedelta(days=1)
    )
    connections = {
        "team": create_connection(actor=owner, team=team, spec=ConnectionSpec(preset="openrouter")),
        "site": create_connection(actor=None, team=None, spec=ConnectionSpec(preset="openai")),
    }
    return World(
        sessions={who: session_of(person) for who, person in people.items()},
        people=people,
        team=team,
        other_team=team_of(people["stranger"]),
        pool=pool,
        run=run,
        colleague=colleague.memberships.get(),
        invitation=invitation,
        image=image,
        connections=connections,
        model=ModelEntry.objects.create(connection=connections["team"], model_id="model-a", name="Model A"),
    )


def session_of(person: User) -> str:
    client = Client()
    client.force_login(person)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def status_for(world: World, who: str, route: Route, method: str, **instead: object) -> int:
    """The status that somebody gets; whatever it changed is undone."""
    client = Client()
    if who != "anonymous":
        client.cookies[settings.SESSION_COOKIE_NAME] = world.sessions[who]
    address = reverse(route.name, kwargs=world.arguments(route, **instead))
    with transaction.atomic():
        reply = client.get(address) if method == "GET" else client.post(address, body_of(world, route))
        transaction.set_rollback(True)
    cache.clear()
    status: int = reply.status_code
    return status


def body_of(world: World, route: Route) -> dict[str, str]:
    """What is posted: enough for a few to be done; for the others the rights come before what is missing."""
    bodies: dict[str, dict[str, str]] = {
        "run-act": {"do": "retry", "letter": "A"},
        "run-create": {"pool": str(world.pool.public_id), "prompt": "Why is the sky blue?"},
        "team-create": {"name": "Another team"},
        "team-switch": {"team": str(world.team.public_id)},
        "team-member-role": {"role": Role.VIEWER},
        "team-hand-over": {"member": str(world.colleague.public_id)},
        "team-invitations": {"email": "", "role": Role.MEMBER},
        "team-settings": {"name": "Another name"},
        "team-delete": {"name": world.team.name},
        "account-delete": {"password": "secret-pass-1"},
        "theme-set": {"theme": "dark"},
    }
    return bodies.get(route.name, {})


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("route", ALL, ids=lambda route: route.name)
def test_everybody_gets_from_every_address_what_is_theirs(world: World, route: Route, method: str) -> None:
    row = row_of(route.name, method)
    if row is None:
        assert any(row_of(route.name, other) for other in ("GET", "POST")), (
            f"The route {route.name} has no expectation. Add a line for each method that it takes to ROUTES in "
            f"tests/test_isolation.py, with the status for each of {', '.join(WHO)}; it gave, for {method}: "
            f"{' '.join(str(status_for(world, who, route, method)) for who in WHO)}"
        )
        row = ("302/401/405", *["405"] * (len(WHO) - 1))
    assert len(row) == len(WHO), f"{route.name} {method} needs a status for each of {WHO}"
    given = {who: status_for(world, who, route, method) for who in WHO}
    wrong = {who: status for who, status in given.items() if str(status) not in row[WHO.index(who)].split("/")}
    assert wrong == {}, f"{route.name} {method} expects {dict(zip(WHO, row, strict=True))}"


OF_A_TEAM = [route for route in ALL if {"public_id", "team_id"} & set(route.arguments)]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("route", OF_A_TEAM, ids=lambda route: route.name)
def test_what_does_not_exist_and_what_is_another_teams_cannot_be_told_apart(
    world: World, route: Route, method: str
) -> None:
    takes = row_of(route.name, method) is not None
    for instead in ({"public_id": uuid.uuid4()}, {"team_id": uuid.uuid4()}):
        if set(instead) & set(route.arguments):
            assert status_for(world, "owner", route, method, **instead) == (404 if takes else 405)
    assert status_for(world, "stranger", route, method) == (404 if takes else 405)


@pytest.mark.parametrize("route", [one for one in OF_A_TEAM if len(one.arguments) > 1 and "team_id" in one.arguments])
def test_a_thing_is_not_reached_through_another_team_of_ones_own(world: World, route: Route) -> None:
    """charlie owns a team, and names it together with something of alice's team."""
    for method in ("GET", "POST"):
        if row_of(route.name, method) is not None:
            assert status_for(world, "stranger", route, method, team_id=world.other_team.public_id) == 404


PRIVATE = [route for route in OF_A_TEAM if route.name.startswith(("run-", "pool-", "image-"))]


@pytest.mark.parametrize("route", PRIVATE, ids=lambda route: route.name)
def test_what_is_private_is_there_for_its_author_alone(world: World, route: Route) -> None:
    with transaction.atomic():
        Run.objects.filter(pk=world.run.pk).update(is_private=True)
        Pool.objects.filter(pk=world.pool.pk).update(visibility=Pool.Visibility.PRIVATE)
        for method in ("GET", "POST"):
            if row_of(route.name, method) is not None:
                given = {who: status_for(world, who, route, method) for who in WHO}
                assert {who for who, status in given.items() if status not in (302, 401, 404)} <= {"owner"}
                assert {given[who] for who in ("member", "admin", "stranger", "site")} == {404}
        transaction.set_rollback(True)


def test_every_row_belongs_to_a_route() -> None:
    names = {route.name for route in ALL}
    gone = [name for name, _ in EXPECTED if not any(fnmatchcase(route, name) for route in names)]
    assert gone == []


# --- sockets -----------------------------------------------------------------------------------------


def test_every_socket_has_an_expectation() -> None:
    known = {str(pattern.pattern) for pattern in websocket_urlpatterns}
    assert known == set(SOCKETS), "Add the socket to SOCKETS in tests/test_isolation.py, with a code for each of WHO."


@pytest.fixture
async def _own_layer() -> AsyncIterator[None]:
    channel_layers.backends.clear()
    yield
    channel_layers.backends.clear()
    await asyncio.to_thread(close_database_threads)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_own_layer")
@pytest.mark.parametrize("path", sorted(SOCKETS))
async def test_everybody_gets_from_every_socket_what_is_theirs(path: str) -> None:
    world = await database_sync_to_async(make_world)()
    await database_sync_to_async(Run.objects.filter(pk=world.run.pk).update)(state=Run.State.RUNNING)
    address = f"/{re.sub('<uuid:public_id>', str(world.run.public_id), path)}"
    people: dict[str, Any] = {"anonymous": AnonymousUser(), **world.people}
    given = [await _close_code(address, people[who]) for who in WHO]
    assert given == list(SOCKETS[path])


async def _close_code(address: str, user: Any) -> int:
    """The code that a socket is closed with at once; 0 for one that is told something."""
    socket = WebsocketCommunicator(URLRouter(websocket_urlpatterns), address)
    socket.scope["user"] = user
    accepted, _ = await socket.connect()
    assert accepted
    message = await socket.receive_output(5)
    if message["type"] == "websocket.close":
        code: int = message["code"]
        return code
    await socket.disconnect()
    return 0
