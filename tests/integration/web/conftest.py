"""The real store, for sites that tests open over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from middlewatch.telemetry.clickhouse import ClickHouse
from tests.store_fixtures import redis
from tests.web_site import WebSite, open_web_site

__all__ = ["redis", "site"]


@pytest.fixture(scope="module")
def site(redis: Redis, clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebSite]:
    """One site a module."""
    with open_web_site(redis, clickhouse, tmp_path_factory.mktemp("site")) as made:
        yield made
