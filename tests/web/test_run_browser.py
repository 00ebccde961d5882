"""The live page in a browser, against a server and a model server in processes of their own."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from playwright.sync_api import Error, Page, Route, WebSocketRoute

from tests.web.browsing import JUDGE, PATIENCE_MS, Site, faults_everywhere, over, shown, streaming, texts, until

pytestmark = pytest.mark.browser


class Cable:
    """The way from a page to the server, which can be pulled: emulated offline leaves open sockets alone."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._pulled = False
        self._open: list[WebSocketRoute] = []
        page.route_web_socket(re.compile("/ws/"), self._connect)

    def _connect(self, socket: WebSocketRoute) -> None:
        if self._pulled:
            socket.close(code=1011)
            return
        socket.connect_to_server()
        self._open.append(socket)

    def pull(self) -> None:
        self._pulled = True
        self._page.context.set_offline(True)
        while self._open:
            self._open.pop().close(code=1011)

    def plug_in(self) -> None:
        self._pulled = False
        self._page.context.set_offline(False)


def test_three_readers_one_reloading_one_cut_off_end_with_the_page_of_a_fresh_load(site: Site) -> None:
    watcher = site.visit()
    url = site.ask(watcher)
    reloader, unlucky = site.visit(), site.visit()
    cable = Cable(unlucky)
    reloader.goto(url)
    unlucky.goto(url)
    streaming(unlucky)
    cable.pull()
    held = texts(unlucky)
    for _ in range(6):
        reloader.reload()
        reloader.wait_for_timeout(500)
    assert texts(unlucky) == held, "something came through the cut cable"
    unlucky.wait_for_selector("[data-live-status]", state="visible")
    cable.plug_in()
    for page in (watcher, reloader, unlucky):
        over(page)
    fresh = site.visit()
    fresh.goto(url)
    stored = shown(fresh)
    for page in (watcher, reloader, unlucky):
        assert shown(page) == stored
    for letter in "ABC":
        assert fresh.inner_text(f"#doc-{letter}").split() == site.raw(url, f"answer={letter}").split()
    for page in (watcher, reloader, unlucky, fresh):
        page.context.close()


def test_what_somebody_selects_stays_selected_while_everything_streams(site: Site) -> None:
    page = site.visit()
    site.ask(page)
    streaming(page)
    chosen = page.evaluate(
        """() => {
          const walker = document.createTreeWalker(document.getElementById('doc-A'), NodeFilter.SHOW_TEXT);
          const node = walker.nextNode();
          getSelection().setBaseAndExtent(node, 4, node, 40);
          return getSelection().toString();
        }"""
    )
    assert len(chosen) == 36
    for _ in range(12):
        page.wait_for_timeout(150)
        assert page.evaluate("getSelection().toString()") == chosen
    over(page)
    assert page.evaluate("getSelection().toString()") == chosen
    page.context.close()


def test_somebody_who_reads_further_up_is_not_moved(site: Site) -> None:
    page = site.visit(viewport={"width": 1280, "height": 500})
    site.ask(page)
    streaming(page, at_least=1400)
    page.evaluate("document.getElementById('run-answers').scrollIntoView()")
    page.hover("#body-A")
    page.mouse.wheel(0, -200)
    page.wait_for_timeout(200)
    where = (
        "[document.getElementById('body-A').scrollTop, document.getElementById('col-A').getBoundingClientRect().top]"
    )
    at = page.evaluate(where)
    for _ in range(20):
        page.wait_for_timeout(150)
        now = page.evaluate(where)
        assert abs(now[0] - at[0]) <= 1 and abs(now[1] - at[1]) <= 1
    over(page)
    now = page.evaluate(where)
    assert abs(now[0] - at[0]) <= 1 and abs(now[1] - at[1]) <= 1
    assert page.is_visible("[data-final-pill]")
    page.click("[data-final-pill]")
    until(page, "document.getElementById('run-final').getBoundingClientRect().top < 200")
    page.context.close()


def test_a_column_is_followed_at_its_end_and_can_be_caught_up_with(site: Site) -> None:
    page = site.visit(viewport={"width": 1280, "height": 500})
    site.ask(page)
    streaming(page, at_least=1400)
    gap = "((box) => box.scrollHeight - box.clientHeight - box.scrollTop)(document.getElementById('body-A'))"
    until(page, f"{gap} < 80")
    page.evaluate("document.getElementById('body-A').scrollTop = 0")
    page.wait_for_selector("[data-latest=body-A]", state="visible")
    page.click("[data-latest=body-A]")
    until(page, f"{gap} < 80")
    page.context.close()


def test_a_long_answer_takes_no_room_from_the_head_and_the_meter_of_its_column(site: Site) -> None:
    page = site.visit(viewport={"width": 390, "height": 700})
    site.ask(page)
    over(page)
    page.reload()
    squeezed = (
        "[...document.querySelectorAll('.col__head, .meter')].filter((one) => one.scrollHeight > one.clientHeight + 1)"
    )
    assert page.evaluate(f"{squeezed}.map((one) => one.id)") == []
    page.context.close()


def test_who_has_just_asked_follows_although_the_page_came_late(site: Site) -> None:
    page = site.visit(viewport={"width": 1280, "height": 500})
    site.ask(page)
    streaming(page, at_least=1400)
    page.reload()
    until(
        page,
        "((box) => box.scrollTop > 0 && box.scrollHeight - box.clientHeight - box.scrollTop < 80)"
        "(document.getElementById('body-A'))",
    )
    page.context.close()


def test_focus_stays_on_a_control_that_is_replaced(site: Site) -> None:
    page = site.visit()
    site.ask(page)
    streaming(page, "B")
    page.focus("#expand-B")
    page.wait_for_selector("#head-B[data-state=done]")
    assert page.evaluate("document.activeElement.id") == "expand-B"
    page.context.close()


def test_one_answer_and_then_the_whole_run_can_be_stopped(site: Site) -> None:
    page = site.visit()
    url = site.ask(page, slow=True)
    streaming(page)
    page.click("#stop-A")
    page.wait_for_selector("#head-A[data-state=stopped]")
    assert page.get_attribute("#head-B", "data-state") == "streaming"
    page.click("#act-stop")
    over(page)
    assert page.inner_text("[data-run-state]") == "Stopped"
    assert page.inner_text("#doc-A").split() == site.raw(url, "answer=A").split() != []
    page.context.close()


def test_where_sockets_are_blocked_the_page_is_kept_up_to_date_by_polling(site: Site) -> None:
    page = site.visit()
    page.route_web_socket(re.compile("/ws/"), lambda socket: socket.close(code=1011))
    site.ask(page)
    page.wait_for_selector("[data-live-status]:has-text('every 2 seconds')")
    over(page)
    assert page.inner_text("[data-run-state]") == "Done"
    live = shown(page)
    page.reload()
    assert shown(page) == live
    page.context.close()


@pytest.mark.parametrize("trouble", ["no answer", "502"])
def test_while_it_polls_the_page_says_when_the_server_is_gone_and_when_it_is_there_again(
    site: Site, trouble: str
) -> None:
    page = site.visit()
    page.route_web_socket(re.compile("/ws/"), lambda socket: socket.close(code=1011))
    site.ask(page, slow=True)
    page.wait_for_selector("[data-live-status]:has-text('every 2 seconds')")
    looks = re.compile(r"/live\?after=")
    page.route(looks, lambda route: route.abort() if trouble == "no answer" else route.fulfill(status=502, body="No"))
    page.wait_for_selector("[data-live-status]:has-text('Connection lost')")
    page.unroute(looks)
    page.wait_for_selector("[data-live-status]:has-text('Live updates are blocked')")
    page.click("#act-stop")
    over(page)
    page.context.close()


def test_without_scripts_a_run_can_be_asked_read_stopped_and_asked_again(site: Site) -> None:
    page = site.visit(java_script_enabled=False)
    site.ask(page)
    _reload_until(page, "Running", "#doc-A :is(p, pre, h1, h2, h3)")
    page.click("#act-stop")
    _reload_until(page, "Stopped", "#retry-A")
    kept = page.inner_text("#doc-A")
    assert kept.strip() and page.is_visible("#panel-why") and page.is_visible("#panel-receipt")
    page.click("#retry-A")
    _reload_until(page, "Running", "#act-stop")
    page.click("#act-stop")
    _reload_until(page, "Stopped", "#retry-A")
    assert "attempt 2" in page.inner_text("#head-A")
    page.context.close()


def _reload_until(page: Page, state: str, shown: str) -> None:
    """What a reader without scripts does, or the page for them: load again."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while page.inner_text("[data-run-state]") != state or not page.locator(shown).count():
        assert time.monotonic() < deadline, f"{page.inner_text('.run-bar')!r}, never {state} with {shown}"
        page.wait_for_timeout(300)
        page.reload()


def test_the_question_survives_a_reload_and_three_clicks_start_one_run(site: Site) -> None:
    page = site.visit()
    page.fill("textarea[name=prompt]", "Half a question")
    page.goto(f"{site.server.url}/history")
    page.goto(site.server.url)
    assert page.input_value("textarea[name=prompt]") == "Half a question"
    page.evaluate("for (let i = 0; i < 3; i++) document.querySelector('[data-send]').click()")
    page.wait_for_url(re.compile("/r/"))
    page.goto(f"{site.server.url}/history?q=Half+a+question")
    assert page.locator("a:has-text('Half a question')").count() == 1
    page.goto(site.server.url)
    assert page.input_value("textarea[name=prompt]") == ""
    page.context.close()


def test_the_plan_follows_the_choice_of_mode(site: Site) -> None:
    page = site.visit()
    page.select_option("select[name=pool]", site.pool)
    page.check("input[name=mode][value=best-of]")
    page.wait_for_selector("#ask-plan:has-text('makes 4 calls')")
    page.check("input[name=mode][value=merge]")
    page.wait_for_selector("#ask-plan:has-text('makes 5 calls')")
    page.context.close()


def _until_held(page: Page, held: list[Route], count: int) -> None:
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while len(held) < count:
        assert time.monotonic() < deadline, f"{len(held)} requests came, not {count}"
        page.wait_for_timeout(50)


def test_a_late_reply_to_an_earlier_choice_does_not_hide_the_latest(site: Site) -> None:
    page = site.visit()
    held: list[Route] = []
    page.route(lambda url: "mode=" in url, lambda route: held.append(route))
    page.select_option("select[name=pool]", site.pool)
    _until_held(page, held, 1)
    page.check("input[name=mode][value=best-of]")
    _until_held(page, held, 2)
    for route in held:
        with contextlib.suppress(Error):  # the browser may have given the request up
            route.continue_()
        page.wait_for_timeout(300)
    page.wait_for_selector("#ask-plan:has-text('makes 4 calls')")
    page.context.close()


def test_the_keyboard_sends_and_tabs_follow_the_pattern(site: Site) -> None:
    page = site.visit()
    page.select_option("select[name=pool]", site.pool)
    page.fill("textarea[name=prompt]", "By keyboard")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile("/r/"))
    page.focus("#tab-answer")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-why" and page.is_visible("#panel-answer")
    page.keyboard.press("Enter")
    assert page.is_visible("#panel-why") and not page.is_visible("#panel-answer")
    page.click("#act-stop")
    over(page)
    page.context.close()


def test_a_run_passes_axe_and_fits_while_it_streams_and_on_every_tab_afterwards(site: Site) -> None:
    page = site.visit(reduced_motion="reduce")
    site.ask(page)
    streaming(page)
    assert faults_everywhere(page) == []
    over(page)
    for tab in ("answer", "why", "receipt"):
        page.click(f"#tab-{tab}")
        assert faults_everywhere(page) == []
    page.context.close()


def test_judging_again_shows_live_how_a_second_final_comes_about_and_both_stay_as_tabs(site: Site) -> None:
    page = site.visit(reduced_motion="reduce")
    url = site.ask(page)
    over(page)
    page.goto(url)
    page.click("#act-rejudge")
    page.check("#rejudge-form input[name=mode][value=merge]")
    page.select_option("#rejudge-form select[name=rubric]", "code-review")
    assert faults_everywhere(page) == []
    page.click("#rejudge-form button[type=submit]")
    page.wait_for_selector(".finals__tab:nth-of-type(2)")
    over(page)
    assert page.inner_text(".finals__tab[aria-current]").split("\n")[0] == f"Merge · {JUDGE} · Code review"
    watched = shown(page)
    page.goto(url)
    assert shown(page) == watched
    page.click("#final-tab-1")
    page.wait_for_url(re.compile("final=1"))
    assert faults_everywhere(page) == []
    page.click("#act-choose")
    page.wait_for_url(re.compile(r"/r/[0-9a-f-]+$"))
    assert "Best-of" in page.inner_text(".finals__tab[aria-current]")
    page.context.close()


def test_earlier_attempts_open_in_their_column(site: Site) -> None:
    page = site.visit(reduced_motion="reduce")
    site.ask(page, slow=True)
    before = ""
    for attempt in ("attempt 1", "attempt 2"):
        streaming(page, "B", 40)
        before = before or page.inner_text("#doc-B")[:30]
        page.click("#act-stop")
        over(page)
        if attempt == "attempt 1":
            page.click("#retry-B")
            page.wait_for_selector("#head-B:has-text('attempt 2')")
    page.click("#older-B")
    page.wait_for_selector("#attempts-B .attempt")
    assert before in page.inner_text("#attempts-B")
    assert faults_everywhere(page) == []
    page.context.close()
