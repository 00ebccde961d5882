"""Making accounts: the first one is guarded, later ones need an open door."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import get_default_password_validators
from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.test import Client
from django.urls import reverse

from fusion.models import Membership, Pool, Team, User
from fusion.models.team import Role
from fusion.teams.proof import FORWARDING_HEADERS
from fusion.teams.services import SignupClosed, create_personal_team, register_person
from tests.factories import make_user
from tests.teams.together import at_once

AT_HOME: dict[str, Any] = {"HTTP_HOST": "127.0.0.1:8000", "REMOTE_ADDR": "127.0.0.1"}
ELSEWHERE: dict[str, Any] = {"HTTP_HOST": "testserver", "REMOTE_ADDR": "198.51.100.7"}
PASSWORD = "correct-horse-battery"


def sign_up(client: Client, email: str = "alice@example.com", *, code: str = "", **where: Any) -> Any:
    data = {"email": email, "name": "Alice", "password1": PASSWORD, "setup_code": code}
    return client.post(reverse("account_signup"), data, **(where or AT_HOME))


def test_the_first_account_becomes_the_administrator_with_a_team_and_its_pools(client: Client, db: None) -> None:
    assert sign_up(client).status_code == 302
    person = User.objects.get()
    assert (person.email, person.name, person.is_staff, person.is_superuser) == (
        "alice@example.com",
        "Alice",
        True,
        True,
    )
    membership = Membership.objects.get(user=person)
    assert membership.role == Role.OWNER
    assert Pool.objects.filter(team=membership.team, origin="sim").count() == 1
    assert EmailAddress.objects.get(user=person).primary


def test_a_visitor_of_a_new_installation_is_led_to_the_first_account(client: Client, db: None) -> None:
    assert client.get("/", follow=True).redirect_chain[-1][0] == reverse("account_signup")
    make_user("owner")
    assert "Sign in" in client.get("/", follow=True).content.decode()


def test_sign_up_closes_after_the_first_account(client: Client, db: None) -> None:
    make_user("owner")
    page = client.get(reverse("account_signup"), **AT_HOME)
    assert "Sign-up is closed" in page.content.decode()
    sign_up(client, "eve@example.com")
    assert not User.objects.filter(email="eve@example.com").exists()


def test_an_open_site_lets_people_join_as_ordinary_accounts(client: Client, db: None, settings: Any) -> None:
    settings.FUSION_SIGNUP = "open"
    make_user("owner")
    sign_up(client, "bob@example.com", **ELSEWHERE)
    bob = User.objects.get(email="bob@example.com")
    assert (bob.is_staff, bob.is_superuser) == (False, False)
    assert bob.memberships.count() == 1


def test_the_system_user_is_not_the_first_account(client: Client, db: None) -> None:
    User.objects.create_user("system@fusion.invalid", None, is_system=True, is_active=False)
    sign_up(client)
    assert User.objects.get(email="alice@example.com").is_superuser


def test_from_elsewhere_the_first_account_needs_the_setup_code(client: Client, db: None, settings: Any) -> None:
    page = sign_up(client, **ELSEWHERE)
    assert "Type the setup code" in page.content.decode()
    assert "alice@example.com" in page.content.decode()
    wrong = sign_up(client, code="AAAA-BBBB-CCCC-DDDD", **ELSEWHERE)
    assert "not the setup code" in wrong.content.decode()
    assert not User.objects.exists()
    sign_up(client, code=f" {settings.FUSION_SETUP_CODE.lower().replace('-', ' ')} ", **ELSEWHERE)
    assert User.objects.get().is_superuser


@pytest.mark.parametrize("header", FORWARDING_HEADERS)
def test_a_request_that_somebody_passed_on_is_not_at_home(client: Client, db: None, header: str) -> None:
    page = client.get(reverse("account_signup"), headers={header: "127.0.0.1"}, **AT_HOME)
    assert 'name="setup_code"' in page.content.decode()


@pytest.mark.parametrize(
    ("host", "peer", "asks"),
    [
        ("127.0.0.1:8000", "127.0.0.1", False),
        ("localhost", "::1", False),
        ("[::1]:8000", "::ffff:127.0.0.1", False),
        ("testserver", "127.0.0.1", True),  # another name that points here
        ("localhost", "192.168.1.9", True),
        ("localhost", "", True),
    ],
)
def test_only_this_machine_under_its_own_name_is_at_home(
    client: Client, db: None, host: str, peer: str, asks: bool
) -> None:
    page = client.get(reverse("account_signup"), HTTP_HOST=host, REMOTE_ADDR=peer)
    assert ('name="setup_code"' in page.content.decode()) is asks


def test_the_setup_code_is_asked_for_once_only(client: Client, db: None, settings: Any) -> None:
    settings.FUSION_SIGNUP = "open"
    make_user("owner")
    assert 'name="setup_code"' not in client.get(reverse("account_signup"), **ELSEWHERE).content.decode()


def test_without_proof_nobody_becomes_the_first(db: None) -> None:
    with pytest.raises(SignupClosed):
        register_person(User(email="eve@example.com"), may_be_first=False)
    assert not User.objects.exists()
    assert not Team.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_first_sign_ups_at_once_exactly_one_wins() -> None:
    outcomes = at_once([partial(_register, number) for number in range(8)])
    assert sorted(outcomes) == ["closed"] * 7 + ["joined"]
    assert User.objects.filter(is_superuser=True).count() == User.objects.count() == Team.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_whoever_was_slower_sees_that_sign_up_is_closed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page was open for both; the form finds the first account only inside its transaction."""
    faster = make_user("owner")
    monkeypatch.setattr("fusion.teams.adapter.is_signup_open", lambda: True)
    page = sign_up(client, "late@example.com")
    assert page.status_code == 403
    assert "somebody has made the first account" in page.content.decode()
    assert list(User.objects.all()) == [faster]


def _register(number: int) -> str:
    try:
        register_person(User(email=f"person{number}@example.com"), may_be_first=True)
    except SignupClosed:
        return "closed"
    return "joined"


# --- teams -----------------------------------------------------------------------------------------


def test_teams_of_people_with_one_name_have_slugs_of_their_own(db: None) -> None:
    people = [User.objects.create_user(f"ann{n}@example.com", name="Ann") for n in range(3)]
    assert [create_personal_team(person).slug for person in people] == ["ann", "ann-2", "ann-3"]


def test_a_name_that_gives_no_slug_still_gives_a_team(db: None) -> None:
    assert create_personal_team(User.objects.create_user("x@example.com", name="熊猫" * 30)).slug == "team"


def test_an_account_from_the_command_line_finds_a_team_when_it_signs_in(client: Client, db: None) -> None:
    User.objects.create_superuser("root@example.com", PASSWORD)
    client.post(reverse("account_login"), {"login": "ROOT@example.com", "password": PASSWORD})
    assert Membership.objects.get(user__email="root@example.com").role == Role.OWNER
    assert Pool.objects.exists()


def link_in(message: EmailMessage) -> str:
    """The path of the one link in a message."""
    found = re.search(r"https?://testserver(/\S+)", str(message.body))
    assert found is not None
    return found[1]


# --- the account pages -----------------------------------------------------------------------------


def test_a_forgotten_password_is_replaced_through_the_mailed_link(client: Client, alice: User) -> None:
    client.post(reverse("account_reset_password"), {"email": alice.email})
    (message,) = mail.outbox
    assert message.subject == "[Fusion] Reset your password"
    link = link_in(message)
    page = client.get(link, follow=True)
    assert "Choose a new password" in page.content.decode()
    new = "another-" + PASSWORD
    client.post(page.redirect_chain[-1][0], {"password1": new, "password2": new})
    assert User.objects.get(pk=alice.pk).check_password(new)


def test_nobody_learns_from_the_reset_page_who_has_an_account(client: Client, db: None) -> None:
    page = client.post(reverse("account_reset_password"), {"email": "nobody@example.com"}, follow=True)
    assert "Look into your mail" in page.content.decode()
    assert mail.outbox == []


class NoMail(BaseEmailBackend):
    def send_messages(self, email_messages: Any) -> int:
        raise ConnectionRefusedError("no mail server")


def test_nor_while_no_mail_goes_out(client: Client, alice: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.NoMail"
    for address in (alice.email, "nobody@example.com"):
        page = client.post(reverse("account_reset_password"), {"email": address}, follow=True)
        assert "Look into your mail" in page.content.decode()


def test_guessing_passwords_is_slowed_down(client: Client, alice: User) -> None:
    page = None
    for _ in range(8):
        page = client.post(reverse("account_login"), {"login": alice.email, "password": "wrong-password"})
    assert page is not None
    assert page.status_code == 429 or "Too many" in page.content.decode()
    client.post(reverse("account_login"), {"login": alice.email, "password": "secret-pass-1"})
    assert "_auth_user_id" not in client.session


def add_address(client: Client, person: User, address: str) -> Any:
    """Signing in does not suffice: the password is asked for again, and then the address is added."""
    client.post(reverse("account_login"), {"login": person.email, "password": "secret-pass-1"})
    asked = client.post(reverse("account_email"), {"email": address, "action_add": ""})
    return client.post(asked.headers.get("Location", reverse("account_email")), {"password": "secret-pass-1"})


def test_an_address_is_replaced_by_adding_confirming_and_preferring_another(client: Client, alice: User) -> None:
    add_address(client, alice, "new@example.com")
    link = link_in(mail.outbox[-1])
    assert "Is <strong>new@example.com</strong> the address of" in client.get(link).content.decode()
    client.post(link)
    client.post(reverse("account_email"), {"email": "new@example.com", "action_primary": ""})
    client.post(reverse("account_email"), {"email": "alice@example.com", "action_remove": ""})
    assert User.objects.get(pk=alice.pk).email == "new@example.com"
    assert [address.email for address in EmailAddress.objects.filter(user=alice)] == ["new@example.com"]


def test_adding_an_address_needs_the_password_again(client: Client, alice: User) -> None:
    client.post(reverse("account_login"), {"login": alice.email, "password": "secret-pass-1"})
    asked = client.post(reverse("account_email"), {"email": "new@example.com", "action_add": ""})
    assert asked.headers["Location"].startswith(reverse("account_reauthenticate"))
    assert not EmailAddress.objects.filter(email="new@example.com").exists()


def test_somebody_elses_address_cannot_be_added(client: Client, alice: User, charlie: User) -> None:
    client.post(reverse("account_login"), {"login": charlie.email, "password": "secret-pass-1"})
    page = client.post(reverse("account_email"), {"email": "Alice@Example.com", "action_add": ""})
    assert "belongs to an account already" in page.content.decode()
    assert not EmailAddress.objects.filter(email="alice@example.com", user=charlie).exists()


PAGES_OF_STRANGERS = ("account_login", "account_signup", "account_reset_password", "account_reset_password_done")
PAGES_OF_PEOPLE = (
    "account_email",
    "account_change_password",
    "account_reauthenticate",
    "usersessions_list",
    "account_logout",
)


@pytest.mark.parametrize("name", PAGES_OF_STRANGERS)
def test_a_stranger_sees_the_account_pages_without_inline_style_or_script(client: Client, db: None, name: str) -> None:
    if name == "account_login":
        make_user("owner")
    assert_strict(client.get(reverse(name), **AT_HOME))


@pytest.mark.parametrize("name", PAGES_OF_PEOPLE)
def test_somebody_signed_in_sees_theirs_without_inline_style_or_script(client: Client, alice: User, name: str) -> None:
    client.post(reverse("account_login"), {"login": alice.email, "password": "secret-pass-1"})
    assert_strict(client.get(reverse(name)))


def assert_strict(page: Any) -> None:
    text = page.content.decode()
    assert page.status_code == 200
    assert "<h1>" in text
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=", text)
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


# --- the administration ----------------------------------------------------------------------------


def test_the_administration_asks_on_the_sites_own_page(client: Client, db: None) -> None:
    make_user("owner")
    page = client.get("/admin/", follow=True)
    assert page.redirect_chain[-1][0].startswith(reverse("account_login"))


def test_an_ordinary_account_does_not_enter_the_administration(client: Client, charlie: User) -> None:
    client.force_login(charlie)
    assert client.get("/admin/", follow=True).status_code == 403


def test_the_rules_for_a_password_are_one_sentence_that_names_the_length_that_is_asked_for(db: None) -> None:
    (length,) = (one.min_length for one in get_default_password_validators() if hasattr(one, "min_length"))
    page = Client().get("/accounts/signup/").content.decode()
    assert f"At least {length} characters;" in page and 'placeholder="Password"' not in page
