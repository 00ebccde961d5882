"""Changing the site's keys: everything stored is sealed anew, and a missing key is told before anything runs."""

from __future__ import annotations

import io
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from fusion.management.commands.serve import Command as Serve
from fusion.models import AuditEvent, Connection, Team
from fusion.models.sealing import is_current, key_ids, last4, rotate, seal, unseal
from fusion.teams import secrets
from fusion.teams.second_factor import OWNER
from tests.factories import make_user

CANARY = "sk-canary-0123456789-CANARY"
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _old_key(settings: Any) -> None:
    settings.FUSION_SECRET_KEYS = [OLD]


def make_connection(slug: str, secret: str = CANARY, team: Team | None = None) -> Connection:
    made = Connection(slug=slug, label=slug.title(), preset="openai", team=team, last4=last4(secret))
    made.secret_sealed = seal(secret, owner=made.owner)
    made.save()
    return made


def secret_of(made: Connection) -> str:
    made.refresh_from_db()
    column = Connection._meta.get_field("secret_sealed")
    return str(column.unseal_in(made))


def rotated(*options: str) -> str:
    out = io.StringIO()
    call_command("rotate_secrets", *options, stdout=out)
    return out.getvalue()


def test_everything_is_sealed_with_the_newest_key_and_a_second_time_changes_nothing(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "BATCH", 2)
    rows = [make_connection(f"lab-{number}", f"{CANARY}{number}") for number in range(5)]
    make_connection("keyless", "")
    settings.FUSION_SECRET_KEYS = [NEW, OLD]
    assert "Connection.secret_sealed: 5 stored, 0 already current, 5 sealed anew, 0 unreadable" in rotated()
    settings.FUSION_SECRET_KEYS = [NEW]
    assert [secret_of(made) for made in rows] == [f"{CANARY}{number}" for number in range(5)]
    before = list(Connection.objects.values_list("secret_sealed", flat=True))
    assert "5 stored, 5 already current, 0 sealed anew, 0 unreadable" in rotated()
    assert list(Connection.objects.values_list("secret_sealed", flat=True)) == before


def test_a_check_only_tells(settings: Any) -> None:
    made = make_connection("lab")
    settings.FUSION_SECRET_KEYS = [NEW, OLD]
    assert "1 stored, 0 already current, 1 sealed with an older key, 0 unreadable" in rotated("--check")
    made.refresh_from_db()
    assert not is_current(made.secret_sealed)


def test_what_cannot_be_opened_is_named_left_as_it_is_and_ends_with_an_error(settings: Any) -> None:
    lost, (missing,) = make_connection("lost"), key_ids()
    settings.FUSION_SECRET_KEYS = [NEW]
    make_connection("fine")
    before, out = lost.secret_sealed, io.StringIO()
    with pytest.raises(CommandError, match="1 cannot be opened") as caught:
        call_command("rotate_secrets", stdout=out)
    assert caught.value.returncode == 1
    assert f"Connection {lost.pk} (Lost)" in out.getvalue() and missing in out.getvalue()
    assert "2 stored, 1 already current, 0 sealed anew, 1 unreadable" in out.getvalue()
    lost.refresh_from_db()
    assert lost.secret_sealed == before
    assert CANARY not in out.getvalue() and OLD not in out.getvalue()


def test_a_secret_that_was_copied_to_another_row_is_found(settings: Any) -> None:
    mine, theirs = make_connection("mine"), make_connection("theirs")
    Connection.objects.filter(pk=theirs.pk).update(secret_sealed=mine.secret_sealed)
    (report,) = [found for found in secrets.inspect_secrets() if found.name == "Connection.secret_sealed"]
    assert [row for row, _ in report.unreadable] == [f"Connection {theirs.pk} (Theirs)"]


def test_a_row_that_changes_while_it_is_looked_at_is_left_as_it_became(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_connection("lab")
    settings.FUSION_SECRET_KEYS = [NEW, OLD]

    def meanwhile(sealed: str) -> str:
        Connection.objects.filter(pk=made.pk).update(secret_sealed=seal("entered meanwhile", owner=made.owner))
        return seal(CANARY, owner=made.owner)

    monkeypatch.setattr(secrets, "rotate", meanwhile)
    rotated()
    assert secret_of(made) == "entered meanwhile"


def test_the_server_does_not_start_with_keys_that_open_nothing(settings: Any) -> None:
    for number in range(2):
        make_connection(f"lab-{number}")
    (missing,) = key_ids()
    settings.FUSION_SECRET_KEYS = [NEW]
    with pytest.raises(CommandError) as caught:
        Serve()._prepare()
    said = str(caught.value)
    assert said.startswith(f"2 stored secrets cannot be opened: sealed with key {missing},")
    assert key_ids()[0] in said and "--forget" in said and NEW not in said
    settings.FUSION_SECRET_KEYS = [NEW, OLD]
    Serve()._prepare()


def test_lost_secrets_are_emptied_only_when_asked_and_that_is_written_down(settings: Any, team: Team) -> None:
    lost = make_connection("lost", team=team)
    settings.FUSION_SECRET_KEYS = [NEW]
    kept = make_connection("kept")
    assert "2 stored, 1 already current, 0 sealed with an older key, 1 emptied" in rotated("--forget")
    assert (secret_of(lost), lost.last4, secret_of(kept)) == ("", "", CANARY)
    event = AuditEvent.objects.get()
    assert (event.action, event.team, event.target) == ("secret.forgotten", team, f"connection:{lost.public_id}")
    assert secrets.refusal_to_start() == ""


# --- second factors ------------------------------------------------------------------------------------


def make_app(name: str = "alice") -> Authenticator:
    person = make_user(name)
    made: Authenticator = TOTP.activate(person, "JBSWY3DPEHPK3PXP").instance
    RecoveryCodes.activate(person)
    return made


def test_second_factors_are_sealed_anew_and_still_work(settings: Any) -> None:
    made = make_app()
    settings.FUSION_SECRET_KEYS = [NEW, OLD]
    assert "Authenticator.data: 2 stored, 0 already current, 2 sealed anew, 0 unreadable" in rotated()
    settings.FUSION_SECRET_KEYS = [NEW]
    made.refresh_from_db()
    assert unseal(made.data["secret"], owner=OWNER) == "JBSWY3DPEHPK3PXP"
    codes = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES)
    assert len(codes.wrap().get_unused_codes()) == 10 and codes.data["used_mask"] == 0


def test_a_recovery_code_that_is_used_while_it_is_sealed_anew_stays_used(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_app()
    codes = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES)
    settings.FUSION_SECRET_KEYS = [NEW, OLD]

    def meanwhile(sealed: str) -> str:
        Authenticator.objects.filter(pk=codes.pk).update(data={**codes.data, "used_mask": 1})
        return rotate(sealed)

    monkeypatch.setattr(secrets, "rotate", meanwhile)
    rotated()
    codes.refresh_from_db()
    assert codes.data["used_mask"] == 1


def test_a_second_factor_that_cannot_be_opened_keeps_the_server_from_starting_and_can_be_taken_away(
    settings: Any,
) -> None:
    make_app()
    settings.FUSION_SECRET_KEYS = [NEW]
    with pytest.raises(CommandError, match="2 stored secrets cannot be opened"):
        Serve()._prepare()
    rotated("--forget")
    assert not Authenticator.objects.exists()
    assert AuditEvent.objects.filter(action="secret.forgotten", target_name="TOTP Authenticator of Alice").exists()
    forgotten = AuditEvent.objects.filter(action="secret.forgotten").values_list("target", flat=True)
    assert all(target.startswith("authenticator:") and target != "authenticator:None" for target in forgotten)
    assert len(forgotten) == 2
    Serve()._prepare()
