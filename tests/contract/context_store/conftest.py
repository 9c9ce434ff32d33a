"""An empty store for each test, and nothing left of it afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.records import Claim
from tests.contract.context_store.claiming import OURS, claimed
from tests.store_data import make_task
from tests.store_fixtures import any_redis, leaked_keys, long_pauses

__all__ = ["any_redis", "long_pauses", "redis", "store"]


@pytest.fixture
def redis(any_redis: Redis) -> Iterator[Redis]:
    """An empty server; fails the test that leaves a key which never goes away."""
    any_redis.flushall()
    yield any_redis
    assert leaked_keys(any_redis) == []


@pytest.fixture
def store(redis: Redis) -> ContextStore:
    """An empty store that gives a task up after three attempts."""
    return ContextStore(redis, epoch=Epoch(), lease_seconds=30.0, max_attempts=3)


@pytest.fixture
def claim(store: ContextStore) -> Claim:
    """The only task there is, claimed by `ann`."""
    store.open(OURS, make_task("look"))
    return claimed(store, "ann")
