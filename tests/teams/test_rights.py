"""The one table of rights."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command

from fusion.errors import NotAllowed
from fusion.models import Membership, Team, User
from fusion.models.team import Role
from fusion.teams.rights import RIGHTS, Action, allows, may, require, role_in
from tests.factories import make_user

REMOVED_AT = "2026-01-01T00:00:00Z"


def test_every_action_has_a_line_and_every_line_says_it_in_words() -> None:
    assert set(RIGHTS) == set(Action)
    assert all(right.words and right.roles and right.refusal.endswith(".") for right in RIGHTS.values())


def test_an_owner_may_do_everything_and_a_viewer_only_read() -> None:
    assert all(allows(Role.OWNER, action) for action in Action)
    assert [action for action in Action if allows(Role.VIEWER, action)] == [Action.READ]


def test_billing_reads_money_and_starts_nothing_and_a_member_the_other_way_around() -> None:
    assert [action for action in Action if allows(Role.BILLING, action)] == [Action.READ, Action.READ_MONEY]
    assert [action for action in Action if allows(Role.MEMBER, action)] == [Action.READ, Action.RUN]


def test_only_owners_decide_about_owners_and_about_the_team_itself() -> None:
    only_owners = {action for action in Action if allows(Role.OWNER, action) and not allows(Role.ADMIN, action)}
    assert only_owners == {Action.MANAGE_OWNERS, Action.DELETE_TEAM}


@pytest.mark.parametrize("changes", [{"left_at": REMOVED_AT}, {"team__deleted_at": REMOVED_AT}])
def test_who_left_and_who_was_in_a_deleted_team_has_no_right(alice: User, team: Team, changes: dict[str, str]) -> None:
    assert role_in(alice, team) == Role.OWNER
    if "left_at" in changes:
        Membership.objects.filter(user=alice).update(left_at=REMOVED_AT)
    else:
        Team.objects.filter(pk=team.pk).update(deleted_at=REMOVED_AT)
    assert role_in(alice, team) is None
    assert not any(may(alice, team, action) for action in Action)


def test_whoever_is_refused_is_told_by_name_who_can_help(alice: User, bob: User, team: Team) -> None:
    make_user("anna", team=team, role=Role.ADMIN)
    viewer = make_user("vera", team=team, role=Role.VIEWER)
    with pytest.raises(NotAllowed, match=r"not start or change them\. Ask Anna or Alice\."):
        require(viewer, team, Action.RUN)
    with pytest.raises(NotAllowed, match=r"Ask Alice\."):
        require(bob, team, Action.DELETE_TEAM)


def test_the_page_about_roles_holds_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("roles_table")
    table = capsys.readouterr().out.strip()
    page = (Path(__file__).parents[2] / "docs" / "roles.md").read_text()
    assert table in page, "Put what `python manage.py roles_table` prints into docs/roles.md."
    assert page.count("●") == sum(len(right.roles) for right in RIGHTS.values())
