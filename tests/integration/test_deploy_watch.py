"""Deploy watch through the application: a change is recorded, its service fails, one alert fires, and ends when it is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NoReturn, cast

import numpy as np
import pyarrow as pa
import pytest
from redis import Redis

from middlewatch.app import App
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.deploy_watch import SENDER, WELL_FOR
from middlewatch.records import AlertStatus, Change, ChangeKind, ReportedChange
from middlewatch.records.errors import BadInput, SourceUnavailable
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.store_fixtures import keys, redis

__all__ = ["redis"]

MINUTE = timedelta(minutes=1)
CHANGED = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=40)


@pytest.fixture
def app(redis: Redis, clickhouse: ClickHouse, tenant: str, tmp_path_factory: pytest.TempPathFactory) -> App:
    redis.flushall()
    return open_another(redis, clickhouse, f"{tenant}-watch", tmp_path_factory)


def open_another(redis: Redis, clickhouse: ClickHouse, tenant: str, folders: pytest.TempPathFactory) -> App:
    """What a process has that starts now."""
    folder = folders.mktemp("data")
    store = ContextStore(redis, epoch=Epoch())
    return App(Settings(data_dir=folder, tenant=tenant), clickhouse, store, archive_folder=folder / "archive", owner=True)


def serve(app: App, start: float, end: float, *, service: str = "cart", failing: float = 0.0, ms: float = 5.0) -> None:
    """Four requests a second from so many seconds after the change on, of which this share fails."""
    draw = np.random.default_rng(int(start) + 10_000)
    seconds = np.arange(start, end, 0.25)
    size = seconds.size
    began = [CHANGED + timedelta(seconds=float(second)) for second in seconds]
    app.telemetry.insert(
        "otel_traces",
        pa.table(
            {
                "Tenant": [app.settings.tenant] * size,
                "Recording": [""] * size,
                "ServiceName": [service] * size,
                "SpanName": ["GET /"] * size,
                "SpanKind": ["Server"] * size,
                "TraceId": [f"{service}-{second}".encode().hex().zfill(32)[-32:] for second in seconds],
                "SpanId": [f"{number:016x}" for number in range(size)],
                "ParentSpanId": [""] * size,
                "Timestamp": pa.array(began, pa.timestamp("us", tz="UTC")),
                "Duration": pa.array((draw.gamma(20, ms / 20, size) * 1e6).astype(np.uint64), pa.uint64()),
                "StatusCode": ["Error" if bad else "Unset" for bad in draw.random(size) < failing],
            }
        ),
    )


def report(app: App, *, kind: ChangeKind = ChangeKind.DEPLOY, seconds: float = 0.0, version: str = "2.0.0") -> ReportedChange:
    change = Change(
        tenant=app.settings.tenant, time=CHANGED + timedelta(seconds=seconds), service="cart", kind=kind, version=version
    )
    return ReportedChange(change=change, sender="test", reference=f"{kind.value}-{version}")


def look(app: App, seconds: float) -> list[AlertStatus]:
    """Look so long after the change, and say what was told."""
    return [message.status for message in app.deploy_watch.look(CHANGED + timedelta(seconds=seconds))]


def test_a_bad_deploy_is_told_once_by_whoever_looks_and_ends_when_it_is_over(
    app: App, redis: Redis, clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> None:
    app.changes.record([report(app)])
    serve(app, -1200, 0)
    serve(app, 0, 300, failing=0.3)
    serve(app, 300, 700)
    assert look(app, 40) == []
    assert look(app, 80) == [AlertStatus.FIRING]
    assert look(app, 90) == []
    other = open_another(redis, clickhouse, app.settings.tenant, tmp_path_factory)
    assert look(other, 100) == []  # the first one has the lease
    redis.delete(*keys(redis, "*lease*"))
    assert look(other, 110) == []  # and what fires is known to it all the same
    (one,) = other.occurrences.list()
    assert (one.message.sender, one.message.labels["service.name"], one.message.started_at) == (SENDER, "cart", CHANGED + MINUTE)
    assert "failures of its own" in one.message.title
    (shown,) = other.deploy_watch.watched(CHANGED + timedelta(seconds=120))
    assert (shown.raised, shown.service, len(shown.worse)) == (True, "cart", 1)
    assert look(other, 330) == []
    assert look(other, 320 + 60 + 10 * WELL_FOR) == [AlertStatus.RESOLVED]
    assert look(other, 500) == []


def test_an_innocent_deploy_is_watched_for_ten_minutes_and_nothing_is_told(app: App) -> None:
    app.changes.record([report(app), report(app, kind=ChangeKind.SCALE)])
    serve(app, -1200, 800)
    now = CHANGED + timedelta(seconds=300)
    (shown,) = app.deploy_watch.watched(now)
    assert (shown.kind, shown.worse, shown.raised, shown.minutes) == (ChangeKind.DEPLOY, (), False, 24)
    assert [look(app, seconds) for seconds in (120, 300, 605)] == [[], [], []]
    assert app.deploy_watch.watched(CHANGED + timedelta(seconds=620)) == ()


def test_what_begins_after_the_next_change_is_not_told_of_the_one_before(app: App) -> None:
    app.changes.record([report(app), report(app, seconds=200, version="2.0.1")])
    serve(app, -1200, 200)
    serve(app, 200, 400, failing=0.3)
    assert look(app, 290) == [AlertStatus.FIRING]
    (one,) = app.occurrences.list()
    assert one.message.labels["change.version"] == "2.0.1"


def test_a_rollback_that_does_not_help_is_told_of_with_what_it_was_to_mend(app: App) -> None:
    app.changes.record([report(app)])
    serve(app, -1200, 0)
    serve(app, 0, 500, failing=0.3)
    assert look(app, 80) == [AlertStatus.FIRING]
    app.changes.record([report(app, seconds=200, version="1.9.0")])
    assert [look(app, seconds) for seconds in (290, 400)] == [[], []]


def test_what_fires_is_resolved_though_newer_changes_than_are_looked_through_came_since(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("middlewatch.deploy_watch.MOST", 1)
    app.changes.record([report(app), *(report(app, kind=ChangeKind.SCALE, seconds=5, version=str(n)) for n in range(3))])
    serve(app, -1200, 0)
    serve(app, 0, 300, failing=0.3)
    serve(app, 300, 700)
    assert look(app, 80) == [AlertStatus.FIRING], "what scales is not watched, and pushes nothing out"
    app.changes.record([report(app, seconds=310, version="2.0.1"), report(app, seconds=320, version="2.0.2")])
    assert look(app, 330) == []
    assert look(app, 320 + 60 + 10 * WELL_FOR) == [AlertStatus.RESOLVED]
    assert look(app, 500) == []


def test_what_fires_ends_after_a_day_also_where_nobody_looked_then(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app.changes.record([report(app)])
    serve(app, -1200, 0)
    serve(app, 0, 300, failing=0.3)
    assert look(app, 80) == [AlertStatus.FIRING]

    def fails(*_: object) -> NoReturn:
        raise SourceUnavailable("away")

    monkeypatch.setattr("middlewatch.deploy_watch.read_steps", fails)
    assert look(app, 3600 * 30) == [AlertStatus.RESOLVED], "whatever telemetry there is then"
    assert look(app, 3600 * 31) == []


def test_no_telemetry_of_anybody_is_no_silence_of_one(app: App) -> None:
    app.changes.record([report(app)])
    serve(app, -1200, 0)
    alive(app, -1200, 0)
    assert look(app, 200) == []
    serve(app, 0, 400, service="mail")
    assert look(app, 210) == [AlertStatus.FIRING]


def alive(app: App, start: float, end: float) -> None:
    """A log line a second."""
    times = [CHANGED + timedelta(seconds=float(second)) for second in np.arange(start, end)]
    rows = {"Tenant": app.settings.tenant, "Recording": "", "ServiceName": "cart", "Body": "tick", "SeverityText": "INFO"}
    columns: dict[str, object] = {name: [value] * len(times) for name, value in rows.items()}
    app.telemetry.insert("otel_logs", pa.table({**columns, "Timestamp": pa.array(times, pa.timestamp("us", tz="UTC"))}))


BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0]
"""Seconds."""


def count(app: App, *stretches: tuple[float, float, float], every: int) -> None:
    """A service that sends no spans, and counts its answers: 40 in ten seconds, told of as sums since its start.

    Args:
        app: whose telemetry it is.
        stretches: seconds after the change until which requests fail by a share, and take so many milliseconds.
        every: seconds between two exports.
    """
    answered = {"": [0] * (len(BOUNDS) + 1), "500": [0] * (len(BOUNDS) + 1)}
    rows: list[dict[str, object]] = []
    for second in range(-1200, int(stretches[-1][0]), every):
        _, failing, ms = next(stretch for stretch in stretches if second < stretch[0])
        number = 4 * every
        bad = round(number * failing)
        for error, more in (("", number - bad), ("500", bad)):
            answered[error][int(np.searchsorted(BOUNDS, ms / 1e3))] += more
            if any(answered[error]):
                attributes = [("http.route", "/"), *([("error.type", error)] if error else [])]
                rows.append({"at": second + every - 1, "attributes": attributes, "buckets": list(answered[error])})
    size = len(rows)
    fixed = {
        "Tenant": app.settings.tenant,
        "Recording": "",
        "ServiceName": "cart",
        "MetricName": "http.server.request.duration",
        "MetricUnit": "s",
        "StartTimeUnix": CHANGED - timedelta(hours=2),
    }
    app.telemetry.insert(
        "otel_metrics_histogram",
        pa.table(
            {name: [value] * size for name, value in fixed.items()}
            | {
                "Attributes": pa.array([row["attributes"] for row in rows], pa.map_(pa.string(), pa.string())),
                "TimeUnix": [CHANGED + timedelta(seconds=float(cast("float", row["at"]))) for row in rows],
                "Count": pa.array([sum(cast("list[int]", row["buckets"])) for row in rows], pa.uint64()),
                "Sum": [1.0] * size,
                "BucketCounts": pa.array([row["buckets"] for row in rows], pa.list_(pa.uint64())),
                "ExplicitBounds": pa.array([BOUNDS] * size, pa.list_(pa.float64())),
                "AggregationTemporality": pa.array([2] * size, pa.int32()),
            }
        ),
    )


@pytest.mark.parametrize(
    ("every", "failing", "ms", "said"),
    [(10, 0.3, 7.0, "failures of its own"), (60, 0.0, 200.0, "median of its own time"), (60, 0.0, 7.0, "")],
    ids=["fails", "slow", "well"],
)
def test_a_service_without_spans_is_watched_by_its_histograms(app: App, every: int, failing: float, ms: float, said: str) -> None:
    app.changes.record([report(app)])
    count(app, (0, 0.0, 7.0), (400, failing, ms), every=every)
    told = [look(app, seconds) for seconds in (80, 140, 200)]
    assert [one for some in told for one in some] == ([AlertStatus.FIRING] if said else [])
    titles = [one.message.title + one.message.annotations["worse"] for one in app.occurrences.list()]
    assert all(said in title for title in titles)
    (shown,) = app.deploy_watch.watched(CHANGED + timedelta(seconds=200))
    assert (shown.raised, shown.note) == (bool(said), "")


def test_a_change_is_kept_once_and_only_where_it_can_be_one(app: App) -> None:
    first, again = (app.changes.record([report(app)])[0] for _ in range(2))
    assert (first.new, again.new, first.report.id == again.report.id) == (True, False, True)
    assert len(app.changes.list()) == 1
    for wrong in (
        report(app, seconds=1e6),
        report(app).model_copy(update={"change": report(app).change.model_copy(update={"service": " "})}),
    ):
        with pytest.raises(BadInput):
            app.changes.record([wrong])
