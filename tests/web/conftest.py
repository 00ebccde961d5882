"""What tests in a browser share: one installation with alice signed in, served for one file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.browsing import JUDGE, MEMBERS, SLOW_MEMBERS, Site, served_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("browser")
    with served_site(data_dir, members=MEMBERS, judge=JUDGE, slow=SLOW_MEMBERS) as site:
        yield site
