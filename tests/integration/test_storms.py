"""A thousand alerts are a handful of investigations, one for each cause, whoever dies meanwhile; none of them is lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from middlewatch import tending
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.script import Script
from middlewatch.context_store.store import ContextStore
from middlewatch.records.errors import StoreUnavailable
from tests.alerting_site import AlertingSite
from tests.store_fixtures import redis
from tests.storm_data import Storm, make_storm, merged

__all__ = ["redis"]

BATCHES = 10


@pytest.fixture
def site(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AlertingSite:
    redis.flushall()
    monkeypatch.setattr(tending, "GROUP_WAIT_SECONDS", 0.0)
    return AlertingSite(ContextStore(redis, epoch=Epoch()))


def rage(site: AlertingSite, storm: Storm, *, tend: Callable[[], object]) -> None:
    """The whole storm; it is tended before it is over, so that decisions are made of a part of it."""
    site.edges = storm.edges
    part = len(storm.messages) // BATCHES
    for start in range(0, len(storm.messages), part):
        site.occurrences.receive(storm.messages[start : start + part])
        tend()
    site.tend(6)
    site.settle()


def check(site: AlertingSite, storm: Storm) -> None:
    alerts = site.occurrences.list(limit=2000)
    assert len(alerts) == len(storm.messages)
    opened = {row.id for row in site.store.investigations("default")}
    assert {one.investigation for one in alerts} <= opened, "each is in one that is open"
    homes: dict[str, set[str]] = defaultdict(set)
    shown = {name: {one.id for one in site.occurrences.of(name)} for name in opened}
    for one in alerts:
        homes[one.service].add(one.investigation or "")
        assert one.id in shown[one.investigation or ""], "each is visible there"
    assert merged(storm, homes) == []
    assert len(opened) <= 5


@pytest.mark.parametrize(
    ("seed", "alerts", "causes", "silent", "lost"),
    [(1, 200, 1, 0.0, 0.0), (2, 200, 3, 0.0, 0.0), (3, 1000, 4, 0.2, 0.0), (4, 200, 2, 0.1, 0.05)],
)
def test_a_thousand_alerts(site: AlertingSite, seed: int, alerts: int, causes: int, silent: float, lost: float) -> None:
    storm = make_storm(seed, alerts=alerts, causes=causes, silent=silent, lost=lost)
    rage(site, storm, tend=lambda: site.tend(2))
    check(site, storm)


def test_without_a_map_it_is_one_investigation(site: AlertingSite) -> None:
    storm = make_storm(6, alerts=200)
    site.occurrences.receive(storm.messages)
    site.tend()
    (name,) = site.opened
    assert len(site.occurrences.of(name)) == 200


@pytest.mark.parametrize("after", [False, True])
def test_a_death_at_any_step_loses_nothing_and_opens_nothing_twice(
    site: AlertingSite, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    """Before or after each call to the store, in turn, the process that tends dies; the next one goes on."""
    call, left = Script.__call__, [0]

    def dying(script: Script[Any], *args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and not after:
            raise StoreUnavailable("dead")
        reply = call(script, *args, **kwargs)
        if left[0] == 0:
            raise StoreUnavailable("dead")
        return reply

    for step in range(1, 25):
        site.store.server.redis.flushall()
        site.opened.clear()
        storm = make_storm(step, services=8, causes=2, alerts=20)
        site.edges = storm.edges
        site.occurrences.receive(storm.messages)
        monkeypatch.setattr(Script, "__call__", dying)
        left[0] = step
        try:
            site.tend(3)
        except StoreUnavailable:
            pass
        finally:
            monkeypatch.setattr(Script, "__call__", call)
        site.tend(4)
        site.settle()
        check(site, storm)
        assert len(site.store.investigations("default")) == 2, f"died at step {step}"
