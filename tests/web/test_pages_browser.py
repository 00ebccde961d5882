"""Every page there is, found by the names of the addresses: accessible, and whole at any width.

A page that is added to the site without an entry here fails. The states of a run are in `test_states_browser`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from playwright.sync_api import Browser, Page, sync_playwright

from tests.processes import DATABASE, Served, manage, migrate, served
from tests.web.browsing import AXE, PATIENCE_MS, faults_everywhere, says

pytestmark = pytest.mark.browser

# Alice has everything, Nora nothing yet, Bob may only read in Alice's team, Sam has no password, Tess two steps.
PEOPLE = """
import json
import time
from dataclasses import replace
from datetime import timedelta
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import RequestFactory
from django.utils import timezone
from fusion.catalogue.connections import create_connection
from fusion.catalogue.edits import add_model
from fusion.catalogue.sources import source_of
from fusion.catalogue.specs import ConnectionSpec
from fusion.models import Answer, Connection, FinalAnswer, Run, VerdictRecord, WorkerLease
from fusion.runs.pools import MemberSpec, save_pool, spec_of
from fusion.teams.invitations import invite_person
from fusion.web.confirming import CONFIRMED_AT
from tests.factories import make_pool, make_run, make_user, team_of
def session_of(user):
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session[CONFIRMED_AT] = time.time()
    request = RequestFactory().get("/")
    request.session, request.user = session, user
    record_authentication(request, user, method="password", reauthenticated=True)
    session.save()
    return session.session_key
alice = make_user("alice", is_staff=True, is_superuser=True)
bob = make_user("bob", team=team_of(alice), role="viewer")
nora, sam, tess = make_user("nora"), make_user("sam"), make_user("tess")
TOTP.activate(tess, "JBSWY3DPEHPK3PXP")
recovery = RecoveryCodes.activate(tess).get_unused_codes()[0]
sam.set_unusable_password()
sam.save()
pool = make_pool(alice, name="Three opinions")
run = make_run(alice, pool=pool, prompt="Why is the sky blue?")
for letter in "ABC":
    text = f"# {letter}\\n\\nA [link](https://example.org), `code`.\\n\\n| a | b |\\n|---|---|\\n| 1 | 2 |"
    Answer.objects.filter(run=run, letter=letter).update(state="done", text=text)
answer = Answer.objects.get(run=run, letter="B")
answer.pk, answer.attempt, answer.is_current, answer.state = None, 0, False, "failed"
answer.failure_code, answer.failure_message = "provider_rate_limited", "429: too many requests."
answer.save()
verdict = VerdictRecord.objects.create(run=run, judge="sim:x", data={})
final = {"run": run, "known": {"A": 1, "B": 1, "C": 1}, "text": "One of them"}
FinalAnswer.objects.create(verdict=verdict, kind="verbatim", letter="A", is_current=False, **final)
FinalAnswer.objects.create(number=2, kind="picked", letter="B", picked_by=alice, **final)
make_run(alice, pool=pool, prompt="A run to delete")
make_run(alice, pool=pool, prompt="Answers only, please", state=Run.State.ANSWERED)
elsewhere = WorkerLease.objects.create(name="elsewhere", expires_at=timezone.now() + timedelta(hours=1))
for state in (Run.State.QUEUED, Run.State.RUNNING):
    make_run(alice, pool=pool, prompt="Under way", state=state, worker=elsewhere, started_at=timezone.now())
address = EmailAddress.objects.create(user=alice, email=alice.email, primary=True, verified=False)
EmailAddress.objects.create(user=alice, email="other@example.com", verified=True)
lab = ConnectionSpec(preset="openai-compatible", slug="lab", label="Lab", base_url="https://lab.invalid/v1")
connections = {
    "lab": create_connection(actor=alice, team=team_of(alice), spec=lab, key="sk-0123456789"),
    "bare": create_connection(actor=alice, team=team_of(alice), spec=ConnectionSpec(preset="openai")),
    "shared": create_connection(actor=alice, team=None, spec=ConnectionSpec(preset="openrouter", slug="shared")),
}
Connection.objects.filter(slug="lab").update(list_problem="Lab could not be reached.")
Connection.objects.filter(slug="shared").update(for_all_teams=False)
connections["shared"].teams.set([team_of(alice)])
model = add_model(person=alice, source=source_of(connections["lab"]), model_id="m-1")
save_pool(pool=pool, author=alice, spec=replace(spec_of(pool.current), judge_instructions="Mind the sources."))
make_pool(alice, name="Of the lab", members=(MemberSpec("lab:m-1"),), judge="", fallback_judges=())
print(json.dumps({
    "model": str(model.public_id),
    "lab": str(connections["lab"].public_id),
    "shared": str(connections["shared"].public_id),
    "empty_team": str(team_of(nora).public_id),
    "sessions": {user.name.lower(): session_of(user) for user in (alice, bob, nora, sam, tess)},
    "pool": str(pool.public_id),
    "team": str(team_of(alice).public_id),
    "member": str(bob.memberships.get(team=team_of(alice)).public_id),
    "invitation": invite_person(person=alice, team=team_of(alice), role="member").token,
    "recovery": recovery,
    "run": str(run.public_id),
    "key": EmailConfirmationHMAC(address).key,
    "reset": f"{user_pk_to_url_str(nora)}-{default_token_generator.make_token(nora)}",
}))
"""


class House:
    """A served installation with people in it."""

    def __init__(self, server: Served, browser: Browser, facts: dict[str, str], sessions: dict[str, str]) -> None:
        self.server, self._browser, self.facts, self._sessions = server, browser, facts, sessions

    def visit(self, who: str = "") -> Page:
        """A window of that person, or of a stranger."""
        context = self._browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(AXE)  # sent once, not to each page
        if who:
            context.add_cookies([{"name": "fusion_session", "value": self._sessions[who], "url": self.server.url}])
        return context.new_page()

    def signed_in(self, name: str = "alice") -> Page:
        """Signed in through the form, as people are: allauth knows when."""
        page = self.visit()
        page.goto(f"{self.server.url}/accounts/login/")
        page.fill("input[name=login]", f"{name}@example.com")
        page.fill("input[name=password]", "secret-pass-1")
        page.click("main button[type=submit]")
        page.wait_for_url(f"{self.server.url}/")
        return page


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("pages")
    migrate(where)
    return where


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def house(data_dir: Path, browser: Browser) -> Iterator[House]:
    made = manage(data_dir, "shell", "--no-imports", "--command", PEOPLE)
    assert made.returncode == 0, made.stderr
    facts = json.loads(made.stdout.strip().splitlines()[-1])
    with served(data_dir, FUSION_SIGNUP="open", FUSION_MAX_RUNS_PER_PERSON="2") as server:
        yield House(server, browser, facts, facts.pop("sessions"))


@dataclass(frozen=True, slots=True)
class Look:
    """One page of an address: who opens it, where, what its title is, and how the server answers."""

    path: str
    title: str
    who: str = "alice"
    status: int = 200
    ends_at: str = ""


NOBODY = ""
TEAM = "/team/{team}"
SITE = "The site's connections"
RESET = "/accounts/password/reset/key/"
PAGES: dict[str, tuple[Look, ...]] = {
    "account_login": (Look("/accounts/login/", "Sign in", NOBODY),),
    "account_signup": (Look("/accounts/signup/", "Sign up", NOBODY),),
    "account_logout": (Look("/accounts/logout/", "Sign out"),),
    "account_inactive": (Look("/accounts/inactive/", "This account is not active", NOBODY),),
    "account_reauthenticate": (Look("/accounts/reauthenticate/", "Confirm that it is you"),),
    "account_email": (Look("/accounts/email/", "E-mail addresses", "signed in"),),
    "account_email_verification_sent": (Look("/accounts/confirm-email/", "Look into your mail", NOBODY),),
    "account_confirm_email": (
        Look("/accounts/confirm-email/{key}/", "Confirm your e-mail address", NOBODY),
        Look("/accounts/confirm-email/long-gone/", "Confirm your e-mail address", NOBODY),
    ),
    "account_change_password": (Look("/accounts/password/change/", "Change your password"),),
    "account_set_password": (Look("/accounts/password/set/", "Set a password", "sam"),),
    "account_reset_password": (Look("/accounts/password/reset/", "Reset your password", NOBODY),),
    "account_reset_password_done": (Look("/accounts/password/reset/done/", "Look into your mail", NOBODY),),
    "account_reset_password_from_key": (
        Look(f"{RESET}{{reset}}/", "Choose a new password", NOBODY, ends_at="-set-password/"),
        Look(f"{RESET}1-used-up/", "This link is not valid any more", NOBODY),
    ),
    "account_reset_password_from_key_done": (Look(f"{RESET}done/", "Your password is changed", NOBODY),),
    "mfa_index": (
        Look("/accounts/second-step/", "Two-step sign-in"),
        Look("/accounts/second-step/", "Two-step sign-in", "tess"),
    ),
    "mfa_activate_totp": (Look("/accounts/second-step/totp/activate/", "Set up two-step sign-in"),),
    "mfa_deactivate_totp": (Look("/accounts/second-step/totp/deactivate/", "Switch two-step sign-in off?", "tess"),),
    "mfa_view_recovery_codes": (Look("/accounts/second-step/recovery-codes/", "Recovery codes", "tess"),),
    "mfa_generate_recovery_codes": (
        Look("/accounts/second-step/recovery-codes/generate/", "Make new recovery codes?", "tess"),
    ),
    "mfa_reauthenticate": (Look("/accounts/second-step/reauthenticate/", "Confirm that it is you", "tess"),),
    "usersessions_list": (Look("/accounts/sessions/", "Sessions", "signed in"),),
    "ask": (
        Look("/", "Ask"),
        Look("/", "One question, several models, one answer", "nora"),
        Look("/", "Ask", "bob"),
        Look("/?from={run}", "Ask"),
    ),
    "run-detail": (
        Look("/r/{run}", "Why is the sky blue?"),
        Look("/r/{run}?final=1", "Why is the sky blue?"),
        Look("/r/{run}", "Why is the sky blue?", "bob"),
        Look("/r/{run}", "Nothing to see at this address", "nora", 404),
    ),
    "run-rejudge": (
        Look("/r/{run}/rejudge", "Why is the sky blue?"),
        Look("/r/{run}/rejudge", "You may not do this", "bob", 403),
    ),
    "run-attempts": (Look("/r/{run}/attempts/B", "B Earlier attempts of B, Simulated · Terse"),),
    "history": (
        Look("/history", "History"),
        Look("/history?q=sky", "History"),
        Look("/history?q=no-such-words", "History"),
        Look("/history?mode=merge&state=done", "History"),
        Look("/history?pool=none", "History"),
        Look("/history", "History", "nora"),
    ),
    "pools": (Look("/pools", "Pools"), Look("/pools", "Pools", "nora"), Look("/pools", "Pools", "bob")),
    "pool-create": (
        Look("/pools/new", "New pool in Alice Team"),
        Look("/pools/new?template=empty", "New pool in Alice Team"),
        Look("/pools/new", "You may not do this", "bob", 403),
    ),
    "pool-detail": (Look("/pools/{pool}", "Three opinions"), Look("/pools/{pool}", "Three opinions", "bob")),
    "pool-edit": (
        Look("/pools/{pool}/edit", "Edit Three opinions"),
        Look("/pools/{pool}/edit", "You may not do this", "bob", 403),
    ),
    "pool-delete": (
        Look("/pools/{pool}/delete", "Delete “Three opinions”?"),
        Look("/pools/{pool}/delete", "You may not do this", "bob", 403),
    ),
    "team-create": (Look("/team/new", "New team"),),
    "team-members": (
        Look(f"{TEAM}/members", "Alice Team"),
        Look(f"{TEAM}/members", "Alice Team", "bob"),
        Look(f"{TEAM}/members", "Nothing to see at this address", "nora", 404),
    ),
    "team-member-remove": (Look(f"{TEAM}/members/{{member}}/remove", "Remove Bob from “Alice Team”?"),),
    "team-leave": (Look(f"{TEAM}/leave", "Leave “Alice Team”?", "bob"),),
    "team-hand-over": (Look(f"{TEAM}/hand-over", "Hand over “Alice Team”"),),
    "team-invitations": (
        Look(f"{TEAM}/invitations", "Alice Team"),
        Look(f"{TEAM}/invitations", "You may not do this", "bob", 403),
    ),
    "team-audit": (Look(f"{TEAM}/audit", "Alice Team"),),
    "team-settings": (Look(f"{TEAM}/settings", "Alice Team"),),
    "team-delete": (Look(f"{TEAM}/delete", "Delete “Alice Team”?"),),
    "invitation": (
        Look("/invitations/{invitation}", "Join “Alice Team”", NOBODY),
        Look("/invitations/{invitation}", "Join “Alice Team”", "nora"),
        Look("/invitations/long-gone", "This invitation does not work", NOBODY, 404),
    ),
    "team-connections": (
        Look(f"{TEAM}/connections", "Alice Team"),
        Look(f"{TEAM}/connections", "You may not do this", "bob", 403),
        Look("/team/{empty_team}/connections", "Nora Team", "nora"),
    ),
    "team-connection-new": (Look(f"{TEAM}/connections/new", "Alice Team"),),
    "team-connection-edit": (Look(f"{TEAM}/connections/{{lab}}", "Alice Team"),),
    "team-connection-switch": (Look(f"{TEAM}/connections/{{lab}}/switch", "Alice Team"),),
    "team-connection-delete": (Look(f"{TEAM}/connections/{{lab}}/delete", "Alice Team"),),
    "site-connections": (
        Look("/site/connections", SITE),
        Look("/site/connections", "Nothing to see at this address", "nora", 404),
    ),
    "site-connection-new": (Look("/site/connections/new", SITE),),
    "site-connection-edit": (Look("/site/connections/{shared}", SITE),),
    "site-connection-switch": (Look("/site/connections/{shared}/switch", SITE),),
    "site-connection-delete": (Look("/site/connections/{shared}/delete", SITE),),
    "team-models": (
        Look(f"{TEAM}/models", "Alice Team"),
        Look(f"{TEAM}/models?q=nothing-like-it", "Alice Team"),
        Look(f"{TEAM}/models", "Alice Team", "bob"),
    ),
    "team-model": (Look(f"{TEAM}/models/{{model}}", "Alice Team"),),
    "team-model-add": (Look(f"{TEAM}/models/new", "Alice Team"),),
    "team-model-edit": (
        Look(f"{TEAM}/models/{{model}}/edit", "Alice Team"),
        Look(f"{TEAM}/models/{{model}}/edit", "You may not do this", "bob", 403),
    ),
    "pool-compare": (Look("/pools/{pool}/compare?from=1&to=2", "Version 1 and version 2"),),
    "account-delete": (Look("/account/delete", "Delete your account?", "nora"),),
}
# Addresses that show no page of their own, and what they give.
NO_PAGES = {
    "mfa_authenticate": "the code's page, for who has typed a password: in a test of its own",
    "mfa_download_recovery_codes": "a file",
    "account_confirm_login_code": "nothing: signing in by a code is off",
    "run-create": "the run, or the form again: in the test of what was not sent",
    "run-live": "frames for a page that is open",
    "run-act": "the run's page",
    "run-delete": "the history",
    "run-restore": "the run's page",
    "run-export": "files",
    "pool-preview": "a part of the pool editor",
    "pool-duplicate": "the copy's editor",
    "team": "the members of the team",
    "team-switch": "the page that asked",
    "team-member-role": "the members of the team",
    "team-invitation-resend": "the invitations of the team",
    "team-invitation-revoke": "the invitations of the team",
    "team-stop-runs": "the settings of the team",
    "theme-set": "the page that asked",
    "image-create": "what became of a picture, for a script",
    "image-show": "a picture",
    "team-connection-test": "the list of connections",
    "site-connection-test": "the list of connections",
    "site-connection-local": "the list of connections",
    "pool-restore": "the pool",
    "team-model-options": "a part of the picker",
    "team-model-remove": "the list of models",
    "team-models-refresh": "the list of models",
}


def _names(resolver: URLResolver) -> Iterator[str]:
    """Names of the addresses below it; the administration is Django's."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            assert entry.name, f"{entry.pattern} has no name"
            yield str(entry.name)
        elif entry.namespace != "admin":
            yield from _names(entry)


def test_every_address_of_the_site_is_looked_at_or_shows_no_page() -> None:
    names, known = {*_names(get_resolver())}, {*PAGES, *NO_PAGES}
    assert names - known == set(), "give each of these an entry in PAGES, or in NO_PAGES with what it gives"
    assert known - names == set() and len(known) == len(PAGES) + len(NO_PAGES)


def _has(tab: Page, status: int, title: str) -> list[str]:
    """What is wrong with the page that came."""
    heading = " ".join(tab.inner_text("main h1").split())
    return faults_everywhere(tab) if heading == title else [f"{status} {heading}"]


def _opened(tab: Page, look: Look, url: str) -> list[str]:
    """What is not as it should be when the tab goes there."""
    reply = tab.goto(url)
    path = urlsplit(tab.url).path
    assert reply is not None
    if path != urlsplit(url).path and not (look.ends_at and path.endswith(look.ends_at)):
        return [f"it led to {path}"]
    return _has(tab, reply.status, look.title) if reply.status == look.status else [f"{reply.status} {tab.url}"]


def test_every_page_passes_axe_wide_and_narrow_in_light_and_dark(house: House) -> None:
    tabs = {who: house.visit(who) for who in (NOBODY, "alice", "bob", "nora", "sam", "tess")} | {
        "signed in": house.signed_in()
    }
    wrong: list[str] = []
    for look in (look for looks in PAGES.values() for look in looks):
        url = house.server.url + look.path.format(**house.facts)
        wrong += [f"{look.who or 'nobody'}, {look.path}: {fault}" for fault in _opened(tabs[look.who], look, url)]
    assert "\n".join(wrong) == ""
    for tab in tabs.values():
        tab.context.close()


def test_the_page_for_the_code_passes_axe_and_takes_a_recovery_code(house: House) -> None:
    tab = house.visit()
    tab.goto(f"{house.server.url}/accounts/login/")
    tab.fill("input[name=login]", "tess@example.com")
    tab.fill("input[name=password]", "secret-pass-1")
    with tab.expect_navigation():
        tab.click("main button[type=submit]")
    assert _has(tab, 200, "Type your code") == []
    tab.fill("input[name=code]", "000000")
    with tab.expect_navigation():
        tab.click("text=Sign in >> nth=-1")
    assert _has(tab, 200, "Type your code") == [] and "This is not a code" in tab.inner_text("main")
    tab.fill("input[name=code]", house.facts["recovery"])
    tab.press("input[name=code]", "Enter")
    tab.wait_for_url(f"{house.server.url}/")
    tab.context.close()


@dataclass(frozen=True, slots=True)
class Sending:
    """A form sent from a page in a way that is refused, or that a page says something about."""

    path: str
    script: str
    status: int
    title: str
    who: str = "alice"
    without: str = ""


ASK = "document.querySelector('[name=prompt]').value = 'Why?'; document.getElementById('ask-form').submit()"
TOO_MANY = """
const form = document.getElementById('ask-form');
const field = Object.assign(document.createElement('input'), { name: 'more' });
for (let number = 0; number < 1100; number += 1) form.append(field.cloneNode());
form.submit()
"""
POOL = "document.getElementById('pool-form').submit()"
FIRST = "document.querySelector('main form[method=post]').submit()"
SENT = (
    Sending("/", "document.getElementById('ask-form').submit()", 422, "Ask"),
    Sending("/", ASK, 429, "Ask"),
    Sending("/", ASK, 403, "Not sent yet: send it once more", without="fusion_csrf"),
    Sending("/", ASK, 401, "You were signed out, and nothing was sent", without="fusion_session"),
    Sending("/", TOO_MANY, 400, "This request could not be read"),
    Sending("/pools/{pool}/delete", FIRST, 403, "You may not do this", without="fusion_csrf"),
    Sending(
        "/pools/new?template=empty",
        "document.querySelector('[name=name]').value = ''; " + POOL,
        422,
        "New pool in Alice Team",
    ),
    Sending(
        "/pools/{pool}/edit", "document.querySelector('[name=name]').value = ''; " + POOL, 422, "Edit Three opinions"
    ),
    Sending(
        "/r/{run}/rejudge",
        "document.querySelectorAll('[name=letters]').forEach((one) => { one.checked = false }); " + FIRST,
        422,
        "Why is the sky blue?",
    ),
    Sending("/team/new", "document.querySelector('main form').submit()", 422, "New team"),
    Sending("/accounts/password/change/", FIRST, 200, "Change your password"),
    Sending("/accounts/login/", FIRST, 200, "Sign in", NOBODY),
    Sending("/accounts/signup/", FIRST, 200, "Sign up", NOBODY),
    Sending("/accounts/password/reset/", FIRST, 200, "Reset your password", NOBODY),
)


def _answered(house: House, sending: Sending) -> list[str]:
    """What is not as it should be on the page that answers."""
    tab = house.visit(sending.who)
    tab.goto(house.server.url + sending.path.format(**house.facts))
    if sending.without:
        tab.context.clear_cookies(name=sending.without)
    with tab.expect_navigation() as navigation:
        tab.evaluate(f"() => {{ {sending.script} }}")
    status = navigation.value.status
    found = _has(tab, status, sending.title) if status == sending.status else [f"{status} {tab.inner_text('main')}"]
    tab.context.close()
    return found


def test_every_page_that_says_what_was_not_done_passes_axe(house: House) -> None:
    wrong = [
        f"{sending.who}, {sending.path}, {sending.status}: {fault}"
        for sending in SENT
        for fault in _answered(house, sending)
    ]
    assert "\n".join(wrong) == ""


def test_where_there_is_no_room_the_filters_of_the_history_are_folded_away(house: House) -> None:
    page = house.visit("alice")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{house.server.url}/history")
    filters = page.locator("#history-pool, #history-mode, #history-state")
    assert page.is_visible("#history-q") and not any(one.is_visible() for one in filters.all())
    results = page.locator("#history-results").bounding_box()
    assert results is not None and results["y"] < 844 / 3
    page.click("summary:has-text('Filters')")
    assert all(one.is_visible() for one in filters.all())
    page.select_option("#history-mode", "merge")
    says(page, "#history-filters-set:not([hidden])", "1 set")
    assert faults_everywhere(page) == []
    page.click("summary:has-text('Filters')")
    assert not page.is_visible("#history-mode") and page.is_visible("text=1 set")
    page.set_viewport_size({"width": 1440, "height": 900})
    assert all(one.is_visible() for one in filters.all()) and not page.is_visible("summary:has-text('Filters')")
    page.context.close()


def test_the_page_after_a_failure_of_ours_and_the_offer_to_undo_pass_axe(house: House, data_dir: Path) -> None:
    page = house.visit("alice")
    page.goto(f"{house.server.url}/history?q=A+run+to+delete")
    with page.expect_navigation():
        page.click("a:has-text('A run to delete')")
    page.click(".run-top summary")
    with page.expect_navigation():
        page.click("button:has-text('Delete this run')")
    assert page.is_visible("#history-undo button")
    assert faults_everywhere(page) == []
    with closing(sqlite3.connect(data_dir / DATABASE, timeout=20)) as database:
        database.execute("ALTER TABLE fusion_poolmember RENAME TO gone")
        reply = page.goto(f"{house.server.url}/pools")
        database.execute("ALTER TABLE gone RENAME TO fusion_poolmember")
    assert reply is not None
    assert _has(page, reply.status, "Something broke on our side") == []
    page.context.close()


def test_the_first_account_and_a_closed_door_pass_axe(tmp_path: Path, browser: Browser) -> None:
    migrate(tmp_path)
    with served(tmp_path) as server:
        page = browser.new_page(reduced_motion="reduce")
        page.goto(server.url)
        assert page.inner_text("main h1") == "Create the first account"
        assert faults_everywhere(page) == []
        page.fill("[name=email]", "first@example.com")
        page.fill("[name=password1]", "secret-pass-1")
        with page.expect_navigation():
            page.click("main button[type=submit]")
        assert page.is_visible("#ask-prompt")
        page.context.clear_cookies()
        page.goto(f"{server.url}/accounts/signup/")
        assert page.inner_text("main h1") == "Sign-up is closed"
        assert faults_everywhere(page) == []
        page.context.close()
