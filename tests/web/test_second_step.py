"""Two-step sign-in: setting it up, signing in with it, losing the phone, and a site that asks everybody for it."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.base import BaseEmailBackend
from django.test import Client
from django.urls import reverse

from fusion.models import AuditEvent, User
from fusion.models.sealing import unseal
from fusion.teams.second_factor import OWNER, must_set_up
from fusion.web.confirming import CONFIRMED_AT
from fusion.web.consumers import NOT_FOUND, SET_UP_FIRST, _refusal
from tests.factories import make_pool, make_run, make_user, team_of
from tests.teams.together import at_once

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


def test_a_code_works_once_in_all_the_time_in_which_it_is_right(
    client: Client, person: User, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is right for three periods, and django-allauth remembers it for one."""
    now = time.time() // 30 * 30 + 1
    code = code_of(secret)
    for after_s, status in ((0, 302), (32, 200)):
        monkeypatch.setattr(time, "time", lambda at=now + after_s: at)
        other = Client()
        sign_in(other, person)
        assert other.post(reverse("mfa_authenticate"), {"code": code}).status_code == status


def test_the_administrations_own_form_is_no_way_around_it(client: Client) -> None:
    """Not for who is signed in there either: it would ask for no code, and let guess without end."""
    boss = make_user("boss", is_staff=True, is_superuser=True)
    sign_in(client, boss)
    confirm(client)
    set_up(client)
    other = make_user("other", is_staff=True)
    client.force_login(other)
    typed = {"username": boss.email, "password": PASSWORD, "next": "/admin/"}
    for post in (client.post, Client().post):
        assert post(reverse("admin:login"), typed).status_code == 302
    assert client.session["_auth_user_id"] == str(other.pk)
    assert client.get(reverse("admin:password_change"))["Location"] == reverse("account_change_password")


@pytest.mark.parametrize(
    "name", ["ask", "mfa_index", "mfa_deactivate_totp", "mfa_view_recovery_codes", "account_email", "account-delete"]
)
def test_between_the_steps_nothing_is_open(client: Client, person: User, secret: str, name: str) -> None:
    sign_in(client, person)
    for method in (client.get, client.head, client.post):
        page = method(reverse(name))
        assert page.status_code == 302 and page["Location"].startswith((reverse("account_login"), "/accounts/second"))
    assert Authenticator.objects.count() == 2


def test_a_new_password_is_not_a_way_around_it(client: Client, person: User, secret: str) -> None:
    client.post(reverse("account_reset_password"), {"email": person.email})
    link = re.search(r"http://testserver(\S+)", str(mail.outbox[-1].body))
    assert link is not None
    page = client.get(link[1], follow=True)
    new = "another-long-pass"
    client.post(page.redirect_chain[-1][0], {"password1": new, "password2": new})
    assert client.get(reverse("ask")).status_code == 302
    page = client.post(reverse("account_login"), {"login": person.email, "password": new})
    assert page["Location"] == reverse("mfa_authenticate")


@pytest.mark.parametrize("sent", [{}, {"credential": '{"id": 1}'}, {"credential": "none"}, {"code": "١٢٣٤٥٦"}])
def test_what_is_no_code_signs_nobody_in_and_breaks_nothing(
    client: Client, person: User, secret: str, sent: dict[str, str]
) -> None:
    sign_in(client, person)
    page = client.post(reverse("mfa_authenticate"), sent, follow=True)
    assert page.status_code == 200 and 'name="code"' in page.content.decode()
    assert client.get(reverse("ask")).status_code == 302


def test_codes_that_cannot_be_compared_are_a_sentence(client: Client, person: User, secret: str) -> None:
    Authenticator.objects.update(data={"secret": "damaged", "seed": "damaged", "used_mask": 0})
    sign_in(client, person)
    page = client.post(reverse("mfa_authenticate"), {"code": code_of(secret)})
    assert page.status_code == 200 and "Ask a site administrator" in page.content.decode()


def test_nor_do_they_break_a_page(client: Client, person: User, secret: str) -> None:
    Authenticator.objects.filter(type=Authenticator.Type.RECOVERY_CODES).update(data={"seed": "bad", "used_mask": 0})
    client.force_login(person)
    confirm(client)
    for name in ("mfa_index", "mfa_view_recovery_codes", "mfa_generate_recovery_codes"):
        page = client.get(reverse(name))
        assert page.status_code == 409 and "cannot be read any more" in page.content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_several_who_send_a_code_at_once_one_comes_in(client: Client, person: User, secret: str) -> None:
    seed = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES)
    for code in (code_of(secret), RecoveryCodes(seed).get_unused_codes()[0]):
        windows = [Client() for _ in range(4)]
        for window in windows:
            sign_in(window, person)
        pages = at_once([partial(_status, window, "mfa_authenticate", code) for window in windows])
        assert sorted(pages) == ["200", "200", "200", "302"]


@pytest.mark.django_db(transaction=True)
def test_a_button_that_is_pressed_twice_switches_it_on_once(client: Client, person: User) -> None:
    sign_in(client, person)
    confirm(client)
    found = re.search(r'class="secret">([A-Z2-7]+)<', client.get(reverse("mfa_activate_totp")).content.decode())
    assert found is not None
    windows = [Client() for _ in range(3)]
    for window in windows:
        window.cookies = client.cookies
    pages = at_once([partial(_status, window, "mfa_activate_totp", code_of(found[1])) for window in windows])
    assert pages == ["302"] * 3 and Authenticator.objects.count() == 2


def _status(client: Client, name: str, code: str) -> str:
    return str(client.post(reverse(name), {"code": code}).status_code)


def test_no_browser_keeps_a_page_with_a_secret(client: Client, person: User) -> None:
    sign_in(client, person)
    confirm(client)
    assert "no-store" in client.get(reverse("mfa_activate_totp"))["Cache-Control"]
    set_up(client)
    assert "no-store" in client.get(reverse("mfa_view_recovery_codes"))["Cache-Control"]


def test_counts_of_attempts_are_not_pushed_out_by_others() -> None:
    cache.set("attempts", 5)
    for number in range(1000):
        cache.set(f"another-{number}", 1)
    assert cache.get("attempts") == 5


class NoMail(BaseEmailBackend):
    def send_messages(self, email_messages: Any) -> int:
        raise ConnectionRefusedError("no mail server")


@pytest.mark.django_db(transaction=True)
def test_it_can_be_set_up_and_switched_off_while_no_mail_goes_out(client: Client, person: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.NoMail"
    sign_in(client, person)
    confirm(client)
    set_up(client)
    assert len(client.get(reverse("mfa_download_recovery_codes")).content.split()) == 10
    assert client.post(reverse("mfa_deactivate_totp")).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_the_audit_log_tells_of_every_change(client: Client, person: User, secret: str) -> None:
    client.force_login(person)
    confirm(client)
    client.post(reverse("mfa_generate_recovery_codes"))
    client.post(reverse("mfa_deactivate_totp"))
    told = AuditEvent.objects.filter(team=None, actor=person, target=f"person:{person.pk}").order_by("pk")
    assert [event.action for event in told] == ["second-step.on", "second-step.codes", "second-step.off"]


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


@pytest.mark.parametrize("way", ["password", "code", "recovery code"])
def test_whoever_has_it_confirms_with_the_password_or_a_code_and_with_nothing_else(
    client: Client, person: User, secret: str, way: str
) -> None:
    """Either: the session passed both steps, and confirming is against who finds it open and has neither."""
    seed = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES)
    codes = {"code": code_of(secret), "recovery code": RecoveryCodes(seed).get_unused_codes()[0]}
    client.force_login(person)
    session = client.session
    session[CONFIRMED_AT] = 0.0
    session.save()
    address = reverse("team-connection-new", args=[team_of(person).public_id])
    by_password, by_code = reverse("account_reauthenticate"), reverse("mfa_reauthenticate")
    assert by_code in client.get(by_password).text and by_password in client.get(by_code).text, (
        "each leads to the other"
    )
    client.post(by_password, {"password": codes["code"]})
    client.post(by_code, {"code": PASSWORD})
    client.post(by_code, {"code": "000000"})
    assert client.get(address).status_code == 302
    page, typed = (by_password, {"password": PASSWORD}) if way == "password" else (by_code, {"code": codes[way]})
    assert client.post(page, typed | {"next": address})["Location"] == address
    assert client.get(address).status_code == 200


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


@pytest.mark.django_db(transaction=True)
def test_the_codes_go_with_the_app_and_both_mail_and_audit_log_tell_who_took_it(
    client: Client, person: User, secret: str
) -> None:
    """Codes that stayed would be good again for whoever has them once another app is set up."""
    admin = make_user("root", is_staff=True, is_superuser=True)
    client.force_login(admin)
    app = Authenticator.objects.get(type=Authenticator.Type.TOTP)
    client.post(reverse("admin:mfa_authenticator_delete", args=[app.pk]), {"post": "yes"})
    assert not Authenticator.objects.exists()
    message = mail.outbox[-1]
    assert message.to == [person.email] and "An administrator took two-step sign-in off" in message.body
    event = AuditEvent.objects.get(action="second-step.take-off")
    assert (event.actor, event.target) == (admin, f"person:{person.pk}")


def test_codes_that_an_administrator_voids_leave_the_app(client: Client, person: User, secret: str) -> None:
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    codes = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES)
    client.post(reverse("admin:mfa_authenticator_delete", args=[codes.pk]), {"post": "yes"})
    assert Authenticator.objects.get().type == Authenticator.Type.TOTP
    assert AuditEvent.objects.filter(action="second-step.void-codes").exists()


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
    assert _refusal(person.pk, None, run, NOT_FOUND) == SET_UP_FIRST


def test_a_page_that_fetches_what_is_new_is_told_so_with_a_status_of_its_own(
    client: Client, person: User, settings: Any
) -> None:
    run = make_run(person, pool=make_pool(person))
    sign_in(client, person)
    settings.FUSION_SECOND_FACTOR = "everyone"
    page = client.get(reverse("run-live", args=[run.public_id]))
    assert page.status_code == SET_UP_FIRST - 4000 and "two-step sign-in" in page.text
