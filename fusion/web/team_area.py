"""The team's pages as a list: each line is one tab, shown to those who have the right.

To add a page: a line in TABS, a route whose one argument is `team_id` (the team's public id), a template that extends
`fusion/team/base.html` with `team` in its context, and a row in `tests/test_isolation.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from fusion.models.team import Role
from fusion.teams.rights import Action, allows


@dataclass(frozen=True, slots=True)
class Tab:
    """One page of the team. `prefix`: URL names that belong to it begin so."""

    url_name: str
    label: str
    action: Action
    prefix: str = ""

    def is_here(self, url_name: str) -> bool:
        return url_name == self.url_name or (bool(self.prefix) and url_name.startswith(self.prefix))


TABS = (
    Tab("team-members", "Members", Action.READ, prefix="team-member"),
    Tab("team-connections", "Connections", Action.CONNECTIONS, prefix="team-connection"),
    Tab("team-models", "Models", Action.READ, prefix="team-model"),
    Tab("team-invitations", "Invitations", Action.INVITE, prefix="team-invitation"),
    Tab("team-audit", "Audit log", Action.READ_AUDIT),
    Tab("team-settings", "Settings", Action.RENAME_TEAM),
)


def tabs_for(role: Role | str | None) -> list[Tab]:
    """The tabs that a role may open."""
    return [tab for tab in TABS if allows(role, tab.action)]
