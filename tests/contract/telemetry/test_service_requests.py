"""What a service answered by itself: requests, failures that are its own, and time that no other service took."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from middlewatch.records import Window
from tests.contract.telemetry.conftest import LiveSources, window
from tests.telemetry_data import moment


def _span(name: str, service: str, parent: str = "", **more: Any) -> dict[str, Any]:
    return {"id": name, "service": service, "parent": parent, "kind": "Server", "ms": 10.0, "trace": "1", "at": 0.0} | more


def _answered(live: LiveSources, *spans: dict[str, Any], service: str = "cart", horizon: float = 3600) -> list[dict[str, Any]]:
    columns: dict[str, Any] = {
        "ServiceName": [one["service"] for one in spans],
        "SpanName": ["GET /"] * len(spans),
        "SpanKind": [one["kind"] for one in spans],
        "TraceId": [one["trace"].zfill(32) for one in spans],
        "SpanId": [one["id"].encode().hex().zfill(16) for one in spans],
        "ParentSpanId": [one["parent"] and one["parent"].encode().hex().zfill(16) for one in spans],
        "Timestamp": pa.array([moment(one["at"]) for one in spans], pa.timestamp("us", tz="UTC")),
        "Duration": pa.array([int(one["ms"] * 1e6) for one in spans], pa.uint64()),
        "StatusCode": [one.get("status", "Unset") for one in spans],
    }
    asked = Window(start=window().start, end=min(window().end, moment(horizon)))
    rows: list[dict[str, Any]] = (
        live("otel_traces", columns, horizon).traces.answered(asked, step_seconds=10, service=service).to_pylist()
    )
    return rows


def _ms(row: dict[str, Any]) -> list[float]:
    return [(2 ** ((bucket + 0.5) / 8) - 1) / 1e3 for bucket in row["buckets"]]


@pytest.mark.parametrize("kind", ["", "Server"])
def test_time_and_failures_of_others_are_not_its_own(live: LiveSources, kind: str) -> None:
    inner = {"kind": "Client" if kind else ""}
    (row,) = _answered(
        live,
        _span("a", "cart", kind=kind, ms=100, status="Error"),
        _span("b", "cart", "a", ms=92, status="Error", **inner),
        _span("c", "stock", "b", kind=kind, ms=90, status="Error"),
    )
    assert (row["count"], row["errors"], row["own_errors"], row["in_buckets"]) == (1, 1, 0, [1])
    assert _ms(row) == pytest.approx([10.0], rel=0.1)


def test_a_failure_that_no_other_service_had_is_its_own(live: LiveSources) -> None:
    (row,) = _answered(live, _span("a", "cart", status="Error"), _span("b", "cart", "a", kind="Client", status="Error"))
    assert (row["count"], row["errors"], row["own_errors"]) == (1, 1, 1)


def test_a_message_that_is_worked_on_later_takes_none_of_its_time(live: LiveSources) -> None:
    (row,) = _answered(
        live,
        _span("a", "cart", ms=100),
        _span("b", "cart", "a", kind="Producer", ms=1),
        _span("c", "mail", "b", kind="Consumer", ms=80, at=0.01),
    )
    assert _ms(row) == pytest.approx([100.0], rel=0.1)


def test_calls_to_itself_in_a_loop_are_requests_of_the_mean_time(live: LiveSources) -> None:
    many = [_span(f"s{number}", "cart", "a", ms=10, at=number / 100) for number in range(5)]
    (row,) = _answered(live, _span("a", "shop", ms=60), *many)
    assert (row["count"], row["in_buckets"]) == (5, [5])
    assert _ms(row) == pytest.approx([10.0], rel=0.1)


def test_steps_begin_with_the_window_and_what_ends_after_the_horizon_is_left_out(live: LiveSources) -> None:
    rows = _answered(
        live,
        _span("a", "cart", trace="1", at=1),
        _span("b", "cart", trace="2", at=12),
        _span("c", "cart", trace="3", at=29.5, ms=1000),
        horizon=30,
    )
    assert [(row["time"], row["count"]) for row in rows] == [(moment(0), 1), (moment(10), 1)]
