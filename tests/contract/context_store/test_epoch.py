"""The epoch catches what Redis cannot: a failover that hands the same counters out again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from redis import Redis

from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.records import Claim, Completion, TaskState
from middlewatch.records.errors import LeaseLost, StaleEpoch
from tests.store_data import make_evidence, make_investigation, make_task
from tests.store_fixtures import MemoryArchive, expire

INVESTIGATION = "middlewatch:investigation:{acme:inv-1}:"


@pytest.fixture
def claim(store: ContextStore) -> Claim:
    store.open(make_investigation(), make_task("look"))
    claim = store.claim("ann")
    assert claim is not None
    return claim


@pytest.fixture
def raised(redis: Redis) -> ContextStore:
    """A process that was started after the operator raised the epoch."""
    return ContextStore(redis, epoch=Epoch(2), lease_seconds=30.0, max_attempts=3)


def test_every_method_of_a_process_at_an_older_epoch_is_refused(store: ContextStore, raised: ContextStore, claim: Claim) -> None:
    raised.sweep()
    raised.claim("bob")
    other = make_investigation(identifier="inv-2", source_id="alert-2")
    for attempt in (
        lambda: store.open(other, make_task("plan", investigation=other)),
        lambda: store.investigation("acme", "inv-1"),
        lambda: store.investigations("acme"),
        lambda: store.snapshot("acme", "inv-1"),
        lambda: store.events("acme", "inv-1"),
        lambda: store.cancel("acme", "inv-1"),
        lambda: store.claim("ann"),
        lambda: store.renew(claim),
        lambda: store.append(claim, [make_evidence()]),
        lambda: store.finish(claim, Completion()),
        lambda: store.fail(claim, "boom"),
        lambda: store.give_back(claim),
        store.reap,
        store.sweep,
        lambda: store.dead_tasks("acme"),
        lambda: store.archive_closed(MemoryArchive(), older_than_seconds=0),
    ):
        with pytest.raises(StaleEpoch, match="epoch 2"):
            attempt()


def test_raising_the_epoch_voids_leases(raised: ContextStore, claim: Claim) -> None:
    raised.sweep()
    assert [status.state for status in raised.reap()] == [TaskState.READY]
    again = raised.claim("bob")
    assert again is not None
    assert again.token > claim.token
    assert again.token.epoch == 2
    assert raised.finish(again, Completion())


def test_a_token_of_an_older_epoch_writes_nothing_whoever_brings_it(raised: ContextStore, claim: Claim) -> None:
    with pytest.raises(LeaseLost):
        raised.finish(claim, Completion())
    with pytest.raises(LeaseLost):
        raised.renew(claim)


@pytest.fixture
def raw(redis: Redis) -> Iterator[Redis]:
    """The same server, answering bytes: a dump is no text."""
    client = Redis(unix_socket_path=redis.connection_pool.connection_kwargs["path"])
    yield client
    client.close()


def test_the_counter_of_an_older_claim_is_no_token_of_the_new_epoch(raised: ContextStore, claim: Claim) -> None:
    forged = claim.model_copy(update={"token": claim.token.model_copy(update={"epoch": 2})})
    with pytest.raises(LeaseLost):
        raised.finish(forged, Completion())


def state(raw: Redis) -> dict[str, bytes]:
    return {key: cast("bytes", raw.dump(key)) for key in map(bytes.decode, cast("list[bytes]", raw.keys("*")))}


def failover(raw: Redis, before: dict[str, bytes]) -> None:
    """A replica takes over that has not seen the last writes."""
    raw.flushall()
    for key, value in before.items():
        raw.restore(key, 0, value)


def test_a_failover_that_hands_out_the_same_counters_is_caught(store: ContextStore, redis: Redis, raw: Redis) -> None:
    store.open(make_investigation(), make_task("look"))
    before = state(raw)
    lost = store.claim("ann")
    assert lost is not None

    failover(raw, before)
    unnoticed = store.claim("ann")
    assert unnoticed is not None
    assert unnoticed.token == lost.token  # why a counter in Redis is not enough

    failover(raw, before)
    raised = ContextStore(redis, epoch=Epoch(2))
    raised.sweep()
    again = raised.claim("ann")
    assert again is not None
    assert again.token.counter == lost.token.counter
    assert again.token > lost.token
    with pytest.raises(StaleEpoch):
        store.finish(lost, Completion())
    with pytest.raises(LeaseLost):
        raised.finish(lost, Completion())
    assert raised.finish(again, Completion())


def test_the_epoch_never_falls(store: ContextStore, raised: ContextStore, redis: Redis, claim: Claim) -> None:
    raised.sweep()
    expire(redis, claim)
    with pytest.raises(StaleEpoch):
        store.reap()
    assert redis.hget(INVESTIGATION + "meta", "epoch") == "2"


def test_a_restart_reads_the_raised_epoch(redis: Redis, tmp_path: Path) -> None:
    file = tmp_path / "epoch"
    assert ContextStore(redis, epoch=Epoch.read(file)).health().epoch == 1
    Epoch.raised(file)
    assert ContextStore(redis, epoch=Epoch.read(file)).health().epoch == 2
