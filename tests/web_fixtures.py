"""Fixtures for the tests of the web: one empty site a module, where it is served, and a browser to look at it with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from middlewatch.telemetry.clickhouse import ClickHouse
from tests.browser import Browser, open_browser
from tests.store_fixtures import redis
from tests.web_server import served
from tests.web_site import WebSite, open_web_site

__all__ = ["chromium", "redis", "site", "url"]


@pytest.fixture(scope="module")
def site(redis: Redis, clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebSite]:
    with open_web_site(redis, clickhouse, tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as made:
        yield made


@pytest.fixture(scope="module")
def url(site: WebSite) -> Iterator[str]:
    with served(site.site) as made:
        yield made
