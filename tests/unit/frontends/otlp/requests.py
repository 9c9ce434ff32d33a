"""OTLP requests for tests."""

from __future__ import annotations

import time
from typing import Any

from google.protobuf import text_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from middlewatch.frontends.otlp.decoded import Decoded, Ground
from middlewatch.frontends.otlp.reception import Signal

NOW = time.time_ns()
GROUND = Ground("team", ("correlation.id", "x-correlation-id"), now_ns=NOW)
TRACE, SPAN = "0123456789abcdef", "01234567"
"""Ids as the text format has bytes."""


def spans(*texts: str, resource: str = "") -> ExportTraceServiceRequest:
    """A request with these spans, in protobuf's text format without ids and times, which are given."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    text_format.Parse(resource, group.resource)
    for text in texts:
        span = group.scope_spans.add().spans.add()
        span.trace_id, span.span_id = TRACE.encode(), SPAN.encode()
        span.start_time_unix_nano, span.end_time_unix_nano = NOW, NOW + 5
        changed = type(span)()
        text_format.Parse(text, changed)
        for field, value in changed.ListFields():
            if field.name in {"trace_id", "span_id", "start_time_unix_nano", "end_time_unix_nano", "parent_span_id"}:
                setattr(span, field.name, value)
                changed.ClearField(field.name)
        span.MergeFrom(changed)
    return request


def logs(*texts: str) -> ExportLogsServiceRequest:
    """A request with these records."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for text in texts:
        text_format.Parse(text, scope.log_records.add())
    return request


def metrics(*texts: str) -> ExportMetricsServiceRequest:
    """A request with these metrics; NOW stands for a time."""
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    for text in texts:
        text_format.Parse(text.replace("NOW", str(NOW)), scope.metrics.add())
    return request


def decoded(signal: Signal, request: Any, ground: Ground = GROUND) -> Decoded:
    """As it is decoded when it comes."""
    kind = signal.value
    return kind.decode(kind.reader.FromString(request.SerializeToString()), ground)


def only(signal: Signal, request: Any, ground: Ground = GROUND) -> list[dict[str, Any]]:
    """The rows of a request all of whose items can be stored, of its one table."""
    found = decoded(signal, request, ground)
    assert found.rejected.items == 0, found.rejected.message
    (table,) = found.tables.values()
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
