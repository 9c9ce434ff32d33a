"""Invariant: on every kind of Redis, what a call came to is kept once under its name, per investigation and tenant, for a while."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis import Redis

from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.keys import call_keys
from middlewatch.context_store.model_budgets import KEPT_SECONDS
from middlewatch.context_store.model_calls import ModelCalls
from middlewatch.context_store.script import AT_ONCE, Server
from middlewatch.records.errors import StaleEpoch
from tests.model_calls import AT, call


def calls(redis: Redis, tenant: str = "acme", *, epoch: int = 1) -> ModelCalls:
    return ModelCalls(Server(redis, Epoch(epoch)), tenant)


def test_each_is_kept_once_in_the_order_in_which_they_began(redis: Redis) -> None:
    kept = calls(redis)
    later, first = call(1, started_at=AT + timedelta(seconds=9)), call(2, started_at=AT)
    for one in (later, first, later, first.model_copy(update={"investigation": "inv-other"}), call(3, investigation=None)):
        kept.keep(one)
    name = str(first.investigation)
    assert kept.of(name) == (first, later)
    assert [len(found) for found in kept.of_all([name, "inv-other", "inv-none"])] == [2, 1, 0]
    assert len(kept.of_all([f"inv-{number}" for number in range(AT_ONCE + 1)])) == AT_ONCE + 1
    assert calls(redis, "other").of(name) == ()
    left = redis.pttl(call_keys("acme", name).kept)
    assert 0 < int(str(left)) <= KEPT_SECONDS * 1000


def test_a_process_at_an_older_epoch_keeps_nothing(redis: Redis) -> None:
    calls(redis, epoch=2).keep(call(1))
    with pytest.raises(StaleEpoch):
        calls(redis).keep(call(2))
    with pytest.raises(StaleEpoch):
        calls(redis).of("inv-1")
