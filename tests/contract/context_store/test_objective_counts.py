"""Counts of objectives are kept as they were counted last; tenants and series do not mix, and an older epoch writes nothing."""

from __future__ import annotations

import pytest
from redis import Redis

from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.objective_counts import CountStore, StoredCounts
from middlewatch.context_store.script import Server
from middlewatch.records.errors import StaleEpoch

NOTHING = StoredCounts({}, {}, None)
SERIES = "0123abcd"


@pytest.fixture
def store(redis: Redis) -> CountStore:
    return CountStore(Server(redis, Epoch(1)), "default")


def test_what_was_counted_is_read_as_it_was_written(store: CountStore) -> None:
    minutes = {60 * number: (number / 3, number * 1e9) for number in range(1500)}
    store.write(SERIES, StoredCounts(minutes, {3600: (0.0, 0.0)}, 1234.5), NOTHING)
    assert store.read([SERIES, "other"]) == (StoredCounts(minutes, {3600: (0.0, 0.0)}, 1234.5), NOTHING)
    assert store.read([]) == ()


def test_a_bucket_that_is_counted_again_is_replaced_and_old_ones_go(store: CountStore) -> None:
    store.write(SERIES, StoredCounts({60: (1.0, 2.0), 120: (1.0, 1.0)}, {0: (5.0, 5.0)}, 7.0), NOTHING)
    store.write(SERIES, StoredCounts({60: (2.0, 2.0)}, {}, None), StoredCounts({120: (0.0, 0.0)}, {0: (0.0, 0.0)}, None))
    assert store.read([SERIES]) == (StoredCounts({60: (2.0, 2.0)}, {}, 7.0),)


def test_tenants_do_not_mix(redis: Redis, store: CountStore) -> None:
    store.write(SERIES, StoredCounts({60: (1.0, 2.0)}, {}, 1.0), NOTHING)
    store.keep_raised({"a": "x"})
    store.keep_found("look", "y")
    other = CountStore(Server(redis, Epoch(1)), "other")
    assert (other.read([SERIES]), other.raised(), other.found("look")) == ((NOTHING,), {}, "")


def test_what_fires_is_kept_until_it_is_resolved(store: CountStore) -> None:
    store.keep_raised({"a": '{"x": 1}', "b": "{}"})
    store.keep_raised({"a": "", "c": "{}", "gone": ""})
    assert store.raised() == {"b": "{}", "c": "{}"}
    store.keep_found("look", "first")
    store.keep_found("look", "second")
    assert store.found("look") == "second"


def test_a_process_at_an_older_epoch_writes_nothing(redis: Redis, store: CountStore) -> None:
    CountStore(Server(redis, Epoch(2)), "default").keep_raised({"a": "x"})
    with pytest.raises(StaleEpoch):
        store.write(SERIES, StoredCounts({60: (1.0, 2.0)}, {}, 1.0), NOTHING)
    with pytest.raises(StaleEpoch):
        store.keep_raised({"a": ""})
