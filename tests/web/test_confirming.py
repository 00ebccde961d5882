"""Who has been signed in for long shows that it is still them before keys, roles and members change."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from fusion.models import Connection, Invitation, Membership, Team, User
from fusion.models.team import Role
from fusion.providers import registry
from fusion.providers.catalogue import ModelInfo
from fusion.web.confirming import CONFIRMED_AT
from tests.factories import make_user, team_of

PASSWORD = "secret-pass-1"
KEY = "sk-typed-0123456789"

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice", is_staff=True, is_superuser=True)


@pytest.fixture
def team(alice: User) -> Team:
    return team_of(alice)


@pytest.fixture
def tab(alice: User) -> Client:
    """A window in which alice signed in long ago."""
    client = Client()
    client.force_login(alice)
    age(client, hours=5)
    return client


def age(client: Client, *, hours: float) -> None:
    session = client.session
    session[CONFIRMED_AT] = time.time() - hours * 3600
    session.save()


def confirm(client: Client) -> Any:
    return client.post(reverse("account_reauthenticate"), {"password": PASSWORD})


def connection_data() -> dict[str, str]:
    return {
        "preset": "openai-compatible",
        "label": "Ours",
        "slug": "ours",
        "base_url": "https://lab.example.com/v1",
        "key": KEY,
    }


async def nothing_listed(*_: Any, **__: Any) -> tuple[ModelInfo, ...]:
    return ()


def test_signing_in_is_a_confirmation(alice: User, team: Team) -> None:
    client = Client()
    client.post(reverse("account_login"), {"login": alice.email, "password": PASSWORD})
    assert client.get(reverse("team-connection-new", args=[team.public_id])).status_code == 200
    age(client, hours=0.9)
    assert client.get(reverse("team-connection-new", args=[team.public_id])).status_code == 200
    age(client, hours=1.1)
    assert client.get(reverse("team-connection-new", args=[team.public_id])).status_code == 302


def test_the_page_for_a_key_asks_first_and_leads_back(tab: Client, team: Team) -> None:
    address = reverse("team-connection-new", args=[team.public_id])
    page = tab.get(address)
    assert page.status_code == 302 and page["Location"].startswith(reverse("account_reauthenticate"))
    assert "This is not" not in tab.get(page["Location"]).content.decode()
    back = tab.post(page["Location"], {"password": PASSWORD, "next": address})
    assert back["Location"] == address
    assert tab.get(address).status_code == 200


def test_a_wrong_password_confirms_nothing(tab: Client, team: Team) -> None:
    tab.post(reverse("account_reauthenticate"), {"password": "wrong-pass-1"})
    assert tab.get(reverse("team-connection-new", args=[team.public_id])).status_code == 302


def test_a_key_that_was_sent_too_late_is_neither_stored_nor_kept_and_the_form_stays(
    tab: Client, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "list_models", nothing_listed)
    address = reverse("team-connection-new", args=[team.public_id])
    page = tab.post(address, connection_data())
    assert page.status_code == 422
    text = page.content.decode()
    assert "Confirm that it is you</a>" in text and 'value="Ours"' in text and KEY not in text
    assert not Connection.objects.exists()
    assert KEY not in str(dict(tab.session))
    confirm(tab)
    assert tab.post(address, connection_data()).status_code == 302
    assert Connection.objects.get().slug == "ours"


def test_a_role_is_changed_once_the_password_is_typed(tab: Client, team: Team) -> None:
    bob = make_user("bob", team=team, role=Role.MEMBER)
    membership = Membership.objects.get(user=bob, team=team)
    address = reverse("team-member-role", args=[team.public_id, membership.public_id])
    page = tab.post(address, {"role": Role.ADMIN})
    membership.refresh_from_db()
    assert page.status_code == 302 and membership.role == Role.MEMBER
    done = tab.post(page["Location"], {"password": PASSWORD, "next": address})
    membership.refresh_from_db()
    assert done.status_code == 302 and membership.role == Role.ADMIN
    assert done["Location"] == reverse("team-members", args=[team.public_id])


def test_an_invitation_is_made_once_the_password_is_typed(tab: Client, team: Team) -> None:
    address = reverse("team-invitations", args=[team.public_id])
    page = tab.post(address, {"email": "carol@example.com", "role": Role.MEMBER})
    assert page.status_code == 302 and not Invitation.objects.exists()
    done = tab.post(page["Location"], {"password": PASSWORD, "next": address})
    assert "carol@example.com" in done.content.decode() and Invitation.objects.count() == 1


def test_what_was_given_up_is_not_done_for_who_only_looks_later(tab: Client, team: Team) -> None:
    bob = make_user("bob", team=team, role=Role.MEMBER)
    membership = Membership.objects.get(user=bob, team=team)
    address = reverse("team-member-remove", args=[team.public_id, membership.public_id])
    tab.post(address)  # asked who it is, the person goes away; another day they look at that page again
    page = tab.get(address)
    back = tab.post(page["Location"], {"password": PASSWORD, "next": address})
    membership.refresh_from_db()
    assert back.status_code == 302 and membership.left_at is None
    assert tab.get(address).status_code == 200


@pytest.mark.parametrize("page", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_confirming_leads_to_no_other_site(tab: Client, page: str) -> None:
    back = tab.post(reverse("account_reauthenticate"), {"password": PASSWORD, "next": page})
    assert back["Location"] == "/"


def test_nothing_of_a_stranger_is_kept(client: Client) -> None:
    page = client.post(reverse("mfa_activate_totp"), {"code": secrets.token_hex(100_000)})
    assert page.status_code == 302 and page["Location"].startswith(reverse("account_login"))
    assert not Session.objects.exists()


def test_what_is_too_long_to_be_kept_is_refused(tab: Client, team: Team) -> None:
    page = tab.post(reverse("team-invitations", args=[team.public_id]), {"email": secrets.token_hex(100_000)})
    assert page.status_code == 413 and "Nothing was done" in page.content.decode()
    assert all(len(row.session_data) < 50_000 for row in Session.objects.all())


@pytest.mark.parametrize("name", ["team-hand-over", "team-delete"])
def test_handing_over_and_deleting_a_team_ask_first(tab: Client, team: Team, name: str) -> None:
    address = reverse(name, args=[team.public_id])
    assert tab.get(address).status_code == 302
    confirm(tab)
    assert tab.get(address).status_code == 200


def test_whoever_may_not_is_told_that_and_not_asked(team: Team) -> None:
    bob = make_user("bob", team=team, role=Role.VIEWER)
    client = Client()
    client.force_login(bob)
    age(client, hours=5)
    assert client.get(reverse("team-connection-new", args=[team.public_id])).status_code == 403
    stranger = Client()
    stranger.force_login(make_user("eve"))
    age(stranger, hours=5)
    assert stranger.get(reverse("team-connection-new", args=[team.public_id])).status_code == 404


def test_the_administration_asks_and_takes_a_form_a_little_longer(tab: Client) -> None:
    index = reverse("admin:index")
    page = tab.get(index)
    assert page.status_code == 302 and page["Location"].startswith(reverse("account_reauthenticate"))
    age(tab, hours=1.5)
    assert tab.get(index).status_code == 302
    assert tab.post(reverse("admin:fusion_team_add"), {}).status_code == 200
    age(tab, hours=2.5)
    assert tab.post(reverse("admin:fusion_team_add"), {}).status_code == 302
    confirm(tab)
    assert tab.get(index).status_code == 200


def test_who_has_neither_password_nor_codes_cannot_be_asked(team: Team) -> None:
    sam = make_user("sam", team=team, role=Role.ADMIN)
    sam.set_unusable_password()
    sam.save()
    client = Client()
    client.force_login(sam)
    age(client, hours=5)
    assert client.get(reverse("team-connection-new", args=[team.public_id])).status_code == 200
