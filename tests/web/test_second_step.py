"""Two-step sign-in: setting it up, signing in with it, losing the phone, and a site that asks everybody for it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.test import Client
from django.urls import reverse

from fusion.models import User
from fusion.models.sealing import unseal
from fusion.teams.second_factor import OWNER, must_set_up
from fusion.web.consumers import FORBIDDEN, NOT_FOUND, _refusal
from tests.factories import make_pool, make_run, make_user

PASSWORD = "secret-pass-1"

pytestmark = pytest.mark.django_db


def code_of(secret: str) -> str:
    counters = list(yield_hotp_counters_from_time())
    return str(format_hotp_value(hotp_value(secret, counters[len(counters) // 2])))


def sign_in(client: Client, person: User) -> Any:
    return client.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})


def confirm(client: Client) -> None:
    assert client.post(reverse("account_reauthenticate"), {"password": PASSWORD}).status_code == 302


def set_up(client: Client) -> str:
    """The secret of an app that was set up in this window."""
    page = client.get(reverse("mfa_activate_totp")).content.decode()
    found = re.search(r'class="secret">([A-Z2-7]+)<', page)
    assert found is not None
    assert client.post(reverse("mfa_activate_totp"), {"code": code_of(found[1])}).status_code == 302
    return found[1]


@pytest.fixture
def person() -> User:
    return make_user("alice")


@pytest.fixture
def secret(person: User, client: Client) -> str:
    """Of alice, who has set it up and signed out."""
    sign_in(client, person)
    confirm(client)
    made = set_up(client)
    client.post(reverse("account_logout"))
    return made


def test_setting_it_up_asks_for_the_password_again(client: Client, person: User) -> None:
    sign_in(client, person)
    page = client.get(reverse("mfa_activate_totp"))
    assert page.status_code == 302 and reverse("account_reauthenticate") in page["Location"]


def test_a_wrong_code_switches_nothing_on(client: Client, person: User) -> None:
    sign_in(client, person)
    confirm(client)
    client.get(reverse("mfa_activate_totp"))
    page = client.post(reverse("mfa_activate_totp"), {"code": "000000"}).content.decode()
    assert "This is not a code that works now" in page
    assert not Authenticator.objects.exists()


def test_the_password_alone_signs_nobody_in_any_more(client: Client, person: User, secret: str) -> None:
    assert sign_in(client, person)["Location"] == reverse("mfa_authenticate")
    assert client.get(reverse("ask")).status_code == 302
    assert "This is not a code" in client.post(reverse("mfa_authenticate"), {"code": "000000"}).content.decode()
    assert client.get(reverse("ask")).status_code == 302
    assert client.post(reverse("mfa_authenticate"), {"code": code_of(secret)}).status_code == 302
    assert client.get(reverse("ask")).status_code == 200


def test_a_code_works_once(client: Client, person: User, secret: str) -> None:
    code = code_of(secret)
    for status in (302, 200):
        other = Client()
        sign_in(other, person)
        assert other.post(reverse("mfa_authenticate"), {"code": code}).status_code == status


def test_guessing_codes_is_slowed_down(client: Client, person: User, secret: str) -> None:
    sign_in(client, person)
    pages = [client.post(reverse("mfa_authenticate"), {"code": f"00000{n % 10}"}) for n in range(12)]
    assert "Too many" in pages[-1].content.decode()
    assert "Too many" in client.post(reverse("mfa_authenticate"), {"code": code_of(secret)}).content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_mail_tells_of_every_change_also_to_who_never_signed_up(client: Client, person: User, secret: str) -> None:
    sign_in(client, person)
    client.post(reverse("mfa_authenticate"), {"code": code_of(secret)})
    confirm(client)
    client.post(reverse("mfa_generate_recovery_codes"))
    client.post(reverse("mfa_deactivate_totp"))
    subjects = [message.subject for message in mail.outbox]
    assert [subject.removeprefix("[Fusion] ") for subject in subjects] == [
        "Two-step sign-in is on",
        "New recovery codes",
        "Two-step sign-in is off",
    ]
    assert all(message.to == [person.email] and secret not in message.body for message in mail.outbox)


def test_a_recovery_code_signs_in_once(client: Client, person: User, secret: str) -> None:
    sign_in(client, person)
    client.post(reverse("mfa_authenticate"), {"code": code_of(secret)})
    confirm(client)
    codes = client.get(reverse("mfa_download_recovery_codes")).content.decode().split()
    assert len(codes) == 10
    for status in (302, 200):
        other = Client()
        sign_in(other, person)
        assert other.post(reverse("mfa_authenticate"), {"code": codes[0]}).status_code == status


def test_its_secrets_are_sealed_in_the_database(person: User, secret: str) -> None:
    (app,) = Authenticator.objects.filter(type=Authenticator.Type.TOTP)
    assert secret not in str(app.data) and unseal(app.data["secret"], owner=OWNER) == secret
    (codes,) = Authenticator.objects.filter(type=Authenticator.Type.RECOVERY_CODES)
    assert unseal(codes.data["seed"], owner=OWNER)


def test_an_administrator_takes_it_off_an_account_and_sees_no_secret(client: Client, person: User, secret: str) -> None:
    admin = make_user("root", is_staff=True, is_superuser=True)
    client.force_login(admin)
    (app,) = Authenticator.objects.filter(type=Authenticator.Type.TOTP)
    page = client.get(reverse("admin:mfa_authenticator_change", args=[app.pk])).content.decode()
    assert str(person) in page and app.data["secret"] not in page and secret not in page
    chosen = [str(row.pk) for row in Authenticator.objects.all()]
    client.post(
        reverse("admin:mfa_authenticator_changelist"),
        {"action": "delete_selected", "_selected_action": chosen, "post": "yes"},
    )
    assert not Authenticator.objects.exists()
    assert sign_in(Client(), person)["Location"] == "/"


# --- a site that asks for it ---------------------------------------------------------------------------


def test_who_must_have_it_reaches_nothing_else_before(client: Client, person: User, settings: Any) -> None:
    sign_in(client, person)
    settings.FUSION_SECOND_FACTOR = "everyone"
    page = client.get(reverse("ask"))
    assert page.status_code == 302 and page["Location"] == reverse("mfa_activate_totp")
    sent = client.post(reverse("run-create"), {"prompt": "Why?"})
    assert sent.status_code == 403 and "Nothing was sent" in sent.content.decode()
    confirm(client)
    set_up(client)
    assert client.get(reverse("ask")).status_code == 200


def test_administrators_alone_can_be_asked_for_it(settings: Any, person: User) -> None:
    settings.FUSION_SECOND_FACTOR = "administrators"
    assert must_set_up(make_user("root", is_staff=True)) and not must_set_up(person)
    settings.FUSION_SECOND_FACTOR = "optional"
    assert not must_set_up(User.objects.get(email="root@example.com"))


def test_nor_do_they_watch_a_run(person: User, settings: Any) -> None:
    run = str(make_run(person, pool=make_pool(person)).public_id)
    assert _refusal(person.pk, None, run, NOT_FOUND) is None
    settings.FUSION_SECOND_FACTOR = "everyone"
    assert _refusal(person.pk, None, run, NOT_FOUND) == FORBIDDEN
