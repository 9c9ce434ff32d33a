"""A task whose worker fails, gives it back or dies is done by another one: after a pause, not for ever, and without a hint."""

from __future__ import annotations

import pytest
from redis import Redis

from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.records import Claim, Completion, TaskState
from tests.contract.context_store.claiming import OURS, claimed, events, taken_over
from tests.store_data import make_investigation, make_task
from tests.store_fixtures import end_pauses, expire, keys, set_times


def test_a_failed_task_is_ready_after_a_pause(store: ContextStore, redis: Redis, claim: Claim) -> None:
    assert store.fail(claim, "the source is away") is TaskState.READY
    assert store.claim("bob") is None
    status = store.snapshot("acme", "inv-1").tasks[0]
    assert (status.state, status.error) == (TaskState.READY, "the source is away")
    end_pauses(redis)
    assert claimed(store, "bob").attempt == 2


def test_a_hint_that_comes_too_early_does_not_end_the_pause(store: ContextStore, redis: Redis, claim: Claim) -> None:
    store.fail(claim, "the source is away")
    set_times(redis, "middlewatch:queue:*:hints", 1)
    assert store.claim("bob") is None
    end_pauses(redis)
    assert store.claim("bob") is not None


def test_a_task_that_fails_too_often_is_dead_and_shown(store: ContextStore, redis: Redis, claim: Claim) -> None:
    for _ in range(2):
        assert store.fail(claim, "boom") is TaskState.READY
        end_pauses(redis)
        claim = claimed(store, "ann")
    assert store.fail(claim, "boom") is TaskState.DEAD
    assert store.claim("ann") is None
    assert [(s.task.id, s.state, s.error, s.attempts) for s in store.dead_tasks("acme")] == [("look", TaskState.DEAD, "boom", 3)]
    assert store.dead_tasks("other") == ()


def test_a_task_that_no_retry_can_help_is_dead_at_once(store: ContextStore, claim: Claim) -> None:
    assert store.fail(claim, "the question is wrong", retry=False) is TaskState.DEAD
    assert [(s.task.id, s.attempts) for s in store.dead_tasks("acme")] == [("look", 1)]


def test_failing_again_gives_the_same_answer(store: ContextStore, claim: Claim) -> None:
    assert store.fail(claim, "boom") is TaskState.READY
    assert store.fail(claim, "boom") is TaskState.READY
    assert events(store).count("task.failed") == 1


def test_a_task_given_back_is_ready_at_once_and_the_attempt_does_not_count(store: ContextStore, claim: Claim) -> None:
    store.give_back(claim)
    again = claimed(store, "bob")
    assert again.attempt == 1
    assert again.token > claim.token


def test_reaping_takes_only_what_has_expired(store: ContextStore, redis: Redis, claim: Claim) -> None:
    assert store.reap() == ()
    expire(redis, claim)
    assert [(status.task.id, status.state) for status in store.reap()] == [("look", TaskState.READY)]
    assert store.reap() == ()


def test_a_task_that_kills_its_workers_is_dead_in_the_end(store: ContextStore, redis: Redis, claim: Claim) -> None:
    for _ in range(2):
        claim = taken_over(store, redis, claim)
    expire(redis, claim)
    assert [status.state for status in store.reap()] == [TaskState.DEAD]
    assert store.dead_tasks("acme")[0].attempts == 3


def test_reaping_keeps_to_its_limit(store: ContextStore, redis: Redis) -> None:
    for n in range(3):
        of = make_investigation(identifier=f"inv-{n}", source_id=str(n))
        store.open(of, make_task("look", investigation=of))
        expire(redis, claimed(store, "ann"))
    assert [len(store.reap(limit=2)), len(store.reap(limit=2)), len(store.reap(limit=2))] == [2, 1, 0]


def test_a_lost_hint_is_restored(store: ContextStore, redis: Redis) -> None:
    store.open(OURS, make_task("look"))
    redis.delete(*keys(redis, "middlewatch:queue:*:hints"))
    assert store.claim("ann") is None
    assert store.sweep() == 1
    assert store.sweep() == 0
    assert store.claim("ann") is not None


def test_a_doubled_hint_costs_a_look_and_nothing_else(store: ContextStore, redis: Redis, claim: Claim) -> None:
    for shard in range(4):
        redis.zadd(f"middlewatch:queue:{{q:{shard}}}:hints", {"acme|inv-1|look": 1, "acme|inv-1|nowhere": 1, "acme|no|no": 1})
    assert store.claim("bob") is None
    assert store.finish(claim, Completion())


@pytest.mark.parametrize("how", ["reaped", "given back"])
def test_a_task_that_was_taken_from_its_worker_comes_before_later_ones(redis: Redis, claim: Claim, how: str) -> None:
    single = ContextStore(redis, epoch=Epoch(), queue_shards=1)
    later = make_investigation(identifier="inv-2", source_id="alert-2")
    single.open(later, make_task("look", investigation=later))
    if how == "reaped":
        expire(redis, claim)
        single.reap()
    else:
        single.give_back(claim)
    again = single.claim("bob")
    assert again is not None
    assert again.task == claim.task


def test_the_pause_doubles_up_to_its_limit(
    store: ContextStore, redis: Redis, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("middlewatch.context_store.claims.FIRST_BACKOFF_SECONDS", 1000.0)
    monkeypatch.setattr("middlewatch.context_store.claims.LONGEST_BACKOFF_SECONDS", 1500.0)
    pauses = []
    for _ in range(2):
        store.fail(claim, "boom")
        ready_ms = float(str(redis.zscore("middlewatch:investigation:{acme:inv-1}:outbox", "look")))
        failed_ms = int(store.events("acme", "inv-1")[-1].id.partition("-")[0])
        pauses.append(round((ready_ms - failed_ms) / 1000))
        end_pauses(redis)
        claim = claimed(store, "ann")
    assert pauses == [1000, 1500]
