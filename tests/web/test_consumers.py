"""The socket of a run: who may listen, where a page continues, and that it ends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from channels.db import database_sync_to_async
from channels.layers import channel_layers, get_channel_layer
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser
from django.core import mail
from django.db import connections
from django.test import Client
from django.urls import reverse

from fusion.engine import events as ev
from fusion.live.runs import LIVE, LiveRun
from fusion.models import Answer, Membership, Run, RunCommand, User
from fusion.models.team import Role
from fusion.runs.database import close_database_threads
from fusion.runs.doorbell import ring
from fusion.runs.selectors import load_record
from fusion.teams.accounts import delete_account
from fusion.teams.doorbell import group_of_user
from fusion.teams.lifecycle import delete_team
from fusion.teams.members import change_role, leave_team, remove_member
from fusion.web import consumers
from fusion.web.routing import websocket_urlpatterns
from fusion.web.watch import caught_up
from tests.factories import client_of, make_run, make_user

pytestmark = pytest.mark.django_db(transaction=True)

APPLICATION = URLRouter(websocket_urlpatterns)
PATIENCE_S = 60.0  # for what comes in any case, on a machine that is busy with something else


class Socket(WebsocketCommunicator):
    """Waits as long as it takes; by itself it would wait for a second."""

    async def receive_output(self, timeout: float = PATIENCE_S) -> Any:
        return await super().receive_output(PATIENCE_S)

    async def wait(self, timeout: float = PATIENCE_S) -> None:
        await super().wait(PATIENCE_S)


@pytest.fixture(autouse=True)
async def _own_layer() -> AsyncIterator[None]:
    """A channel layer of this test's loop."""
    channel_layers.backends.clear()
    yield
    channel_layers.backends.clear()
    await asyncio.to_thread(close_database_threads)


@pytest.fixture(autouse=True)
def _rights_wait_to_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is sent away because it was time to look again: who is, was told to go."""
    monkeypatch.setattr(consumers, "RIGHTS_S", 3600.0)


@pytest.fixture
def run(alice: User) -> Run:
    return make_run(alice, state=Run.State.RUNNING)


@pytest.fixture
async def live(run: Run) -> AsyncIterator[LiveRun]:
    """The run, alive in this process."""
    opened = LIVE.open(await database_sync_to_async(load_record)(run), ring)
    yield opened
    LIVE.forget(opened)


def _socket(run: Run | str, user: Any, after: str = "") -> Socket:
    public_id = run if isinstance(run, str) else run.public_id
    socket = Socket(APPLICATION, f"/ws/r/{public_id}?after={after}")
    socket.scope["user"] = user
    return socket


async def _close_code(socket: Socket) -> int:
    """Connect and give the code that it is closed with; nothing may be sent before."""
    accepted, _ = await socket.connect()
    assert accepted
    message = await socket.receive_output()
    assert message["type"] == "websocket.close", message
    code: int = message["code"]
    return code


async def _told(socket: Socket) -> str:
    """The next frames; heartbeats, with one of which every quiet socket begins, are passed over."""
    while (message := await socket.receive_output()).get("text") == consumers.BEAT:
        pass
    assert message["type"] == "websocket.send", message
    text: str = message["text"]
    return text


async def _closed(socket: Socket) -> int:
    """The code that it is closed with, whatever is said before."""
    while (message := await socket.receive_output())["type"] == "websocket.send":
        pass
    code: int = message["code"]
    return code


async def test_somebody_who_is_not_signed_in_is_closed_with_4401(run: Run) -> None:
    assert await _close_code(_socket(run, AnonymousUser())) == 4401


async def test_a_stranger_and_an_unknown_run_are_closed_with_4404(run: Run, charlie: User, alice: User) -> None:
    assert await _close_code(_socket(run, charlie)) == 4404
    assert await _close_code(_socket("00000000-0000-4000-8000-000000000000", alice)) == 4404


async def test_an_address_that_is_no_socket_is_closed_with_4404_and_breaks_nothing() -> None:
    for path in ("/ws/r/nope", "/ws", "/"):
        socket = Socket(URLRouter(websocket_urlpatterns), path)
        assert await _close_code(socket) == 4404


async def test_a_private_run_does_not_exist_for_a_colleague(run: Run, bob: User) -> None:
    run.is_private = True
    await database_sync_to_async(run.save)()
    assert await _close_code(_socket(run, bob)) == 4404


async def test_a_page_gets_what_follows_the_state_that_it_shows(live: LiveRun, run: Run, bob: User) -> None:
    token = caught_up(live).token
    socket = _socket(run, bob, token)
    await socket.connect()
    live.add(ev.RunStarted(live.record.mode, tuple(live.record.answers)))
    live.add(ev.AnswerAsked("A"))
    live.add(ev.AnswerGrew("A", "Hello from A"))
    live.flush()
    received = await _told(socket)
    while "Hello from A" not in received:
        received += await _told(socket)
    assert "doc-A" not in received  # no snapshot was needed
    await socket.disconnect()


async def test_a_page_in_an_unknown_state_gets_everything(live: LiveRun, run: Run, alice: User) -> None:
    live.add(ev.AnswerAsked("A"))
    live.add(ev.AnswerGrew("A", "Hello from A"))
    socket = _socket(run, alice, "other:7")
    await socket.connect()
    received = await _told(socket)
    assert 'id="doc-A"' in received and "Hello from A" in received and 'id="run-stages"' in received
    await socket.disconnect()


async def test_at_the_end_the_last_frame_takes_the_socket_away_and_closes_it(
    live: LiveRun, run: Run, alice: User
) -> None:
    socket = _socket(run, alice, caught_up(live).token)
    await socket.connect()
    run.state = Run.State.CANCELLED
    await database_sync_to_async(run.save)()
    live.add(ev.RunEnded(live.record.state.CANCELLED))
    received = await _told(socket)
    assert 'id="live" hx-swap-oob="true"' in received
    assert await _closed(socket) == consumers.ENDED


async def test_who_loses_the_right_to_read_is_sent_away_at_once(live: LiveRun, run: Run, bob: User) -> None:
    socket = _socket(run, bob)
    await socket.connect()
    assert "doc-A" in await _told(socket)  # so the right to read was looked at
    await database_sync_to_async(Membership.objects.filter(user=bob).delete)()
    layer = get_channel_layer()
    assert layer is not None
    await layer.group_send(group_of_user(bob.pk), {"type": "rights.changed"})
    assert await _closed(socket) == 4403


async def test_rights_are_looked_at_again_without_being_told(
    live: LiveRun, run: Run, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RIGHTS_S", 0.2)
    socket = _socket(run, bob, caught_up(live).token)
    await socket.connect()
    await database_sync_to_async(User.objects.filter(pk=bob.pk).update)(is_active=False)
    assert await _closed(socket) == 4401


async def test_a_quiet_socket_sends_heartbeats(
    live: LiveRun, run: Run, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "BEAT_S", 0.05)
    socket = _socket(run, alice, caught_up(live).token)
    await socket.connect()
    assert await socket.receive_json_from() == {"type": "beat"}
    assert await socket.receive_json_from() == {"type": "beat"}
    await socket.disconnect()


async def test_a_run_of_another_process_is_watched_through_its_rows(
    run: Run, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "POLL_S", 0.05)
    socket = _socket(run, alice)
    await socket.connect()
    assert "Hello from far" not in await _told(socket)
    answers = Answer.objects.filter(run=run, letter="A")
    await database_sync_to_async(answers.update)(state="streaming", text="Hello from far")
    assert "Hello from far" in await _told(socket)
    await database_sync_to_async(answers.update)(state="done", text="Hello from far away")
    await database_sync_to_async(Run.objects.filter(pk=run.pk).update)(state=Run.State.CANCELLED)
    received = ""
    while 'id="live" hx-swap-oob="true"' not in received:
        received += await _told(socket)
    assert "away" in received
    assert await _closed(socket) == consumers.ENDED


async def test_a_page_that_reads_nothing_is_sent_away_before_memory_grows(
    live: LiveRun, run: Run, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "UNSEEN_MAX", 50_000)
    socket = _socket(run, alice, caught_up(live).token)
    await socket.connect()
    live.add(ev.AnswerAsked("A"))
    sent = 0
    message: dict[str, Any] = {"type": ""}
    while message["type"] != "websocket.close":
        live.add(ev.AnswerGrew("A", "A paragraph that goes on and on.\n\n" * 100))
        live.flush()
        message = await socket.receive_output()
        sent += len(message.get("text", ""))
    assert message["code"] == consumers.SLOW and sent <= 50_000


async def test_a_page_that_keeps_up_is_not_sent_away(
    live: LiveRun, run: Run, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "UNSEEN_MAX", 60_000)
    socket = _socket(run, alice, caught_up(live).token)
    await socket.connect()
    live.add(ev.AnswerAsked("A"))
    total = 0
    while total < 300_000:
        live.add(ev.AnswerGrew("A", "A paragraph that goes on and on.\n\n" * 100))
        live.flush()
        total += len(await _told(socket))
        await socket.send_to("seen")
    await socket.disconnect()


def test_every_code_that_closes_a_socket_may_be_sent_by_a_server() -> None:
    names = ("SIGNED_OUT", "FORBIDDEN", "NOT_FOUND", "SET_UP_FIRST", "ENDED", "BROKEN", "SLOW", "TOO_MANY")
    codes = {getattr(consumers, name) for name in names}
    assert len(codes) == 8 and all(4000 <= code <= 4999 for code in codes), "the common codes are everybody's"
    script = (Path(__file__).parents[2] / "static/js/live.js").read_text()
    assert f"ENDED = {consumers.ENDED}," in script
    assert f"SIGNED_OUT = {consumers.SIGNED_OUT}, TOO_MANY = {consumers.TOO_MANY}, " in script
    refused = f"{consumers.FORBIDDEN}, {consumers.NOT_FOUND}, {consumers.SET_UP_FIRST}"
    assert f"REFUSED = [SIGNED_OUT, {refused}]" in script


async def test_a_socket_says_a_word_at_once_that_shows_that_the_way_is_open(
    live: LiveRun, run: Run, alice: User
) -> None:
    socket = _socket(run, alice, caught_up(live).token)
    await socket.connect()
    assert await socket.receive_json_from() == {"type": "beat"}
    assert await socket.receive_nothing(0.3), "one heartbeat is enough"
    await socket.disconnect()


async def test_one_person_has_so_many_sockets_and_no_more_whatever_came_before(
    live: LiveRun, run: Run, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "SOCKETS_PER_PERSON", 3)
    for _ in range(2):
        sockets = [_socket(run, alice) for _ in range(3)]
        for socket in sockets:
            await socket.connect()
            assert "doc-A" in await _told(socket)
        assert await _close_code(_socket(run, alice)) == consumers.TOO_MANY
        other = _socket(run, bob)
        await other.connect()
        assert "doc-A" in await _told(other)
        for socket in (*sockets, other):
            await socket.disconnect()


async def test_a_socket_that_breaks_says_so_and_leaves_nothing_behind(
    live: LiveRun, run: Run, alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(live: LiveRun) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(consumers, "caught_up", broken)
    socket = _socket(run, alice)
    await socket.connect()
    assert await _closed(socket) == consumers.BROKEN
    await socket.disconnect()
    layer: Any = get_channel_layer()
    assert layer.groups == {}
    assert "a bug of ours" in caplog.text


async def test_a_session_of_an_earlier_password_is_signed_out(live: LiveRun, run: Run, bob: User) -> None:
    client = Client()
    await client.aforce_login(bob)
    socket = _socket(run, bob)
    socket.scope["session"] = client.session
    await socket.connect()
    assert "doc-A" in await _told(socket)
    layer = get_channel_layer()
    assert layer is not None
    bob.set_password("another-pass-2")
    await bob.asave()
    await layer.group_send(group_of_user(bob.pk), {"type": "rights.changed"})
    assert await _closed(socket) == 4401


@pytest.mark.parametrize("ending", ["removed", "left", "team deleted", "account deleted"])
async def test_whoever_goes_is_closed_out_within_five_seconds_and_may_do_nothing_more(
    live: LiveRun, run: Run, alice: User, bob: User, ending: str
) -> None:
    """With what ends a membership in the application, the open socket is closed and the next action refused."""
    socket = _socket(run, bob)
    await socket.connect()
    assert "doc-A" in await _told(socket)
    await asyncio.to_thread(_end, ending, run, alice, bob)
    assert await _closed(socket) in (4401, 4403)
    status = await asyncio.to_thread(_act, run, bob)
    assert status in (302, 404)  # of an account that is gone, the session is too
    assert await database_sync_to_async(_commands)(run) == 0


def _end(ending: str, run: Run, alice: User, bob: User) -> None:
    member = Membership.objects.get(user=bob)
    if ending == "removed":
        remove_member(person=alice, membership=member)
    elif ending == "left":
        leave_team(person=bob, team=run.team)
    elif ending == "account deleted":
        delete_account(person=bob)
    else:
        Run.objects.filter(pk=run.pk).update(state=Run.State.DONE)
        delete_team(person=alice, team=run.team, typed_name=run.team.name)
    connections.close_all()


def _act(run: Run, bob: User) -> int:
    client = Client()
    client.force_login(User.objects.get(pk=bob.pk))
    status: int = client.post(f"/r/{run.public_id}/act", {"do": "stop"}).status_code
    connections.close_all()
    return status


def _commands(run: Run) -> int:
    return RunCommand.objects.filter(run=run).count()


async def test_a_lowered_role_stops_nobody_from_reading_and_the_next_action_is_refused(
    live: LiveRun, run: Run, alice: User, bob: User
) -> None:
    socket = _socket(run, bob)
    await socket.connect()
    assert "doc-A" in await _told(socket)
    await asyncio.to_thread(_lower, alice, bob)
    assert await asyncio.to_thread(_act, run, bob) == 403
    live.add(ev.AnswerAsked("A"))
    live.add(ev.AnswerGrew("A", "Still readable"))
    live.flush()
    received = await _told(socket)
    while "Still readable" not in received:
        received += await _told(socket)
    await socket.disconnect()


def _lower(alice: User, bob: User) -> None:
    change_role(person=alice, membership=Membership.objects.get(user=bob), role=Role.VIEWER)
    connections.close_all()


# --- signed out elsewhere ----------------------------------------------------------------------------


def _browser(person: User) -> Client:
    """One in which somebody has signed in, as they do."""
    client = Client()
    typed = {"login": person.email, "password": "secret-pass-1"}
    assert client.post(reverse("account_login"), typed).status_code == 302
    return client


async def _watching(run: Run, person: User, browser: Client) -> WebsocketCommunicator:
    """A socket of that browser's session, once it has looked at its rights."""
    socket = _socket(run, person)
    socket.scope["session"] = browser.session
    await socket.connect()
    assert "doc-A" in await _told(socket)
    return socket


def _sign_out(browser: Client, person: User) -> None:
    browser.post(reverse("account_logout"))


def _sign_out_everywhere_else(browser: Client, person: User) -> None:
    _browser(person).post(reverse("usersessions_list"))


def _change_password_elsewhere(browser: Client, person: User) -> None:
    typed = {"oldpassword": "secret-pass-1", "password1": "another-pass-2", "password2": "another-pass-2"}
    assert _browser(person).post(reverse("account_change_password"), typed).status_code == 302


def _reset_password_by_mail(browser: Client, person: User) -> None:
    anybody = Client()
    anybody.post(reverse("account_reset_password"), {"email": person.email})
    link = re.search(r"http://testserver(\S+)", str(mail.outbox[-1].body))
    assert link is not None
    form = anybody.get(link[1], follow=True).redirect_chain[-1][0]
    anybody.post(form, {"password1": "another-pass-2", "password2": "another-pass-2"})


def _administrator() -> Client:
    return client_of(make_user("root", is_staff=True, is_superuser=True))


def _set_password_in_administration(browser: Client, person: User) -> None:
    typed = {"password1": "another-pass-2", "password2": "another-pass-2", "usable_password": "true"}
    address = reverse("admin:auth_user_password_change", args=[person.pk])
    assert _administrator().post(address, typed).status_code == 302


def _deactivate_in_administration(browser: Client, person: User) -> None:
    form = {"email": person.email, "name": person.name}
    form |= {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    address = reverse("admin:fusion_user_change", args=[person.pk])
    assert _administrator().post(address, form).status_code == 302


@pytest.mark.parametrize(
    "end",
    [
        _sign_out,
        _sign_out_everywhere_else,
        _change_password_elsewhere,
        _reset_password_by_mail,
        _set_password_in_administration,
        _deactivate_in_administration,
    ],
)
async def test_whoever_is_signed_out_somewhere_else_is_closed_out_at_once(
    live: LiveRun, run: Run, bob: User, end: Callable[[Client, User], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By being told: the look at the rights that comes without is an hour away."""
    monkeypatch.setattr(consumers, "RIGHTS_S", 3600)
    browser = await database_sync_to_async(_browser)(bob)
    socket = await _watching(run, bob, browser)
    await database_sync_to_async(end)(browser, bob)
    assert await _closed(socket) == 4401


async def test_signing_out_in_one_browser_closes_no_socket_of_another(live: LiveRun, run: Run, bob: User) -> None:
    left, kept = [await database_sync_to_async(_browser)(bob) for _ in range(2)]
    gone, open_still = [await _watching(run, bob, one) for one in (left, kept)]
    await database_sync_to_async(_sign_out)(left, bob)
    assert await _closed(gone) == 4401
    live.add(ev.AnswerAsked("A"))
    live.add(ev.AnswerGrew("A", "Still there"))
    live.flush()
    received = await _told(open_still)
    while "Still there" not in received:
        received += await _told(open_still)
    await open_still.disconnect()


@pytest.mark.parametrize("by", ["themselves", "an administrator"])
async def test_who_has_to_have_a_second_step_and_loses_it_is_closed_out_at_once(
    live: LiveRun, run: Run, bob: User, by: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RIGHTS_S", 3600)
    settings.FUSION_SECOND_FACTOR = "everyone"
    await database_sync_to_async(_set_up_second_step)(bob)
    socket = _socket(run, bob)
    await socket.connect()
    assert "doc-A" in await _told(socket)
    await database_sync_to_async(_give_up_second_step if by == "themselves" else _take_off_second_step)(bob)
    assert await _closed(socket) == consumers.SET_UP_FIRST


def _set_up_second_step(person: User) -> Authenticator:
    return Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={"secret": ""})


def _give_up_second_step(person: User) -> None:
    browser = client_of(person)
    browser.post(reverse("account_reauthenticate"), {"password": "secret-pass-1"})
    assert browser.post(reverse("mfa_deactivate_totp")).status_code == 302


def _take_off_second_step(person: User) -> None:
    root = make_user("root", is_staff=True, is_superuser=True)
    _set_up_second_step(root)
    address = reverse("admin:mfa_authenticator_delete", args=[Authenticator.objects.get(user=person).pk])
    assert client_of(root).post(address, {"post": "yes"}).status_code == 302
