"""Objectives from telemetry to alerts: counted once into the store, told once, and resolved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pytest
from redis import Redis

from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.script import Server
from middlewatch.objective_counting import MOST_QUESTIONS
from middlewatch.objectives import Objectives
from middlewatch.records import AlertMessage, AlertStatus, BudgetState, Occurrence, Scope
from middlewatch.records.errors import Misconfigured, SourceUnavailable, StoreUnavailable
from middlewatch.service_catalogue import ServiceCatalogue
from middlewatch.service_health import Health
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.sources import Sources
from tests.store_fixtures import keys, redis

__all__ = ["redis"]

NOW = datetime(2026, 5, 20, 12, 30, 30, tzinfo=UTC)
SERVICES = """\
[services.checkout]
tier = 1
owner = "payments"
[services.mail]

[burn]
pairs = [
  { short_minutes = 5, long_hours = 1, share = 0.02, escalation = 0.5, severity = "SEV-2" },
  { short_minutes = 30, long_hours = 4, share = 0.05, escalation = 0.25, severity = "SEV-3" },
]

[[objectives]]
name = "checkout-availability"
service = "checkout"
kind = "availability"
target = 0.99
days = 4

[[objectives]]
name = "buying-fast"
journey = "A customer buys"
service = "checkout"
operations = ["POST /buy"]
kind = "latency"
threshold_ms = 100
target = 0.9
days = 4

[[objectives]]
name = "orders-right"
service = "checkout"
kind = "correctness"
good_metric = "orders.verified"
total_metric = "orders.placed"
target = 0.9
days = 4

[[objectives]]
name = "mail-availability"
service = "mail"
kind = "availability"
target = 0.9
days = 4
"""


class Site:
    """A store, telemetry of its own tenant, and what was received."""

    def __init__(self, server: Server, clickhouse: ClickHouse, tenant: str, folder: Path) -> None:
        self.clickhouse, self.tenant, self.path = clickhouse, tenant, folder / "services.toml"
        self.path.write_text(SERVICES)
        self.received: list[AlertMessage] = []
        self.asked = 0
        self.broken = False
        self.catalogue = ServiceCatalogue(self.path)
        self.objectives = Objectives(server, tenant, self.catalogue, self.sources, self.receive)

    def sources(self, horizon: datetime) -> Sources:
        self.asked += 1
        return self.clickhouse.sources(Scope(tenant=self.tenant), horizon)

    def receive(self, messages: Sequence[AlertMessage]) -> None:
        if self.broken:
            raise StoreUnavailable("away")
        self.received.extend(messages)

    def serve(self, at: datetime, good: int, bad: int = 0, *, ms: float = 10.0, name: str = "POST /buy", minutes: int = 1) -> None:
        """Requests within a second of `at`, and of each of so many minutes before it in all."""
        each = good + bad
        total = each * minutes
        times = [at - timedelta(minutes=number // each, milliseconds=-(number % each)) for number in range(total)]
        self.clickhouse.insert(
            "otel_traces",
            pa.table(
                {
                    "Tenant": [self.tenant] * total,
                    "Recording": [""] * total,
                    "ServiceName": ["checkout"] * total,
                    "SpanName": [name] * total,
                    "SpanKind": ["Server"] * total,
                    "Timestamp": pa.array(times, pa.timestamp("us", tz="UTC")),
                    "Duration": pa.array([round(ms * 1e6)] * total, pa.uint64()),
                    "StatusCode": (["Error"] * bad + ["Unset"] * good) * minutes,
                }
            ),
        )

    def count_metric(self, name: str, values: Sequence[float]) -> None:
        """A cumulative counter, a point a minute up to now."""
        size = len(values)
        times = [NOW - timedelta(seconds=10, minutes=size - 1 - number) for number in range(size)]
        stamp = pa.timestamp("us", tz="UTC")
        self.clickhouse.insert(
            "otel_metrics_sum",
            pa.table(
                {
                    "Tenant": [self.tenant] * size,
                    "Recording": [""] * size,
                    "ServiceName": ["checkout"] * size,
                    "MetricName": [name] * size,
                    "StartTimeUnix": pa.array([times[0] - timedelta(hours=2)] * size, stamp),
                    "TimeUnix": pa.array(times, stamp),
                    "Value": [float(value) for value in values],
                    "AggregationTemporality": [2] * size,
                    "IsMonotonic": [True] * size,
                }
            ),
        )

    def standing(self, name: str) -> BudgetState | None:
        return next(one.state for one in self.objectives.standings() if one.objective.name == name)


@pytest.fixture
def site(redis: Redis, clickhouse: ClickHouse, tenant: str, tmp_path: Path) -> Iterator[Site]:
    yield Site(Server(redis, Epoch(1)), clickhouse, tenant, tmp_path)
    for key in keys(redis, f"*{{{tenant}}}*"):
        redis.delete(key)


def _count_all(site: Site, now: datetime = NOW) -> None:
    while not site.objectives.count(now):
        pass


def test_what_is_promised_is_counted_from_telemetry_and_unknown_where_there_is_none(site: Site) -> None:
    site.serve(NOW - timedelta(days=3), 900, 0)
    site.serve(NOW - timedelta(minutes=20), 90, 10)
    site.serve(NOW - timedelta(seconds=20), 20, 0, ms=300.0)
    site.serve(NOW - timedelta(minutes=3), 50, 0, ms=900.0, name="GET /")
    site.count_metric("orders.placed", [0, 10, 20, 40])
    site.count_metric("orders.verified", [0, 10, 18, 36])
    _count_all(site)
    availability, fast, right, mail = site.objectives.standings()
    windows = {one.window_seconds: (one.good, one.total) for one in availability.burns}
    assert windows == {300: (70, 70), 1800: (160, 170), 3600: (160, 170), 14400: (160, 170)}
    assert 2.9 < availability.covered_days < 3.1
    assert availability.left == pytest.approx(1 - (10 / 1070) / 0.01 * availability.covered_days / 4)
    assert {one.window_seconds: (one.good, one.total) for one in fast.burns}[3600] == (100, 120)
    assert {one.window_seconds: (one.good, one.total) for one in right.burns}[300] == (36, 40)
    assert (mail.left, mail.state, mail.burns[0].rate) == (None, None, None)


def test_a_bucket_is_asked_for_once_and_a_look_asks_little(site: Site) -> None:
    site.serve(NOW - timedelta(hours=5), 100, 1)
    site.path.write_text(SERVICES.replace("days = 4", "days = 30"))
    assert not site.objectives.count(NOW)
    assert site.asked <= 2 * MOST_QUESTIONS
    _count_all(site)
    before, asked = site.objectives.standings(), site.asked
    assert site.objectives.count(NOW)
    assert site.asked == asked + 1
    assert site.objectives.standings() == before


def test_what_arrives_late_is_counted_and_nothing_twice(site: Site) -> None:
    site.serve(NOW - timedelta(minutes=2), 10)
    _count_all(site)
    site.serve(NOW - timedelta(minutes=2), 5)
    later = NOW + timedelta(minutes=1)
    _count_all(site, later)
    _count_all(site, later)
    assert site.objectives.standings()[0].burns[1].total == 15


def test_burning_is_told_once_gets_worse_and_is_resolved(site: Site) -> None:
    site.serve(NOW - timedelta(minutes=1), 8, 2, minutes=5)
    site.serve(NOW - timedelta(minutes=6), 8, minutes=15)
    told = [one for _ in range(5) for one in site.objectives.look(NOW)]
    assert told == site.received
    (message,) = [one for one in told if one.fingerprint == "objective:checkout-availability"]
    assert (message.sender, message.status, message.severity) == ("objectives", AlertStatus.FIRING, "SEV-2")
    assert message.labels["service.name"] == "checkout"
    assert "checkout-availability" in message.title
    assert message.started_at == NOW.replace(second=0) - timedelta(minutes=4), "the end of the first minute that burned"
    assert "over the last hour" in site.objectives.of("checkout")[0].firing
    site.received.clear()
    later = NOW + timedelta(minutes=10)
    site.serve(later - timedelta(minutes=1), 100, minutes=9)
    site.objectives.look(later)
    site.objectives.look(later + timedelta(hours=5))
    ends = [one for one in site.received if one.fingerprint == message.fingerprint]
    assert [one.status for one in ends][-1:] == [AlertStatus.RESOLVED]
    assert site.objectives.look(later + timedelta(hours=5)) == ()


def test_a_journey_over_several_services_names_all_of_them(site: Site) -> None:
    journey = '[[objectives]]\nname = "buying"\njourney = "A customer buys"\nservices = ["mail", "checkout"]\n'
    site.path.write_text(f'{SERVICES}\n{journey}kind = "availability"\ntarget = 0.99\ndays = 4\n')
    site.serve(NOW - timedelta(minutes=1), 8, 2, minutes=5)
    (message,) = [one for _ in range(5) for one in site.objectives.look(NOW) if one.fingerprint == "objective:buying"]
    assert message.title.startswith("buying (mail and checkout): ")
    assert message.services == ("mail", "checkout")
    assert message.annotations["promised"].startswith("A customer buys (mail and checkout): 99")
    one = Occurrence(id="occ-1", message=message, service="mail", first_at=NOW, last_at=NOW)
    assert one.services == ("mail", "checkout")
    assert one.model_copy(update={"service": ""}).services == ()


def test_what_could_not_be_received_is_told_again(site: Site) -> None:
    site.serve(NOW - timedelta(minutes=1), 0, 10, minutes=5)
    site.broken = True
    with pytest.raises(StoreUnavailable):
        site.objectives.look(NOW)
    site.broken = False
    assert any(one.fingerprint == "objective:checkout-availability" for one in site.objectives.look(NOW))


def test_an_objective_that_is_taken_away_is_resolved(site: Site) -> None:
    site.serve(NOW - timedelta(minutes=1), 0, 10, minutes=5)
    site.objectives.look(NOW)
    site.path.write_text("[services.checkout]\n")
    assert {one.status for one in site.objectives.look(NOW)} == {AlertStatus.RESOLVED}


def test_one_process_at_a_time_looks(site: Site, redis: Redis) -> None:
    site.serve(NOW - timedelta(minutes=1), 0, 10, minutes=5)
    other = Objectives(Server(redis, Epoch(1)), site.tenant, site.catalogue, site.sources, site.receive)
    assert site.objectives.look(NOW)
    assert other.look(NOW) == ()


def test_the_state_of_a_target_is_that_of_the_worst_of_its_objectives(site: Site) -> None:
    site.serve(NOW - timedelta(hours=30), 1000)
    site.serve(NOW - timedelta(hours=2), 0, 300)
    assert site.objectives.budgets.budget(site.tenant, "checkout") is None
    _count_all(site)
    assert site.standing("checkout-availability") is BudgetState.EXHAUSTED
    assert site.objectives.budgets.budget(site.tenant, "checkout") is BudgetState.EXHAUSTED
    assert site.objectives.budgets.budget(site.tenant, "mail") is None
    assert site.objectives.budgets.budget("others", "checkout") is None
    site.path.write_text("[objectives]\n")
    with pytest.raises(Misconfigured):
        site.objectives.budgets.budget(site.tenant, "checkout")


def _gauge(site: Site, values: Sequence[float], step: timedelta) -> None:
    size = len(values)
    times = [NOW - step * (size - number) for number in range(size)]
    site.clickhouse.insert(
        "otel_metrics_gauge",
        pa.table(
            {
                "Tenant": [site.tenant] * size,
                "Recording": [""] * size,
                "ServiceName": ["checkout"] * size,
                "MetricName": ["system.filesystem.utilization"] * size,
                "Attributes": pa.array(
                    [[("system.filesystem.mountpoint", "/data"), ("system.filesystem.state", "used")]] * size,
                    pa.map_(pa.string(), pa.string()),
                ),
                "TimeUnix": pa.array(times, pa.timestamp("us", tz="UTC")),
                "Value": [float(value) for value in values],
            }
        ),
    )


def test_a_disk_that_fills_is_told_with_its_interval_and_its_service_shows_it(site: Site) -> None:
    _gauge(site, [0.8 + 0.002 * number / 6 for number in range(360)], timedelta(minutes=1))
    (told,) = site.objectives.look(NOW)
    assert told.severity == "SEV-3"
    assert told.title.startswith("checkout: disk 92 % used, full in 4.0 h at this rate (")
    (found,) = site.objectives.exhaustions()
    assert found.usage.what == "/data"
    assert 3.9 < found.earliest_hours <= found.hours <= found.latest_hours < 4.1


@pytest.mark.parametrize("error", [SourceUnavailable("too slow"), ValueError("odd points")])
def test_what_burns_is_told_and_resolved_while_what_fills_up_cannot_be_looked_at(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    _gauge(site, [0.8 + 0.002 * number / 6 for number in range(360)], timedelta(minutes=1))
    site.objectives.look(NOW)
    filling = site.objectives.exhaustions()
    asked = []

    def fails(*_: object, **__: object) -> NoReturn:
        asked.append(1)
        raise error

    monkeypatch.setattr("middlewatch.objectives.exhaustions", fails)
    now = NOW + timedelta(minutes=20)
    site.serve(now - timedelta(minutes=1), 8, 2, minutes=5)
    (burns,) = [one for _ in range(5) for one in site.objectives.look(now)]
    assert burns.fingerprint == "objective:checkout-availability"
    assert len(asked) == 1, "the query that fails is not asked again at each look"
    (over,) = site.objectives.look(now + timedelta(days=5))
    assert (over.fingerprint, over.status) == (burns.fingerprint, AlertStatus.RESOLVED)
    assert site.objectives.exhaustions() == filling != (), "the last result is kept"


def test_golden_signals_are_what_telemetry_has_and_unknown_where_it_has_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.serve(NOW - timedelta(minutes=2), 54, 6, ms=40.0)
    _gauge(site, [0.5] * 5, timedelta(minutes=1))
    health = Health(site.objectives, site.sources)
    checkout, mail = health._look(NOW)
    assert (checkout.service, checkout.tier, checkout.owner) == ("checkout", 1, "payments")
    assert (checkout.per_second, checkout.error_share, checkout.p99_ms) == (0.2, 0.1, 40.0)
    assert [value for value in checkout.rates.values if value is not None] == [1.0]
    assert checkout.saturation is not None
    assert (checkout.saturation.share, checkout.saturation.resource) == (0.5, "disk")
    assert checkout.journeys == ("A customer buys",)
    assert [one.objective.name for one in checkout.budgets] == ["checkout-availability", "buying-fast", "orders-right"]
    assert (mail.per_second, mail.error_share, mail.p99_ms, mail.saturation) == (None, None, None, None)
    assert len(checkout.rates.values) == 60
    monkeypatch.setattr(health, "_look", lambda _now: (mail,))
    assert health.services() == health.services() == (mail,)
