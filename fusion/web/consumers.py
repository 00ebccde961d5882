"""The socket of a run's page: it only tells; what people do comes as POST.

The doorbell says that something is new; what is new is read from the run's screen, from where this page stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any, Final
from urllib.parse import parse_qs
from weakref import WeakSet

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase

from fusion.live.runs import LIVE
from fusion.models import Run, User
from fusion.runs.database import in_database
from fusion.runs.doorbell import group_of
from fusion.teams.doorbell import group_of_user
from fusion.teams.second_factor import must_set_up
from fusion.web.screen import Screen
from fusion.web.watch import NOT_STORED, caught_up, screen_after_end, screen_for

# Codes of our own: whatever stands in between may close a socket with the common ones, and then the page comes back.
ENDED, SIGNED_OUT, FORBIDDEN, NOT_FOUND, SET_UP_FIRST = 4200, 4401, 4403, 4404, 4428
BROKEN, SLOW, TOO_MANY = 4511, 4513, 4529  # the page comes back
BEAT_S: Final = 15.0
RIGHTS_S: Final = 30.0
POLL_S: Final = 2.0
SOCKETS_PER_PERSON: Final = 100
UNSEEN_MAX: Final = 1024 * 1024  # characters sent since the page last said that it keeps up
BEAT: Final = json.dumps({"type": "beat"})

# Rendering takes milliseconds: not on the loop that reads from providers; one thread, so that the loop keeps half.
_RENDERING = ThreadPoolExecutor(1, thread_name_prefix="fusion-screen")
_open: WeakSet[RunConsumer] = WeakSet()  # so that none counts that ended without a word
log = logging.getLogger(__name__)


class RunConsumer(AsyncWebsocketConsumer):
    """One tab that watches one run. Joins the group first and looks at the screen second, so that nothing is missed."""

    async def connect(self) -> None:
        """A socket refused before it is accepted would be tried again for ever, so it is accepted and then closed."""
        self._pump: asyncio.Task[None] | None = None
        self._groups: list[str] = []
        self._bell = asyncio.Event()
        self._unseen = 0
        self._has_more = False
        await self.accept()
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.close(SIGNED_OUT)
            return
        self._user_pk: int = user.pk
        if sum(other._user_pk == user.pk for other in _open) >= SOCKETS_PER_PERSON:
            await self.close(TOO_MANY)
            return
        _open.add(self)
        self._public_id = str(self.scope["url_route"]["kwargs"]["public_id"])
        self._token = parse_qs(self.scope["query_string"].decode("ascii", "replace")).get("after", [""])[0]
        # A first word at once, if only a beat: it shows the page that the way is open.
        self._beat_due = time.monotonic()
        self._rights_due = time.monotonic() + RIGHTS_S
        await self._join(group_of(self._public_id), group_of_user(self._user_pk))
        refused = await self._refused(NOT_FOUND)
        if refused is not None:
            await self.close(refused)
            return
        self._pump = asyncio.create_task(self._tell())

    async def _join(self, *groups: str) -> None:
        for group in groups:
            await self.channel_layer.group_add(group, self.channel_name)
            self._groups.append(group)

    async def disconnect(self, code: int) -> None:
        """Leaves nothing behind, however the telling ended."""
        _open.discard(self)
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
        for group in self._groups:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Whatever a page sends means that it has read what came so far; nothing else is taken from it."""
        self._unseen = 0

    async def run_bell(self, message: dict[str, Any]) -> None:
        self._bell.set()

    async def rights_changed(self, message: dict[str, Any]) -> None:
        self._rights_due = 0.0
        self._bell.set()

    # --- telling ---------------------------------------------------------------------------------

    async def _tell(self) -> None:
        """Send what is new, then wait for the bell; ends by closing the socket."""
        try:
            while not await self._tell_once():
                if not self._has_more:
                    await self._wait()
        except Exception:
            # The page comes back by itself and asks from where it stands.
            log.exception("A socket could not be told what is new")
            await self.close(BROKEN)

    async def _tell_once(self) -> bool:
        """True when this socket has been closed."""
        if time.monotonic() >= self._rights_due:
            self._rights_due = time.monotonic() + RIGHTS_S
            refused = await self._refused(FORBIDDEN)
            if refused is not None:
                await self.close(refused)
                return True
        self._bell.clear()
        screen = await self._screen()
        self._has_more = screen.is_behind
        token, frames, ended = screen.news(self._token)
        self._token = token
        if frames and not await self._send_frames("".join(frames)):
            return True
        if ended:
            await self.close(ENDED)
        return ended

    async def _send_frames(self, html: str) -> bool:
        """False when the page does not keep up: it is sent away and comes back for a snapshot when it can."""
        self._unseen += len(html)
        if self._unseen > UNSEEN_MAX and self._unseen > len(html):
            await self.close(SLOW)
            return False
        await self.send(text_data=html)
        self._beat_due = time.monotonic() + BEAT_S
        return True

    async def _wait(self) -> None:
        """Until the bell rings, rights are to be looked at, a heartbeat is due or rows are to be read again."""
        now = time.monotonic()
        due = [self._beat_due, self._rights_due]
        if not self._is_here:
            due.append(now + POLL_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), max(0.0, min(due) - now))
        if time.monotonic() >= self._beat_due:
            self._beat_due = time.monotonic() + BEAT_S
            await self.send(text_data=BEAT)

    async def _screen(self) -> Screen:
        """The run's screen, up to date: of the live run here, else of the rows."""
        live = LIVE.get(self._public_id)
        self._is_here = live is not None
        if live is not None:
            screen = await asyncio.get_running_loop().run_in_executor(_RENDERING, caught_up, live)
            if screen.is_final and screen.failure_code != NOT_STORED:
                return await in_database(screen_after_end, self._public_id) or screen
            return screen
        return await in_database(_stored, self._public_id)

    async def _refused(self, invisible: int) -> int | None:
        """The code to close with when this person may not watch; `invisible`: the code for a run out of sight."""
        session = self.scope.get("session")
        key = getattr(session, "session_key", None)
        return await in_database(_refusal, self._user_pk, key, self._public_id, invisible)


class NoSuchSocket(AsyncWebsocketConsumer):
    """Every other address: a code that ends the attempts, where a missing route would be an error of ours."""

    async def connect(self) -> None:
        await self.accept()
        await self.close(NOT_FOUND)


def _refusal(user_pk: int, session_key: str | None, public_id: str, invisible: int) -> int | None:
    user = User.objects.filter(pk=user_pk, is_active=True).first()
    if user is None or (session_key is not None and not _is_signed_in(user, session_key)):
        return SIGNED_OUT
    if must_set_up(user):
        return SET_UP_FIRST
    return None if Run.objects.visible_to(user).filter(public_id=public_id).exists() else invisible


def _is_signed_in(user: User, session_key: str) -> bool:
    """Whether that session is still there and was begun with the password that the account has now."""
    session: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return session.get(HASH_SESSION_KEY, "") in hashes


def _stored(public_id: str) -> Screen:
    run = Run.objects.select_related("pool_version__pool", "author").get(public_id=public_id)
    return screen_for(run)
