"""Invariant: what a service measures, logs and traces through OpenTelemetry is what its files say, joined by trace and span id."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.metrics import CallbackOptions
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import StatusCode

from middlewatch.evals.lab import process_metrics, telemetry
from middlewatch.evals.lab.measurements import measurements


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def meters(tmp_path: Path) -> Iterator[MeterProvider]:
    """A provider that exports only when it is told to."""
    reader = PeriodicExportingMetricReader(telemetry.MetricFile(tmp_path / "metrics.jsonl"), export_interval_millis=float("inf"))
    provider = MeterProvider(metric_readers=[reader])
    yield provider
    provider.shutdown()


def test_each_export_holds_what_was_measured_since_the_one_before(meters: MeterProvider, tmp_path: Path) -> None:
    meter = meters.get_meter("test")
    duration = meter.create_histogram("http.server.request.duration", unit="s")
    timeouts = meter.create_counter("db.client.connection.timeouts", unit="{timeout}")
    for values in ([0.010, 0.020, 0.090], [0.5]):
        for value in values:
            duration.record(value, {"http.route": f"/{value}"})
            timeouts.add(2)
        meters.force_flush()
    exports = read(tmp_path / "metrics.jsonl")
    rows = list(measurements(exports, service="orders", instance="orders-1", started_ns=0))
    assert [row.value for row in rows if row.metric == "http.server.request.duration.mean"] == [pytest.approx(0.04), 0.5]
    assert [row.value for row in rows if row.metric == "http.server.request.duration.p99"] == [
        pytest.approx(0.090, rel=0.01),
        pytest.approx(0.5, rel=0.01),
    ]
    first, second = (row.value for row in rows if row.metric == "db.client.connection.timeouts.rate")
    assert second > first  # two in a moment, after six since 1970


@pytest.fixture
def logger(tmp_path: Path) -> Iterator[logging.Logger]:
    """A logger whose lines go to `logs.jsonl`."""
    loggers = LoggerProvider()
    loggers.add_log_record_processor(SimpleLogRecordProcessor(telemetry.LogFile(tmp_path / "logs.jsonl")))
    found = logging.getLogger("test.lab")
    found.propagate = False
    handler = telemetry.LogBridge(loggers)
    found.addHandler(handler)
    yield found
    found.removeHandler(handler)
    loggers.shutdown()


def test_a_log_line_carries_the_span_in_which_it_was_written(logger: logging.Logger, tmp_path: Path) -> None:
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(telemetry.SpanFile(tmp_path / "spans.jsonl")))
    tracer = tracers.get_tracer("test")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner") as inner:
        logger.warning("took %d ms", 70)
        inner.set_status(StatusCode.ERROR)
    logger.error("outside")
    innermost, outermost = read(tmp_path / "spans.jsonl")
    inside, outside = read(tmp_path / "logs.jsonl")
    assert (inside["body"], inside["severity"]) == ("took 70 ms", "WARN")
    assert (inside["trace_id"], inside["span_id"]) == (innermost["trace_id"], innermost["span_id"])
    assert (outside["severity"], outside["trace_id"], outside["span_id"]) == ("ERROR", "", "")
    assert innermost["parent_span_id"] == outermost["span_id"]
    assert (innermost["status"], outermost["status"], outermost["parent_span_id"]) == ("ERROR", "UNSET", "")
    tracers.shutdown()


def test_a_stack_trace_is_logged_without_the_folders_of_this_machine(logger: logging.Logger, tmp_path: Path) -> None:
    try:
        int("on request")
    except ValueError:
        logger.exception("GET /quotes failed")
    (line,) = read(tmp_path / "logs.jsonl")
    body = str(line["body"]).splitlines()
    assert body[:2] == ["GET /quotes failed", "Traceback (most recent call last):"]
    assert body[2].startswith('  File "test_telemetry.py", line ')
    assert body[-1] == "ValueError: invalid literal for int() with base 10: 'on request'"


def test_ids_are_short_and_differ() -> None:
    ids = telemetry.ShortIds()
    spans, traces = ({make() for _ in range(1000)} for make in (ids.generate_span_id, ids.generate_trace_id))
    assert len(spans) == len(traces) == 1000
    assert 0 < min(spans) <= max(spans) < 2**32
    assert 0 < min(traces) <= max(traces) < 2**64


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
def test_a_container_uses_what_all_of_its_processes_use(tmp_path: Path) -> None:
    usage = process_metrics._ContainerCpu(tmp_path / "others")

    def looked() -> float:
        (observation,) = usage(CallbackOptions())
        return float(observation.value)

    looked()
    program = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\nimport sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as neighbour:
        assert neighbour.stdout is not None
        neighbour.stdout.readline()
        alone = looked()
        (tmp_path / "others").write_text(str(neighbour.pid), encoding="ascii")
        assert looked() > alone + 0.1  # what it has used in its life is much more than can be used in a moment
        assert process_metrics._processor_seconds(neighbour.pid) > 0.4  # type: ignore[operator]  # it runs
        assert neighbour.stdin is not None
        neighbour.stdin.close()
    assert process_metrics._processor_seconds(neighbour.pid) is None
    assert os.getpid() in usage._used
