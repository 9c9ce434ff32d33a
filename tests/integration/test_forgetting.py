"""Invariants: alerts are bounded, whatever senders leave out; what is told of stays; nothing is left of what is forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis import Redis

from middlewatch import firing, forgetting
from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.forgetting import Forgetting
from middlewatch.records import AlertStatus
from middlewatch.write_back import NOTE
from tests.alerting_site import TENANT, AlertingSite
from tests.store_fixtures import redis

__all__ = ["redis"]

RESOLVED = AlertStatus.RESOLVED


@pytest.fixture
def site(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AlertingSite:
    redis.flushall()
    monkeypatch.setattr(forgetting, "MOST_AT_ONCE", 2)
    return AlertingSite(ContextStore(redis, epoch=Epoch()))


def forget(site: AlertingSite) -> int:
    return Forgetting(site.occurrences.store, TENANT).forget()


def kept(site: AlertingSite) -> str:
    return "".join(one.message.labels["service.name"] for one in reversed(site.occurrences.list()))


def fire_apart(site: AlertingSite, services: str) -> None:
    """One after the other, as the store orders them."""
    for service in services:
        before = site.occurrences.store.latest([])[0]
        while site.occurrences.store.latest([])[0] <= before:
            pass
        site.fire(service)


def test_what_fires_is_in_the_way_of_nothing_that_is_over(site: AlertingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    fire_apart(site, "abcdef")
    site.fire("e", "f", status=RESOLVED)
    assert (forget(site), kept(site)) == (0, "abcdef")
    monkeypatch.setattr(forgetting, "MOST_KEPT", 5)
    assert (forget(site), kept(site)) == (1, "abcdf"), "the oldest that is over"
    monkeypatch.setattr(forgetting, "MOST_KEPT", 0)
    assert (forget(site), kept(site)) == (1, "abcd"), "what fires stays, however much it is"


def test_of_too_many_that_fire_the_oldest_go_where_nobody_told_of_them(site: AlertingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    fire_apart(site, "abcdef")
    site.fire("c", status=RESOLVED)
    monkeypatch.setattr(forgetting, "MOST_KEPT", 3)
    monkeypatch.setattr(forgetting, "SILENT", timedelta(0))
    assert (forget(site), kept(site)) == (3, "def"), "first what is over, then the oldest"


def test_what_was_not_told_of_for_long_is_forgotten_whether_or_not_it_was_said_to_be_over(
    site: AlertingSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    fire_apart(site, "abc")
    site.fire("b", status=RESOLVED)
    monkeypatch.setattr(forgetting, "KEPT", timedelta(0))
    assert (forget(site), kept(site)) == (3, "")


def test_nothing_of_a_forgotten_alert_is_the_next_ones(site: AlertingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = ApprovalStore(site.store.server)
    site.fire("a")
    (first,) = site.occurrences.list()
    name = f"{NOTE}{first.id}"
    assert notes.set_note(TENANT, name, "acknowledged there", before="", events=[])
    with monkeypatch.context() as patch:
        patch.setattr(forgetting, "KEPT", timedelta(0))
        assert forget(site) == 1
    assert notes.note(TENANT, name) == ""
    site.fire("a")
    (second,) = site.occurrences.list()
    assert (second.before, second.id == first.id) == (None, False)


def test_an_alert_that_comes_again_later_is_another_one(site: AlertingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firing, "FLAP_SECONDS", -1.0)
    monkeypatch.setattr(firing, "LATE_SECONDS", -1.0)
    for _ in range(2):
        site.fire("a")
        site.fire("a", status=RESOLVED)
    second, first = site.occurrences.list()
    assert (second.before, second.id == first.id) == (first.id, False)
