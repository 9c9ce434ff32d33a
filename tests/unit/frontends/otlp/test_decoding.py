"""Spans, log records and points become exactly the rows that the Collector's exporter writes."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from middlewatch.frontends.otlp.attributes import number_text, text_of
from middlewatch.frontends.otlp.decoded import AHEAD_SECONDS, NANOSECONDS, OLDEST_SECONDS
from middlewatch.frontends.otlp.reception import Signal
from tests.unit.frontends.otlp.requests import GROUND, NOW, SPAN, TRACE, decoded, logs, metrics, only, spans

BOTH = (
    'attributes { key: "x-correlation-id" value { string_value: "2" } } attributes { key: "correlation.id" value { int_value: 1 } }'
)
HEX_TRACE, HEX_SPAN = TRACE.encode().hex(), SPAN.encode().hex()


def nanoseconds(moment: Any) -> int:
    return int(moment.value)


def test_a_span_is_a_row() -> None:
    request = spans(
        'name: "GET /" kind: SPAN_KIND_CLIENT parent_span_id: "abcdefgh" trace_state: "a=1" '
        'status { code: STATUS_CODE_ERROR message: "no" } attributes { key: "n" value { int_value: 3 } } '
        'events { name: "boom" time_unix_nano: 5 attributes { key: "x" value { bool_value: true } } } '
        'links { trace_id: "fedcba9876543210" span_id: "76543210" }',
        resource='attributes { key: "service.name" value { string_value: "shop" } } '
        'attributes { key: "host.name" value { string_value: "h" } }',
    )
    (row,) = only(Signal.TRACES, request)
    assert nanoseconds(row.pop("Timestamp")) == NOW
    assert [nanoseconds(moment) for moment in row.pop("Events.Timestamp")] == [5]
    assert row == {
        "Tenant": "team",
        "Recording": "",
        "TraceId": HEX_TRACE,
        "SpanId": HEX_SPAN,
        "ParentSpanId": b"abcdefgh".hex(),
        "TraceState": "a=1",
        "SpanName": "GET /",
        "SpanKind": "Client",
        "ServiceName": "shop",
        "ResourceAttributes": [("service.name", "shop"), ("host.name", "h")],
        "ScopeName": "",
        "ScopeVersion": "",
        "SpanAttributes": [("n", "3")],
        "Duration": 5,
        "StatusCode": "Error",
        "StatusMessage": "no",
        "CorrelationId": "",
        "Events.Name": ["boom"],
        "Events.Attributes": [[("x", "true")]],
        "Links.TraceId": [b"fedcba9876543210".hex()],
        "Links.SpanId": [b"76543210".hex()],
        "Links.TraceState": [""],
        "Links.Attributes": [[]],
    }


def test_a_service_without_a_name_is_unknown() -> None:
    assert only(Signal.TRACES, spans(""))[0]["ServiceName"] == "unknown_service"
    named_nothing = 'attributes { key: "service.name" value { string_value: "" } }'
    assert only(Signal.TRACES, spans("", resource=named_nothing))[0]["ServiceName"] == "unknown_service"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('trace_id: "short"', "trace id"),
        ('trace_id: "0123456789abcdef0"', "trace id"),
        (r'trace_id: "' + r"\000" * 16 + '"', "trace id"),
        ('span_id: "1"', "span id"),
        (r'span_id: "' + r"\000" * 8 + '"', "span id"),
        ('parent_span_id: "1"', "parent's id"),
        ("start_time_unix_nano: 1", "time of no use"),
        (f"start_time_unix_nano: {NOW - (OLDEST_SECONDS + 1) * NANOSECONDS}", "time of no use"),
        (f"start_time_unix_nano: {NOW + (AHEAD_SECONDS + 1) * NANOSECONDS} end_time_unix_nano: {2**64 - 1}", "time of no use"),
        (f"end_time_unix_nano: {NOW - 1}", "end before they begin"),
    ],
    ids=range(10),
)
def test_a_span_that_cannot_be_stored_is_rejected_with_its_reason_and_the_others_are_not(text: str, reason: str) -> None:
    found = decoded(Signal.TRACES, spans('name: "before"', text, 'name: "after"'))
    assert found.tables["otel_traces"]["SpanName"].to_pylist() == ["before", "after"]
    assert found.rejected.items == 1
    assert reason in found.rejected.message


def test_many_reasons_are_counted_and_the_rest_is_summed_up() -> None:
    found = decoded(Signal.TRACES, spans('trace_id: "a"', 'trace_id: "b"', 'span_id: "1"'))
    assert found.tables == {}
    assert found.rejected.message.startswith("2 with a trace id")
    assert "; 1 with a span id" in found.rejected.message


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ('attributes { key: "correlation.id" value { string_value: "c-1" } }', "c-1"),
        (
            'attributes { key: "http.request.header.x-correlation-id" value { array_value { values { string_value: "c-2" } } } }',
            "c-2",
        ),
        ('attributes { key: "other" value { string_value: "c-3" } }', ""),
        (f'attributes {{ key: "correlation.id" value {{ string_value: "{"x" * 129}" }} }}', ""),
        ('attributes { key: "x-correlation-id" value { string_value: "[" } }', ""),
        (BOTH, "1"),
    ],
)
def test_a_correlation_id_is_of_the_first_key_that_is_there(attribute: str, expected: str) -> None:
    rows = only(Signal.TRACES, spans("", attribute, 'attributes { key: "a" }'))
    assert [row["CorrelationId"] for row in rows] == ["", expected, ""]


def test_a_log_record_is_a_row() -> None:
    request = logs(
        f'time_unix_nano: {NOW} body {{ string_value: "hi" }} severity_number: SEVERITY_NUMBER_WARN severity_text: "W" flags: 257 '
        f'trace_id: "{TRACE}" span_id: "{SPAN}" event_name: "e"',
        f'observed_time_unix_nano: {NOW - 1} body {{ kvlist_value {{ values {{ key: "b" value {{ double_value: 1.5 }} }} }} }}',
    )
    first, second = only(Signal.LOGS, request)
    assert (first["TraceId"], first["SpanId"], first["TraceFlags"]) == (HEX_TRACE, HEX_SPAN, 1)
    assert (first["SeverityNumber"], first["SeverityText"], first["Body"], first["EventName"]) == (13, "W", "hi", "e")
    assert (second["TraceId"], second["Body"]) == ("", '{"b":1.5}')
    assert nanoseconds(second["Timestamp"]) == NOW - 1


@pytest.mark.parametrize("text", ['trace_id: "1"', 'span_id: "1"', "", "time_unix_nano: 1"])
def test_a_log_record_that_cannot_be_stored_is_rejected(text: str) -> None:
    moment = "" if not text or "time" in text else f" time_unix_nano: {NOW}"
    found = decoded(Signal.LOGS, logs(text + moment, f"time_unix_nano: {NOW}"))
    assert (found.rows, found.rejected.items) == (1, 1)


def test_every_kind_of_metric_has_its_table() -> None:
    found = decoded(
        Signal.METRICS,
        metrics(
            'name: "g" unit: "1" description: "d" gauge '
            "{ data_points { time_unix_nano: NOW as_int: 5 exemplars { as_double: 2 } } }",
            'name: "s" sum { is_monotonic: true aggregation_temporality: 2 data_points { time_unix_nano: NOW as_double: 0.5 } }',
            'name: "h" histogram { aggregation_temporality: 1 data_points '
            "{ time_unix_nano: NOW count: 3 sum: 2 min: 1 max: 4 bucket_counts: [1, 2] explicit_bounds: 0.5 } }",
            'name: "e" exponential_histogram { data_points { time_unix_nano: NOW count: 2 scale: -1 zero_count: 1 '
            "positive { offset: 3 bucket_counts: 2 } negative { bucket_counts: [4, 5] } } }",
            'name: "q" summary { data_points { time_unix_nano: NOW count: 2 sum: 9 quantile_values { quantile: 0.5 value: 4 } } }',
        ),
    )
    assert found.rejected.items == 0
    rows = {name.removeprefix("otel_metrics_"): table.to_pylist()[0] for name, table in found.tables.items()}
    gauge = rows["gauge"]
    assert (gauge["MetricName"], gauge["MetricUnit"], gauge["MetricDescription"], gauge["Value"]) == ("g", "1", "d", 5.0)
    assert gauge["Exemplars.Value"] == [2.0]
    assert (rows["sum"]["Value"], rows["sum"]["IsMonotonic"], rows["sum"]["AggregationTemporality"]) == (0.5, True, 2)
    histogram = rows["histogram"]
    assert (histogram["Count"], histogram["Sum"], histogram["Min"], histogram["Max"]) == (3, 2.0, 1.0, 4.0)
    assert (histogram["BucketCounts"], histogram["ExplicitBounds"]) == ([1, 2], [0.5])
    exponential = rows["exponential_histogram"]
    assert (exponential["Scale"], exponential["ZeroCount"], exponential["PositiveOffset"]) == (-1, 1, 3)
    assert (exponential["PositiveBucketCounts"], exponential["NegativeBucketCounts"]) == ([2], [4, 5])
    summary = rows["summary"]
    assert (summary["ValueAtQuantiles.Quantile"], summary["ValueAtQuantiles.Value"]) == ([0.5], [4.0])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('name: "m" gauge { data_points { time_unix_nano: NOW as_double: nan } }', "finite"),
        ('name: "m" sum { data_points { time_unix_nano: NOW as_double: inf } }', "finite"),
        ('name: "m" gauge { data_points { time_unix_nano: NOW } }', "without a value"),
        ('name: "m" gauge { data_points { as_int: 1 } }', "time of no use"),
        ("gauge { data_points { time_unix_nano: NOW as_int: 1 } }", "without a name"),
        ('name: "m" histogram { data_points { time_unix_nano: NOW bucket_counts: 1 explicit_bounds: 1 } }', "buckets"),
        ('name: "m" histogram { data_points { time_unix_nano: NOW explicit_bounds: [2, 1] } }', "do not rise"),
        ('name: "m" histogram { data_points { time_unix_nano: NOW sum: nan } }', "finite"),
        ('name: "m" exponential_histogram { data_points { time_unix_nano: NOW max: inf } }', "finite"),
        ('name: "m" summary { data_points { time_unix_nano: NOW quantile_values { value: nan } } }', "finite"),
    ],
)
def test_a_point_that_cannot_be_stored_is_rejected(text: str, reason: str) -> None:
    found = decoded(Signal.METRICS, metrics(text, 'name: "ok" gauge { data_points { time_unix_nano: NOW as_int: 1 } }'))
    assert (found.rows, found.rejected.items) == (1, 1)
    assert reason in found.rejected.message


def test_a_point_that_says_that_it_has_no_value_is_no_row_and_no_mistake() -> None:
    found = decoded(Signal.METRICS, metrics('name: "m" gauge { data_points { time_unix_nano: NOW flags: 1 } }'))
    assert (found.tables, found.rejected.items) == ({}, 0)


@pytest.mark.parametrize(("number", "text"), [(2.0, "2"), (0.1, "0.1"), (1e21, "1e+21"), (-1e-7, "-1e-7"), (math.nan, "NaN")])
def test_doubles_are_written_as_the_exporter_writes_them(number: float, text: str) -> None:
    assert number_text(number) == text
    assert text_of(AnyValue(double_value=number)) == text


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_VALUES = st.one_of(
    _TEXT.map(lambda v: ({"string_value": v}, v)),
    st.integers(-(2**63), 2**63 - 1).map(lambda v: ({"int_value": v}, str(v))),
    st.booleans().map(lambda v: ({"bool_value": v}, str(v).lower())),
)
_SPANS = st.fixed_dictionaries(
    {
        "trace": st.binary(min_size=16, max_size=16).filter(any),
        "span": st.binary(min_size=8, max_size=8).filter(any),
        "parent": st.one_of(st.just(b""), st.binary(min_size=8, max_size=8).filter(any)),
        "name": _TEXT,
        "kind": st.integers(0, 5),
        "status": st.integers(0, 2),
        "lasts": st.integers(0, 2**40),
        "attributes": st.lists(st.tuples(_TEXT, _VALUES), max_size=3),
        "events": st.lists(_TEXT, max_size=2),
    }
)


@settings(max_examples=60)
@given(st.lists(st.tuples(_TEXT, st.lists(st.lists(_SPANS, max_size=3), max_size=2)), min_size=1, max_size=3))
def test_what_goes_in_comes_out(groups: list[tuple[str, list[list[dict[str, Any]]]]]) -> None:
    """Any spans of any resources and scopes: each is one row, in order, with what it had."""
    request, expected = ExportTraceServiceRequest(), []
    for service, scopes in groups:
        group = request.resource_spans.add()
        group.resource.attributes.add(key="service.name").value.string_value = service
        for number, members in enumerate(scopes):
            scope = group.scope_spans.add()
            scope.scope.name = str(number)
            for made in members:
                span = scope.spans.add(
                    trace_id=made["trace"], span_id=made["span"], parent_span_id=made["parent"], name=made["name"]
                )
                span.kind, span.status.code = made["kind"], made["status"]
                span.start_time_unix_nano, span.end_time_unix_nano = NOW, NOW + made["lasts"]
                for key, (value, _) in made["attributes"]:
                    span.attributes.add(key=key, value=AnyValue(**value))
                for event in made["events"]:
                    span.events.add(name=event)
                expected.append(
                    {
                        "TraceId": made["trace"].hex(),
                        "SpanId": made["span"].hex(),
                        "ParentSpanId": made["parent"].hex(),
                        "SpanName": made["name"],
                        "SpanKind": ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")[made["kind"]],
                        "StatusCode": ("Unset", "Ok", "Error")[made["status"]],
                        "Duration": made["lasts"],
                        "ServiceName": service or "unknown_service",
                        "ScopeName": str(number),
                        "SpanAttributes": [(key, text) for key, (_, text) in made["attributes"]],
                        "Events.Name": made["events"],
                    }
                )
    found = decoded(Signal.TRACES, request)
    assert found.rejected.items == 0
    rows = [row for table in found.tables.values() for row in table.to_pylist()]
    assert [{name: row[name] for name in wanted} for row, wanted in zip(rows, expected, strict=True)] == expected


def test_the_ground_knows_its_times() -> None:
    assert GROUND.has_use_for(NOW)
    assert datetime.fromtimestamp(GROUND.newest_ns / NANOSECONDS, UTC) > datetime.fromtimestamp(NOW / NANOSECONDS, UTC)
