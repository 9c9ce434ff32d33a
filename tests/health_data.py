"""Services that do well and badly, in telemetry up to now: for pages that show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from middlewatch.app import App

SERVICES = """\
[services.checkout]
tier = 1
owner = "payments team"
[services.catalogue]
tier = 2
[services.mail]
[services.nobody-heard-of-it]
tier = 4

[[objectives]]
name = "buying"
journey = "A customer buys"
service = "checkout"
operations = ["POST /checkout"]
kind = "availability"
target = 0.999
days = 4

[[objectives]]
name = "checkout-fast"
service = "checkout"
kind = "latency"
threshold_ms = 100
target = 0.6
days = 4

[[objectives]]
name = "catalogue-availability"
service = "catalogue"
kind = "availability"
target = 0.9
days = 4

[[objectives]]
name = "catalogue-fast"
service = "catalogue"
kind = "latency"
threshold_ms = 30
target = 0.9
days = 4

[[objectives]]
name = "never-counted"
service = "nobody-heard-of-it"
kind = "availability"
target = 0.99

[[maintenance]]
services = ["mail"]
from = 2020-01-01T00:00:00
to = 2020-12-31T00:00:00
"""
_STAMP = pa.timestamp("us", tz="UTC")


def seed_health(app: App, now: datetime | None = None) -> None:
    """Declare services, have them serve requests for a day, and count."""
    now = now or datetime.now(UTC)
    app.settings.services_path.write_text(SERVICES)
    _spans(app, now)
    _disk(app, now)
    app.objectives.look(now)
    while not app.objectives.count(now):
        pass


def _spans(app: App, now: datetime) -> None:
    rows = [
        (service, name, now - timedelta(minutes=minute, seconds=second), ms, failed)
        for minute in range(1, 200)
        if not 20 < minute < 26
        for service, name, ms in (
            ("checkout", "POST /checkout", 60.0 + minute % 7 * 10),
            ("catalogue", "GET /", 20.0 + minute % 2 * 20),
        )
        for second in range(0, 60, 10)
        for failed in (service == "checkout" and minute < 12 and second < 30,)
    ]
    size = len(rows)
    columns = list(zip(*rows, strict=True))
    app.telemetry.insert(
        "otel_traces",
        pa.table(
            {
                "Tenant": [app.settings.tenant] * size,
                "Recording": [""] * size,
                "ServiceName": list(columns[0]),
                "SpanName": list(columns[1]),
                "SpanKind": ["Server"] * size,
                "Timestamp": pa.array(columns[2], _STAMP),
                "Duration": pa.array([round(ms * 1e6) for ms in columns[3]], pa.uint64()),
                "StatusCode": ["Error" if failed else "Unset" for failed in columns[4]],
            }
        ),
    )


def _disk(app: App, now: datetime) -> None:
    size = 400
    app.telemetry.insert(
        "otel_metrics_gauge",
        pa.table(
            {
                "Tenant": [app.settings.tenant] * size,
                "Recording": [""] * size,
                "ServiceName": ["checkout"] * size,
                "MetricName": ["system.filesystem.utilization"] * size,
                "Attributes": pa.array(
                    [[("system.filesystem.mountpoint", "/var/lib/data")]] * size, pa.map_(pa.string(), pa.string())
                ),
                "TimeUnix": pa.array([now - timedelta(minutes=size - number) for number in range(size)], _STAMP),
                "Value": [0.7 + 0.0005 * number + 0.002 * (number % 5) for number in range(size)],
            }
        ),
    )
