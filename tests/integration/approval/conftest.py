"""An office over an empty store for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from tests.approval_data import Office
from tests.integration.approval.working import open_office
from tests.store_fixtures import redis as server

__all__ = ["office", "server"]


@pytest.fixture
def office(server: Redis, tmp_path: Path) -> Office:
    server.flushall()
    return open_office(server, tmp_path)
