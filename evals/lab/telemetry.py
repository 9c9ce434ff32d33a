"""OpenTelemetry in a service's process: the SDK's providers, exporters that write JSON lines, and the process's own metrics."""

from __future__ import annotations

import json
import logging
import os
import random
import resource
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import get_current
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    PeriodicExportingMetricReader,
    Sum,
)
from opentelemetry.sdk.metrics.export import ExponentialHistogram as ExportedHistogram
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator

from middlewatch.evals.lab.run_folder import RunFolder

_FLUSH_MS = 1000
"""How long spans and log records wait to be written together."""


def configure(
    folder: RunFolder, *, service: str, version: str, instance: str, metrics_interval_seconds: float
) -> Callable[[], None]:
    """Set the process's tracer, meter and logger providers and route its logging to them.

    Returns:
        A function that writes everything still held back; call it last.
    """
    attributes = {
        "service.name": service,
        "service.version": version,
        "service.instance.id": instance,
        "service.namespace": "shop",
    }
    origin = Resource.create(attributes)
    described = {"attributes": dict(origin.attributes), "started_ns": time.time_ns()}
    folder.replace(folder.telemetry / f"{instance}.resource.json", json.dumps(described))

    tracers = TracerProvider(resource=origin, id_generator=ShortIds())
    tracers.add_span_processor(
        BatchSpanProcessor(SpanFile(folder.telemetry / f"{instance}.spans.jsonl"), schedule_delay_millis=_FLUSH_MS)
    )
    trace.set_tracer_provider(tracers)

    loggers = LoggerProvider(resource=origin)
    loggers.add_log_record_processor(
        BatchLogRecordProcessor(LogFile(folder.telemetry / f"{instance}.logs.jsonl"), schedule_delay_millis=_FLUSH_MS)
    )
    _route_logging(loggers)

    reader = PeriodicExportingMetricReader(
        MetricFile(folder.telemetry / f"{instance}.metrics.jsonl"), export_interval_millis=metrics_interval_seconds * 1000
    )
    meters = MeterProvider(metric_readers=[reader], resource=origin)
    metrics.set_meter_provider(meters)
    _observe_process(folder.container(instance))

    def close() -> None:
        meters.shutdown()
        tracers.shutdown()
        loggers.shutdown()

    return close


class ShortIds(IdGenerator):
    """Ids with zeros in front: unique enough for a recording, most of whose bytes are ids, and half as large."""

    def __init__(self) -> None:
        self._draw = random.SystemRandom()

    def generate_span_id(self) -> int:
        return self._draw.randrange(1, 2**32)

    def generate_trace_id(self) -> int:
        return self._draw.randrange(1, 2**64)


class _JsonLines:
    """A file that takes one JSON object a line; what was written stays readable if the process dies."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, records: Iterable[Mapping[str, object]]) -> None:
        self._file.writelines(json.dumps(record, separators=(",", ":")) + "\n" for record in records)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class SpanFile(SpanExporter):
    """Writes finished spans."""

    def __init__(self, path: Path) -> None:
        self._lines = _JsonLines(path)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._lines.write(_span(span) for span in spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._lines.close()


class LogFile(LogRecordExporter):
    """Writes log records."""

    def __init__(self, path: Path) -> None:
        self._lines = _JsonLines(path)

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        self._lines.write(_log(entry.log_record) for entry in batch)
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        del timeout_millis  # every export is written at once
        return True

    def shutdown(self) -> None:
        self._lines.close()


class MetricFile(MetricExporter):
    """Writes what was measured since the export before: counters and histograms as deltas."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            preferred_temporality={Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA},
            preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()},
        )
        self._lines = _JsonLines(path)

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> MetricExportResult:
        del timeout_millis, kwargs  # writing a local file has no use for them
        exported = [
            _metric(metric)
            for resource_metrics in metrics_data.resource_metrics
            for scope_metrics in resource_metrics.scope_metrics
            for metric in scope_metrics.metrics
        ]
        self._lines.write([{"time_ns": time.time_ns(), "metrics": exported}])
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        del timeout_millis  # every export is written at once
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        del timeout_millis, kwargs
        self._lines.close()


def _span(span: ReadableSpan) -> dict[str, object]:
    context = span.get_span_context()
    return {
        "trace_id": trace.format_trace_id(context.trace_id) if context else "",
        "span_id": trace.format_span_id(context.span_id) if context else "",
        "parent_span_id": trace.format_span_id(span.parent.span_id) if span.parent else "",
        "name": span.name,
        "start_ns": span.start_time,
        "end_ns": span.end_time,
        "status": span.status.status_code.name,
        "attributes": dict(span.attributes or {}),
    }


def _log(record: LogRecord) -> dict[str, object]:
    return {
        "time_ns": record.timestamp,
        "severity": record.severity_text,
        "body": record.body,
        "trace_id": trace.format_trace_id(record.trace_id) if record.trace_id else "",
        "span_id": trace.format_span_id(record.span_id) if record.span_id else "",
    }


def _metric(metric: Metric) -> dict[str, object]:
    kind = "gauge"
    if isinstance(metric.data, ExportedHistogram):
        kind = "histogram"
    elif isinstance(metric.data, Sum) and metric.data.aggregation_temporality is AggregationTemporality.DELTA:
        kind = "counter"
    return {
        "name": metric.name,
        "unit": metric.unit,
        "kind": kind,
        "points": [_point(point) for point in metric.data.data_points],
    }


def _point(point: Any) -> dict[str, object]:  # noqa: ANN401 -- the SDK's union of data points, told apart below
    attributes = dict(point.attributes or {})
    if isinstance(point, NumberDataPoint):
        return {"attributes": attributes, "value": point.value}
    if isinstance(point, ExponentialHistogramDataPoint):
        return {
            "attributes": attributes,
            "count": point.count,
            "sum": point.sum,
            "min": point.min,
            "max": point.max,
            "scale": point.scale,
            "zero_count": point.zero_count,
            "offset": point.positive.offset,
            "buckets": list(point.positive.bucket_counts),
        }
    message = f"no exporter for {type(point).__name__}"
    raise TypeError(message)


_SEVERITIES = (
    (logging.ERROR, SeverityNumber.ERROR, "ERROR"),
    (logging.WARNING, SeverityNumber.WARN, "WARN"),
    (logging.INFO, SeverityNumber.INFO, "INFO"),
    (logging.NOTSET, SeverityNumber.DEBUG, "DEBUG"),
)


class LogBridge(logging.Handler):
    """Hands the standard library's log records to OpenTelemetry, with the span that was current."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._provider = provider

    def emit(self, record: logging.LogRecord) -> None:
        number, text = next((number, text) for level, number, text in _SEVERITIES if record.levelno >= level)
        self._provider.get_logger(record.name).emit(
            LogRecord(
                timestamp=int(record.created * 1e9),
                context=get_current(),
                severity_number=number,
                severity_text=text,
                body=_body(record),
            )
        )


def _body(record: logging.LogRecord) -> str:
    """The message, and the stack trace where there is one: its files by their names alone, as in a container."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return record.getMessage()
    frames = (
        f'  File "{Path(frame.filename).name}", line {frame.lineno}, in {frame.name}'
        for frame in traceback.extract_tb(error.__traceback__)
    )
    told = traceback.format_exception_only(error)[-1].rstrip()
    return "\n".join((record.getMessage(), "Traceback (most recent call last):", *frames, told))


def _route_logging(loggers: LoggerProvider) -> None:
    to_standard_error = logging.StreamHandler()
    to_standard_error.setLevel(logging.WARNING)
    logging.basicConfig(level=logging.INFO, handlers=[LogBridge(loggers), to_standard_error])
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _observe_process(container: Path) -> None:
    """Report the process's use of the machine: processor, memory, threads and open files; and its container's of processors.

    All but the process's own processor time and threads come from /proc and are absent where there is none.

    Args:
        container: lists the other processes in the container, if it exists.
    """
    meter = metrics.get_meter(__name__)
    meter.create_observable_gauge("process.cpu.utilization", callbacks=[_CpuShare()], unit="1")
    meter.create_observable_up_down_counter("process.thread.count", callbacks=[_threads], unit="{thread}")
    if Path("/proc/self/statm").exists():
        meter.create_observable_gauge("container.cpu.usage", callbacks=[_ContainerCpu(container)], unit="{cpu}")
        meter.create_observable_up_down_counter("process.memory.usage", callbacks=[_memory], unit="By")
        meter.create_observable_up_down_counter(
            "process.open_file_descriptor.count", callbacks=[_open_files], unit="{file_descriptor}"
        )


class _CpuShare:
    """Processor time since the last look, divided by the time that passed and the processors there are."""

    def __init__(self) -> None:
        self._last = (time.monotonic(), time.process_time())
        self._processors = os.cpu_count() or 1

    def __call__(self, options: CallbackOptions) -> Iterable[Observation]:
        del options
        now = (time.monotonic(), time.process_time())
        passed, used = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
        if passed > 0:
            yield Observation(used / passed / self._processors)


class _ContainerCpu:
    """Processors that the processes of the container used on average since the last look: this one and those in a list."""

    def __init__(self, others: Path) -> None:
        self._others = others
        self._last = time.monotonic()
        self._used: dict[int, float] = {}

    def __call__(self, options: CallbackOptions) -> Iterable[Observation]:
        del options
        now = time.monotonic()
        passed, self._last = now - self._last, now
        listed = self._others.read_text(encoding="ascii").split() if self._others.exists() else []
        used = {pid: seconds for pid in (os.getpid(), *map(int, listed)) if (seconds := _processor_seconds(pid)) is not None}
        spent = sum(seconds - self._used.get(pid, 0.0) for pid, seconds in used.items())
        self._used = used
        if passed > 0:
            yield Observation(spent / passed)


def _processor_seconds(pid: int) -> float | None:
    """What a process has used in its life; None where it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    user, system = text.rpartition(")")[2].split()[11:13]  # proc(5): utime and stime, in ticks
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _memory(options: CallbackOptions) -> Iterable[Observation]:
    del options
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    yield Observation(pages * resource.getpagesize())


def _open_files(options: CallbackOptions) -> Iterable[Observation]:
    del options
    yield Observation(sum(1 for _ in Path("/proc/self/fd").iterdir()))


def _threads(options: CallbackOptions) -> Iterable[Observation]:
    del options
    yield Observation(threading.active_count())
