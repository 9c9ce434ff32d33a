"""Claims, for the tests of what happens to them."""

from __future__ import annotations

from redis import Redis

from middlewatch.context_store.store import ContextStore
from middlewatch.records import Claim
from tests.store_data import make_investigation
from tests.store_fixtures import expire

OURS = make_investigation()


def claimed(store: ContextStore, worker: str) -> Claim:
    claim = store.claim(worker)
    assert claim is not None
    return claim


def taken_over(store: ContextStore, redis: Redis, claim: Claim) -> Claim:
    """`bob` has the task after `ann`'s lease ended."""
    expire(redis, claim)
    store.reap()
    return claimed(store, "bob")


def events(store: ContextStore) -> list[str]:
    return [event.kind for event in store.events("acme", "inv-1")]
