"""How frames get into a page: held back, joined, column by column, and in the end the page of a fresh load."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute

from tests.web.browsing import Site, connected, shown, until, until_so
from tests.web.run_events import TEXTS, whole_run
from tests.web.test_screen import Show, inner

pytestmark = pytest.mark.browser

LONGER = {letter: f"{text}\n\n{text}\n\n## And again\n\n{text}" for letter, text in TEXTS.items()}
RUN = re.compile(r'<div id="run".*(?=<a class="pill")', re.DOTALL)
# A machine on which each change of the page takes longer than the browser has for a frame.
SLOW = """() => {
  window.__seen = { changes: 0, shown: 0, since: 0 };
  document.addEventListener("fusion:after-frame", () => {
    const until = performance.now() + 30;
    while (performance.now() < until);
    window.__seen.changes += 1;
    window.__seen.since += 1;
  });
  document.addEventListener("fusion:shown", () => { window.__seen.shown += 1; window.__seen.since = 0; });
}"""
# When the first column of several is in: `act`, and what was so before and after it. The page is drawn by the clock: a
# machine that draws nothing for a second would have all columns put in at once.
MIDWAY = """(act) => {
  window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 16);
  window.cancelAnimationFrame = clearTimeout;
  const look = () => [window.__seen.since, document.getElementById("live-seq").dataset.seq];
  document.addEventListener("fusion:after-frame", () => setTimeout(() => {
    const before = look();
    if (act === "pause") document.querySelector("[data-pause]").click();
    else document.dispatchEvent(new CustomEvent(act));
    window.__midway = [...before, ...look()];
  }), { once: true });
}"""
SEQ = "document.getElementById('live-seq')?.dataset.seq"


class Stage:
    """The page of a run of ours in a browser, with a socket that brings what the test sends."""

    def __init__(self, site: Site, address: str, show: Show) -> None:
        self.page: Page = site.visit()
        self.sockets: list[WebSocketRoute] = []
        self.page.route_web_socket(re.compile("/ws/"), self._connected)
        self._inner = inner(show.screen)
        self.page.route(re.compile("/r/"), self._serve)
        self.page.goto(address)
        connected(self.page)

    def _connected(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.send('{"type": "beat"}')  # the first word of every socket

    def _serve(self, route: Route) -> None:
        reply = route.fetch()
        route.fulfill(response=reply, body=RUN.sub(lambda _: self._inner, reply.text()))

    def slowed(self, rate: float) -> None:
        self.page.context.new_cdp_session(self.page).send("Emulation.setCPUThrottlingRate", {"rate": rate})

    def send(self, frames: list[str]) -> None:
        for frame in frames:
            self.sockets[-1].send(frame)

    def receive(self, frames: list[str]) -> None:
        """All of them at once: over a socket some would still come after what the test does meanwhile."""
        self.page.evaluate(
            "(all) => all.forEach((one) => document.dispatchEvent(new CustomEvent('fusion:receive', { detail: one })))",
            frames,
        )

    def until_over(self) -> None:
        self.page.wait_for_selector("#live-seq", state="detached")


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    """A page of a run that is under way, to be filled with another one."""
    page = site.visit()
    yield site.ask(page, slow=True)
    page.context.close()


def played() -> tuple[Show, Show, list[str]]:
    """A run at its beginning, at its end, and the frames from the one to the other."""
    first, last = Show(), Show()
    token = last.screen.token
    last.play(whole_run(LONGER))
    frames = last.screen.frames_after(token)
    assert frames is not None and len(frames) > 60
    return first, last, frames


def fresh(site: Site, address: str, show: Show) -> str:
    stage = Stage(site, address, show)
    html = shown(stage.page)
    stage.page.context.close()
    return html


@pytest.mark.parametrize("rate", [1, 4, 8])
def test_frames_that_come_faster_than_they_are_shown_make_the_page_of_a_fresh_load(
    site: Site, address: str, rate: int
) -> None:
    first, last, frames = played()
    stage = Stage(site, address, first)
    stage.page.evaluate(SLOW)
    stage.slowed(rate)
    for at in range(0, len(frames), 9):
        stage.send(frames[at : at + 9])
        stage.page.wait_for_timeout(60)
    stage.until_over()
    seen = stage.page.evaluate("window.__seen")
    assert seen["shown"] < len(frames) / 2, "nothing was held back"
    assert seen["changes"] > seen["shown"], "columns went in together although each took longer than a frame"
    assert shown(stage.page) == fresh(site, address, last)
    assert len(stage.sockets) == 1, "the page asked for a snapshot"
    stage.page.context.close()


def test_whoever_connects_anew_while_columns_go_in_gets_nothing_twice(site: Site, address: str) -> None:
    first, last, frames = played()
    stage = Stage(site, address, first)
    stage.page.evaluate(SLOW)
    stage.page.evaluate(MIDWAY, "fusion:restart")
    stage.receive(frames[:40])
    until(stage.page, "window.__midway !== undefined")
    begun, before, left, token = stage.page.evaluate("window.__midway")
    assert begun > 0 and left == 0 and token != before, "nothing had begun, or it was not finished"
    missing = last.screen.frames_after(token)
    assert missing is not None and len(missing) < len(frames)
    stage.send(missing)
    stage.until_over()
    assert shown(stage.page) == fresh(site, address, last)
    stage.page.context.close()


def test_a_page_that_is_paused_while_columns_go_in_stands_still_and_catches_up(site: Site, address: str) -> None:
    first, last, frames = played()
    stage = Stage(site, address, first)
    stage.page.evaluate(SLOW)
    stage.page.evaluate(MIDWAY, "pause")
    stage.receive(frames[:30])
    until(stage.page, "window.__midway !== undefined")
    begun, _, left, _ = stage.page.evaluate("window.__midway")
    assert begun > 0 and left == 0, "the columns are not those of one moment"
    stands, mark = stage.page.inner_html("#run-answers"), stage.page.evaluate(SEQ)
    stage.receive(frames[30:])
    stage.page.wait_for_timeout(500)
    assert stage.page.evaluate(SEQ) == mark
    assert stage.page.inner_html("#run-answers") == stands
    stage.page.click("[data-pause]")
    stage.until_over()
    assert shown(stage.page) == fresh(site, address, last)
    stage.page.context.close()


def test_a_fragment_without_a_place_brings_a_snapshot_once_the_rest_is_in(site: Site, address: str) -> None:
    first, last, frames = played()
    stage = Stage(site, address, first)
    stage.send(['<b id="nowhere-A" hx-swap-oob="true"></b>' + frames[0]])
    until(stage.page, f"{SEQ} !== {first.screen.token!r}")
    until_sockets(stage, 2)
    assert stage.sockets[1].url.endswith("after=")
    stage.send([last.screen.snapshot_frame()])
    stage.until_over()
    assert shown(stage.page) == fresh(site, address, last)
    stage.page.context.close()


def test_a_page_that_even_a_snapshot_does_not_put_right_says_so_and_asks_no_more(site: Site, address: str) -> None:
    first, last, frames = played()
    stage = Stage(site, address, first)
    stage.page.clock.set_fixed_time(datetime.now())  # all of it in one moment, whatever this machine takes
    nowhere = '<b id="nowhere-A" hx-swap-oob="true"></b>'
    stage.send([nowhere + frames[0]])
    until_sockets(stage, 2)
    stage.send([nowhere + last.screen.snapshot_frame()])
    stage.page.wait_for_selector("[data-live-status]:has-text('Load it again')")
    stage.page.evaluate("dispatchEvent(new Event('online'))")
    stage.page.wait_for_timeout(1000)
    assert len(stage.sockets) == 2
    stage.page.context.close()


def until_sockets(stage: Stage, count: int) -> None:
    until_so(stage.page, lambda: len(stage.sockets) >= count, f"{count} sockets are opened")
