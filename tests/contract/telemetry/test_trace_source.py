"""Spans are put together into requests: self time, callers and callees, and what used to be called but is not any more."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc
import pytest

from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.clickhouse_traces import MOST_SETS
from middlewatch.telemetry.limits import Limits
from middlewatch.telemetry.sources import Answer
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


def behaviours(answer: Answer) -> dict[tuple[str, str, tuple[str, ...]], dict[str, Any]]:
    """Rows by service, operation and the services of the children."""
    return {(row["service"], row["operation"], tuple(row["child_services"])): row for row in answer.table.to_pylist()}


def test_self_time_is_duration_less_direct_children_and_not_below_zero(recorded: RecordingSources) -> None:
    rows = behaviours(recorded(traces=request()).traces.behaviours(window(), step_seconds=60, floor_ms=2.0))
    root = rows["frontend", "GET /", ("cart", "frontend")]
    assert (root["parent_operation"], root["count"], root["errors"]) == ("", [1], [0])
    assert root["log_self"] == pytest.approx([math.log(40 + 2)])  # 100 - 10 - 30 - 20
    assert root["duration_ms"] == [100.0]
    assert rows["frontend", "render", ()]["parent_operation"] == "GET /"
    assert rows["cart", "read", ("stock",)]["log_self"] == pytest.approx([math.log(0 + 2)])  # its child is longer than it is
    assert rows["cart", "read", ()]["errors"] == [1]


def test_sums_are_of_the_logarithms_and_of_their_squares(recorded: RecordingSources) -> None:
    traces = [span("a", trace="1", ms=9), span("a", trace="2", ms=99), span("a", trace="3", ms=9, start_time=60)]
    row = recorded(traces=traces).traces.behaviours(window(), step_seconds=60, floor_ms=1.0).table.to_pylist()[0]
    low, high = math.log(10), math.log(100)
    assert row["times"] == [moment(0), moment(60)]
    assert row["log_self"] == pytest.approx([low + high, low])
    assert row["log_self_squared"] == pytest.approx([low**2 + high**2, low**2])


def test_spans_that_call_the_same_kinds_of_children_share_a_row(recorded: RecordingSources) -> None:
    traces = [*request("1"), *request("2", 60, with_stock=False), *request("3", 61)]
    rows = behaviours(recorded(traces=traces).traces.behaviours(window(), step_seconds=60))
    root = rows["frontend", "GET /", ("cart", "frontend")]
    assert root["child_operations"] == ["read", "render"], "two calls of one kind are one kind"
    assert (root["times"], root["count"]) == ([moment(0), moment(60)], [1, 2])
    with_stock, without = rows["cart", "read", ("stock",)], rows["cart", "read", ()]
    assert (with_stock["count"], without["count"]) == ([1, 1], [1, 3])
    assert (with_stock["requests"], without["requests"]) == ([1, 1], [1, 2]), "spans of one request count as one"


def test_only_the_services_asked_for_are_answered_with_whom_they_call(recorded: RecordingSources) -> None:
    traces = [span("a", service="m"), span("b", "a", service="m"), span("c", "a", service="z"), span("d", "a", service="k")]
    rows = behaviours(recorded(traces=traces).traces.behaviours(window(), step_seconds=60, services=["m"]))
    assert set(rows) == {("m", "GET /", ("k", "m", "z")), ("m", "GET /", ())}


def test_spans_of_different_traces_with_the_same_ids_do_not_mix(recorded: RecordingSources) -> None:
    traces = [span("a", trace="1", ms=10), span("b", "a", trace="2", ms=10, service="stranger")]
    rows = recorded(traces=traces).traces.behaviours(window(), step_seconds=60).table.to_pylist()
    assert {(row["service"], row["parent_operation"]) for row in rows} == {("shop", ""), ("stranger", "")}
    assert all(row["child_services"] == [] for row in rows)


def test_the_rarest_sets_of_children_share_a_row(recorded: RecordingSources) -> None:
    """One request more for each set, so that which are rare is certain."""
    kinds = MOST_SETS + 2
    traces = [
        row
        for kind in range(kinds)
        for number in range(1 + (kind >= 2))  # the first two sets are seen once, the others twice
        for row in (
            span("a", trace=f"{kind}-{number}", service="front", name="loop"),
            span("b", "a", trace=f"{kind}-{number}", service="back", name=f"kind {kind}"),
        )
    ]
    rows = recorded(traces=traces).traces.behaviours(window(), step_seconds=60, services=["front"]).table.to_pylist()
    assert len(rows) == MOST_SETS + 1
    (rest,) = (row for row in rows if row["child_services"] == [""])
    assert sum(rest["count"]) == 2


def test_whole_requests_come_span_by_span_with_their_parents(recorded: RecordingSources) -> None:
    sources = recorded(traces=[*request("1"), *request("2", 60)])
    table = sources.traces.requests(window(), share=1.0).table
    rows = {row["id"]: row for row in table.to_pylist()}
    assert len(rows) == 10
    roots = [row for row in rows.values() if row["parent"] == 0]
    assert sorted(row["trace_id"] for row in roots) == ["1", "2"]
    assert {row["duration_ns"] for row in roots} == {100 * _MS}
    stock = next(row for row in rows.values() if row["service"] == "stock")
    assert (rows[stock["parent"]]["operation"], stock["trace_id"], stock["failed"]) == ("read", "", 0)
    assert stock["start_ns"] == round((moment(0.02) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000) * _MS
    assert sum(row["failed"] for row in rows.values()) == 2


def test_a_share_of_the_requests_is_whole_requests(recorded: RecordingSources) -> None:
    sources = recorded(traces=[row for number in range(400) for row in request(str(number), number / 10)])
    table = sources.traces.requests(window(), share=0.25).table
    ids = set(table["id"].to_pylist())
    assert len(ids) == 5 * table.filter(pc.equal(table["parent"], 0)).num_rows
    assert 50 < len(ids) / 5 < 150
    assert {parent for parent in table["parent"].to_pylist() if parent} <= ids


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
        found = sampled.behaviours(window(0, 10_800), step_seconds=600)
        edges = sampled.edges(window(0, 10_800), step_seconds=600)
        few = sampled.behaviours(window(10_000, 10_800), step_seconds=600)
    for answer in (found, edges):
        assert "of the requests before 14:00 UTC" in answer.bound
        assert answer.query.parameters["kept_older"] < answer.query.parameters["kept_recent"]  # type: ignore[operator]
    rows = found.table.to_pylist()
    assert [(row["service"], row["operation"], row["parent_operation"], row["child_services"]) for row in rows] == [
        ("back", "read", "GET /", []),
        ("front", "GET /", "", ["back"]),
    ], "no parent or child of a span that is read is left out"
    for row in rows:
        assert len(row["times"]) == 18
        assert sum(row["count"]) == pytest.approx(requests, rel=0.15)
        assert row["errors"] == (row["count"] if row["service"] == "back" else [0] * 18)
        assert sum(row["duration_ms"]) / sum(row["count"]) == pytest.approx(1.0 if row["service"] == "back" else 9.0, rel=0.01)
        assert sum(row["requests"]) < 0.5 * sum(row["count"]), "what was not read is no evidence"
    assert edges.table["calls"].to_pylist() == [pytest.approx(requests, rel=0.15)]
    exact = full.traces.behaviours(window(0, 10_800), step_seconds=600)
    assert (exact.bound, [sum(row["count"]) for row in exact.table.to_pylist()]) == ("", [requests, requests])
    assert (few.bound, [sum(row["count"]) for row in few.table.to_pylist()]) == ("", [200, 200])
