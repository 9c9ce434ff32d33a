"""Invariants: a burst is as few incidents as it has causes; an alert that comes back joins what is open and follows what is closed;
what opens nothing says why; a death between any two steps, and two at once, open nothing twice and lose nothing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from redis import Redis

from middlewatch import firing, occurrences, tending
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.occurrences import Change
from middlewatch.context_store.store import ContextStore
from middlewatch.opening import BY_HAND, SOURCE
from middlewatch.records import AlertStatus
from middlewatch.records.errors import BadInput, StoreUnavailable
from tests.alert_data import make_message
from tests.alerting_site import TENANT, AlertingSite
from tests.store_fixtures import redis

__all__ = ["redis"]

RESOLVED = AlertStatus.RESOLVED


@pytest.fixture
def site(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AlertingSite:
    redis.flushall()
    monkeypatch.setattr(tending, "GROUP_WAIT_SECONDS", 0.0)
    return AlertingSite(ContextStore(redis, epoch=Epoch()))


def test_a_burst_is_gathered_first(site: AlertingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tending, "GROUP_WAIT_SECONDS", 60.0)
    monkeypatch.setattr(tending, "LONGEST_WAIT_SECONDS", 60.0)
    site.fire("a")
    site.tend()
    assert site.opened == []
    monkeypatch.setattr(tending, "LONGEST_WAIT_SECONDS", 0.0)
    site.tend()
    assert len(site.opened) == 1


def test_a_burst_is_as_many_incidents_as_it_has_causes(site: AlertingSite) -> None:
    site.edges = "ab bc bd ef"
    site.fire(*"abcdef")
    site.tend()
    assert sorted(site.shown().values()) == ["abc", "abd", "ef"]
    one = next(found for found in site.occurrences.list() if found.service == "a")
    assert {one.investigation, *one.also} == {name for name, services in site.shown().items() if "a" in services}
    symptoms = {site.shown()[name]: site.store.investigation(TENANT, name).alert.symptom for name in site.opened}
    assert {shown: symptom.service for shown, symptom in symptoms.items() if symptom} == {"abc": "a", "abd": "d", "ef": "e"}


def test_later_alerts_of_the_storm_join(site: AlertingSite) -> None:
    site.edges = "ab bc"
    site.fire("b")
    site.tend()
    site.close()
    site.fire("c", "a")
    site.tend()
    assert list(site.shown().values()) == ["abc"], "within the time of the incident a closed one is joined too"


def test_what_alerts_join_is_looked_after_again(site: AlertingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site.edges = "ab bc"
    site.fire("b")
    site.tend()
    site.close()
    site.begun.clear()
    site.fire("c")
    site.tend()
    assert set(site.begun) == {(site.opened[0], 1), (site.opened[0], 2)}, "whoever dies after it was written, or looks before"
    monkeypatch.setattr(firing, "FLAP_SECONDS", -1.0)
    site.edges = ""
    monkeypatch.setattr(tending, "LONGEST_INCIDENT", timedelta(0))
    site.fire("x")
    site.tend()
    site.fire("x", status=RESOLVED)
    site.begun.clear()
    site.occurrences.receive([make_message("fp-x", service="x", at=make_message().started_at + timedelta(seconds=99))])
    site.tend()
    assert list(site.shown().values()) == ["bc", "xx"]
    assert set(site.begun) == {(site.opened[1], 1), (site.opened[1], 2)}


@pytest.mark.parametrize("comes_again", [False, True])
def test_no_alert_joins_what_was_run_again_by_hand(
    site: AlertingSite, monkeypatch: pytest.MonkeyPatch, *, comes_again: bool
) -> None:
    site.edges = "bc"
    site.fire("b")
    site.tend()
    site.close()
    (row,) = site.occurrences.store.list().rows
    one, alert = row.occurrence, site.store.investigation(TENANT, site.opened[0]).alert
    again = alert.model_copy(update={"source": BY_HAND, "follows": site.opened[0]})
    repeat = site.investigate(again, "by hand").id
    site.occurrences.store.write(
        [Change(one.model_copy(update={"investigation": repeat, "also": (one.investigation,)}), row.token)]
    )
    if comes_again:
        monkeypatch.setattr(firing, "FLAP_SECONDS", -1.0)
        site.fire("b", status=RESOLVED)
        site.occurrences.receive([make_message("fp-b", service="b", at=make_message().started_at + timedelta(seconds=99))])
    else:
        site.fire("c")
    site.tend()
    assert site.shown()[repeat] == "b"
    new = site.store.investigation(TENANT, site.opened[2]).alert
    assert (new.source, site.shown()[site.opened[2]]) == (SOURCE, "b" if comes_again else "c"), "of which somebody is told"


def test_what_found_nothing_a_while_ago_swallows_no_later_alert(site: AlertingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site.edges = "ab bc"
    site.fire("b")
    site.tend()
    site.close()
    assert site.store.investigation(TENANT, site.opened[0]).headline is not None
    monkeypatch.setattr(tending, "IN_VAIN", timedelta(0))  # as if a minute had passed since
    site.fire("a")
    site.tend()
    assert list(site.shown().values()) == ["b", "a"]


def test_an_alert_of_a_moment_ago_was_detected_then_and_not_before_what_caused_it(site: AlertingSite) -> None:
    now = datetime.now(UTC)
    site.occurrences.receive([make_message("fp-a", service="a", at=now)])
    site.tend()
    alert = site.store.investigation(TENANT, site.opened[0]).alert
    assert now - timedelta(seconds=2) <= alert.detected_at < alert.window_end


def test_a_second_cause_below_what_alerts_already_is_a_second_incident(site: AlertingSite) -> None:
    site.edges = "ab ac"
    site.fire("a", "b")
    site.tend()
    site.fire("c")
    site.tend()
    assert list(site.shown().values()) == ["ab", "ac"]


def test_one_process_tends_at_a_time(site: AlertingSite) -> None:
    site.fire("a")
    first, second = site.tender("alerts"), site.tender("alerts")
    assert (first.tend(), second.tend(), site.opened) == (True, False, [])


def test_an_alert_that_comes_back_joins_what_is_open(site: AlertingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firing, "FLAP_SECONDS", -1.0)
    site.fire("a")
    site.tend()
    site.fire("a", status=RESOLVED)
    site.occurrences.receive([make_message("fp-a", service="a", at=make_message().started_at + timedelta(seconds=99))])
    site.tend()
    assert list(site.shown().values()) == ["aa"], "two occurrences"


def test_an_alert_that_comes_back_after_the_answer_opens_what_follows(site: AlertingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firing, "FLAP_SECONDS", -1.0)
    site.fire("a")
    site.tend()
    site.close()
    site.fire("a", status=RESOLVED)
    site.occurrences.receive([make_message("fp-a", service="a", at=make_message().started_at + timedelta(seconds=99))])
    site.tend()
    first, second = site.opened
    alert = site.store.investigation(TENANT, second).alert
    assert (alert.follows, alert.since) == (first, (f"After {first}: a.",))
    assert len(alert.earlier_incidents) == 1


def test_one_that_fires_on_long_after_the_answer_is_looked_at_once_more(
    site: AlertingSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fire("a")
    site.tend()
    site.close()
    site.fire("a")
    site.tend()
    assert len(site.opened) == 1
    monkeypatch.setattr(tending, "PROVISIONAL", timedelta(0))  # as if its burst were long over
    for module in (occurrences, tending):
        monkeypatch.setattr(module, "REPEAT_AFTER", timedelta(0))
    site.fire("a")
    site.tend(1)
    monkeypatch.setattr(tending, "REPEAT_AFTER", timedelta(hours=1))
    site.tend()
    first, second = site.opened
    assert site.store.investigation(TENANT, second).alert.follows == first
    (one,) = site.occurrences.list()
    assert (one.investigation, one.also, one.messages) == (second, (first,), 3)
    assert site.shown() == {first: "a", second: "a"}


def test_what_opens_nothing_says_why_and_is_opened_when_the_reason_is_gone(site: AlertingSite) -> None:
    site.maintained, site.unknown = {"a": "maintenance until noon"}, {"b"}
    site.fire("a", "b")
    site.tend()
    held = {one.message.labels["service.name"]: one.held for one in site.occurrences.list()}
    assert (held, site.opened) == ({"a": "maintenance until noon", "b": "it maps to no service: nobody knows it"}, [])
    site.maintained, site.unknown = {}, set()
    site.fire("a", "b")
    site.tend()
    assert sorted("".join(site.shown().values())) == ["a", "b"]
    assert {one.held for one in site.occurrences.list()} == {""}


def test_what_maps_to_nothing_is_mapped_again_while_it_fires(site: AlertingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tending, "UNMAPPED_AGAIN", timedelta(0))
    site.unknown = {"a", "b"}
    site.fire("a", "b")
    site.tend()
    site.fire("b", status=RESOLVED)
    site.unknown = set()
    site.tend()
    assert list(site.shown().values()) == ["a"], "though nobody told of it again"


def test_what_is_resolved_at_once_is_held_and_opens_nothing(site: AlertingSite) -> None:
    site.fire("a")
    site.fire("a", status=RESOLVED)
    site.tend()
    (one,) = site.occurrences.list()
    assert (one.held, site.opened) == (firing.BLIP, [])


def test_what_can_never_be_opened_is_held_in_words_and_is_no_work(site: AlertingSite) -> None:
    def refuse() -> None:
        raise BadInput("its window is no window")

    site.fire("a")
    site.opens = refuse
    site.tend()
    (one,) = site.occurrences.list()
    assert (one.investigation, one.held) == (None, "no investigation can be opened for it: its window is no window")
    assert site.occurrences.store.due().plans == {}
    assert not site.tender("alerts").tend()
    site.opens = lambda: None
    site.fire("a")
    site.tend()
    assert list(site.shown().values()) == ["a"], "a later message of it has another try"


def test_what_cannot_be_opened_now_keeps_no_other_from_it(site: AlertingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("of this one")

    tender = site.tender("alerts")
    site.fire("a")
    site.opens = fail
    worked = [tender.tend() for _ in range(4)]
    assert worked[-1] is False, "it rests"
    site.opens = lambda: None
    site.fire("b")
    for _ in range(4):
        tender.tend()
    assert list(site.shown().values()) == ["b"]
    monkeypatch.setattr(tender, "_resting", {})  # as if it had rested
    tender.tend()
    assert sorted(site.shown().values()) == ["a", "b"]


def test_a_death_between_the_decision_and_the_opening_opens_it_once(site: AlertingSite) -> None:
    def die() -> None:
        raise StoreUnavailable("gone")

    site.fire("a")
    site.opens = die
    with pytest.raises(StoreUnavailable):
        site.tend()
    site.opens = lambda: None
    site.tend()
    (one,) = site.occurrences.list()
    assert site.opened == [one.investigation]
    assert site.occurrences.store.due().plans == {}


def test_two_at_once_open_nothing_twice(site: AlertingSite) -> None:
    site.edges = "ab bc de"
    services = "abcde"
    tenders = [site.tender(f"lease-{n}") for n in range(4)]  # each with a lease of its own, as if time had run out
    with ThreadPoolExecutor(5) as pool:
        for service in services:
            list(pool.map(lambda act: act(), [partial(site.fire, service), *(tender.tend for tender in tenders)]))
        for tender in tenders * 3:
            tender.tend()
    assert sorted(site.shown().values()) == ["abc", "de"]
