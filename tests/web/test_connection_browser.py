"""A run's page behind networks that get in its way: whatever they do, it ends as a page opened afterwards.

Pages are told to wait two seconds for the first word of a socket instead of eight, so that a network is found out
while something is still being written.
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from uuid import UUID

import pytest
from playwright.sync_api import Page, WebSocketRoute

from tests.processes import DATABASE
from tests.web.browsing import JUDGE, SLOW_MEMBERS, Site, over, says, served_site, shown, streaming, until, until_so
from tests.web.network import Network, network

pytestmark = pytest.mark.browser

MEMBERS = ["m-ttft150-mixed-rate70-tokens480", "m-b-ttft200-mixed-rate90-tokens640", "m-c-ttft100-rate60-tokens420"]
WAYS = ("open", "open", "400", "silent", "late", "swallowing", "cutting", "down")
GROWN_CHARS = 40
TOKEN = "document.getElementById('live-seq').dataset.seq"
LUCK = "Math.random = () => 0"
# With luck for the two waits before a page begins to fetch; the socket after that comes when somebody asks for one.
POLLS_AND_STAYS = "const waits = [0, 0]; Math.random = () => waits.shift() ?? 1000"
STORED = (
    "SELECT text FROM fusion_answer WHERE letter = 'C' AND run_id = (SELECT id FROM fusion_run WHERE public_id = ?)"
)
BLOCKED = "[data-live-status]:has-text('every 2 seconds')"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir, patience = tmp_path_factory.mktemp("networks"), {"FUSION_SOCKET_PATIENCE_S": "2"}
    with served_site(data_dir, variables=patience, members=MEMBERS, judge=JUDGE, slow=SLOW_MEMBERS) as site:
        yield site


def behind(site: Site, way: Network) -> Page:
    """A window of alice's that reaches the server through that network, and has luck with its waits."""
    page = site.visit(proxy={"server": f"http://127.0.0.1:{way.port}", "bypass": "<-loopback>"})
    page.add_init_script(LUCK)
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


def grown(page: Page) -> None:
    """Until more of it is shown than now."""
    streaming(page, "C", length(page) + GROWN_CHARS)


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
        until_so(asker, lambda: all(between.upgrades for between in networks), "each page tries a socket")
        asker.click("#stop-C")
        for page in (*pages, asker):
            over(page)
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

    page.add_init_script(POLLS_AND_STAYS)
    page.route_web_socket(re.compile("/ws/"), connect)
    url = site.ask(page, late=True)
    page.wait_for_selector(BLOCKED)
    grown(page)
    page.evaluate("document.getElementById('live').dataset.patienceMs = 600000")
    way = "late"
    page.click("[data-live-retry]")
    until_so(page, lambda: bool(held), "the late socket is spoken to")
    before, chars = page.evaluate(TOKEN), length(page)
    until(page, f"{TOKEN} !== '{before}' && document.getElementById('doc-C').innerText.length > {chars}")
    assert len(late) == 1, "the page gave it up before it spoke"
    way = "open"
    for words in held:
        late[0].send(words)
    page.wait_for_selector("[data-live-status][data-tone=ok]", state="attached")
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
                # With its scripts: half a page, of a network that goes meanwhile, would never hear of any change.
                pages[reader].reload(wait_until="domcontentloaded")
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
    until_so(page, lambda: _stored(site, url) != "", "a part of an answer is stored")
    grown(page)
    site.server.kill()
    page.wait_for_selector("[data-live-status]:has-text('Your run continues on the server')")
    site.server.start()
    over(page)
    assert page.inner_text("[data-run-state]") == "Interrupted"
    assert_as_stored(site, [page], url)
    page.context.close()


def _stored(site: Site, url: str) -> str:
    """What the database has of the answer that takes minutes."""
    with closing(sqlite3.connect(site.server.data_dir / DATABASE, timeout=20)) as database:
        found = database.execute(STORED, [UUID(url.rpartition("/")[2]).hex])
        return "".join(text for (text,) in found)


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4401])
def test_a_page_comes_back_whatever_code_something_in_between_closes_its_socket_with(site: Site, code: int) -> None:
    """4401 is ours, when somebody signs out: in another tab they may have signed in anew since."""
    page = site.visit()
    opened: list[WebSocketRoute] = []

    def connect(socket: WebSocketRoute) -> None:
        opened.append(socket)
        socket.connect_to_server()

    page.add_init_script(LUCK)
    page.route_web_socket(re.compile("/ws/"), connect)
    url = site.ask(page, late=True)
    grown(page)
    opened[0].close(code=code)
    until_so(page, lambda: len(opened) > 1, "a second socket is tried")
    grown(page)
    page.click("#act-stop")
    over(page)
    assert_as_stored(site, [page], url)
    page.context.close()


def test_who_has_too_many_pages_open_is_told_so_and_this_one_fetches_at_once(site: Site) -> None:
    page, code = site.visit(), 4529

    def connect(socket: WebSocketRoute) -> None:
        if code:
            socket.close(code=code)
        else:
            socket.connect_to_server()

    page.route_web_socket(re.compile("/ws/"), connect)
    page.add_init_script(LUCK)
    page.add_init_script("window.__lost = 0; document.addEventListener('fusion:lost', () => { window.__lost += 1; })")
    site.ask(page, late=True)
    says(page, "[data-live-status]", "You have too many runs open")
    grown(page)
    assert "You have too many runs open" in page.inner_text("[data-live-status]"), "as if the network were to blame"
    assert page.evaluate("window.__lost") == 0, "it first tried again, as if the connection were lost"
    code = 1011
    page.click("[data-live-retry]")
    says(page, "[data-live-status]", "Live updates are blocked on this network")
    code = 0
    page.click("[data-live-retry]")
    page.wait_for_selector("[data-live-status][data-tone=ok]", state="attached")
    page.click("#act-stop")
    over(page)
    page.context.close()


# How often it begins anew where it was only waiting.
TRIES_AGAIN = """() => {
  let tries = 0;
  document.addEventListener("fusion:restart", () => { tries += 1; });
  dispatchEvent(new Event("online"));
  return tries;
}"""
REFUSALS = {
    4403: ("You may no longer read this run. If you should, ask an admin of its team.", ""),
    4404: ("This run is not here any more. Your history shows those that are.", ""),
    4428: ("This site asks you for two-step sign-in now. Set it up to watch this run", "Set it up"),
}


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("by", ["socket", "fetching"])
def test_a_page_that_is_refused_says_what_happened_and_what_to_do(site: Site, code: int, by: str) -> None:
    words, way = REFUSALS[code]
    page = site.visit()
    page.route_web_socket(re.compile("/ws/"), lambda socket: socket.close(code=code if by == "socket" else 4529))
    if by == "fetching":
        page.route(re.compile(r"/live\?after="), lambda route: route.fulfill(status=code - 4000, body="No"))
    site.ask(page, late=True)
    says(page, "[data-live-status]", words)
    assert page.locator("[data-live-status] :is(a, button):visible").all_inner_texts() == ([way] if way else [])
    assert page.evaluate(TRIES_AGAIN) == 0, "it goes on trying what it was refused"
    with page.expect_response(re.compile("/act$")):
        page.click("#act-stop")
    page.context.close()


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
    with page.expect_response(re.compile("/act$")):
        page.click("#act-stop")
    page.context.close()
    return waits
