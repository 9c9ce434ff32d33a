"""OpenTelemetry's own exporters send traces, metrics and logs over HTTP and gRPC, and everything stands in the tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind, set_span_in_context

from middlewatch.frontends.otlp.receiver import Receiving
from middlewatch.settings import Settings
from middlewatch.telemetry import clients
from middlewatch.telemetry.clickhouse import DATABASE, ClickHouse
from tests.otlp_site import taking_in
from tests.unit.frontends.otlp.requests import NOW, SPAN, TRACE

RESOURCE = Resource({"service.name": "shop", "service.instance.id": "shop-1"})


@pytest.fixture(scope="module")
def receiving(clickhouse: ClickHouse) -> Iterator[Receiving]:
    with taking_in(clickhouse.insert, Settings(tenant="otlp")) as told:
        yield told


@pytest.fixture
def rows(clickhouse: ClickHouse) -> Iterator[Callable[[str, str], list[dict[str, Any]]]]:
    """Reads rows of a table of the tenant's, with a filter."""
    assert clickhouse.directory is not None
    client = clients.embedded(clickhouse.directory, clickhouse.limits)(DATABASE)
    yield lambda table, where: client.query_arrow(
        f"SELECT * FROM {table} WHERE Tenant = 'otlp' AND {where} ORDER BY 1", parameters={}
    ).to_pylist()
    client.close()


@pytest.mark.parametrize("way", ["http", "http+gzip", "grpc"])
def test_spans(receiving: Receiving, rows: Callable[..., list[dict[str, Any]]], way: str) -> None:
    exporter = (
        GrpcSpans(endpoint=receiving.grpc, insecure=True)
        if way == "grpc"
        else HttpSpans(
            endpoint=f"{receiving.http}/v1/traces", compression=Compression.Gzip if "gzip" in way else Compression.NoCompression
        )
    )
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("tests", "1")
    sent = tracer.start_span(f"send {way}", kind=SpanKind.PRODUCER, attributes={"correlation.id": f"c-{way}"})
    sent.end()
    handled = tracer.start_span(f"handle {way}", kind=SpanKind.CONSUMER, links=[Link(sent.get_span_context())])
    inner = tracer.start_span(f"inner {way}", context=set_span_in_context(handled))
    inner.record_exception(ValueError("odd"))
    inner.end()
    handled.end()
    provider.shutdown()
    found = {row["SpanName"].partition(" ")[0]: row for row in rows("otel_traces", f"SpanName LIKE '% {way}'")}
    assert found["send"]["ServiceName"] == "shop"
    assert ("service.instance.id", "shop-1") in found["send"]["ResourceAttributes"]
    assert (found["send"]["SpanKind"], found["handle"]["SpanKind"]) == ("Producer", "Consumer")
    assert found["send"]["CorrelationId"] == f"c-{way}"
    assert found["handle"]["Links.SpanId"] == [found["send"]["SpanId"]]
    assert found["inner"]["ParentSpanId"] == found["handle"]["SpanId"]
    assert found["inner"]["Events.Name"] == ["exception"]
    (link,) = rows("span_links", f"SpanId = '{found['handle']['SpanId']}'")
    assert link["LinkedTraceId"] == found["send"]["TraceId"]


@pytest.mark.parametrize("way", ["http", "grpc"])
def test_metrics(receiving: Receiving, rows: Callable[..., list[dict[str, Any]]], way: str) -> None:
    exporter = (
        GrpcMetrics(endpoint=receiving.grpc, insecure=True)
        if way == "grpc"
        else HttpMetrics(endpoint=f"{receiving.http}/v1/metrics")
    )
    view = View(instrument_name=f"fine.{way}", aggregation=ExponentialBucketHistogramAggregation())
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=600_000)
    provider = MeterProvider([reader], resource=RESOURCE, views=[view])
    meter = provider.get_meter("tests")
    meter.create_counter(f"count.{way}").add(3, {"route": "/"})
    meter.create_gauge(f"level.{way}").set(1.5)
    meter.create_histogram(f"lasts.{way}").record(7)
    meter.create_histogram(f"fine.{way}").record(7)
    provider.shutdown()
    (counted,) = rows("otel_metrics_sum", f"MetricName = 'count.{way}'")
    assert (counted["Value"], counted["IsMonotonic"], counted["Attributes"]) == (3.0, True, [("route", "/")])
    assert [row["Value"] for row in rows("otel_metrics_gauge", f"MetricName = 'level.{way}'")] == [1.5]
    (lasted,) = rows("otel_metrics_histogram", f"MetricName = 'lasts.{way}'")
    assert (lasted["Count"], lasted["Sum"], sum(lasted["BucketCounts"])) == (1, 7.0, 1)
    assert [row["Count"] for row in rows("otel_metrics_exponential_histogram", f"MetricName = 'fine.{way}'")] == [1]


@pytest.mark.parametrize("way", ["http", "grpc"])
def test_logs(receiving: Receiving, rows: Callable[..., list[dict[str, Any]]], way: str) -> None:
    exporter = GrpcLogs(endpoint=receiving.grpc, insecure=True) if way == "grpc" else HttpLogs(endpoint=f"{receiving.http}/v1/logs")
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("tests").emit(body=f"said over {way}", severity_text="WARN", timestamp=NOW, attributes={"n": 1})
    provider.shutdown()
    (line,) = rows("otel_logs", f"Body = 'said over {way}'")
    assert (line["ServiceName"], line["SeverityText"], line["LogAttributes"]) == ("shop", "WARN", [("n", "1")])


@pytest.mark.parametrize("names", ["camel", "snake"])
def test_json(receiving: Receiving, rows: Callable[..., list[dict[str, Any]]], names: str) -> None:
    """Ids in hexadecimal, long numbers as text, both ways of writing names, and fields that nobody knows."""
    body = {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "json"}}]},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": TRACE.encode().hex().upper(),
                                "spanId": SPAN.encode().hex(),
                                "parentSpanId": "",
                                "name": f"json {names}",
                                "kind": 5,
                                "startTimeUnixNano": str(NOW),
                                "endTimeUnixNano": str(NOW + 7),
                                "attributes": [{"key": "traceId", "value": {"intValue": "9007199254740993"}}],
                                "status": {"code": 2},
                                "tomorrow": {"traceId": 5},
                            },
                            {"traceId": "not hex", "spanId": SPAN.encode().hex(), "startTimeUnixNano": str(NOW)},
                        ]
                    }
                ],
            }
        ]
    }
    text = json.dumps(body)
    if names == "snake":
        for camel, snake in (
            ("resourceSpans", "resource_spans"),
            ("scopeSpans", "scope_spans"),
            ("parentSpanId", "parent_span_id"),
            ('"traceId": "', '"trace_id": "'),
            ("startTimeUnixNano", "start_time_unix_nano"),
            ("spanId", "span_id"),
        ):
            text = text.replace(camel, snake)
    headers = {"content-type": "application/json; charset=utf-8"}
    answer = httpx.post(f"{receiving.http}/v1/traces", content=text, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"
    (row,) = rows("otel_traces", f"SpanName = 'json {names}'")
    assert (row["TraceId"], row["SpanId"], row["Duration"]) == (TRACE.encode().hex(), SPAN.encode().hex(), 7)
    assert (row["ServiceName"], row["SpanKind"], row["StatusCode"]) == ("json", "Consumer", "Error")
    assert row["SpanAttributes"] == [("traceId", "9007199254740993")]
