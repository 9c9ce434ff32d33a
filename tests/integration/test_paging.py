"""Invariants: who is to be paged is paged once, whoever dies in between; it ends when the incident does; what fails is said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis

from middlewatch import paging, write_back_ends
from middlewatch.app import App
from middlewatch.auditing import entries
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.leases import StoreLease
from middlewatch.context_store.occurrences import Change
from middlewatch.context_store.store import ContextStore
from middlewatch.ratings import Known, Ratings
from middlewatch.records import AlertMessage, AlertStatus, Investigation, Rating, Scope, Symptom
from middlewatch.service_catalogue import check_services
from middlewatch.settings import Settings
from middlewatch.severity import Facts
from tests.alert_data import make_message
from tests.alert_ends import ROUTING_KEY, End, end
from tests.store_data import make_alert, make_task
from tests.store_fixtures import redis

__all__ = ["redis"]

SERVICES = """
[severity.SEV-1]
tell = ["slack:here", "pagerduty"]
[severity.SEV-2]
tell = ["pagerduty"]
[pagerduty]
routing_key = "events"
url = "{}"
"""
KEY = "middlewatch:default:inv-1"


class Site:
    """A tenant with one investigation of one alert, and a PagerDuty."""

    def __init__(self, redis: Redis, data: Path, url: str) -> None:
        self.app = App(
            Settings(data_dir=data, public_url=cast("Any", "https://mw.example.com")),
            cast("Any", None),
            ContextStore(redis, epoch=Epoch()),
            archive_folder=data / "archive",
            owner=True,
        )
        self.word = "critical"
        self.app.settings.services_path.write_text(SERVICES.format(url))
        secrets = self.app.settings.intake_secrets_path
        secrets.mkdir(mode=0o700)
        (secrets / "events").write_text(ROUTING_KEY)
        (secrets / "events").chmod(0o600)
        symptom = Symptom(service="checkout", metric=None)
        alert = make_alert("default").model_copy(update={"title": "checkout fails", "symptom": symptom})
        self.opened = Investigation(tenant="default", id="inv-1", scope=Scope(tenant="default"), alert=alert)
        self.app.store.open(self.opened, make_task("plan", investigation=self.opened))
        self.ratings.begin(self.opened)

    @property
    def ratings(self) -> Ratings:
        def facts(*_: object) -> Facts:
            return Facts(services=("checkout",), impact=None, said=(self.word,))

        look, handling = self.app.investigation, self.app.handlings.of
        lease = StoreLease(self.app.store.server, "default", "severities")
        return Ratings(self.app.approvals.desk, lease, Known("default", facts, self.app.occurrences.of, look, handling))

    def fire(self, **other: Any) -> AlertMessage:
        message = make_message(severity=self.word).model_copy(update=other)
        (one,) = self.app.occurrences.receive([message])
        row = self.app.occurrences.row(one.id)
        if row.occurrence.investigation is None:
            self.app.occurrences.store.write([Change(row.occurrence.model_copy(update={"investigation": "inv-1"}), row.token)])
        return message

    def rate(self, word: str) -> None:
        self.word = word
        self.ratings.rate(self.app.investigation("inv-1"))

    def tend(self) -> int:
        """One round of a process that nobody else is in the way of."""
        done = self.app.paging.tend()
        self.app.paging._lease.end()
        return done


@pytest.fixture
def there() -> Iterator[tuple[type[End], str]]:
    with end() as made:
        yield made


@pytest.fixture
def site(redis: Redis, tmp_path: Path, there: tuple[type[End], str], monkeypatch: pytest.MonkeyPatch) -> Site:
    redis.flushall()
    monkeypatch.setattr(write_back_ends, "FIRST_PAUSE_SECONDS", 0.0)
    return Site(redis, tmp_path, there[1])


def said(there: tuple[type[End], str]) -> list[str]:
    events = [body for _, path, body in there[0].calls if path == "/v2/enqueue"]
    assert {body["dedup_key"] for body in events} <= {KEY}, "one investigation is one page"
    return [body["event_action"] for body in events]


def test_whoever_is_on_call_is_paged_once_and_told_what_becomes_of_it(site: Site, there: tuple[type[End], str]) -> None:
    message = site.fire()
    site.rate("critical")
    assert [site.tend(), site.tend()] == [1, 0]
    ((_, _, body),) = there[0].calls
    assert (body["payload"]["severity"], body["payload"]["source"]) == ("critical", "checkout")
    assert body["payload"]["summary"] == "SEV-1: checkout fails"
    assert body["client_url"] == "https://mw.example.com/investigations/inv-1"
    site.fire(status=AlertStatus.ACKNOWLEDGED)
    assert [site.tend(), site.tend()] == [1, 0]
    site.app.kept.cancel("inv-1")
    site.app.occurrences.receive(
        [message.model_copy(update={"status": AlertStatus.RESOLVED, "ended_at": message.started_at + timedelta(hours=1)})]
    )
    assert [site.tend(), site.tend()] == [1, 0]
    assert said(there) == ["trigger", "acknowledge", "resolve"]
    events = [one for one in entries(site.app.store.server, "default", limit=20, request="inv-1") if one.event == "severity.paged"]
    assert [one.data["said"] for one in events] == ["trigger", "acknowledge", "resolve"]


def test_what_nobody_answers_in_time_is_said_again_and_so_is_what_gets_worse(
    site: Site, there: tuple[type[End], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fire()
    site.rate("high")
    site.tend()
    site.rate("critical")
    site.tend()
    site.rate("high")
    assert site.tend() == 0, "what gets better pages nobody"
    site.rate("critical")
    with monkeypatch.context() as patch:
        patch.setattr(Rating, "respond_by", property(lambda one: one.since - timedelta(minutes=1)))
        site.ratings.tend()
        assert [site.tend(), site.tend()] == [1, 0]
    assert said(there) == ["trigger"] * 3
    summaries = [body["payload"]["summary"] for _, _, body in there[0].calls]
    assert summaries == [
        "SEV-2: checkout fails",
        "SEV-1: checkout fails",
        "SEV-1: nobody has acknowledged it: checkout fails",
    ]


@pytest.mark.parametrize("how", ["lives", "dies"])
def test_an_open_page_is_resolved_however_many_investigations_came_since_and_whoever_died(
    site: Site, there: tuple[type[End], str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    site.fire()
    site.rate("critical")
    if how == "dies":  # before what was said is noted
        with monkeypatch.context() as patch:
            patch.setattr(site.app.paging, "_keep", lambda *_: None)
            site.tend()
    else:
        site.tend()
    monkeypatch.setattr(paging, "MOST", 1)
    other = site.opened.alert.model_copy(update={"source_id": "another"})
    newer = site.opened.model_copy(update={"id": "inv-2", "alert": other})
    site.app.store.open(newer, make_task("plan", investigation=newer))
    assert [one.id for one in site.app.store.investigations("default", limit=1)] == ["inv-2"]
    site.app.kept.cancel("inv-1")
    assert [site.tend(), site.tend()] == [1, 0]
    assert said(there) == ["trigger", "resolve"]
    assert site.app.approvals.desk.store.note("default", paging.OPEN_NOTE) == "[]"


def test_nobody_is_paged_for_what_is_not_so_severe(site: Site, there: tuple[type[End], str]) -> None:
    site.fire()
    site.rate("warning")
    assert site.tend() == 0
    assert said(there) == []


def test_pagerduty_is_not_told_of_its_own_alerts(site: Site, there: tuple[type[End], str]) -> None:
    site.fire(kind="pagerduty", sender="pagerduty")
    site.rate("critical")
    assert site.tend() == 0
    assert said(there) == []


def test_what_is_acknowledged_already_pages_nobody(site: Site, there: tuple[type[End], str]) -> None:
    site.fire(status=AlertStatus.FIRING)
    site.fire(status=AlertStatus.ACKNOWLEDGED)
    site.rate("critical")
    assert site.tend() == 0
    assert said(there) == []


def test_whoever_configures_it_is_not_paged_for_all_that_was(
    site: Site, there: tuple[type[End], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fire()
    site.rate("critical")
    monkeypatch.setattr(paging, "NEW", timedelta(0))
    assert site.tend() == 0
    assert said(there) == []


def test_what_fails_is_said_and_tried_again(site: Site, there: tuple[type[End], str]) -> None:
    site.fire()
    site.rate("critical")
    there[0].broken = True
    assert [site.tend(), site.tend()] == [1, 1]
    (failing,) = site.app.paging.failing().values()
    assert (failing.attempts, failing.problem) == (2, "It was answered 503.")
    there[0].broken = False
    site.tend()
    assert site.app.paging.failing() == {}
    assert site.tend() == 0


def test_a_key_that_is_not_believed_says_what_to_do(site: Site, there: tuple[type[End], str]) -> None:
    (site.app.settings.intake_secrets_path / "events").write_text("wrong")
    site.fire()
    site.rate("critical")
    site.tend()
    (failing,) = site.app.paging.failing().values()
    assert failing.problem.startswith("It was answered 400.")
    assert "integration key" in failing.problem
    assert "wrong" not in failing.problem
    assert said(there) == ["trigger"]


def test_a_severity_that_pages_needs_somebody_to_page(site: Site) -> None:
    path = site.app.settings.services_path
    assert check_services(site.app.settings, None)[2] == ()
    (site.app.settings.intake_secrets_path / "events").unlink()
    path.write_text(path.read_text() + '[severity.SEV-3]\ntell = ["slack"]\n')
    assert [one.key for one in check_services(site.app.settings, None)[2]] == ["pagerduty.routing_key"]
    path.write_text(path.read_text().replace("[pagerduty]", "[services.pagerduty]").split("routing_key")[0])
    found = check_services(site.app.settings, None)[2]
    assert {one.key for one in found} == {"severity.SEV-1.tell", "severity.SEV-2.tell"}
    assert site.tend() == 0


def test_whoever_is_told_to_stop_pages_for_nothing_further(site: Site, there: tuple[type[End], str]) -> None:
    alert = make_alert("default", "alert-2").model_copy(update={"title": "cart fails"})
    other = Investigation(tenant="default", id="inv-2", scope=Scope(tenant="default"), alert=alert)
    site.app.store.open(other, make_task("plan", investigation=other))
    site.ratings.begin(other)
    for one in (site.opened, other):
        site.ratings.rate(site.app.investigation(one.id))
    assert site.app.paging.tend(lambda: bool(there[0].calls)) == 1, "told in the middle of a round"
    site.app.paging._lease.end()
    assert site.tend() == 1, "the other one"
