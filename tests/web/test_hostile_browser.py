"""Hostile texts in a real browser, wherever a text of somebody else is shown: nothing acts, and no page breaks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.processes import Served, manage, served, set_up, upstream_process
from tests.web.browsing import over, shown, until
from tests.web.hostile_text import HOSTILE, SHORT, long

pytestmark = pytest.mark.browser

NAMED = "<img src=x onerror=alert(1)>\u202e ![x](https://evil.example/p.png) {}-echo-rate400-tokens150"
FAILING = '"><svg onload=alert(1)> [x](javascript:alert(1)) {}-echo-status400'

# Rows that no form would take: other ways in (an import, a command, an older release) may.
FILL = """
import json
from django.db import transaction
from fusion.models import Membership, Pool, Team, User
from fusion.runs.pools import create_pool
from tests.factories import MemberSpec, make_run, simulated_spec, team_of
from tests.web.hostile_debates import store_hostile_debates
from tests.web.hostile_text import HOSTILE
texts = [text.replace("\\x00", "").encode("utf-8", "replace").decode() for text in HOSTILE]
alice = User.objects.get(email="alice@example.com")
team = team_of(alice)
with transaction.atomic():
    people = [alice]
    for number, text in enumerate(texts):
        person = User.objects.create(email=f"{number}{text[:100]}@evil.example", name=text[:120])
        Membership.objects.create(team=team, user=person, role="member")
        people.append(person)
    for at in range(0, len(texts), 8):
        members = tuple(MemberSpec("custom:" + text[:200]) for text in texts[at : at + 8])
        spec = simulated_spec(name="Pool", members=members, judge="custom:" + texts[at][:200], fallback_judges=())
        pool = create_pool(author=alice, team=team, spec=spec)
        Pool.objects.filter(pk=pool.pk).update(name=texts[at][:80])
        for number, text in enumerate(texts[at : at + 8], at):
            make_run(people[number + 1], pool=pool, prompt=text)
    Team.objects.filter(pk=team.pk).update(name=texts[0][:120])
    print(json.dumps(store_hostile_debates(alice)))
"""

# Everything that could act, leave the page or look like part of it: none of it is ours.
FOREIGN = """() => {
  const wrong = [];
  const note = (element, why) => wrong.push(why + ': ' + element.outerHTML.slice(0, 160));
  for (const element of document.querySelectorAll('*')) {
    for (const {name, value} of element.attributes) {
      if (/^on|^hx-on|^data-hx-on/.test(name)) note(element, name);
      if (name === 'style' && !element.closest('[data-django-admin], .datetime')) note(element, name);
      if (/^(src|srcset|poster|data|background|ping|xlink:href|srcdoc)$/.test(name)
          && new URL(value, location.href).origin !== location.origin) note(element, name);
    }
  }
  for (const element of document.querySelectorAll(
    'iframe, object, embed, base, math, video, audio, picture, marquee, portal, frameset, plaintext, xmp, body style, '
    + 'body link, body meta, main script, main img:not([src^="/static/"]), main dialog, svg script, svg animate')) {
    if (!element.closest('noscript')) note(element, 'element');
  }
  for (const link of document.links) {
    if (!['http:', 'https:', 'mailto:'].includes(link.protocol)) note(link, 'address');
    if (link.protocol.startsWith('http') && link.origin !== location.origin
        && !/noopener/.test(link.rel)) note(link, "rel");
  }
  for (const form of document.forms) {
    if (new URL(form.getAttribute('action') || '', location.href).origin !== location.origin) note(form, 'form');
  }
  return wrong;
}"""

# Neighbours on one line of the page's own text stand in the order of the source.
DISORDER = """() => {
  const wrong = [];
  for (const element of document.querySelectorAll('body *')) {
    const next = element.nextElementSibling;
    if (!next || element.closest('.md, .run-prompt, pre, svg, table, [hidden]')) continue;
    const [here, there] = [element.getClientRects(), next.getClientRects()];
    if (here.length !== 1 || there.length !== 1) continue;
    const isInline = [element, next].every((e) => getComputedStyle(e).display.startsWith('inline')
      && getComputedStyle(e).position === 'static');
    if (isInline && here[0].top < there[0].bottom && there[0].top < here[0].bottom && here[0].width && there[0].width
        && there[0].left < here[0].right - 2) wrong.push(element.parentElement.outerHTML.slice(0, 200));
  }
  return wrong;
}"""

# A debate stays open for whoever watched it, and is folded for who comes later.
FOLD, WATCHED_FOLD = '<details class="debate__fold">', '<details class="debate__fold" open="">'
HIDDEN = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\ufeff\U000e0000-\U000e007f]")


class Watch:
    """A window that notes everything a payload could have caused."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.page = context.new_page()
        self.seen: list[str] = []
        self._host = urlsplit(origin).netloc
        self.page.on("dialog", self._dialog)
        self.page.on("pageerror", lambda error: self.seen.append(f"script error: {error}"))
        self.page.on("console", lambda line: self._console(line.text))
        self.page.on("request", lambda request: self._request(request.url))
        self.page.on("websocket", lambda socket: self._request(socket.url))
        self.page.on("popup", lambda popup: self.seen.append(f"popup {popup.url}"))

    def _dialog(self, dialog: Any) -> None:
        self.seen.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, text: str) -> None:
        if re.search("Content Security Policy|Refused to|violates", text):
            self.seen.append(text)

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self._host:
            self.seen.append(f"request: {url}")

    def check(self, landmarks: str = "header.topbar, main h1") -> None:
        """Nothing happened, and the page is whole at both widths."""
        page = self.page
        assert self.seen == []
        assert page.evaluate(FOREIGN) == []
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            until(page, f"innerWidth === {width}")
            sizes = page.evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.clientWidth, document.title]"
            )
            assert sizes[0] <= sizes[1], (page.url, width, _wide(page))
            for landmark in landmarks.split(", "):
                assert page.locator(landmark).first.is_visible(), landmark
            assert page.evaluate(DISORDER) == []
        page.set_viewport_size({"width": 1280, "height": 800})
        assert not HIDDEN.search(page.evaluate("document.body.innerText") + page.title())


def _wide(page: Page) -> Any:
    """What sticks out, for the message."""
    return page.evaluate(
        """() => [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1
          && !e.closest('.table, .table-wrap, pre, [data-follow]')).slice(0, 4).map((e) => e.outerHTML.slice(0, 200))"""
    )


class Site:
    def __init__(self, server: Served, browser: Browser, session: str, pool: str, debates: list[str]) -> None:
        self.server, self._browser, self._session, self.pool, self.debates = server, browser, session, pool, debates

    def watch(self, *, signed_in: bool = True) -> Watch:
        context = self._browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(60_000)
        if signed_in:
            context.add_cookies([{"name": "fusion_session", "value": self._session, "url": self.server.url}])
        return Watch(context, self.server.url)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("hostile")
    members = [NAMED.format("a"), NAMED.format("b"), FAILING.format("c")]
    with upstream_process() as upstream:
        session, pool = set_up(data_dir, upstream, members=members, judge="judge-echo-rate400")
        filled = manage(data_dir, "shell", "--no-imports", "--command", FILL, FUSION_PROVIDER_URL=upstream)
        assert filled.returncode == 0, filled.stderr
        variables = {"FUSION_PROVIDER_URL": upstream, "FUSION_SIGNUP": "open"}
        with served(data_dir, **variables) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium",
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            yield Site(server, browser, session, pool, json.loads(filled.stdout.strip().splitlines()[-1]))
            browser.close()


def _ask(site: Site, page: Page, prompt: str, mode: str = "best-of") -> str:
    page.goto(site.server.url)
    # Typed in, a line without spaces would keep the browser's own text field busy for minutes.
    page.evaluate("(text) => { document.querySelector('textarea[name=prompt]').value = text }", prompt)
    page.select_option("select[name=pool]", site.pool)
    page.check(f"input[name=mode][value={mode}]")
    page.click("[data-send]")
    page.wait_for_url(re.compile("/r/"))
    return page.url


@pytest.mark.parametrize("kinds", [tuple(SHORT)[:5], tuple(SHORT)[5:]], ids=["first", "second"])
def test_as_question_answer_verdict_debate_error_and_model_name_nothing_acts_live_or_after(
    site: Site, kinds: tuple[str, ...]
) -> None:
    watch = site.watch()
    page = watch.page
    payloads = [payload for kind in kinds for payload in SHORT[kind]]
    url = _ask(site, page, "\n\n".join(payloads).replace("\x00", ""), "debate")
    until(page, "document.getElementById('doc-A').innerText.length >= 200")
    watch.check("header.topbar, main h1, #run-final, #run-answers, #col-A, #col-B, #col-C")
    page.wait_for_selector("#round-1-A .move__text", state="attached")
    page.evaluate(
        "document.querySelector('.debate__fold').open = true"
    )  # whoever comes when it is over finds it folded
    watch.check("header.topbar, main h1, #run-final, #run-debate, #debate-disputes")
    over(page)
    assert page.locator("#head-C[data-state=failed]").count() == 1
    assert page.locator("#round-1-B .move__text").count() == 5, "the debate's prose is not on the page"
    assert page.locator("#debate-disputes .ruled").count() == 5, "the ruling's prose is not on the page"
    for tab in ("why", "receipt", "answer"):
        page.click(f"#tab-{tab}")
        watch.check("header.topbar, main h1, #run-final, #run-answers, #col-A, #col-B, #col-C, #copy-A")
    live = shown(page).replace(WATCHED_FOLD, FOLD)
    page.goto(url)
    assert shown(page) == live
    assert page.locator("#run-why li").count() > 20, "the judge's prose is not on the page"
    watch.check("header.topbar, main h1, #run-final, #run-answers, #col-A, #col-B, #col-C, #copy-A")
    page.context.close()


@pytest.mark.parametrize("half", [0, 1])
def test_as_every_word_of_a_stored_debate_nothing_acts(site: Site, half: int) -> None:
    watch = site.watch()
    page = watch.page
    for identity in site.debates[half::2]:
        page.goto(f"{site.server.url}/r/{identity}")
        page.evaluate(
            "document.querySelectorAll('#run-debate details, details#run-debate').forEach((e) => e.open = true)"
        )
        assert page.locator("#debate-disputes .dispute").count() > 15
        assert page.locator("#round-1-A .move__text").count() > 15
        watch.check("header.topbar, main h1, #run-final, #debate-disputes, #round-1-A, #round-2-B, #debate-ruling")
    page.context.close()


def test_deep_wide_and_exploding_texts_leave_the_page_whole_live_and_after(site: Site) -> None:
    watch = site.watch()
    page = watch.page
    payloads = [payload for payloads in long(500).values() for payload in payloads]
    url = _ask(site, page, "\n\n".join(payloads)[:60_000])
    until(page, "document.getElementById('doc-A').innerText.length >= 5000")
    watch.check("header.topbar, main h1, #run-final, #run-answers, #col-A, #col-B, #col-C")
    over(page)
    live = shown(page)
    page.goto(url)
    assert shown(page) == live
    watch.check("header.topbar, main h1, #run-final, #run-answers, #col-A, #col-B, #col-C, #copy-A")
    assert "shown as plain text" in page.inner_text("#doc-A")
    page.context.close()


def test_as_names_prompts_and_addresses_in_lists_nothing_acts(site: Site) -> None:
    watch = site.watch()
    page = watch.page
    for path in (
        "",
        "pools",
        "history",
        f"history?q={'%3Cscript%3E'}",
        f"pools/{site.pool}",
        f"pools/{site.pool}/edit",
    ):
        page.goto(f"{site.server.url}/{path}")
        watch.check()
    shown = 0
    page.goto(f"{site.server.url}/history")
    while True:
        shown += page.locator(".history-row").count()
        watch.check()
        older = page.locator("a[rel=next]")
        if not older.count():
            break
        with page.expect_navigation():
            older.first.click()
    assert shown >= len(HOSTILE)
    page.goto(f"{site.server.url}/pools")
    for href in page.evaluate("[...document.querySelectorAll('.pool-card__name a')].map((a) => a.href)")[:6]:
        page.goto(href)
        watch.check()
    page.context.close()


def test_as_addresses_and_names_in_the_administration_nothing_acts(site: Site) -> None:
    watch = site.watch()
    page = watch.page
    for path in ("fusion/user/", "fusion/pool/", "fusion/run/", "fusion/team/"):
        reply = page.goto(f"{site.server.url}/admin/{path}")
        assert reply is not None and reply.ok, path
        assert watch.seen == []
        assert page.evaluate(FOREIGN) == []
        assert not HIDDEN.search(page.evaluate("document.body.innerText"))
        assert page.is_visible("#changelist-form, #changelist")
    page.context.close()


def test_as_an_address_to_sign_up_or_in_with_nothing_acts(site: Site) -> None:
    watch = site.watch(signed_in=False)
    page = watch.page
    page.goto(f"{site.server.url}/accounts/signup/")
    addresses = [f"{payload}@evil.example" for kind in ("scripts", "handlers", "invisible") for payload in SHORT[kind]]
    forms = (("signup", ["email", "password1"]), ("login", ["login", "password"]), ("password/reset", ["email"]))
    for number, (path, fields) in enumerate(forms):
        for address in addresses[6 * number :: 18]:
            page.goto(f"{site.server.url}/accounts/{path}/")
            page.evaluate("document.querySelector('main form').noValidate = true")
            for name in fields:
                page.fill(f"main [name={name}]", address.replace("\x00", ""))
            with page.expect_navigation():
                page.locator("main form [type=submit], main form button:not([type=button])").last.click()
            watch.check("main h1")
    page.context.close()


def test_the_pages_say_what_they_hide(site: Site) -> None:
    watch = site.watch()
    watch.page.goto(f"{site.server.url}/pools")
    assert "⟦U+202E⟧" in watch.page.inner_text("main")
    watch.page.context.close()
