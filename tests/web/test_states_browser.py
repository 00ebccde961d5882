"""Every state of a run in a real browser: its words are there, it is accessible, nothing overlaps or scrolls sideways.

Set SCREENSHOTS to a directory to get a picture of each state: wide and on a phone, in light and in dark.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import BrowserContext, Error, Page, sync_playwright

from tests.processes import Served, manage, migrate, served
from tests.web.browsing import COUNT_SOCKETS, FITS, PATIENCE_MS, connected, faults, says, streaming, until_so
from tests.web.test_run_browser import Cable

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("SCREENSHOTS", "")
PEOPLE = """
import json
from datetime import timedelta
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from fusion.models import Answer, Run, RunExecution, WorkerLease
from fusion.providers.simulated import QUESTIONS
from fusion.runs.services import start_run
from tests.factories import MemberSpec, make_pool, make_user
def session_of(user):
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session.session_key
alice, bob = make_user("alice"), make_user("bob")
questions = {known.slug: known.prompt for known in QUESTIONS}
runs = {}
for name, state in json.loads(%r).items():
    members = tuple(MemberSpec("sim:" + ref, timeout_s=state["timeout_s"]) for ref in state["members"])
    rules = {key: "sim:" + ref for key, ref in state["models"].items()}
    fallbacks = tuple("sim:" + ref for ref in state["fallbacks"])
    pool = make_pool(alice, name=name, members=members, fallback_judges=fallbacks, **rules, **state["rules"])
    question = questions[state["question"]]
    run = start_run(author=alice, pool=pool, prompt=question, mode=state["mode"], idempotency_key=name)
    runs[name] = str(run.public_id)
make_pool(alice, name="slow", members=(MemberSpec("sim:careful!slow"), MemberSpec("sim:bold!slow")))
elsewhere = WorkerLease.objects.create(name="elsewhere", expires_at=timezone.now() + timedelta(hours=1))
waiting = Run.objects.filter(idempotency_key="queued")
waiting.update(worker=elsewhere, created_at=timezone.now() - timedelta(minutes=1))
RunExecution.objects.filter(run__in=waiting).update(created_at=timezone.now() - timedelta(minutes=1))
gone = Run.objects.filter(idempotency_key="interrupted")
gone.update(state="running", started_at=timezone.now())
Answer.objects.filter(run__in=gone, letter="A").update(state="done", text="All of the **first** answer.")
Answer.objects.filter(run__in=gone, letter="B").update(state="streaming", text="Half of the second")
print(json.dumps([session_of(alice), session_of(bob), runs]))
"""


@dataclass(frozen=True)
class State:
    """How to reach a state, and words that its page must show. `press`: buttons, each once its page is `ready`.

    One that `stays` does so until somebody ends it, one that `passes` for the seconds that it takes.
    """

    words: str
    members: tuple[str, ...] = ("careful", "terse", "bold")
    models: dict[str, str] = field(default_factory=dict)
    fallbacks: tuple[str, ...] = ()
    rules: dict[str, Any] = field(default_factory=dict)
    mode: str = "best-of"
    timeout_s: int = 1800
    ready: str = ""
    press: tuple[str, ...] = ()
    stays: bool = False
    passes: bool = False
    question: str = "logic-puzzle"


STALLED = ("careful", "terse", "bold!stall")
LONG = {"grace_s": 1800}
STATES = {
    "thinking": State(
        "Thinking. The visible answer follows.",
        ("careful!thinking", "terse!thinking"),
        press=("button[form=run-again]",),  # it may be over by now
        passes=True,
    ),
    "silent": State("Silent for more than 2 s", STALLED, rules=LONG, stays=True),
    "stragglers": State("Judge starts in", STALLED, rules=LONG, stays=True),
    "waiting-for-all": State("Waiting for every answer", STALLED, rules=LONG, press=("#act-wait",), stays=True),
    "judging": State("is comparing 3 anonymised answers", models={"judge": "arbiter!stall"}, stays=True),
    "writing": State("being written", models={"writer": "bold!stall"}, mode="merge", stays=True),
    "queued": State("No server process has taken this run up yet.", stays=True),
    "interrupted": State("The server stopped in mid-run."),
    "partial-failure": State("2 of 3 answered, which is enough", ("careful", "terse", "bold!overloaded-twice")),
    "quorum-missed": State(
        "this pool wants 3",
        ("careful", "terse", "bold!wrong-key"),
        rules={"quorum": 3, "on_quorum_missed": "stop"},
    ),
    "judged-with-fewer": State(
        "Fewer answers than this pool wants", ("careful", "terse", "bold!wrong-key"), rules={"quorum": 3}
    ),
    "single": State("Single answer, not judged", ("careful", "terse!no-credit", "bold!unreachable")),
    "all-failed": State(
        "Only whoever manages this connection can mend this",
        ("careful!wrong-key", "terse!no-credit", "bold!wrong-key", "sceptic!defect"),
    ),
    "all-declined": State("Refused: A", ("careful!filtered", "terse!filtered")),
    "answers-that-went-wrong": State(
        "Stopped at", ("careful", "terse!refuse", "bold!length", "sceptic!cut", "careful!empty")
    ),
    "out-of-time": State("or allow it more time in the pool", ("careful", "terse!silent", "bold!stall"), timeout_s=6),
    "stopped-in-answers": State(
        "and 1 that was begun is kept too.",
        STALLED,
        rules=LONG,
        ready=".run-grace:has-text('Judge')",
        press=("#act-stop",),
    ),
    "stopped-in-judging": State(
        "while the judge was at work", models={"judge": "arbiter!stall"}, ready=".judge", press=("#act-stop",)
    ),
    "stopped-in-writing": State(
        "stopped while it was written",
        models={"writer": "bold!stall"},
        mode="merge",
        ready="#doc-final p",
        press=("#act-stop",),
    ),
    "fallback-judge": State("judged by a fallback", models={"judge": "arbiter!overloaded"}, fallbacks=("sceptic",)),
    "no-verdict": State("No judge gave a verdict", models={"judge": "arbiter!wrong-key"}),
    "anchor": State("The anchor's answer", models={"judge": "arbiter!wrong-key"}, rules={"on_judge_failure": "anchor"}),
    "unreadable-verdict": State("that can be read", models={"judge": "arbiter!garble"}),
    "none-good": State("The judge finds no answer good enough", models={"judge": "arbiter!none-acceptable"}),
    "cannot-judge": State("The judge could not decide", models={"judge": "arbiter!cannot-judge"}),
    "tie": State("could not separate", models={"judge": "arbiter!tie"}),
    "not-merged": State("The merged answer could not be written", models={"writer": "bold!cut"}, mode="merge"),
    "out-of-date": State(
        "out of date: ",
        ("careful", "terse", "bold!overloaded-twice"),
        ready="#notice-retry-C",
        press=("#notice-retry-C",),
        question="research",  # what passes is counted by question
    ),
}
Scheme = Literal["light", "dark"]
SIGNED_OUT = "[data-live-status]:has-text('You are signed out.')"
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
LOOKS: tuple[tuple[int, int, Scheme], ...] = ((1440, 900, "light"), (390, 844, "dark"))
OVERLAPS = """() => {
  const shown = [...document.querySelectorAll('#run :is(button, a.btn, .badge, .notice, h2, h3, .strip, .run-grace)')]
    .filter((one) => one.checkVisibility() && !one.closest('.visually-hidden'));
  const boxes = shown.map((one) => [one, one.getBoundingClientRect()]).filter(([, box]) => box.width && box.height);
  const found = [], scroller = (one) => one.closest('.col__body, .final__body');
  for (const [i, [a, at]] of boxes.entries()) for (const [b, bt] of boxes.slice(i + 1)) {
    if (a.contains(b) || b.contains(a) || scroller(a) !== scroller(b)) continue;
    const wide = Math.min(at.right, bt.right) - Math.max(at.left, bt.left);
    const high = Math.min(at.bottom, bt.bottom) - Math.max(at.top, bt.top);
    if (wide > 1 && high > 1) found.push(`${a.outerHTML.slice(0, 90)} × ${b.outerHTML.slice(0, 90)}`);
  }
  return found;
}"""


class Tour:
    """A served installation on which each state of STATES is being reached."""

    def __init__(self, server: Served, context: BrowserContext, newcomer: BrowserContext, runs: dict[str, str]) -> None:
        self.server, self.context, self.newcomer, self.runs = server, context, newcomer, runs

    def visitor(self, **options: Any) -> BrowserContext:
        """A window of its own, of somebody who is not signed in unless `options` bring a session."""
        assert self.context.browser is not None
        context = self.context.browser.new_context(reduced_motion="reduce", **options)
        context.add_init_script(COUNT_SOCKETS)
        context.set_default_timeout(PATIENCE_MS)
        return context

    def open(self, name: str) -> Page:
        page = self.context.new_page()
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(f"{self.server.url}/r/{self.runs[name]}")
        return page


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tour]:
    data_dir = tmp_path_factory.mktemp("states")
    limits = ("PANEL", "JUDGE", "WRITER", "RUN")  # what stalls stays so for as long as a slow machine needs
    variables = {f"FUSION_{limit}_TIMEOUT_S": "1800" for limit in limits}
    variables |= {"FUSION_MAX_RUNS_PER_PERSON": "99", "FUSION_SILENCE_S": "2"}
    migrate(data_dir)
    asked = {name: state.__dict__ for name, state in STATES.items()}
    made = manage(
        data_dir, "shell", "--no-imports", "--command", PEOPLE.replace("%r", repr(json.dumps(asked))), **variables
    )
    assert made.returncode == 0, made.stderr
    alice, bob, runs = json.loads(made.stdout.strip().splitlines()[-1])
    with served(data_dir, **variables) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        contexts = []
        for session in (alice, bob):
            context = browser.new_context(reduced_motion="reduce")
            context.add_cookies([{"name": "fusion_session", "value": session, "url": server.url}])
            context.set_default_timeout(PATIENCE_MS)
            contexts.append(context)
        yield Tour(server, contexts[0], contexts[1], runs)
        browser.close()


def _looked_at(page: Page, name: str) -> None:
    """Wide in light and on a phone in dark: axe has nothing against it, and nothing lies over something else."""
    for width, height, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        assert faults(page) == [], f"{name} at {width} px"
        assert page.evaluate(OVERLAPS) == [], f"{name} at {width} px"
        for scheme in SCHEMES if SHOTS else ():
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=str(Path(SHOTS) / f"{name}-{width}-{scheme}.png"), full_page=True)


def _settled(page: Page, state: State) -> None:
    """Until the state is there: its buttons pressed, its words shown, and the run over unless it stays."""
    for button in state.press:
        page.wait_for_selector(state.ready or button, state="visible")
        page.click(button)
    _until_words(page, state.words, is_over=not state.stays and not state.passes)
    if state.passes:
        page.click("[data-pause]")
        _until_words(page, state.words)


def _until_words(page: Page, words: str, *, is_over: bool = False) -> None:
    """Until they are there, and at the same time the run has ended if `is_over`."""
    told = ""

    def holds() -> bool:
        nonlocal told
        with contextlib.suppress(Error):  # the page is being loaded anew
            text, is_live = page.evaluate(
                "[document.querySelector('main').innerText, !!document.querySelector('#live-seq')]"
            )
            told = " ".join(text.split())
            return words in told and not (is_over and is_live)
        return False

    try:
        until_so(page, holds, words)
    except AssertionError:
        raise AssertionError(f"{words!r} is not in {told[-3000:]}, or the run goes on") from None


def test_every_state_of_a_run_shows_its_words_and_fits_at_any_width(tour: Tour) -> None:
    for name, state in STATES.items():
        page = tour.open(name)
        _settled(page, state)
        _looked_at(page, name)
        page.close()


def test_pools_that_simulate_problems_fit_wherever_they_are_shown(tour: Tour) -> None:
    page = tour.context.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{tour.server.url}/pools")
    assert page.evaluate(FITS)
    page.click(".pool-card:has-text('unreadable-verdict') h2 a")
    page.wait_for_selector("text=Rules")
    assert page.evaluate(FITS)
    page.click("text=Ask with this pool")
    page.wait_for_selector(".plan :text('simulates: its verdict cannot be read')")
    assert page.evaluate(FITS)
    page.goto(f"{tour.server.url}/pools")
    page.click(".pool-card:has-text('unreadable-verdict') >> text=Edit")
    page.wait_for_selector("select[name=judge_problem]", state="visible")
    assert page.evaluate(FITS) and not page.is_visible("select[name=writer_problem]")
    page.fill("input#id_writer", "simulated bold")  # a list until its script has run
    page.click(".picker__option[data-ref='sim:bold']")
    page.wait_for_selector("select[name=writer_problem]", state="visible")
    page.close()


def test_a_question_that_a_member_has_no_room_for_is_said_before_it_is_sent(tour: Tour) -> None:
    page = tour.newcomer.new_page()
    page.goto(tour.server.url)
    page.fill("textarea[name=prompt]", "word " * 100)
    assert not page.is_visible("[data-room]")
    page.fill("textarea[name=prompt]", "word " * 24_000)
    page.wait_for_selector("[data-room]", state="visible")
    assert "About 40\u202f000 tokens: more than" in page.inner_text("[data-room]")
    page.fill("textarea[name=prompt]", "")
    assert not page.is_visible("[data-room]")
    page.close()


def test_somebody_signed_out_while_watching_is_led_back_to_the_run(tour: Tour) -> None:
    context = tour.visitor()
    page, other = context.new_page(), context.new_page()
    _sign_in(page, tour)
    streaming(page)
    connected(page)
    kept = page.inner_text("#doc-A")
    _sign_out(other, tour)
    page.wait_for_selector(SIGNED_OUT)
    assert page.inner_text("#doc-A").startswith(kept[:200]) and kept
    page.click("#act-stop")
    says(page, "#toast", "nothing on this page is lost")
    page.click("[data-live-way='4401']")
    _type_password(page)
    page.wait_for_url(f"{tour.server.url}/r/{tour.runs['silent']}")
    context.close()


def test_who_signs_in_again_in_another_tab_and_comes_back_goes_on_watching(tour: Tour) -> None:
    context = tour.visitor()
    page, other = context.new_page(), context.new_page()
    _sign_in(page, tour)
    connected(page)
    _sign_out(other, tour)
    page.wait_for_selector(SIGNED_OUT)
    _sign_in(other, tour)
    page.evaluate("dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_selector("[data-live-status][data-tone=ok]", state="attached")
    context.close()


def _sign_in(page: Page, tour: Tour) -> None:
    """As alice, to the page of a run that stays under way."""
    page.goto(f"{tour.server.url}/accounts/login/?next=/r/{tour.runs['silent']}")
    _type_password(page)
    page.wait_for_url(f"{tour.server.url}/r/{tour.runs['silent']}")


def _type_password(page: Page) -> None:
    page.fill("input[name=login]", "alice@example.com")
    page.fill("input[name=password]", "secret-pass-1")
    page.click("main button[type=submit]")


def _sign_out(page: Page, tour: Tour) -> None:
    page.goto(f"{tour.server.url}/accounts/logout/")
    page.click("main button[type=submit]")
    page.wait_for_url(re.compile("/accounts/login/"))


def test_what_came_while_the_connection_was_lost_is_counted(tour: Tour) -> None:
    context = tour.visitor(storage_state=tour.context.storage_state())
    page = context.new_page()
    cable = Cable(page)
    page.goto(tour.server.url)
    page.fill("textarea[name=prompt]", "Something that takes its time")
    page.select_option("select[name=pool]", label="slow · 2 members · simulated")
    page.click("[data-send]")
    streaming(page, at_least=1)
    cable.pull()
    says(page, "[data-live-status]", "Your run continues on the server")
    missed, other = len(page.inner_text("#doc-A")) + 20, tour.context.new_page()
    other.goto(page.url)
    streaming(other, at_least=missed)
    cable.plug_in()
    says(page, "[data-live-status]", "characters came meanwhile")
    context.close()
    other.close()


def test_a_first_visit_and_empty_lists_say_what_comes_here(tour: Tour) -> None:
    pages = {
        "/": "Or start with one of these",
        "/history": "No runs yet",
        "/r/3f0e8f4e-6a0b-4c45-9d0f-000000000001": "404",
    }
    for path, words in pages.items():
        page = tour.newcomer.new_page()
        page.goto(tour.server.url + path)
        _until_words(page, words)
        _looked_at(page, f"page{re.sub(r'[^a-z]+', '-', path)[:12]}")
        page.close()
