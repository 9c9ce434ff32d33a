"""A tenant with one investigation of one alert, whose severity can be said, and a PagerDuty: fixtures to be imported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis

from middlewatch import write_back_ends
from middlewatch.app import App
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.leases import StoreLease
from middlewatch.context_store.occurrences import Change
from middlewatch.context_store.store import ContextStore
from middlewatch.ratings import Known, Ratings
from middlewatch.records import AlertMessage, Completion, Investigation, Rating, Scope, Symptom
from middlewatch.settings import Settings
from middlewatch.severity import Facts
from tests.alert_data import make_message
from tests.alert_ends import ROUTING_KEY, End, end
from tests.store_data import make_alert, make_report, make_task
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
        self.ratings.begin("inv-1")

    @property
    def ratings(self) -> Ratings:
        def facts(*_: object) -> Facts:
            return Facts(services=("checkout",), impact=None, said=(self.word,))

        known = Known("default", facts, self.app.occurrences.of_all, self.app.investigation, self.app.handlings.of_all)
        return Ratings(self.app.approvals.desk, StoreLease(self.app.store.server, "default", "severities"), known)

    def fire(self, **other: Any) -> AlertMessage:
        message = make_message(severity=self.word).model_copy(update=other)
        (one,) = self.app.occurrences.receive([message])
        row = self.app.occurrences.row(one.id)
        if row.occurrence.investigation is None:
            self.app.occurrences.store.write([Change(row.occurrence.model_copy(update={"investigation": "inv-1"}), row.token)])
        return message

    def close(self) -> None:
        """It comes to a report."""
        claim = self.app.store.claim("ann")
        assert claim is not None
        self.app.store.finish(claim, Completion(report=make_report(self.opened)))

    def rate(self, word: str) -> None:
        self.word = word
        self.ratings.rate(self.app.investigation("inv-1"))

    def set(self, investigation: str) -> None:
        """A person says that it is as severe as it is."""

        def change(was: Rating | None, _now: object) -> Rating:
            assert was is not None
            return was.model_copy(update={"set_by": "leo"})

        self.ratings._write(investigation, "leo", change)

    def look(self) -> None:
        """One look after severities."""
        looks = self.ratings
        looks.tend()
        looks._lease.end()

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
