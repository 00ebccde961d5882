"""A connection of alice's team and one of the site's, with nobody behind their addresses."""

from __future__ import annotations

import pytest

from fusion.catalogue.sources import Source, source_of
from fusion.models import Connection, Team, User
from tests.factories import make_user


@pytest.fixture
def lab(team: Team) -> Source:
    return source_of(make_connection("lab", team))


@pytest.fixture
def house(db: None) -> Source:
    return source_of(make_connection("house"))


@pytest.fixture
def root(db: None) -> User:
    """The site's administrator, in a team of their own."""
    return make_user("root", is_superuser=True, is_staff=True)


def make_connection(slug: str, team: Team | None = None, **fields: object) -> Connection:
    values = {"label": slug.title(), "preset": "openai-compatible", "base_url": "http://127.0.0.1:9/v1", "local": True}
    row: Connection = Connection.objects.create(slug=slug, team=team, **(values | fields))
    return row
