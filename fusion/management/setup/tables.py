"""The tables of a set-up file. What is left out keeps its value where the thing exists, else takes its default.

`exclusive = true` on a team or a connection says that its list is the whole list: members, chosen teams or models that
it does not name are taken out. Nothing else is ever removed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Slug = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?$")]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]
Words = Annotated[str, Field(min_length=1, max_length=200)]
Dollars = Annotated[str, Field(max_length=60)] | Decimal | int


class Table(BaseModel):
    """One table; a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class UserTable(Table):
    """A person. The password counts only when the account is made; `staff` is a site administrator."""

    email: Email
    name: Annotated[str, Field(max_length=120)] | None = None
    password: Annotated[str, Field(min_length=1)] | None = None
    password_env: Words | None = None
    staff: bool | None = None


class MemberTable(Table):
    """Somebody's place in a team."""

    email: Email
    role: Literal["viewer", "member", "billing", "admin", "owner"] = "member"


class TeamTable(Table):
    """A team with its people."""

    slug: Slug
    name: Annotated[str, Field(min_length=1, max_length=120)] | None = None
    members: list[MemberTable] = []
    exclusive: bool = False


class ConnectionTable(Table):
    """Who serves models. Without `team` it is the site's, for all teams or for those in `teams`."""

    slug: Slug
    preset: Words
    name: Words | None = None
    base_url: str | None = None
    api_key: str | None = None
    api_key_env: Words | None = None
    local: bool = False
    enabled: bool = True
    team: Slug | None = None
    teams: list[Slug] | None = None
    exclusive: bool = False


class ModelTable(Table):
    """A model behind a connection. Prices are dollars per million tokens; without both it is unpriced.

    `team` tells which connection is meant where a team and the site have one of the same slug.
    """

    connection: Slug
    id: Annotated[str, Field(min_length=1, max_length=200)]
    team: Slug | None = None
    name: Annotated[str, Field(max_length=200)] | None = None
    family: Annotated[str, Field(max_length=60)] | None = None
    context: int | None = None
    input_usd_per_mtok: Dollars | None = None
    output_usd_per_mtok: Dollars | None = None
    cached_input_usd_per_mtok: Dollars | None = None
    input_modalities: list[str] | None = None
    output_modalities: list[str] | None = None


class SeatTable(Table):
    """One member of a pool with settings of its own."""

    model: Words
    temperature: Decimal | int | None = None
    max_tokens: int | None = None
    system_note: str = ""
    timeout_s: int | None = None


class PoolTable(Table):
    """A pool with all its rules. `anchor` is one of the members; a private pool needs its `owner`."""

    team: Slug
    slug: Slug
    members: list[Words | SeatTable]
    name: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    mode: Literal["best-of", "merge", "debate"] = "best-of"
    rubric: str = "general"
    anchor: Words | None = None
    judge: str = ""
    fallback_judges: list[Words] = []
    writer: str = ""
    judge_instructions: str = ""
    quorum: int | None = None
    grace_s: int | None = None
    panel_timeout_s: int | None = None
    judge_timeout_s: int | None = None
    debate_rounds: int = 1
    on_quorum_missed: Literal["judge", "stop"] = "judge"
    on_judge_failure: Literal["none", "anchor"] = "none"
    visibility: Literal["team", "private"] = "team"
    editors: Literal["author", "members"] = "author"
    owner: Email | None = None


class Document(Table):
    """A whole file."""

    users: list[UserTable] = []
    teams: list[TeamTable] = []
    connections: list[ConnectionTable] = []
    models: list[ModelTable] = []
    pools: list[PoolTable] = []
