"""A run's page behind networks that get in its way: whatever they do, it ends as a page opened afterwards.

Pages are told to wait two seconds for the first word of a socket instead of eight, so that a network is found out
while something is still being written.
"""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Iterator, Sized
from contextlib import ExitStack

import pytest
from playwright.sync_api import Error, Page, WebSocketRoute

from tests.web.browsing import JUDGE, PATIENCE_MS, SLOW_MEMBERS, Site, over, served_site, shown, streaming, until
from tests.web.network import Network, network

pytestmark = pytest.mark.browser

MEMBERS = ["m-ttft150-mixed-rate70-tokens480", "m-b-ttft200-mixed-rate90-tokens640", "m-c-ttft100-rate60-tokens420"]
WAYS = ("open", "open", "400", "silent", "late", "swallowing", "cutting", "down")
GROWN_CHARS = 40
TOKEN = "document.getElementById('live-seq').dataset.seq"
BLOCKED = "[data-live-status]:has-text('every 2 seconds')"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir, patience = tmp_path_factory.mktemp("networks"), {"FUSION_SOCKET_PATIENCE_S": "2"}
    with served_site(data_dir, variables=patience, members=MEMBERS, judge=JUDGE, slow=SLOW_MEMBERS) as site:
        yield site


def behind(site: Site, way: Network) -> Page:
    """A window of alice's that reaches the server through that network, and has luck with its waits."""
    page = site.visit(proxy={"server": f"http://127.0.0.1:{way.port}", "bypass": "<-loopback>"})
    page.add_init_script("Math.random = () => 0")
    return page


def assert_as_stored(site: Site, pages: list[Page], url: str) -> None:
    """Each page equals one that is opened now, and the answer there that has no Markdown equals what is stored."""
    fresh = site.visit()
    fresh.goto(url)
    for page in pages:
        assert shown(page) == shown(fresh)
    assert fresh.inner_text("#doc-C").split() == site.raw(url, "answer=C").split() != []
    fresh.context.close()


def length(page: Page) -> int:
    """How much is shown of the answer that takes minutes."""
    chars: int = page.evaluate("document.getElementById('doc-C').innerText.length")
    return chars


def grown(page: Page, *, by: int = GROWN_CHARS) -> None:
    """Until so many characters more of it are shown than now."""
    streaming(page, "C", length(page) + by)


def test_whatever_networks_do_to_sockets_each_page_streams_and_ends_as_a_fresh_one(site: Site) -> None:
    ways = ("200", "403", "silent", "swallowing", "cutting")
    with ExitStack() as stack:
        networks = [stack.enter_context(network()) for _ in ways]
        asker = site.visit()
        url = site.ask(asker, late=True)
        pages, began = [], []
        for between, way in zip(networks, ways, strict=True):
            between.way = way
            pages.append(behind(site, between))
            pages[-1].goto(url)
            began.append(length(pages[-1]))
        for page, chars in zip(pages, began, strict=True):
            streaming(page, "C", chars + GROWN_CHARS)
        asker.click("#stop-C")
        for page in (*pages, asker):
            over(page)
        assert all(between.upgrades for between in networks), "a page tried no socket"
        assert asker.inner_text("[data-run-state]") == "Done"
        assert_as_stored(site, [*pages, asker], url)
        for page in (*pages, asker):
            page.context.close()


def test_what_was_fetched_while_a_socket_was_being_opened_does_not_come_twice(site: Site) -> None:
    page, way = site.visit(), "refused"
    late: list[WebSocketRoute] = []
    held: list[str | bytes] = []

    def connect(socket: WebSocketRoute) -> None:
        if way == "refused":  # so that the page polls
            socket.close(code=1011)
        elif way == "late":  # what it says is held back
            late.append(socket)
            socket.connect_to_server().on_message(lambda words: held.append(words))
        else:
            socket.connect_to_server()

    page.route_web_socket(re.compile("/ws/"), connect)
    url = site.ask(page, late=True)
    page.wait_for_selector(BLOCKED)
    grown(page)
    page.evaluate("document.getElementById('live').dataset.patienceMs = 600000")
    way = "late"
    page.click("[data-live-retry]")
    _until_tried(page, held, 1)
    way, before, chars = "open", page.evaluate(TOKEN), length(page)
    page.evaluate("dispatchEvent(new Event('visibilitychange'))")  # it looks at once, not only every two seconds
    until(page, f"{TOKEN} !== '{before}' && document.getElementById('doc-C').innerText.length > {chars}")
    assert len(late) == 1, "the page gave it up before it spoke"
    for words in held:
        late[0].send(words)
    page.wait_for_selector("[data-live-status][data-tone=ok]")
    grown(page)
    seen = page.inner_text("#doc-C").split()[:-1]
    page.click("#stop-C")
    over(page)
    assert site.raw(url, "answer=C").split()[: len(seen)] == seen
    assert_as_stored(site, [page], url)
    page.context.close()


@pytest.mark.parametrize("seed", range(2))
def test_three_readers_whose_networks_change_at_random_end_as_a_fresh_page(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    with ExitStack() as stack:
        networks = [stack.enter_context(network()) for _ in range(3)]
        asker = site.visit()
        url = site.ask(asker)
        pages = [behind(site, between) for between in networks]
        for page in pages:
            page.goto(url)
        while asker.locator("#live-seq").count():
            reader = chance.randrange(3)
            if chance.random() < 0.25 and networks[reader].way != "down":
                with contextlib.suppress(Error):  # the network may go while it loads
                    pages[reader].reload(wait_until="commit")
            else:
                networks[reader].way = chance.choice(WAYS)
            asker.wait_for_timeout(chance.randint(50, 900))
        for between, page in zip(networks, pages, strict=True):
            between.way = "open"
            page.evaluate("dispatchEvent(new Event('online'))")
        for page in pages:
            over(page)
        assert_as_stored(site, [*pages, asker], url)
        for page in (*pages, asker):
            page.context.close()


def test_a_page_that_stayed_open_while_the_server_was_killed_and_started_again_ends_as_a_fresh_one(site: Site) -> None:
    page = site.visit()
    url = site.ask(page, late=True)
    grown(page, by=400)  # several seconds: what is two seconds old is stored
    site.server.kill()
    page.wait_for_selector("[data-live-status]:has-text('Your run continues on the server')")
    site.server.start()
    over(page)
    assert page.inner_text("[data-run-state]") == "Interrupted"
    assert_as_stored(site, [page], url)
    page.context.close()


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4401])
def test_a_page_comes_back_whatever_code_something_in_between_closes_its_socket_with(site: Site, code: int) -> None:
    """4401 is ours, when somebody signs out: in another tab they may have signed in anew since."""
    page = site.visit()
    opened: list[WebSocketRoute] = []

    def connect(socket: WebSocketRoute) -> None:
        opened.append(socket)
        socket.connect_to_server()

    page.route_web_socket(re.compile("/ws/"), connect)
    url = site.ask(page, late=True)
    grown(page, by=1)
    opened[0].close(code=code)
    _until_tried(page, opened, 2)
    grown(page, by=1)
    page.click("#act-stop")
    over(page)
    assert_as_stored(site, [page], url)
    page.context.close()


def _until_tried(page: Page, tries: Sized, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while len(tries) < count:
        assert time.monotonic() < deadline, f"{len(tries)} sockets were tried, not {count}"
        page.wait_for_timeout(20)


def test_pages_that_lose_the_server_at_once_do_not_come_back_at_once(site: Site) -> None:
    assert [_waits(site, luck) for luck in (0, 1)] == [[0.5, 1], [1.5, 3]]


def _waits(site: Site, luck: float) -> list[float]:
    """The seconds that a page waits before it tries a second and a third socket, with that chance."""
    page = site.visit()
    page.add_init_script(f"Math.random = () => {luck}")
    page.add_init_script(
        "window.__waits = []; document.addEventListener('fusion:lost', ({ detail }) => window.__waits.push(detail))"
    )
    page.route_web_socket(re.compile("/ws/"), lambda socket: socket.close(code=1011))
    site.ask(page, late=True)
    until(page, "window.__waits.length === 2")
    waits: list[float] = page.evaluate("window.__waits")
    page.click("#act-stop")
    page.context.close()
    return waits
