"""The log has every event once, in order, with the store's time; it is sealed forwards only; what people typed can be deleted."""

from __future__ import annotations

import threading

import pytest
from redis import Redis

from middlewatch.context_store import audit
from middlewatch.context_store.audit import AuditStore, Private
from middlewatch.context_store.keys import approval_keys
from middlewatch.records.errors import StoreUnavailable
from tests.contract.context_store.approval_store import TENANT, log_at, requests_at, said

KEYS = approval_keys(TENANT)


@pytest.fixture
def redis(any_redis: Redis) -> Redis:
    any_redis.flushall()
    return any_redis


@pytest.fixture
def log(redis: Redis) -> AuditStore:
    return log_at(redis)


def test_events_have_a_place_and_a_time_in_order(log: AuditStore) -> None:
    assert log.append(TENANT, [said("a.one"), said("a.two")]) == 2
    assert log.append(TENANT, [said("a.three", obj='{"x": "ü\u2028"}')]) == 3
    rows = list(log.read(TENANT))
    assert [(row.seq, row.event.event) for row in rows] == [(0, "a.one"), (1, "a.two"), (2, "a.three")]
    assert rows[2].event.obj == '{"x": "ü\u2028"}'
    assert [row.time_ms for row in rows] == sorted(row.time_ms for row in rows)
    assert list(log.read(TENANT, 2)) == rows[2:]
    assert list(log.read(TENANT, 3)) == []


def test_many_pages_are_one_log(log: AuditStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "EVENTS_AT_ONCE", 3)
    log.append(TENANT, [said("a.b", str(n)) for n in range(10)])
    assert [row.event.obj for row in log.read(TENANT)] == [str(n) for n in range(10)]
    assert [row.seq for row in log.read(TENANT, 4)] == [4, 5, 6, 7, 8, 9]


def test_many_who_write_at_once_lose_nothing(log: AuditStore) -> None:
    threads = [
        threading.Thread(target=lambda n=n: [log.append(TENANT, [said("a.b", f"{n}-{m}")]) for m in range(10)]) for n in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    objects = [row.event.obj for row in log.read(TENANT)]
    assert sorted(objects) == sorted(f"{n}-{m}" for n in range(5) for m in range(10))
    for n in range(5):
        assert [obj for obj in objects if obj.startswith(f"{n}-")] == [f"{n}-{m}" for m in range(10)]


def test_tenants_have_logs_of_their_own(log: AuditStore, redis: Redis) -> None:
    log.append(TENANT, [said("a.b")])
    log.append("zeta", [said("a.c", tenant="zeta")])
    assert [row.event.event for row in log.read("zeta")] == ["a.c"]
    assert requests_at(redis).tenants() == (TENANT, "zeta")
    assert list(log.read("nobody")) == []


def test_the_log_is_sealed_forwards_and_no_further_than_it_is(log: AuditStore) -> None:
    assert (log.sealed(TENANT).size, log.sealed(TENANT).checkpoint, log.checkpoints(TENANT)) == (0, "", ())
    log.append(TENANT, [said("a.b")] * 3)
    assert not log.seal(TENANT, size=4, checkpoint="four", tree="t4")
    assert log.seal(TENANT, size=2, checkpoint="two", tree="t2")
    assert not log.seal(TENANT, size=2, checkpoint="again", tree="t2")
    assert not log.seal(TENANT, size=1, checkpoint="one", tree="t1")
    assert log.seal(TENANT, size=3, checkpoint="three", tree="t3")
    sealed = log.sealed(TENANT)
    assert (sealed.size, sealed.tree, sealed.checkpoint, sealed.log_size) == (3, "t3", "three", 3)
    assert sealed.now_ms >= sealed.at_ms > 0
    assert log.checkpoints(TENANT) == ("two", "three")


def test_what_was_typed_can_be_deleted_and_its_digest_stays(log: AuditStore) -> None:
    one, other = Private.of("the same"), Private.of("the same")
    assert one.digest != other.digest
    log.append(TENANT, [said("a.b", one.digest)], (one, other))
    assert log.texts(TENANT, [one.digest, "none", other.digest]) == (one, None, other)
    assert log.forget(TENANT, one.digest, said("a.gone", one.digest))
    assert not log.forget(TENANT, one.digest, said("a.gone", one.digest))
    assert log.texts(TENANT, [one.digest, other.digest]) == (None, other)
    assert [(row.event.event, row.event.obj) for row in log.read(TENANT)] == [("a.b", one.digest), ("a.gone", one.digest)]


def test_a_damaged_entry_is_said(log: AuditStore, redis: Redis) -> None:
    log.append(TENANT, [said("a.b")])
    redis.rpush(KEYS.audit, "nonsense")
    with pytest.raises(StoreUnavailable, match="Entry 1 of the audit log is damaged"):
        list(log.read(TENANT))
