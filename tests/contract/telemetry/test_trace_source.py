"""Spans are put together into requests: self time, callers and callees, and what used to be called but is not any more."""

from __future__ import annotations

import math
from typing import Any

import pytest

from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.limits import Limits
from tests.contract.telemetry.conftest import RecordingSources, Way, window
from tests.telemetry_data import moment

_MS = 1_000_000


def span(identity: str, parent: str = "", *, trace: str = "t", ms: float = 1.0, **columns: Any) -> dict[str, Any]:
    return {"trace_id": trace, "span_id": identity, "parent_span_id": parent, "duration_ns": int(ms * _MS), **columns}


def request(trace: str = "t", start: float = 0, *, with_stock: bool = True) -> list[dict[str, Any]]:
    """Frontend (100 ms) calls cart twice (30 ms and 20 ms, the second fails) and works 10 ms itself. Cart calls stock once."""
    spans = [
        span("root", trace=trace, ms=100, service="frontend", name="GET /", start_time=start),
        span("own", "root", trace=trace, ms=10, service="frontend", name="render", start_time=start),
        span("cart-1", "root", trace=trace, ms=30, service="cart", name="read", start_time=start + 0.02),
        span("cart-2", "root", trace=trace, ms=20, service="cart", name="read", start_time=start + 0.05, status_code="Error"),
    ]
    if with_stock:
        spans.append(span("stock", "cart-1", trace=trace, ms=50, service="stock", name="count", start_time=start + 0.02))
    return spans


def test_self_time_is_duration_less_direct_children_and_not_below_zero(recorded: RecordingSources) -> None:
    table = recorded(traces=request()).traces.operations(window(), step_seconds=60, floor_ms=2.0).table
    rows = {(row["service"], row["operation"], row["callee"]): row for row in table.to_pylist()}
    root = rows["frontend", "GET /", "cart"]
    assert (root["parent_operation"], root["count"], root["errors"]) == ("", [1], [0])
    assert root["mean_log_self"] == pytest.approx([math.log(40 + 2)])  # 100 - 10 - 30 - 20
    assert root["mean_ms"] == [100.0]
    assert rows["frontend", "render", ""]["parent_operation"] == "GET /"
    assert rows["cart", "read", "stock"]["mean_log_self"] == pytest.approx([math.log(0 + 2)])  # its child is longer than it is
    assert rows["cart", "read", ""]["errors"] == [1]


def test_mean_and_variance_are_of_the_logarithms(recorded: RecordingSources) -> None:
    traces = [span("a", trace="1", ms=9), span("a", trace="2", ms=99), span("a", trace="3", ms=9, start_time=60)]
    row = recorded(traces=traces).traces.operations(window(), step_seconds=60, floor_ms=1.0).table.to_pylist()[0]
    low, high = math.log(10), math.log(100)
    assert row["times"] == [moment(0), moment(60)]
    assert row["mean_log_self"] == pytest.approx([(low + high) / 2, low])
    assert row["variance_log_self"] == pytest.approx([((high - low) / 2) ** 2, 0.0])


def test_the_callee_is_another_service_and_the_smallest_name_of_several(recorded: RecordingSources) -> None:
    traces = [span("a", service="m"), span("b", "a", service="m"), span("c", "a", service="z"), span("d", "a", service="k")]
    table = recorded(traces=traces).traces.operations(window(), step_seconds=60, services=["m"]).table
    assert sorted(table["callee"].to_pylist()) == ["", "k"]


def test_spans_of_different_traces_with_the_same_ids_do_not_mix(recorded: RecordingSources) -> None:
    traces = [span("a", trace="1", ms=10), span("b", "a", trace="2", ms=10, service="stranger")]
    rows = recorded(traces=traces).traces.operations(window(), step_seconds=60).table.to_pylist()
    assert {(row["service"], row["parent_operation"], row["callee"]) for row in rows} == {("shop", "", ""), ("stranger", "", "")}


def test_edges_count_cross_service_children_and_know_declared_ones(recorded: RecordingSources) -> None:
    topology = [{"caller": "frontend", "callee": "cart"}, {"caller": "cart", "callee": "mail"}]
    traces = [*request("1"), *request("2", 60)]
    table = recorded(traces=traces, topology=topology).traces.edges(window(), step_seconds=60).table
    rows = {(row["caller"], row["callee"]): row for row in table.to_pylist()}
    assert set(rows) == {("frontend", "cart"), ("cart", "stock"), ("cart", "mail")}
    edge = rows["frontend", "cart"]
    assert (edge["declared"], edge["calls"], edge["errors"]) == (True, 4, 2)
    assert (edge["times"], edge["count"], edge["error_count"]) == ([moment(0), moment(60)], [2, 2], [1, 1])
    assert edge["p50_ms"] == pytest.approx([25.0, 25.0])
    assert edge["p99_ms"] == pytest.approx([29.9, 29.9])
    assert rows["cart", "stock"]["declared"] is False
    silent = rows["cart", "mail"]
    assert (silent["declared"], silent["calls"], silent["times"], silent["p99_ms"]) == (True, 0, [], [])


def test_a_topology_alone_gives_edges(recorded: RecordingSources) -> None:
    rows = recorded(topology=[{}, {}]).traces.edges(window(), step_seconds=60).table.to_pylist()
    assert [(row["caller"], row["callee"], row["calls"]) for row in rows] == [("frontend", "shop", 0)]


def test_structure_counts_the_spans_that_have_a_child_of_a_kind(recorded: RecordingSources) -> None:
    traces = [*request("1"), *request("2", 60, with_stock=False), *request("3", 61)]
    table = recorded(traces=traces).traces.structure(window(), step_seconds=60).table
    rows = {(row["service"], row["operation"], row["child_service"], row["child_operation"]): row for row in table.to_pylist()}
    stock = rows["cart", "read", "stock", "count"]
    assert stock["parent_operation"] == "GET /"
    assert (stock["times"], stock["units"], stock["present"]) == ([moment(0), moment(60)], [2, 4], [1, 1])
    # Two calls of one kind are one presence.
    assert rows["frontend", "GET /", "cart", "read"]["present"] == [1, 2]


def test_raw_spans_come_slowest_first_and_by_trace(recorded: RecordingSources) -> None:
    sources = recorded(traces=[*request("1"), *request("2", 60)])
    answer = sources.traces.spans(window(), trace_ids=["2"], limit=2)
    assert answer.table["span_id"].to_pylist() == ["root", "stock"]
    assert answer.table["duration_ns"].to_pylist() == [100 * _MS, 50 * _MS]
    assert answer.table["start"].to_pylist()[0] == moment(60)
    assert "only the first 2" in answer.bound
    assert sources.traces.spans(window(), services=["cart"]).table["status"].to_pylist() == ["Unset", "Unset", "Error", "Error"]


def test_of_too_many_spans_whole_requests_are_sampled_and_counted_for_the_others(
    recorded: RecordingSources, way: Way, database: ClickHouse
) -> None:
    """One request every 4 s over three hours, of which the last hour may cost half of the spans."""
    requests = 2700
    traces = [
        row
        for number in range(requests)
        for row in (
            span("a", trace=str(number), start_time=4 * number, service="front", name="GET /", ms=9),
            span("b", "a", trace=str(number), start_time=4 * number, service="back", name="read", status_code="Error"),
        )
    ]
    full = recorded(10_800, traces=traces, info={"end": moment(10_800)})
    with way(Limits(spans=2000, **database.limits.model_dump(exclude={"spans"}))) as bounded:
        sampled = bounded.sources(full.scope, full.horizon).traces
        operations = sampled.operations(window(0, 10_800), step_seconds=600)
        structure = sampled.structure(window(0, 10_800), step_seconds=600)
        edges = sampled.edges(window(0, 10_800), step_seconds=600)
        few = sampled.operations(window(10_000, 10_800), step_seconds=600)
    for answer in (operations, structure, edges):
        assert "of the requests before 14:00 UTC" in answer.bound
        assert answer.query.parameters["kept_older"] < answer.query.parameters["kept_recent"]  # type: ignore[operator]
    rows = operations.table.to_pylist()
    assert [(row["service"], row["operation"], row["parent_operation"]) for row in rows] == [
        ("back", "read", "GET /"),
        ("front", "GET /", ""),
    ], "no parent or child of a span that is read is left out"
    for row in rows:
        assert len(row["times"]) == 18
        assert sum(row["count"]) == pytest.approx(requests, rel=0.15)
        assert row["errors"] == (row["count"] if row["service"] == "back" else [0] * 18)
        assert set(row["mean_ms"]) == ({1.0} if row["service"] == "back" else {9.0})
    assert [row["present"] == row["units"] for row in structure.table.to_pylist()] == [True]
    assert edges.table["calls"].to_pylist() == [pytest.approx(requests, rel=0.15)]
    exact = full.traces.operations(window(0, 10_800), step_seconds=600)
    assert (exact.bound, [sum(row["count"]) for row in exact.table.to_pylist()]) == ("", [requests, requests])
    assert (few.bound, [sum(row["count"]) for row in few.table.to_pylist()]) == ("", [200, 200])
