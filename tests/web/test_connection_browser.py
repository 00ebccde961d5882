"""A run's page behind networks that get in its way: whatever they do, it ends as a page opened afterwards."""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Iterator, Sized
from contextlib import ExitStack

import pytest
from playwright.sync_api import Error, Page, WebSocketRoute, sync_playwright

from tests.processes import served, set_up, upstream_process
from tests.web.browsing import JUDGE, PATIENCE_MS, Site, over, shown, streaming
from tests.web.network import Network, network

pytestmark = pytest.mark.browser

# Long enough for a network to be found out, and for polling to begin, while they are still being written.
MEMBERS = ["m-ttft100-rate60-tokens1100", "m-b-ttft200-mixed-rate90-tokens1600", "m-c-ttft150-mixed-rate70-tokens900"]
WAYS = ("open", "open", "400", "silent", "late", "swallowing", "cutting", "down")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("networks")
    with upstream_process() as upstream:
        session, pool = set_up(data_dir, upstream, members=MEMBERS, judge=JUDGE)
        variables = {"FUSION_PROVIDER_URL": upstream, "FUSION_MAX_RUNS_PER_PERSON": "50"}
        with served(data_dir, **variables) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium",
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            yield Site(server, browser, session, pool)
            browser.close()


def behind(site: Site, way: Network) -> Page:
    """A window of alice's that reaches the server through that network."""
    return site.visit(proxy={"server": f"http://127.0.0.1:{way.port}", "bypass": "<-loopback>"})


def assert_as_stored(site: Site, pages: list[Page], url: str) -> None:
    """Each page equals one that is opened now, and that one equals what is stored."""
    fresh = site.visit()
    fresh.goto(url)
    for page in pages:
        assert shown(page) == shown(fresh)
    assert fresh.inner_text("#doc-A").split() == site.raw(url, "answer=A").split() != []
    fresh.context.close()


def test_whatever_networks_do_to_sockets_each_page_streams_and_ends_as_a_fresh_one(site: Site) -> None:
    ways = ("200", "403", "426", "silent", "swallowing", "cutting")
    with ExitStack() as stack:
        networks = [stack.enter_context(network()) for _ in ways]
        asker = site.visit()
        url = site.ask(asker)
        pages = []
        for between, way in zip(networks, ways, strict=True):
            between.way = way
            pages.append(behind(site, between))
            pages[-1].goto(url)
        for page, way in zip(pages, ways, strict=True):
            streaming(page, at_least=600)
            assert page.locator("#live-seq").count(), f"{way}: nothing was shown before the run was over"
        for page in (*pages, asker):
            over(page)
        assert all(between.upgrades for between in networks), "a page tried no socket"
        assert_as_stored(site, [*pages, asker], url)
        for page in (*pages, asker):
            page.context.close()


def test_what_was_fetched_while_a_socket_was_being_opened_does_not_come_twice(site: Site) -> None:
    with network() as between:
        between.way = "400"
        page = behind(site, between)
        url = site.ask(page)
        page.wait_for_selector("[data-live-status]:has-text('every 2 seconds')")
        streaming(page, at_least=100)
        between.way = "late"
        page.click("[data-live-retry]")
        page.wait_for_selector("[data-live-status][data-tone=ok]")
        between.way = "open"
        over(page)
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
    url = site.ask(page)
    streaming(page, at_least=1200)
    site.server.kill()
    page.wait_for_selector("[data-live-status]:has-text('Your run continues on the server')")
    site.server.start()
    over(page)
    assert page.inner_text("[data-run-state]") == "Interrupted"
    assert_as_stored(site, [page], url)
    page.context.close()


@pytest.mark.parametrize("code", [1000, 1001, 3000])
def test_a_page_comes_back_whatever_code_something_in_between_closes_its_socket_with(site: Site, code: int) -> None:
    page = site.visit()
    opened: list[WebSocketRoute] = []

    def connect(socket: WebSocketRoute) -> None:
        opened.append(socket)
        socket.connect_to_server()

    page.route_web_socket(re.compile("/ws/"), connect)
    url = site.ask(page)
    streaming(page, at_least=40)
    opened[0].close(code=code)
    _until_tried(page, opened, 2)
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
    waited = []
    for luck in (0, 0.999):
        page = site.visit()
        page.add_init_script(f"Math.random = () => {luck}")
        tries: list[float] = []

        def refuse(socket: WebSocketRoute, tries: list[float] = tries) -> None:
            tries.append(time.monotonic())
            socket.close(code=1011)

        page.route_web_socket(re.compile("/ws/"), refuse)
        site.ask(page)
        _until_tried(page, tries, 3)
        waited.append((tries[1] - tries[0], tries[2] - tries[1]))
        page.click("#act-stop")
        over(page)
        page.context.close()
    (first, second), (first_late, second_late) = waited
    assert 0.4 < first < 1.2 < first_late and 0.9 < second < 2.4 < second_late
