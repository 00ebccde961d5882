"""The pages of teams: what each person sees of them, and that everything belongs to the team that is worked in."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

import fusion
from fusion.models import AuditEvent, Invitation, Membership, Pool, Run, Team, User
from fusion.models.team import Role
from fusion.teams.invitations import invite_person
from fusion.teams.members import remove_member
from fusion.teams.rights import role_in
from fusion.web.shown.audit import ACTIONS
from tests.factories import client_of, make_pool, make_run, make_team, make_user

PASSWORD = "a-good-pass-phrase-1"


@pytest.fixture(autouse=True)
def _no_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusion.runs.services.dispatch_run", lambda pk: None)


@pytest.fixture
def second(alice: User, team: Team) -> Team:
    """Another team of alice's, with a pool and a run of its own; she works in the first."""
    team = make_team("second")
    Membership.objects.create(team=team, user=alice, role=Role.MEMBER)
    carl = make_user("carl", team=team)
    make_run(carl, pool=make_pool(carl, name="Pool of the second"), prompt="Asked in the second team")
    return team


def text_of(client: Client, path: str, **data: Any) -> str:
    page = client.get(path, data)
    assert page.status_code == 200, page.status_code
    return str(page.content.decode())


def switch(client: Client, team: Team, page: str = "/") -> str:
    return str(client.post("/team/switch", {"team": team.public_id, "next": page})["Location"])


# --- the team that is worked in ----------------------------------------------------------------------


def test_lists_show_the_team_that_is_worked_in_and_change_with_it(alice: User, second: Team) -> None:
    make_run(alice, pool=make_pool(alice, name="Pool of the first"), prompt="Asked in the first team")
    client = client_of(alice)
    for path in ("/", "/history", "/pools"):
        page = text_of(client, path)
        assert "of the second" not in page and "in the second team" not in page, path
    assert switch(client, second, "/history?q=x") == "/history"
    for path in ("/", "/history", "/pools"):
        page = text_of(client, path)
        assert "of the first" not in page and "in the first team" not in page, path
        assert "in the second team" in page or "Pool of the second" in page, path


def test_what_belongs_to_another_team_of_mine_still_opens_and_says_so(alice: User, second: Team) -> None:
    client, run = client_of(alice), Run.objects.get(team=second)
    assert "in the team <bdi>Second</bdi>" in text_of(client, f"/r/{run.public_id}")
    assert "in the team <bdi>Second</bdi>" in text_of(client, f"/pools/{run.pool_version.pool.public_id}")
    assert "You work in <strong>Alice Team</strong>" in text_of(client, f"/team/{second.public_id}/members")
    switch(client, second)
    assert "in the team" not in text_of(client, f"/r/{run.public_id}")


def test_a_pool_of_another_team_of_mine_can_be_asked_by_its_address(alice: User, second: Team) -> None:
    pool = Pool.objects.get(team=second)
    client = client_of(alice)
    page = text_of(client, "/", pool=str(pool.public_id))
    assert re.search(rf'value="{pool.public_id}" selected>[^<]*· in Second<', page)
    form = {"pool": str(pool.public_id), "prompt": "Why?", "mode": "", "idempotency_key": "k"}
    client.post("/runs", form)
    assert Run.objects.latest("pk").team == second


def test_new_pools_belong_to_the_team_that_is_worked_in(alice: User, second: Team) -> None:
    client = client_of(alice)
    switch(client, second)
    client.post("/team/new", {"name": "Third"})
    third = Team.objects.get(name="Third")
    assert User.objects.get(pk=alice.pk).current_team == third
    assert Pool.objects.filter(team=third).exists(), "a team begins with the default pools"
    assert role_in(alice, third) == Role.OWNER


@pytest.mark.parametrize(
    ("page", "leads_to"),
    [("/pools", "/pools"), ("/", "/"), ("/r/x", "/"), ("https://elsewhere.example/pools", "/pools"), ("//x", "/")],
)
def test_switching_stays_on_this_site_and_on_pages_that_every_team_has(
    alice: User, second: Team, page: str, leads_to: str
) -> None:
    assert switch(client_of(alice), second, page) == leads_to


def test_switching_from_a_teams_page_leads_to_the_new_teams(alice: User, team: Team, second: Team) -> None:
    client = client_of(alice)
    assert switch(client, second, f"/team/{team.public_id}/audit") == f"/team/{second.public_id}/members"


def test_nobody_works_in_a_team_that_they_are_not_in(charlie: User, team: Team) -> None:
    client = client_of(charlie)
    for wrong in (team.public_id, "nonsense", ""):
        assert client.post("/team/switch", {"team": wrong}).status_code == 404
    assert User.objects.get(pk=charlie.pk).current_team is None


def test_who_is_in_no_team_is_led_to_make_one(alice: User, bob: User, team: Team) -> None:
    remove_member(person=alice, membership=Membership.objects.get(user=bob))
    client = client_of(bob)
    assert client.get("/team")["Location"] == "/team/new"
    assert "You are in no team" in text_of(client, "/team/new")
    for path in ("/", "/history", "/pools"):
        assert "New team" in text_of(client, path)
    assert "Make a team first" in text_of(client, "/")


def test_a_viewer_reads_why_they_cannot_ask_and_who_can_help(team: Team) -> None:
    page = text_of(client_of(make_user("vera", team=team, role=Role.VIEWER)), "/")
    assert "not start or change them. Ask Alice." in page
    assert "ask-prompt" not in page


# --- members -----------------------------------------------------------------------------------------


def test_each_tab_shows_to_those_who_have_the_right(alice: User, bob: User, team: Team) -> None:
    members = f"/team/{team.public_id}/members"
    page = text_of(client_of(alice), members)
    assert "/audit" in page and "Role of Bob" in page and bob.email in page
    page = text_of(client_of(bob), members)
    assert "/audit" not in page and "Role of" not in page and alice.email not in page
    assert "Alice" in page and "Owner" in page


def test_who_has_left_is_named_with_what_they_did(alice: User, bob: User, team: Team) -> None:
    run = make_run(bob, pool=make_pool(alice))
    remove_member(person=alice, membership=Membership.objects.get(user=bob))
    client = client_of(alice)
    assert "<bdi>Bob</bdi> (left)" in text_of(client, "/history")
    assert "<bdi>Bob</bdi> (left)" in text_of(client, f"/r/{run.public_id}")
    assert "Former members" in text_of(client, f"/team/{team.public_id}/members")
    assert "Bob (left)" in text_of(client, f"/team/{team.public_id}/audit")


def test_an_admin_is_offered_no_role_above_their_right(alice: User, team: Team) -> None:
    anna = make_user("anna", team=team, role=Role.ADMIN)
    page = text_of(client_of(anna), f"/team/{team.public_id}/members")
    assert 'value="owner"' not in page and "Role of Alice" not in page
    assert 'value="owner"' in text_of(client_of(alice), f"/team/{team.public_id}/members")


def test_fields_that_nobody_asked_for_change_nothing(alice: User, bob: User, team: Team) -> None:
    """Names of columns in a form are not written: only what a service takes."""
    hostile = {"role": "viewer", "is_staff": "on", "left_at": "2020-01-01", "team": "1", "user": "1", "deleted_at": "x"}
    member = Membership.objects.get(user=bob)
    client_of(alice).post(f"/team/{team.public_id}/members/{member.public_id}/role", hostile)
    client_of(alice).post(f"/team/{team.public_id}/settings", {**hostile, "name": "New", "slug": "stolen"})
    member.refresh_from_db()
    assert (member.role, member.left_at, member.user_id, member.team_id) == ("viewer", None, bob.pk, team.pk)
    changed = Team.objects.get(pk=team.pk)
    assert (changed.name, changed.slug, changed.deleted_at) == ("New", "alice-team", None)
    assert not User.objects.get(pk=bob.pk).is_staff


# --- invitations -------------------------------------------------------------------------------------


def invite(person: User, team: Team, **form: str) -> str:
    """The path of a new invitation's link, as its page shows it once."""
    page = client_of(person).post(f"/team/{team.public_id}/invitations", {"role": "member", "email": "", **form})
    found = re.search(r'value="http[^"]*?(/invitations/[\w-]+)"', page.content.decode())
    assert found is not None, page.content.decode()
    return found[1]


def test_a_link_is_shown_once_and_kept_as_a_hash_only(alice: User, team: Team) -> None:
    link = invite(alice, team)
    token = link.rpartition("/")[2]
    assert len(token) >= 43
    invitation = Invitation.objects.get()
    assert token not in str(vars(invitation)) and len(invitation.token_hash) == 64
    assert token not in text_of(client_of(alice), f"/team/{team.public_id}/invitations")
    assert token not in text_of(client_of(alice), f"/team/{team.public_id}/audit")


def test_somebody_with_an_account_reads_who_invites_and_joins(alice: User, team: Team, charlie: User) -> None:
    link, client = invite(alice, team, role="viewer"), client_of(charlie)
    page = text_of(client, link)
    assert "Join “<bdi>Alice Team</bdi>”" in page and "<bdi>Alice</bdi> invites" in page and "viewer" in page
    assert role_in(charlie, team) is None, "looking is not accepting"
    client.post(link)
    assert role_in(charlie, team) == Role.VIEWER
    assert User.objects.get(pk=charlie.pk).current_team == team
    assert f"/team/{team.public_id}/members" in client.get(link)["Location"]
    assert client_of(make_user("dora")).get(link).status_code == 404


def test_somebody_new_makes_an_account_with_an_invitation_although_sign_up_is_closed(
    alice: User, team: Team, client: Client, settings: Any
) -> None:
    settings.FUSION_SIGNUP = "closed"
    link = invite(alice, team, email="new@example.com", role="billing")
    closed = client.get("/accounts/signup/")
    assert "Sign-up is closed" in closed.content.decode()
    assert client.post(link)["Location"] == "/accounts/signup/"
    page = text_of(client, "/accounts/signup/")
    assert "new@example.com" in page and "Alice Team" in page and "Setup code" not in page
    other = client.post("/accounts/signup/", {"email": "other@example.com", "password1": PASSWORD})
    assert "The invitation is for new@example.com" in other.content.decode()
    client.post("/accounts/signup/", {"email": "New@example.com", "password1": PASSWORD})
    person = User.objects.get(email__iexact="new@example.com")
    assert role_in(person, team) == Role.BILLING
    assert person.current_team == team and person.memberships.count() == 2
    assert not person.is_staff
    assert [event.actor for event in AuditEvent.objects.filter(action="invitation.accept")] == [person]
    again = Client()
    assert again.post(link).status_code == 404
    assert "Sign-up is closed" in again.get("/accounts/signup/").content.decode()


def test_an_invitation_that_was_used_meanwhile_makes_no_account(
    alice: User, team: Team, charlie: User, client: Client
) -> None:
    link = invite(alice, team)
    client.post(link)
    page = client.get("/accounts/signup/")
    assert page.status_code == 200 and "Create account" in page.content.decode()
    client_of(charlie).post(link)
    late = client.post("/accounts/signup/", {"email": "late@example.com", "password1": PASSWORD})
    assert "Sign-up is closed" in late.content.decode()
    assert not User.objects.filter(email="late@example.com").exists()


def test_an_invitation_for_an_address_is_for_nobody_else(alice: User, team: Team, charlie: User) -> None:
    link, client = invite(alice, team, email="dora@example.com"), client_of(charlie)
    assert "this invitation is for <bdi>dora@example.com</bdi>" in text_of(client, link)
    assert client.post(link).status_code == 403
    assert role_in(charlie, team) is None
    client_of(make_user("dora")).post(link)
    assert Invitation.objects.get().accepted_by is not None


def test_a_new_link_replaces_the_former_one_and_withdrawing_ends_it(alice: User, team: Team, charlie: User) -> None:
    first, client = invite(alice, team), client_of(alice)
    address = f"/team/{team.public_id}/invitations/{Invitation.objects.get().public_id}"
    page = client.post(f"{address}/resend").content.decode()
    second = re.findall(r"/invitations/([\w-]{43})", page)[0]
    assert client_of(charlie).get(first).status_code == 404
    assert client_of(charlie).get(f"/invitations/{second}").status_code == 200
    client.post(f"{address}/revoke")
    assert client_of(charlie).post(f"/invitations/{second}").status_code == 404
    assert client.post(f"{address}/resend").status_code == 409


def test_an_old_link_does_not_work(alice: User, team: Team, charlie: User) -> None:
    link = invite(alice, team)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client_of(charlie).get(link).status_code == 404
    assert client_of(charlie).post(link).status_code == 404
    assert "Too old" in text_of(client_of(alice), f"/team/{team.public_id}/invitations")


def test_an_admin_can_make_no_owner_by_invitation(team: Team) -> None:
    anna = make_user("anna", team=team, role=Role.ADMIN)
    page = client_of(anna).post(f"/team/{team.public_id}/invitations", {"role": "owner", "email": ""})
    assert page.status_code == 422
    assert not Invitation.objects.exists()


def test_whoever_is_in_the_team_or_invited_is_named_beside_the_field(alice: User, bob: User, team: Team) -> None:
    client, address = client_of(alice), f"/team/{team.public_id}/invitations"
    page = client.post(address, {"role": "member", "email": "BOB@example.com"})
    assert page.status_code == 422 and "in the team already" in page.content.decode()
    assert 'value="BOB@example.com"' in page.content.decode(), "what was typed stays"
    invite(alice, team, email="dora@example.com")
    page = client.post(address, {"role": "member", "email": "Dora@example.com"})
    assert "open invitation for this address" in page.content.decode()


def test_with_a_mail_server_the_link_is_mailed_too(alice: User, team: Team, settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example.com"
    Team.objects.filter(pk=team.pk).update(name="A name\nBcc: everybody@example.com")
    link = invite(alice, team, email="dora@example.com")
    (message,) = mail.outbox
    assert message.to == ["dora@example.com"] and link in str(message.body) and "\n" not in message.subject
    assert Invitation.objects.get().mailed_at is not None


def test_a_mail_server_that_is_away_leaves_the_link(alice: User, team: Team, settings: Any, monkeypatch: Any) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionRefusedError

    settings.EMAIL_HOST = "mail.example.com"
    monkeypatch.setattr("fusion.teams.mail.EmailMessage.send", refuse)
    assert invite(alice, team, email="dora@example.com")
    assert Invitation.objects.get().mailed_at is None


def test_guessing_links_is_slowed_down(client: Client, db: None) -> None:
    statuses = {client.get(f"/invitations/guess-{number}").status_code for number in range(40)}
    assert statuses == {404, 429}


# --- the audit log -----------------------------------------------------------------------------------


def test_the_audit_log_names_who_what_whom_when_and_from_where(alice: User, bob: User, team: Team) -> None:
    member = Membership.objects.get(user=bob)
    client = client_of(alice, REMOTE_ADDR="192.0.2.9")
    client.post(f"/team/{team.public_id}/members/{member.public_id}/role", {"role": "viewer"})
    page = text_of(client, f"/team/{team.public_id}/audit")
    assert re.search(r"<bdi>Alice</bdi></strong> changed the role of <bdi[^>]*>Bob</bdi>", page)
    assert "<del>member</del>" in page and "<ins>viewer</ins>" in page and "192.0.2.9" in page


def test_the_audit_log_tells_what_differs_and_not_what_stayed_or_is_empty(alice: User, team: Team) -> None:
    before, after = {"quorum": 2, "grace": 8}, {"quorum": 3, "grace": 8, "context_tokens": None}
    AuditEvent.objects.create(team=team, actor=alice, action="pool.update", before=before, after=after)
    page = text_of(client_of(alice), f"/team/{team.public_id}/audit")
    assert "<del>2</del>" in page and "<ins>3</ins>" in page
    assert "grace" not in page and "context tokens" not in page and "null" not in page


def test_everything_that_is_recorded_has_words_of_its_own() -> None:
    kinds = "account|connection|invitation|member|model|pool|run|secret|team"
    sources = (path.read_text() for path in Path(fusion.__file__).parent.rglob("*.py"))
    recorded = {action for source in sources for action in re.findall(rf'"((?:{kinds})\.[a-z-]+)"', source)}
    assert recorded >= {"pool.create", "model.price", "team.rename"}
    assert recorded - ACTIONS.keys() == {"run.bell"}  # a message to sockets, not a deed


def test_the_audit_log_is_filtered_by_person_and_deed_and_paged(alice: User, bob: User, team: Team) -> None:
    AuditEvent.objects.bulk_create(
        AuditEvent(team=team, actor=person, action=action, target_name=f"{person.name} {action} {number}")
        for person, action in ((alice, "pool.test"), (bob, "key.test"))
        for number in range(40)
    )
    client, address = client_of(alice), f"/team/{team.public_id}/audit"
    assert "Page 1 of 2" in text_of(client, address)
    page = text_of(client, address, person=str(Membership.objects.get(user=bob).public_id))
    assert "Bob key.test" in page and "Alice pool.test" not in page
    page = text_of(client, address, action="pool.test")
    assert "Alice pool.test" in page and "Bob key.test" not in page
    assert "Page 1 of 2" in text_of(client, address, person="nonsense", action="nonsense", page="nonsense")


def test_another_teams_events_do_not_show(alice: User, charlie: User, team: Team) -> None:
    AuditEvent.objects.create(team=charlie.memberships.get().team, actor=charlie, action="team.secret")
    AuditEvent.objects.create(team=None, actor=None, action="site.secret")
    assert "secret" not in text_of(client_of(alice), f"/team/{team.public_id}/audit")


def test_hostile_names_stay_text(alice: User, team: Team) -> None:
    AuditEvent.objects.create(team=team, actor=alice, action="<b>.x", target_name="<script>", after={"<i>": "<img>"})
    page = text_of(client_of(alice), f"/team/{team.public_id}/audit")
    assert "<img>" not in page and "<script>" not in page and "&lt;img&gt;" in page


# --- the end -----------------------------------------------------------------------------------------


def test_a_team_is_deleted_by_typing_its_name(alice: User, bob: User, team: Team) -> None:
    run, client, address = make_run(alice), client_of(alice), f"/team/{team.public_id}/delete"
    assert "1 run and 1 pool" in text_of(client, address)
    assert client.post(address, {"name": "alice team"}).status_code == 422
    client.post(address, {"name": "Alice Team"})
    assert Team.objects.get(pk=team.pk).deleted_at is not None
    for person in (alice, bob):
        assert client_of(person).get(f"/r/{run.public_id}").status_code == 404
        assert client_of(person).get(f"/team/{team.public_id}/members").status_code == 404


def test_while_something_runs_a_team_is_not_deleted_and_the_page_offers_to_stop_it(alice: User, team: Team) -> None:
    run, client, address = make_run(alice, state=Run.State.QUEUED), client_of(alice), f"/team/{team.public_id}/delete"
    assert "1 run is under way" in text_of(client, address)
    page = client.post(address, {"name": "Alice Team"})
    assert page.status_code == 422 and "1 run is under way" in page.content.decode()
    client.post(f"/team/{team.public_id}/stop-runs")
    assert Run.objects.get(pk=run.pk).state == Run.State.CANCELLED
    assert client.post(address, {"name": "Alice Team"}).status_code == 302


def test_an_account_is_deleted_with_its_password_and_signed_out_everywhere(bob: User) -> None:
    client, elsewhere = client_of(bob), client_of(bob)
    assert "Delete your account?" in text_of(client, "/account/delete")
    assert client.post("/account/delete", {"password": "wrong"}).status_code == 422
    assert client.post("/account/delete", {"password": "secret-pass-1"})["Location"] == "/accounts/login/"
    assert not User.objects.filter(email="bob@example.com").exists()
    assert elsewhere.get("/history")["Location"].startswith("/accounts/login/")


def test_guessing_the_password_of_an_open_browser_is_slowed_down(bob: User) -> None:
    client = client_of(bob)
    statuses = {client.post("/account/delete", {"password": f"wrong-{number}"}).status_code for number in range(12)}
    assert statuses == {422, 429}


def test_the_last_owner_is_led_to_hand_over_first(alice: User, bob: User, team: Team) -> None:
    page = text_of(client_of(alice), "/account/delete")
    assert "Hand over “Alice Team”" in page and 'name="password"' not in page


def test_inviting_is_limited(alice: User, team: Team, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"invite": "2/h/user"}
    invite(alice, team)
    invite(alice, team)
    page = client_of(alice).post(f"/team/{team.public_id}/invitations", {"role": "member", "email": ""})
    assert page.status_code == 429
    assert Invitation.objects.count() == 2


def test_a_service_called_twice_makes_links_of_their_own(alice: User, team: Team) -> None:
    tokens = {invite_person(person=alice, team=team, role="viewer").token for _ in range(3)}
    assert len(tokens) == 3
