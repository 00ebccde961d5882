"""The live page in a browser, against a server and a model server in processes of their own."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from playwright.sync_api import Error, Page, Route, WebSocketRoute

from tests.web.browsing import JUDGE, Site, faults_everywhere, over, shown, streaming, texts, until, until_so

pytestmark = pytest.mark.browser


class Cable:
    """The way from a page to the server, which can be pulled: emulated offline leaves open sockets alone."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._pulled = False
        self._refused = 0
        self._open: list[WebSocketRoute] = []
        page.route_web_socket(re.compile("/ws/"), self._connect)

    def _connect(self, socket: WebSocketRoute) -> None:
        if self._pulled:
            self._refused += 1
            socket.close(code=1011)
            return
        socket.connect_to_server()
        self._open.append(socket)

    def pull(self) -> None:
        """Until the page has tried in vain to come back: by then it has put in whatever had come before."""
        self._pulled, self._refused = True, 0
        self._page.context.set_offline(True)
        while self._open:
            self._open.pop().close(code=1011)
        until_so(self._page, lambda: self._refused > 0, "the page tries to come back")

    def plug_in(self) -> None:
        self._pulled = False
        self._page.context.set_offline(False)


GAP = "((box) => box.scrollHeight - box.clientHeight - box.scrollTop)(document.getElementById('body-A'))"


def test_three_readers_one_reloading_one_cut_off_end_with_the_page_of_a_fresh_load(site: Site) -> None:
    watcher, reloader, unlucky = site.visit(), site.visit(), site.visit()
    cable = Cable(unlucky)
    with site.held("answer"):
        url = site.ask(watcher)
        reloader.goto(url)
        unlucky.goto(url)
        streaming(unlucky)
        cable.pull()
        cut_off = texts(unlucky)
    with site.held("verdict"):
        for _ in range(6):
            reloader.reload()
            reloader.wait_for_timeout(300)
        watcher.wait_for_selector("#head-A[data-state=done]")
        assert texts(unlucky) == cut_off, "something came through the cut cable"
        unlucky.wait_for_selector("[data-live-status]", state="visible")
        cable.plug_in()
        unlucky.wait_for_selector("#head-A[data-state=done]")
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
    with site.held("answer"):
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
    with site.held("answer"):
        site.ask(page)
        streaming(page, at_least=1400)
        until(page, f"{GAP} < 1")
        page.evaluate("document.getElementById('run-answers').scrollIntoView()")
        page.evaluate("document.getElementById('body-A').addEventListener('scrollend', () => { window.__rests = 1 })")
        page.hover("#body-A")
        page.mouse.wheel(0, -200)
        until(page, f"window.__rests && {GAP} > 80")
        where = (
            "['body-A', 'col-A'].map((id) => document.getElementById(id))"
            ".map((one) => [one.scrollTop, one.getBoundingClientRect().top])"
        )
        at = page.evaluate(where)
    for _ in range(12):
        page.wait_for_timeout(150)
        assert page.evaluate(where) == [pytest.approx(place, abs=1) for place in at]
    over(page)
    assert page.evaluate(where) == [pytest.approx(place, abs=1) for place in at]
    assert page.is_visible("[data-final-pill]")
    page.click("[data-final-pill]")
    until(page, "document.getElementById('run-final').getBoundingClientRect().top < 200")
    page.context.close()


def test_a_column_is_followed_at_its_end_and_can_be_caught_up_with(site: Site) -> None:
    page = site.visit(viewport={"width": 1280, "height": 500})
    with site.held("answer"):
        site.ask(page)
        streaming(page, at_least=1400)
        until(page, f"{GAP} < 80")
        page.evaluate("document.getElementById('body-A').scrollTop = 0")
        page.wait_for_selector("[data-latest=body-A]", state="visible")
        page.click("[data-latest=body-A]")
        until(page, f"{GAP} < 80")
    page.context.close()


def test_a_long_answer_takes_no_room_from_the_head_and_the_meter_of_its_column(site: Site) -> None:
    page = site.visit(viewport={"width": 390, "height": 700})
    site.ask(page, quick=True)
    over(page)
    page.reload()
    squeezed = (
        "[...document.querySelectorAll('.col__head, .meter')].filter((one) => one.scrollHeight > one.clientHeight + 1)"
    )
    assert page.evaluate(f"{squeezed}.map((one) => one.id)") == []
    page.context.close()


@pytest.mark.parametrize(("seconds", "follows"), [(4, True), (40, False)])
def test_who_has_just_asked_follows_although_the_page_came_late(site: Site, seconds: int, follows: bool) -> None:
    page = site.visit(viewport={"width": 1280, "height": 500})
    with site.held("answer"):
        url = site.ask(page)
        streaming(page, at_least=1400)
        page.route(url, lambda route: _asked_before(route, seconds))
        page.reload()
        before = len(page.inner_text("#doc-A"))
    streaming(page, at_least=before + 100)
    until(page, f"document.getElementById('body-A').scrollTop > 0 === {json.dumps(follows)}")
    until(page, f"{GAP} < 80 === {json.dumps(follows)}")
    page.context.close()


def _asked_before(route: Route, seconds: int) -> None:
    """The page of a run as it would be so long after the question, whatever this machine took."""
    reply = route.fetch()
    clock = re.compile(r'(id="run-clock"[^>]*><span data-elapsed=)"\d+"')
    html, count = clock.subn(rf'\g<1>"{seconds}000"', reply.text())
    assert count == 1
    route.fulfill(response=reply, body=html)


def test_focus_stays_on_a_control_that_is_replaced(site: Site) -> None:
    page = site.visit()
    with site.held("answer"):
        site.ask(page, quick=True)
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
    page.wait_for_selector("#head-B[data-state=streaming]")
    page.click("#act-stop")
    over(page)
    assert page.inner_text("[data-run-state]") == "Stopped"
    assert page.inner_text("#doc-A").split() == site.raw(url, "answer=A").split() != []
    page.context.close()


def test_where_sockets_are_blocked_the_page_is_kept_up_to_date_by_polling(site: Site) -> None:
    page = site.visit()
    page.route_web_socket(re.compile("/ws/"), lambda socket: socket.close(code=1011))
    with site.held("answer"):
        site.ask(page, quick=True)
        page.wait_for_selector("[data-live-status]:has-text('every 2 seconds')")
    over(page)
    assert page.inner_text("[data-run-state]") == "Done"
    live = shown(page)
    page.reload()
    assert shown(page) == live
    page.context.close()


def test_while_it_polls_the_page_says_when_the_server_is_gone_and_when_it_is_there_again(site: Site) -> None:
    page = site.visit()
    page.route_web_socket(re.compile("/ws/"), lambda socket: socket.close(code=1011))
    site.ask(page, slow=True)
    page.wait_for_selector("[data-live-status]:has-text('every 2 seconds')")
    looks = re.compile(r"/live\?after=")
    for gone in (lambda route: route.abort(), lambda route: route.fulfill(status=502, body="No")):
        page.route(looks, gone)
        page.wait_for_selector("[data-live-status]:has-text('Connection lost')")
        page.unroute(looks)
        page.wait_for_selector("[data-live-status]:has-text('Live updates are blocked')")
    page.click("#act-stop")
    over(page)
    page.context.close()


def test_without_scripts_a_run_can_be_asked_read_stopped_and_asked_again(site: Site) -> None:
    page = site.visit(java_script_enabled=False)
    site.ask(page, slow=True)
    _reload_until(page, "Running", "#doc-A :is(p, pre, h1, h2, h3)")
    _press(page, "#act-stop")
    _reload_until(page, "Stopped", "#retry-A")
    kept = page.inner_text("#doc-A")
    assert kept.strip() and page.is_visible("#panel-why") and page.is_visible("#panel-receipt")
    _press(page, "#retry-A")
    _reload_until(page, "Running", "#act-stop")
    _press(page, "#act-stop")
    _reload_until(page, "Stopped", "#retry-A")
    assert "attempt 2" in page.inner_text("#head-A")
    page.context.close()


def _press(page: Page, button: str) -> None:
    """Until the server has answered: without scripts another load would call it off."""
    with page.expect_response(lambda reply: reply.request.method == "POST"):
        page.click(button)


def _reload_until(page: Page, state: str, shown: str) -> None:
    """What a reader without scripts does, or the page for them: load again."""

    def holds() -> bool:
        with contextlib.suppress(Error):  # the page is just loading itself again
            page.reload()
            return page.inner_text("[data-run-state]") == state and page.locator(shown).count() > 0
        return False

    until_so(page, holds, f"{state} with {shown}")


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


def test_a_late_reply_to_an_earlier_choice_does_not_hide_the_latest(site: Site) -> None:
    page = site.visit()
    held: list[Route] = []
    page.route(lambda url: "mode=" in url, lambda route: held.append(route))
    page.select_option("select[name=pool]", site.pool)
    until_so(page, lambda: len(held) == 1, "the first choice is asked about")
    page.check("input[name=mode][value=best-of]")
    until_so(page, lambda: len(held) == 2, "the second choice is asked about")
    held[1].continue_()
    page.wait_for_selector("#ask-plan:has-text('makes 4 calls')")
    with contextlib.suppress(Error):  # the browser may have given the request up
        held[0].continue_()
    page.wait_for_timeout(300)
    assert "makes 4 calls" in page.inner_text("#ask-plan")
    page.context.close()


def test_the_keyboard_sends_and_tabs_follow_the_pattern(site: Site) -> None:
    page = site.visit()
    page.select_option("select[name=pool]", label="Slow · 3 members")
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
    with site.held("answer"):
        site.ask(page, quick=True)
        streaming(page)
        assert faults_everywhere(page) == []
    over(page)
    for tab in ("answer", "why", "receipt"):
        page.click(f"#tab-{tab}")
        assert faults_everywhere(page) == []
    page.context.close()


def test_judging_again_shows_live_how_a_second_final_comes_about_and_both_stay_as_tabs(site: Site) -> None:
    page = site.visit(reduced_motion="reduce")
    url = site.ask(page, quick=True)
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
