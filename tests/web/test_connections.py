"""The pages of connections: what they show and take, and that a key never comes back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from fusion.catalogue.connections import create_connection, delete_connection, switch_connection, update_connection
from fusion.catalogue.specs import ConnectionSpec
from fusion.models import AuditEvent, Connection, Team, User
from fusion.models.team import Role
from fusion.providers import registry
from fusion.providers.catalogue import ModelInfo
from fusion.runs.pools import MemberSpec
from fusion.web.views import connections as views
from tests.factories import client_of, make_pool, make_run, make_team, make_user

pytestmark = pytest.mark.django_db

KEY = "sk-canary-0123456789-abcdWXYZ"
TYPED = {
    "preset": "openai-compatible",
    "label": "Lab",
    "slug": "lab",
    "base_url": "https://lab.example.com/v1",
    "key": KEY,
}
LAB = ConnectionSpec(preset="openai-compatible", slug="lab", label="Lab", base_url="https://lab.example.com/v1")


@pytest.fixture
def lab(alice: User, team: Team) -> Connection:
    return create_connection(actor=alice, team=team, spec=LAB, key=KEY)


@pytest.fixture
def admin() -> User:
    return make_user("root", is_staff=True)


@pytest.fixture(autouse=True)
def _nobody_is_asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saving tests a connection: tests that do not mean to ask have a list of two models at once."""
    if "upstream" not in request.fixturenames and "asks" not in request.node.name:

        async def listed(*_: Any, **__: Any) -> tuple[ModelInfo, ...]:
            return (ModelInfo("m-1", "First"), ModelInfo("m-2", "Second"))

        monkeypatch.setattr(registry, "list_models", listed)


def url(name: str, team: Team | None = None, row: Connection | None = None) -> str:
    arguments: dict[str, Any] = {} if team is None else {"team_id": team.public_id}
    return reverse(name, kwargs=arguments | ({} if row is None else {"public_id": row.public_id}))


def page_of(client: Client, address: str, **typed: Any) -> str:
    reply = client.post(address, typed, follow=True) if typed else client.get(address)
    return str(reply.content.decode())


# --- a team's own ------------------------------------------------------------------------------------


def test_an_admin_adds_a_connection_and_sees_what_it_lists(alice: User, team: Team) -> None:
    client = client_of(alice)
    assert "No key of your own yet" in page_of(client, url("team-connections", team))

    page = page_of(client, url("team-connection-new", team), **TYPED)

    assert "“Lab” is there." in page and "It lists 2 models." in page
    assert "•••• WXYZ" in page and "lab.example.com" in page
    row = Connection.objects.get()
    assert (row.team, row.created_by, row.local) == (team, alice, False)


def test_what_was_typed_stays_after_an_error_except_for_the_key(alice: User, team: Team) -> None:
    reply = client_of(alice).post(url("team-connection-new", team), {**TYPED, "slug": "Not A Slug"})

    page = reply.content.decode()
    assert reply.status_code == 422 and not Connection.objects.exists()
    assert "small letters, digits and hyphens" in page and "except for the key" in page
    for typed in ("Not A Slug", "https://lab.example.com/v1", 'value="Lab"'):
        assert typed in page
    assert "canary" not in page


def test_no_page_shows_a_key(alice: User, team: Team, lab: Connection) -> None:
    client = client_of(alice)
    pages = [
        client.get(url("team-connections", team)),
        client.get(url("team-connection-edit", team, lab)),
        client.post(url("team-connection-edit", team, lab), {"label": "L", "base_url": "ftp://x", "key": KEY}),
        client.post(url("team-connection-edit", team, lab), {"label": "L" * 100, "base_url": "", "key": KEY}),
        client.post(url("team-connection-new", team), {**TYPED, "key": KEY + " with a space"}),
        client.post(url("team-connection-test", team, lab)),
        client.get(url("team-connection-switch", team, lab)),
        client.get(url("team-connection-delete", team, lab)),
    ]

    assert [reply.status_code for reply in pages] == [200, 200, 422, 422, 422, 200, 200, 200]
    for reply in pages:
        assert "canary" not in reply.content.decode()


def test_the_form_says_before_and_after_that_another_host_clears_the_key(
    alice: User, team: Team, lab: Connection
) -> None:
    client, address = client_of(alice), url("team-connection-edit", team, lab)
    page = page_of(client, address)
    assert "With another host or port the stored key is cleared" in page
    assert "Stored: •••• WXYZ. Leave empty to keep it." in page

    page = page_of(client, address, label="Lab", base_url="https://other.example.com/v1", key="")
    assert "so the key was cleared" in page
    assert Connection.objects.get().last4 == ""


def test_leaving_the_key_empty_keeps_it_and_ticking_clears_it(alice: User, team: Team, lab: Connection) -> None:
    client, address = client_of(alice), url("team-connection-edit", team, lab)

    page_of(client, address, label="New", base_url=lab.base_url, key="")
    assert Connection.objects.get().last4 == "WXYZ"

    page_of(client, address, label="New", base_url=lab.base_url, key="", clear_key="on")
    assert Connection.objects.get().last4 == ""


def test_a_team_admin_is_told_whom_to_ask_about_a_private_address(alice: User, admin: User, team: Team) -> None:
    client, private = client_of(alice), {**TYPED, "base_url": "http://127.0.0.1:9000/v1", "local": "on"}
    page = page_of(client, url("team-connection-new", team))
    assert 'name="local"' not in page and f"Ask {admin.get_short_name()}" in page

    reply = client.post(url("team-connection-new", team), private)

    assert reply.status_code == 422 and "ask an administrator to mark the connection as local" in reply.content.decode()


def test_a_site_administrator_in_the_team_says_local_in_the_form(admin: User) -> None:
    team = admin.memberships.get().team
    page_of(
        client_of(admin), url("team-connection-new", team), **{**TYPED, "base_url": "http://127.0.0.1:9/v1"}, local="on"
    )

    assert Connection.objects.get().local


def test_taking_over_who_pays_is_said_before_and_needs_a_yes(alice: User, team: Team) -> None:
    create_connection(actor=None, team=None, spec=LAB, key=KEY)
    make_pool(alice, name="Review", members=(MemberSpec("lab:m-1"),), judge="", fallback_judges=())
    client, address = client_of(alice), url("team-connection-new", team)
    page = page_of(client, address)
    assert "Who pays" in page and "Review" in page and "agrees_to_pay" in page

    reply = client.post(address, TYPED)
    assert reply.status_code == 422 and "would answer and pay for them" in reply.content.decode()

    page_of(client, address, **TYPED, agrees_to_pay="on")
    assert Connection.objects.filter(team=team).exists()


def test_switching_off_and_deleting_say_what_stops_first(alice: User, team: Team, lab: Connection) -> None:
    pool = make_pool(alice, name="Review", members=(MemberSpec("lab:m-1"),), judge="", fallback_judges=())
    make_run(alice, pool=pool, state="running", prompt="How far is the moon?")
    create_connection(actor=None, team=None, spec=LAB)
    eve = make_user("eve", team=team, role=Role.ADMIN)
    make_pool(eve, name="Secret", visibility="private", members=(MemberSpec("lab:m-1"),), judge="", fallback_judges=())
    client = client_of(alice)

    for deed in ("switch", "delete"):
        page = page_of(client, url(f"team-connection-{deed}", team, lab))
        assert "Review" in page and "How far is the moon?" in page and "1 private pool of others" in page
        assert "do not go over to it" in page and "Secret" not in page

    page = page_of(client, url("team-connection-switch", team, lab), on="no")
    assert "“Lab” is off." in page and "Switch on" in page
    page_of(client, url("team-connection-switch", team, lab), on="yes")
    assert Connection.objects.get(pk=lab.pk).is_enabled
    page_of(client, url("team-connection-delete", team, lab), sure="yes")
    assert Connection.objects.get(pk=lab.pk).secret_sealed == ""


def test_the_sites_connections_can_be_read_but_not_changed_by_a_team(alice: User, admin: User, team: Team) -> None:
    theirs = create_connection(actor=admin, team=None, spec=LAB, key=KEY)
    client = client_of(alice)

    page = page_of(client, url("team-connections", team))

    assert "•••• WXYZ" in page and "lab.example.com" in page
    for name in ("edit", "test", "switch", "delete"):
        assert client.post(url(f"team-connection-{name}", team, theirs)).status_code == 404
        assert client.post(url(f"site-connection-{name}", None, theirs)).status_code == 404


def test_a_connection_is_not_reached_through_another_team(alice: User, charlie: User, lab: Connection) -> None:
    other = charlie.memberships.get().team

    assert client_of(charlie).get(url("team-connection-edit", other, lab)).status_code == 404


def test_each_state_has_its_word(alice: User, team: Team, settings: Any) -> None:
    rows = {
        slug: create_connection(actor=alice, team=team, spec=ConnectionSpec(preset="openai", slug=slug), key=key)
        for slug, key in (("off", KEY), ("no-key", ""), ("unreadable", KEY), ("failed", KEY), ("fresh", KEY))
    }
    switch_connection(actor=alice, connection=rows["off"], on=False)
    Connection.objects.filter(pk=rows["failed"].pk).update(list_problem="It said no.")
    Connection.objects.filter(pk=rows["unreadable"].pk).update(secret_sealed=rows["off"].secret_sealed)

    page = page_of(client_of(alice), url("team-connections", team))

    for words in ("Off", "No key", "Key unreadable", "On, list failed", "It said no.", "On, not asked yet"):
        assert words in page


# --- the site's --------------------------------------------------------------------------------------


def test_an_administrator_gives_a_connection_to_chosen_teams(admin: User, team: Team) -> None:
    other = make_team("other")
    chosen = {**TYPED, "for_all_teams": "no", "teams": [other.slug]}

    page = page_of(client_of(admin), url("site-connection-new"), **chosen)

    row = Connection.objects.get()
    assert row.team is None and [one.slug for one in row.teams.all()] == ["other"] and "Other" in page
    reply = client_of(admin).post(
        url("site-connection-edit", None, row), {"label": "L", "base_url": row.base_url, "for_all_teams": "no"}
    )
    assert reply.status_code == 422 and "Choose at least one team" in reply.content.decode()


def test_an_administrator_marks_a_teams_address_as_local(admin: User, lab: Connection) -> None:
    client = client_of(admin)
    page = page_of(client, url("site-connections"))
    assert "Mark as local" in page and "canary" not in page

    page_of(client, url("site-connection-local", None, lab), local="yes")

    assert Connection.objects.get(pk=lab.pk).local
    assert AuditEvent.objects.get(action="connection.mark-local").actor == admin


def test_the_administration_leads_to_the_sites_connections(admin: User) -> None:
    admin.is_superuser = True
    admin.save()

    assert url("site-connections") in page_of(client_of(admin), reverse("admin:index"))


# --- testing a connection ----------------------------------------------------------------------------


class Lists(BaseHTTPRequestHandler):
    """Answers a request for models as its path says, and repeats the key that it was given wherever it can."""

    def do_GET(self) -> None:
        key = self.headers.get("Authorization", "")
        status, body = {
            "/v1/models": (200, json.dumps({"data": [{"id": name} for name in ("one", "two", "three")]})),
            "/refusing/models": (
                401,
                json.dumps({"error": {"message": f"Incorrect API key provided: {key}", "key": key}}),
            ),
            "/page/models": (200, f"<html><title>{key}</title></html>"),
        }.get(self.path, (404, key))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def upstream() -> Iterator[str]:
    """The address of a model server that only lists."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Lists)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(10)
    server.server_close()


def page_of_test(
    alice: User, team: Team, base_url: str, *, key: str = KEY, local: bool = True, script: bool = False
) -> str:
    spec = ConnectionSpec(preset="openai-compatible", slug="lab", label="Lab", base_url=base_url, local=local)
    row = create_connection(actor=None, team=team, spec=spec, key=key)
    reply = client_of(alice).post(
        url("team-connection-test", team, row), headers={"HX-Request": "true"} if script else {}
    )
    assert reply.status_code == 200
    return str(reply.content.decode())


def test_a_test_shows_the_models_and_stores_them(alice: User, team: Team, upstream: str) -> None:
    page = page_of_test(alice, team, f"{upstream}/v1")

    assert "It works: 3 models in" in page and "three" in page
    row = Connection.objects.get()
    assert row.entries.count() == 3 and row.listed_at is not None


def test_a_test_comes_back_as_a_fragment_for_the_card(alice: User, team: Team, upstream: str) -> None:
    page = page_of_test(alice, team, f"{upstream}/v1", script=True)

    assert '<div class="notice notice--ok' in page and "<html" not in page
    row = Connection.objects.get()
    assert f'id="state-{row.public_id}" hx-swap-oob="true" class="badge badge--ok">On<' in page
    assert f'id="models-{row.public_id}" hx-swap-oob="true">3 ' in page


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/refusing", "key"),
        ("/page", "something that is not a list of models"),
        ("/nowhere", "lists no models at its address (404)"),
    ],
)
def test_a_failed_test_says_exactly_why_and_never_repeats_the_key(
    alice: User, team: Team, upstream: str, path: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    page = page_of_test(alice, team, upstream + path)

    assert words in page, page[page.find("notice") :][:600]
    row = Connection.objects.get()
    assert row.list_problem
    for text in (page, row.list_problem, caplog.text):
        assert "canary" not in text


def test_who_asks_a_refused_connection_and_a_refused_address_are_told_apart(
    alice: User, admin: User, team: Team
) -> None:
    assert "nothing answers there" in page_of_test(alice, team, "http://127.0.0.1:9/v1")
    row = Connection.objects.get()
    update_connection(
        actor=None,
        connection=row,
        spec=ConnectionSpec(preset="openai-compatible", base_url="http://127.0.0.1:9/v1", local=True),
    )
    Connection.objects.update(local=False)

    page = client_of(alice).post(url("team-connection-test", team, row)).content.decode()

    assert "it leads to this machine or into a private network" in page
    assert "ask an administrator to mark the connection as local" in page
    assert f"Administrators: {admin.get_short_name()}." in page


def test_nobody_asks_a_connection_without_the_key_that_it_needs(alice: User, team: Team) -> None:
    row = create_connection(actor=alice, team=team, spec=ConnectionSpec(preset="openai"))

    page = client_of(alice).post(url("team-connection-test", team, row)).content.decode()

    assert "has no key" in page


def test_tests_are_limited_for_each_person(alice: User, team: Team, lab: Connection) -> None:
    client, address = client_of(alice), url("team-connection-test", team, lab)
    pages = [client.post(address).content.decode() for _ in range(11)]

    assert "It works" in pages[9] and "many tests in a short time" in pages[10]
    other = make_user("eve", team=team, role=Role.ADMIN)
    assert "It works" in client_of(other).post(address).content.decode()


@pytest.mark.parametrize("deed", ["switch", "delete"])
def test_a_connection_that_somebody_else_has_just_deleted_is_said_to_be_gone(
    alice: User, team: Team, lab: Connection, deed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between finding the row and changing it another admin was faster."""
    service = {"switch": "switch_connection", "delete": "delete_connection"}[deed]
    real = getattr(views, service)

    def late(**given: Any) -> None:
        delete_connection(actor=None, connection=lab)
        real(**given)

    monkeypatch.setattr(views, service, late)
    reply = client_of(alice).post(url(f"team-connection-{deed}", team, lab))
    assert reply.status_code == 404
    assert "Somebody has deleted this connection meanwhile." in reply.content.decode()


def test_fields_that_the_form_does_not_have_change_nothing(alice: User, team: Team, lab: Connection) -> None:
    """Nor do those that it has for others: the word of an administrator, teams of the site's, the short name."""
    other = make_team("other")
    hostile = {
        "team": other.pk,
        "team_id": other.pk,
        "teams": "other",
        "for_all_teams": "no",
        "local": "on",
        "slug": "stolen",
        "preset": "anthropic",
        "secret_sealed": "x",
        "last4": "0000",
        "is_enabled": "",
        "created_by": 1,
        "deleted_at": "2020-01-01",
        "changed_at": "2020-01-01",
        "key": "",
    }
    before = Connection.objects.values().get(pk=lab.pk)
    typed = {"label": "Renamed", "base_url": LAB.base_url}
    assert client_of(alice).post(url("team-connection-edit", team, lab), {**hostile, **typed}).status_code == 302
    after = Connection.objects.values().get(pk=lab.pk)
    assert {name for name, value in after.items() if value != dict(before)[name]} == {
        "label",
        "changed_at",
        "listed_at",
    }
    assert not lab.teams.exists()

    new = {**hostile, **typed, "preset": "openai-compatible", "slug": "second"}
    assert client_of(alice).post(url("team-connection-new", team), new).status_code == 302
    second = Connection.objects.get(slug="second")
    assert (second.team, second.local, second.for_all_teams, second.is_enabled) == (team, False, True, True)
    assert (second.secret_sealed, second.last4, second.created_by, second.deleted_at) == ("", "", alice, None)
