"""Deploy watch through the application: a change is recorded, its service fails, one alert fires, and ends when it is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from redis import Redis

from middlewatch.app import App
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.deploy_watch import SENDER, WELL_FOR
from middlewatch.records import AlertStatus, Change, ChangeKind, ReportedChange
from middlewatch.records.errors import BadInput
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.store_fixtures import keys, redis

__all__ = ["redis"]

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
    assert (one.message.sender, one.message.labels["service.name"], one.message.started_at) == (SENDER, "cart", CHANGED)
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
