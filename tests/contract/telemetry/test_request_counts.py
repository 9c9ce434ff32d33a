"""What objectives count: requests that services answered, and increases of counters."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from tests.contract.telemetry.conftest import LiveSources, RecordingSources, window
from tests.contract.telemetry.test_metric_source import _CUMULATIVE, _DELTA, points
from tests.telemetry_data import moment


def _spans(rows: list[dict[str, Any]]) -> dict[str, pa.Array | list[Any]]:
    """Columns of the table of spans."""
    return {
        "ServiceName": [row.get("service", "shop") for row in rows],
        "SpanName": [row.get("name", "GET /") for row in rows],
        "SpanKind": [row.get("kind", "Server") for row in rows],
        "TraceId": [f"{number:032x}" for number in range(len(rows))],
        "SpanId": [f"{number:016x}" for number in range(len(rows))],
        "ParentSpanId": [row.get("parent", "00000000000000aa") for row in rows],
        "Timestamp": pa.array([moment(row.get("at", 0)) for row in rows], pa.timestamp("us", tz="UTC")),
        "Duration": pa.array([int(row.get("ms", 1.0) * 1_000_000) for row in rows], pa.uint64()),
        "StatusCode": [row.get("status", "Unset") for row in rows],
    }


def test_servers_consumers_and_roots_are_requests_and_calls_to_others_are_not(live: LiveSources) -> None:
    rows: list[dict[str, Any]] = [
        {"kind": "Server"},
        {"kind": "SPAN_KIND_SERVER"},
        {"kind": "Consumer"},
        {"kind": "Internal"},
        {"kind": "Client"},
        {"kind": "Internal", "parent": ""},
        {"kind": "", "parent": "0000000000000000"},
        {"kind": "Client", "parent": ""},
    ]
    (row,) = live("otel_traces", _spans(rows)).traces.served(window(), step_seconds=3600).to_pylist()
    assert (row["service"], row["operation"], row["count"], row["errors"], row["within"]) == ("shop", "", 5, 0, [])


def test_errors_and_limits_are_counted_per_step(live: LiveSources) -> None:
    rows: list[dict[str, Any]] = [
        {"ms": 10},
        {"ms": 10.001, "status": "Error"},
        {"ms": 500, "at": 59},
        {"ms": 500, "at": 60, "status": "STATUS_CODE_ERROR"},
    ]
    found = live("otel_traces", _spans(rows)).traces.served(window(), step_seconds=60, limits_ms=[10, 499, 500]).to_pylist()
    assert [(row["time"], row["count"], row["errors"], row["within"], row["errors_within"]) for row in found] == [
        (moment(0), 3, 1, [1, 2, 3], [0, 1, 1]),
        (moment(60), 1, 1, [0, 0, 1], [0, 0, 1]),
    ]
    assert found[1]["p99_ms"] == pytest.approx(500.0)


def test_only_named_operations_have_rows_of_their_own(live: LiveSources) -> None:
    rows = [{"name": name} for name in ("POST /checkout", "GET /", "GET /odd", "'; DROP TABLE otel_traces; --")]
    table = live("otel_traces", _spans(rows)).traces.served(window(), step_seconds=3600, operations=["POST /checkout", "'"])
    assert [(row["operation"], row["count"]) for row in table.to_pylist()] == [("", 3), ("POST /checkout", 1)]


def test_services_that_are_not_asked_for_and_what_ends_after_the_horizon_are_left_out(live: LiveSources) -> None:
    rows: list[dict[str, Any]] = [{"service": "cart"}, {"service": "mail"}, {"service": "cart", "at": 3599, "ms": 2000}]
    table = live("otel_traces", _spans(rows)).traces.served(window(), step_seconds=3600, services=["cart"])
    assert [(row["service"], row["count"]) for row in table.to_pylist()] == [("cart", 1)]


def test_recordings_and_live_telemetry_do_not_mix(recorded: RecordingSources, live: LiveSources) -> None:
    live("otel_traces", _spans([{}, {}]))
    (row,) = recorded(traces=[{}]).traces.served(window(), step_seconds=3600).to_pylist()
    assert row["count"] == 1


def _increases(live: LiveSources, values: list[float], temporality: int, **columns: Any) -> list[float]:
    times = [60.0 * number + 1 for number in range(len(values))]
    made = points(
        times, Value=values, AggregationTemporality=[temporality] * len(values), IsMonotonic=[True] * len(values), **columns
    )
    table = live("otel_metrics_sum", made).metrics.increases(window(), step_seconds=60, services=["shop"], metrics=["m", "other"])
    assert set(table["metric"].to_pylist()) <= {"m"}
    return [row["increase"] for row in table.to_pylist()]


def test_a_cumulative_counter_counts_from_its_second_point(live: LiveSources) -> None:
    assert _increases(live, [100, 103, 103, 110], _CUMULATIVE) == [3, 0, 7]


def test_a_counter_that_was_set_back_counts_from_nothing(live: LiveSources) -> None:
    assert _increases(live, [100, 103, 2, 4], _CUMULATIVE) == [3, 2, 2]


def test_a_newer_start_is_a_reset_even_where_the_value_is_higher(live: LiveSources) -> None:
    assert _increases(live, [1, 5, 7], _CUMULATIVE, began=[-10_000, -10_000, 100]) == [4, 7]


def test_deltas_are_added_up(live: LiveSources) -> None:
    assert _increases(live, [3, 0, 4], _DELTA) == [3, 0, 4]


def test_series_of_one_counter_are_added_up(live: LiveSources) -> None:
    live("otel_metrics_sum", points([1, 61], instance="a", Value=[10, 12], AggregationTemporality=[2, 2], IsMonotonic=[True, True]))
    sources = live(
        "otel_metrics_sum", points([1, 61], instance="b", Value=[20, 25], AggregationTemporality=[2, 2], IsMonotonic=[True, True])
    )
    table = sources.metrics.increases(window(), step_seconds=60, services=[], metrics=["m"])
    assert [(row["time"], row["increase"]) for row in table.to_pylist()] == [(moment(60), 7.0)]
