"""Secrets at rest: what opens them, what does not, and what a text that does not open says."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet

from fusion.errors import SecretUnreadable
from fusion.models import Connection
from fusion.models.sealing import SealedField, is_current, key_ids, last4, rotate, seal, sealed_columns, unseal

CANARY = "canary-0123456789-größer-CANARY"
OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture(autouse=True)
def _keys(settings: Any) -> None:
    settings.FUSION_SECRET_KEYS = [OLD]


def test_what_is_sealed_opens_for_its_owner_and_shows_nothing() -> None:
    sealed = seal(CANARY, owner="connection:1")
    assert unseal(sealed, owner="connection:1") == CANARY
    assert "canary" not in sealed.lower() and "connection:1" not in sealed
    assert seal(CANARY, owner="connection:1") != sealed  # equal secrets cannot be told


def test_a_sealed_text_in_another_row_does_not_open() -> None:
    with pytest.raises(SecretUnreadable, match="belongs to something else"):
        unseal(seal(CANARY, owner="connection:1"), owner="connection:2")
    with pytest.raises(SecretUnreadable):  # nor by an owner that reaches into the secret
        unseal(seal("b\0c", owner="a"), owner="a\0b")


def test_nothing_stays_nothing() -> None:
    assert seal("", owner="x") == rotate("") == unseal("", owner="x") == ""


@pytest.mark.parametrize("wrong", ["plain", "deadbeef:", "{id}:abc", "{id}:{token}A", "{token}", "{id}:{flipped}"])
def test_a_damaged_text_is_told_without_showing_it(wrong: str) -> None:
    key, _, token = seal(CANARY, owner="x").partition(":")
    flipped = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
    broken = wrong.format(id=key, token=token, flipped=flipped)
    with pytest.raises(SecretUnreadable, match="damaged: enter it anew") as caught:
        unseal(broken, owner="x")
    assert token not in str(caught.value)


def test_a_missing_key_is_named_but_never_shown(settings: Any) -> None:
    sealed, (missing,) = seal(CANARY, owner="x"), key_ids()
    settings.FUSION_SECRET_KEYS = [NEW, OTHER]
    with pytest.raises(SecretUnreadable) as caught:
        unseal(sealed, owner="x")
    assert missing in caught.value.message and caught.value.key_id == missing
    assert "FUSION_SECRET_KEYS" in caught.value.message and OLD not in caught.value.message


def test_a_new_key_opens_old_texts_and_rotating_needs_the_old_one_no_more(settings: Any) -> None:
    sealed = seal(CANARY, owner="x")
    settings.FUSION_SECRET_KEYS = [NEW, f" {OLD} "]
    assert unseal(sealed, owner="x") == CANARY and not is_current(sealed)
    anew = rotate(sealed)
    assert is_current(anew) and rotate(anew) == anew
    settings.FUSION_SECRET_KEYS = [NEW]
    assert unseal(anew, owner="x") == CANARY


@pytest.mark.parametrize(("secret", "shown"), [("sk-0123456789abcd", "abcd"), ("short-secre", ""), ("", "")])
def test_of_a_secret_the_last_four_are_shown_and_nothing_of_a_short_one(secret: str, shown: str) -> None:
    assert last4(secret) == shown


@pytest.mark.django_db
def test_a_secret_in_the_clear_is_never_stored() -> None:
    made = Connection(slug="lab", label="Lab", preset="openai", secret_sealed=CANARY)
    with pytest.raises(ValueError, match="sealed texts only") as caught:
        made.save()
    assert CANARY not in str(caught.value)
    with pytest.raises(ValueError, match="sealed texts only"):
        Connection.objects.update(secret_sealed=CANARY)


def test_the_columns_of_secrets_are_found_by_their_class() -> None:
    assert (Connection, "secret_sealed") in [(model, column.name) for model, column in sealed_columns()]


def test_a_column_of_secrets_needs_something_to_seal_to() -> None:
    column = SealedField(sealed_to="nobody")
    column.set_attributes_from_name("secret")
    column.model = Connection
    assert [found.id for found in column.check()] == ["fusion.E005"]
