"""A workspace, and an application on a real store that serves it, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.slack_end import workspace
from tests.slack_site import SlackSite, open_slack_site
from tests.store_fixtures import redis

__all__ = ["redis", "slack"]


@pytest.fixture
def slack(redis: Redis, tmp_path: Path) -> Iterator[SlackSite]:
    """Nothing is posted yet."""
    with workspace() as (end, url), open_slack_site(redis, tmp_path, end, url) as made:
        yield made
