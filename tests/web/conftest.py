"""What tests in a browser share: one installation with alice signed in, served for one file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import sync_playwright

from tests.processes import served, set_up, upstream_process
from tests.web.browsing import JUDGE, MEMBERS, SLOW_MEMBERS, Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("browser")
    with upstream_process() as upstream:
        session, pool = set_up(data_dir, upstream, members=MEMBERS, judge=JUDGE, slow=SLOW_MEMBERS)
        variables = {"FUSION_PROVIDER_URL": upstream, "FUSION_MAX_RUNS_PER_PERSON": "50"}
        with served(data_dir, **variables) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium",
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            yield Site(server, browser, session, pool)
            browser.close()
