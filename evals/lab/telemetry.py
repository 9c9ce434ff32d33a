"""OpenTelemetry in a service's process: the SDK's providers, and exporters that write JSON lines or speak OTLP."""

from __future__ import annotations

import json
import logging
import random
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import get_current
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
from opentelemetry.sdk.metrics.view import Aggregation, ExponentialBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

from middlewatch.evals.lab.process_metrics import observe_process
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.correlation import described

_FLUSH_MS = 1000
"""How long spans and log records wait to be written together."""

_EXPORT_SECONDS = 2.0
"""How long an export over OTLP may take with all its tries: a process that ends waits for its last ones."""

_TEMPORALITY: dict[type, AggregationTemporality] = {
    Counter: AggregationTemporality.DELTA,
    Histogram: AggregationTemporality.DELTA,
}
_AGGREGATION: dict[type, Aggregation] = {Histogram: ExponentialBucketHistogramAggregation()}


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose telemetry it is."""

    service: str
    version: str
    instance: str
    restarts: int = 0
    """How often the instance was started again."""

    @property
    def attributes(self) -> dict[str, str]:
        """Of the resource."""
        return {
            "service.name": self.service,
            "service.version": self.version,
            "service.instance.id": self.instance,
            "service.namespace": "shop",
        }


def configure(folder: RunFolder, origin: Origin, *, metrics_interval_seconds: float, endpoint: str = "") -> Callable[[], None]:
    """Set the process's tracer, meter and logger providers and route its logging to them.

    Args:
        folder: the run.
        origin: whose telemetry it is.
        metrics_interval_seconds: from one export of metrics to the next.
        endpoint: an OTLP receiver over HTTP, such as http://127.0.0.1:4318, that everything goes to; files of the folder where
            it is empty.

    Returns:
        A function that writes everything still held back; call it last.
    """
    resource_ = Resource.create(dict(origin.attributes))
    described = {"attributes": dict(resource_.attributes), "started_ns": time.time_ns()}
    folder.replace(folder.telemetry / f"{origin.instance}.resource.json", json.dumps(described))
    exporters = _over_otlp(endpoint) if endpoint else _into_files(folder.telemetry, origin.instance)

    tracers = TracerProvider(resource=resource_, id_generator=RandomIdGenerator() if endpoint else ShortIds())
    tracers.add_span_processor(BatchSpanProcessor(exporters.spans, schedule_delay_millis=_FLUSH_MS))
    trace.set_tracer_provider(tracers)

    loggers = LoggerProvider(resource=resource_)
    loggers.add_log_record_processor(BatchLogRecordProcessor(exporters.logs, schedule_delay_millis=_FLUSH_MS))
    _route_logging(loggers)

    reader = PeriodicExportingMetricReader(exporters.metrics, export_interval_millis=metrics_interval_seconds * 1000)
    meters = MeterProvider(metric_readers=[reader], resource=resource_)
    metrics.set_meter_provider(meters)
    observe_process(folder.container(origin.instance), origin.restarts)

    def close() -> None:
        meters.shutdown()
        tracers.shutdown()
        loggers.shutdown()

    return close


@dataclass(frozen=True, slots=True)
class _Exporters:
    spans: SpanExporter
    logs: LogRecordExporter
    metrics: MetricExporter


def _into_files(folder: Path, instance: str) -> _Exporters:
    return _Exporters(
        SpanFile(folder / f"{instance}.spans.jsonl"),
        LogFile(folder / f"{instance}.logs.jsonl"),
        MetricFile(folder / f"{instance}.metrics.jsonl"),
    )


def _over_otlp(endpoint: str) -> _Exporters:
    """The SDK's own exporters. They are imported where they are used: recordings do without them."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    base = endpoint.rstrip("/")
    return _Exporters(
        OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=_EXPORT_SECONDS),
        OTLPLogExporter(endpoint=f"{base}/v1/logs", timeout=_EXPORT_SECONDS),
        OTLPMetricExporter(
            endpoint=f"{base}/v1/metrics",
            timeout=_EXPORT_SECONDS,
            preferred_temporality=_TEMPORALITY,
            preferred_aggregation=_AGGREGATION,
        ),
    )


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
            preferred_temporality=_TEMPORALITY,
            preferred_aggregation=_AGGREGATION,
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
        "links": [
            {"trace_id": trace.format_trace_id(each.context.trace_id), "span_id": trace.format_span_id(each.context.span_id)}
            for each in span.links
        ],
    }


def _log(record: LogRecord) -> dict[str, object]:
    return {
        "time_ns": record.timestamp,
        "severity": record.severity_text,
        "body": record.body,
        "attributes": dict(record.attributes or {}),
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
                attributes=dict(described()),
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
    exporting = logging.getLogger("opentelemetry")  # what it says about exports must not be exported
    exporting.addHandler(to_standard_error)
    exporting.propagate = False
