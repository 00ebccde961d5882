"""Setting an installation up from a file: idempotent, all or nothing, and written out again without secrets."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command

from fusion.catalogue.available import models_of
from fusion.catalogue.sources import source_of, with_key
from fusion.management.setup.tables import PoolTable, SeatTable
from fusion.models import AuditEvent, Connection, Membership, ModelEntry, Pool, PoolVersion, Team, User
from fusion.providers.catalogue import Price
from fusion.runs.pools import MemberSpec, PoolSpec
from tests.factories import client_of, make_user

pytestmark = pytest.mark.django_db

KEY = "sk-canary-0123456789abcdef"
PASSWORD = "correct horse battery"
FILE = """\
[[users]]
email = "owner@example.com"
password_env = "OWNER_PASSWORD"
staff = true

[[users]]
email = "Mia@example.com"
name = "Mia"
password = "another long password"

[[teams]]
slug = "core"
name = "Core team"
members = [{ email = "owner@example.com", role = "owner" }, { email = "mia@example.com" }]

[[connections]]
slug = "lab"
preset = "openai-compatible"
base_url = "http://127.0.0.1:9000/v1"
api_key_env = "LAB_KEY"
local = true
team = "core"

[[models]]
connection = "lab"
id = "vendor/model-a"
name = "Model A"
context = 128000
input_usd_per_mtok = "0.50"
output_usd_per_mtok = 1.5

[[models]]
connection = "lab"
id = "vendor/модель b: ½?#"

[[pools]]
team = "core"
slug = "review"
name = "Deep review"
mode = "merge"
members = ["lab:vendor/model-a", { model = "lab:vendor/model-b", temperature = 0.7, max_tokens = 2000 }]
anchor = "lab:vendor/model-b"
judge = "lab:vendor/judge"
fallback_judges = []
visibility = "team"

[[pools]]
team = "core"
slug = "mias"
members = ["lab:vendor/модель b: ½?#"]
visibility = "private"
owner = "mia@example.com"
"""

Provision = Callable[..., str]


@pytest.fixture
def provision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Provision:
    """Applies a file and gives what was printed."""
    monkeypatch.setenv("OWNER_PASSWORD", PASSWORD)
    monkeypatch.setenv("LAB_KEY", KEY)

    def run(text: str = FILE, **options: Any) -> str:
        path, out = tmp_path / "setup.toml", io.StringIO()
        path.write_text(text, encoding="utf-8")
        call_command("provision", str(path), stdout=out, **options)
        return out.getvalue()

    return run


def _exported() -> str:
    out = io.StringIO()
    call_command("export_setup", stdout=out)
    return out.getvalue()


def _counts() -> tuple[int, ...]:
    return tuple(
        kind.objects.count()
        for kind in (User, Team, Membership, Connection, ModelEntry, Pool, PoolVersion, AuditEvent, EmailAddress)
    )


def _pool(slug: str = "review") -> Pool:
    return Pool.objects.select_related("current").get(team__slug="core", slug=slug)


def test_a_file_makes_people_teams_connections_models_and_pools(provision: Provision) -> None:
    printed = provision()
    owner, mia = User.objects.get(email="owner@example.com"), User.objects.get(email__iexact="mia@example.com")
    assert owner.check_password(PASSWORD) and owner.is_superuser and not mia.is_staff
    assert {m.user.email: m.role for m in Team.objects.get(slug="core").memberships.all()} == {
        "owner@example.com": "owner",
        mia.email: "member",
    }
    connection = Connection.objects.get(slug="lab")
    assert with_key(source_of(connection)).api_key == KEY and connection.local
    models = models_of(connection.team)  # type: ignore[arg-type]  # it has a team
    known = models.entry("lab:vendor/model-a")
    assert known is not None and known.price == Price(500_000, 1_500_000) and known.context_tokens == 128_000
    odd = models.entry("lab:vendor/модель b: ½?#")
    assert odd is not None and odd.price is None and odd.model_id == "vendor/модель b: ½?#"
    version = _pool().current
    assert version is not None
    seats = list(version.members.all())
    assert (version.mode, version.judge, version.anchor, seats[1].max_tokens) == ("merge", "lab:vendor/judge", 1, 2000)
    assert str(seats[1].temperature) == "0.70" and version.payers == {"lab": "team"}
    assert _pool("mias").author == mia and _pool("mias").visibility == "private"
    assert "+ connection core/lab" in printed and "changes made." in printed
    assert KEY not in printed and PASSWORD not in printed


def test_who_was_provisioned_can_sign_in(provision: Provision, client: Any, settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    provision()
    reply = client.post("/accounts/login/", {"login": "owner@example.com", "password": PASSWORD})
    assert reply.status_code == 302 and reply["Location"] == "/"
    assert "Deep review" in client.get("/pools").content.decode()


def test_the_second_time_changes_nothing(provision: Provision) -> None:
    provision()
    before = _counts()
    assert provision() == "Nothing to change.\n"
    assert _counts() == before


def test_a_dry_run_tells_and_changes_nothing(provision: Provision) -> None:
    before = _counts()
    printed = provision(dry_run=True)
    assert "+ pool core/review" in printed and "would be made" in printed
    assert _counts() == before
    assert "+ pool core/review" in provision()


@pytest.mark.parametrize(
    ("typed", "wrong", "at", "told"),
    [
        ('judge = "lab:vendor/judge"', 'judge = "nowhere:judge"', "judge =", "There is no connection “nowhere” here."),
        ('judge = "lab:vendor/judge"', 'judge = ""', "judge =", "Choose a judge"),
        ('anchor = "lab:vendor/model-b"', 'anchor = "lab:else"', "anchor =", "is not one of the members"),
        ('{ email = "mia@example.com" }', '{ email = "nobody@example.com" }', "[[teams]]", "nobody@example.com"),
        ('role = "owner"', 'role = "admin"', "[[teams]]", "needs an owner"),
        ('api_key_env = "LAB_KEY"', 'api_key_env = "NO_SUCH_KEY"', "[[connections]]", "NO_SUCH_KEY is not set"),
        ("local = true", "local = false", "base_url =", "private"),
        ("output_usd_per_mtok = 1.5\n", "", "[[models]]", "two sides"),
        ('input_usd_per_mtok = "0.50"', 'input_usd_per_mtok = "0.0000001"', "[[models]]", "six decimal places"),
        ('mode = "merge"', 'mode = "merge"\nrubric = "vibes"', "rubric =", "rubrics"),
        ('mode = "merge"', 'mode = "merge"\nvisibility = "private"', "", "overwrite"),
    ],
)
def test_a_file_that_cannot_be_changes_nothing_at_all(
    provision: Provision, typed: str, wrong: str, at: str, told: str
) -> None:
    before, text = _counts(), FILE.replace(typed, wrong, 1)
    assert text != FILE
    with pytest.raises(CommandError) as refused:
        provision(text)
    message = str(refused.value)
    assert "nothing was changed" in message and told in message
    assert KEY not in message and _counts() == before
    line = next((number for number, one in enumerate(text.splitlines(), 1) if at and one.startswith(at)), None)
    assert line is None or f"line {line}: [[" in message


def test_a_private_pool_needs_to_know_whose_it_is(provision: Provision) -> None:
    text = FILE.replace('owner = "mia@example.com"', "")
    with pytest.raises(CommandError, match=rf"line {_line_of(text, '[[pools]]', 2)}: .*number 2: .*whose it is"):
        provision(text)


def _line_of(text: str, header: str, occurrence: int) -> int:
    found = [number for number, line in enumerate(text.splitlines(), 1) if line == header]
    return found[occurrence - 1]


def test_every_rule_of_a_pool_can_be_said_in_a_file() -> None:
    assert {field.name for field in fields(PoolSpec)} <= PoolTable.model_fields.keys()
    assert {field.name for field in fields(MemberSpec)} - {"ref"} == SeatTable.model_fields.keys() - {"model"}


def test_only_what_differs_is_updated_and_told(provision: Provision) -> None:
    provision()
    changed = FILE.replace('"0.50"', '"0.75"').replace('mode = "merge"', 'mode = "debate"').replace('"Mia"', '"Mia M."')
    lines = provision(changed).splitlines()
    assert len(lines) == 4
    assert any("price in 0.50" in line and "in 0.75" in line for line in lines)
    assert any(line.startswith("~ pool core/review") and "Mode" in line and "version 2" in line for line in lines)
    assert any(line.startswith("~ user") and "Mia M." in line for line in lines)
    assert _pool().current.number == 2  # type: ignore[union-attr]  # it has a version
    assert provision(changed) == "Nothing to change.\n"


def test_a_password_is_set_only_when_the_person_is_made(provision: Provision, monkeypatch: pytest.MonkeyPatch) -> None:
    provision()
    monkeypatch.delenv("OWNER_PASSWORD")
    assert provision(FILE.replace("another long password", "changed")) == "Nothing to change.\n"
    assert User.objects.get(email="owner@example.com").check_password(PASSWORD)


def test_another_address_clears_the_key_unless_the_file_brings_one(provision: Provision) -> None:
    provision()
    moved = FILE.replace(":9000", ":9001")
    printed = provision(moved.replace('api_key_env = "LAB_KEY"\n', ""))
    assert "key cleared" in printed
    assert not Connection.objects.get(slug="lab").secret_sealed
    assert "key set" in provision(moved)
    assert with_key(source_of(Connection.objects.get(slug="lab"))).api_key == KEY


def test_nothing_is_removed_unless_the_file_says_that_its_list_is_whole(provision: Provision) -> None:
    provision()
    smaller = FILE.replace(', { email = "mia@example.com" }', "").split("[[pools]]")[0]
    assert provision(smaller) == "Nothing to change.\n"
    exclusive = smaller.replace('name = "Core team"', 'name = "Core team"\nexclusive = true')
    assert "- member Mia@example.com of core" in provision(exclusive)
    assert not Membership.objects.filter(user__name="Mia", left_at=None, team__slug="core").exists()
    whole = exclusive.replace("local = true", "local = true\nexclusive = true")
    whole = whole.replace('[[models]]\nconnection = "lab"\nid = "vendor/модель b: ½?#"\n', "")
    assert "- model lab:vendor/модель b: ½?#" in provision(whole)


def test_somebody_who_is_in_no_team_gets_one_of_their_own(provision: Provision) -> None:
    provision('[[users]]\nemail = "solo@example.com"\n')
    solo = User.objects.get(email="solo@example.com")
    assert solo.memberships.get().role == "owner" and not solo.has_usable_password()


def test_the_site_has_connections_for_all_or_for_chosen_teams(provision: Provision) -> None:
    site = '[[connections]]\nslug = "shared"\npreset = "openai"\nteams = ["core"]\n'
    provision(FILE + site)
    row = Connection.objects.get(slug="shared")
    assert row.team is None and not row.for_all_teams and [team.slug for team in row.teams.all()] == ["core"]
    assert provision(FILE + site) == "Nothing to change.\n"


def test_what_is_exported_has_no_secret_and_changes_nothing_when_applied(provision: Provision) -> None:
    provision(FILE + '[[connections]]\nslug = "shared"\npreset = "openai"\napi_key = "sk-site-canary-000000"\n')
    text = _exported()
    for secret in (KEY, PASSWORD, "another long password", "canary"):
        assert secret not in text
    assert provision(text) == "Nothing to change.\n"
    assert 'id = "vendor/модель b: ½?#"' in text and "Deep review" in text


def test_an_exported_file_sets_up_an_empty_installation(provision: Provision) -> None:
    provision()
    text = _exported()
    Pool.objects.update(current=None)
    PoolVersion.objects.all().delete()
    Pool.objects.all().delete()
    ModelEntry.objects.all().delete()
    Connection.objects.all().delete()
    printed = provision(text)
    assert "+ connection core/lab" in printed and "+ pool core/review" in printed
    assert _exported() == text


def test_the_door_of_a_provisioned_team_stays_closed_to_others(provision: Provision) -> None:
    provision()
    stranger = make_user("charlie")
    assert client_of(stranger).get(f"/pools/{_pool().public_id}").status_code == 404


def test_a_file_that_is_not_there_or_is_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("provision", str(tmp_path / "none.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandError, match="not a text in UTF-8"):
        call_command("provision", str(tmp_path / "binary.toml"))
