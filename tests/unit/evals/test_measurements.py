"""Invariant: a recording's gauges say what the services measured: no observation is lost, and a quantile is the true one up to
the width of its bucket, however the observations were spread over histograms.
"""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.evals.lab.measurements import REFUSED_RATIO, Export, Measurement, measurements, quantile

SECOND = 1_000_000_000
LATENCIES = st.floats(min_value=1e-5, max_value=30.0)


def histogram(values: list[float], attributes: dict[str, object] | None = None, *, scale: int = 5) -> Export:
    """An exponential histogram of the values, as OpenTelemetry's data model defines its buckets."""
    base = 2.0 ** (2.0**-scale)
    indices = Counter(math.ceil(math.log(value, base)) - 1 for value in values)
    offset = min(indices)
    return {
        "attributes": attributes or {},
        "count": len(values),
        "sum": sum(values),
        "min": min(values),
        "max": max(values),
        "scale": scale,
        "zero_count": 0,
        "offset": offset,
        "buckets": [indices[index] for index in range(offset, max(indices) + 1)],
    }


def translated(*exports: Export, started_ns: int = 0) -> dict[tuple[str, tuple[tuple[str, str], ...]], list[Measurement]]:
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[Measurement]] = {}
    for row in measurements(exports, service="orders", instance="orders-1", started_ns=started_ns):
        found.setdefault((row.metric, row.attributes), []).append(row)
    return found


def export(seconds: int, name: str, unit: str, kind: str, *points: Export) -> Export:
    return {"time_ns": seconds * SECOND, "metrics": [{"name": name, "unit": unit, "kind": kind, "points": list(points)}]}


@given(
    st.lists(st.tuples(st.lists(LATENCIES, min_size=1, max_size=40), st.integers(2, 8)), min_size=1, max_size=4),
    st.sampled_from([0.5, 0.9, 0.99]),
)
def test_a_quantile_of_merged_histograms_is_the_true_one_up_to_a_bucket(parts: list[tuple[list[float], int]], share: float) -> None:
    everything = sorted(value for values, _ in parts for value in values)
    true = everything[math.ceil(share * len(everything)) - 1]
    found = quantile([histogram(values, scale=scale) for values, scale in parts], share)
    widest = 2.0 ** (2.0 ** -min(scale for _, scale in parts))
    assert true / widest <= found <= true * widest


def test_a_request_histogram_becomes_rate_errors_mean_and_quantiles_of_all_routes_together() -> None:
    found = translated(
        export(
            5,
            "http.server.request.duration",
            "s",
            "histogram",
            histogram([0.1] * 6, {"http.route": "/a"}),
            histogram([0.5] * 4, {"http.route": "/b", "error.type": "503"}),
        )
    )
    values = {name: row.value for (name, _), (row,) in found.items()}
    assert values == {
        "http.server.request.rate": pytest.approx(2.0),
        "http.server.request.error.rate": pytest.approx(0.8),
        "http.server.request.error.ratio": pytest.approx(0.4),
        "http.server.request.duration.mean": pytest.approx(0.26),
        "http.server.request.duration.p50": pytest.approx(0.1, rel=0.03),
        "http.server.request.duration.p99": pytest.approx(0.5, rel=0.03),
    }
    units = {name: row.unit for (name, _), (row,) in found.items()}
    assert units["http.server.request.rate"] == "{request}/s"
    assert units["http.server.request.error.ratio"] == "1"
    assert units["http.server.request.duration.p99"] == "s"


def test_calls_stay_apart_by_whom_they_call() -> None:
    found = translated(
        export(
            5,
            "http.client.request.duration",
            "s",
            "histogram",
            histogram([0.1], {"server.address": "pricing"}),
            histogram([0.9], {"server.address": "inventory"}),
        )
    )
    slow = found["http.client.request.duration.mean", (("server.address", "inventory"),)]
    assert [row.value for row in slow] == [pytest.approx(0.9)]


def test_a_counter_becomes_a_rate_over_the_time_since_the_export_before() -> None:
    point: Export = {"attributes": {}, "value": 20}
    found = translated(
        export(15, "db.client.connection.timeouts", "{timeout}", "counter", point),
        export(25, "db.client.connection.timeouts", "{timeout}", "counter", point),
        started_ns=10 * SECOND,
    )
    rows = found["db.client.connection.timeouts.rate", ()]
    assert [(row.value, row.unit) for row in rows] == [(4.0, "{timeout}/s"), (2.0, "{timeout}/s")]


def test_the_share_of_refused_checkouts_is_that_of_all_checkouts() -> None:
    points = [
        {"attributes": {"shop.checkout.outcome": outcome}, "value": count} for outcome, count in (("accepted", 6), ("refused", 2))
    ]
    found = translated(export(10, "shop.checkouts", "{checkout}", "counter", *points))
    assert {name: row.value for (name, _), (row,) in found.items()} == {"shop.checkouts.rate": 0.8, REFUSED_RATIO: 0.25}
    nothing = export(10, "shop.checkouts", "{checkout}", "counter", {"attributes": {}, "value": 0})
    assert [name for name, _ in translated(nothing)] == ["shop.checkouts.rate"]


def test_a_gauge_stays_as_it_is_with_its_state() -> None:
    found = translated(
        export(
            5,
            "db.client.connection.count",
            "{connection}",
            "gauge",
            {"attributes": {"db.client.connection.state": "used", "db.client.connection.pool.name": "orders"}, "value": 3},
            {"attributes": {"db.client.connection.state": "idle", "db.client.connection.pool.name": "orders"}, "value": 7},
        )
    )
    assert {attributes: rows[0].value for (_, attributes), rows in found.items()} == {
        (("db.client.connection.state", "used"),): 3.0,
        (("db.client.connection.state", "idle"),): 7.0,
    }
