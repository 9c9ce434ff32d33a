"""Which spans wrote a pattern is counted once for each span, where and when the span began, and with the masks of `patterns`."""

from __future__ import annotations

from middlewatch.telemetry.statements import statement
from tests.contract.telemetry.conftest import RecordingSources, window
from tests.telemetry_data import moment

TRACE = "00000000000000000000000000000001"


def span(number: int, start: float, **changes: object) -> dict[str, object]:
    return {"span_id": f"{number:016x}", "start_time": start, "name": "work", **changes}


def line(number: int, time: float, body: str, **changes: object) -> dict[str, object]:
    return {"trace_id": TRACE, "span_id": f"{number:016x}", "time": time, "body": body, **changes}


def test_spans_are_counted_once_at_the_step_in_which_they_began(recorded: RecordingSources) -> None:
    traces = [
        span(1, 0, name="GET /"),
        span(2, 1, parent_span_id=f"{1:016x}"),
        span(3, 59, parent_span_id=f"{1:016x}"),
        span(4, 61, parent_span_id=f"{1:016x}"),
    ]
    logs = [
        line(2, 2, "saved 1 items"),
        line(2, 3, "saved 2 items"),
        line(2, 4, "done"),
        line(3, 65, "saved 3 items"),  # written in the next step by a span of the first
        line(4, 66, "done"),
    ]
    table = recorded(traces=traces, logs=logs).logs.presence(window(), step_seconds=60).table
    common = {
        "service": "shop",
        "operation": "work",
        "parent_operation": "GET /",
        "times": [moment(0), moment(60)],
        "units": [2, 1],
    }
    assert table.to_pylist() == [
        {**common, "pattern": "done", "present": [1, 1]},
        {**common, "pattern": "saved <*> items", "present": [2, 0]},
    ]


def test_spans_without_a_trace_are_units_without_an_operation(recorded: RecordingSources) -> None:
    logs = [line(9, 70, "hello"), line(9, 130, "hello"), {"time": 5, "body": "no span at all"}]
    rows = recorded(traces=[span(1, 0)], logs=logs).logs.presence(window(), step_seconds=60).table.to_pylist()
    assert [(row["operation"], row["pattern"], row["times"], row["units"]) for row in rows] == [("", "hello", [moment(60)], [1])]


def test_only_the_window_and_the_services_that_were_asked_for_count(recorded: RecordingSources) -> None:
    traces = [span(1, 5), span(2, 100), span(3, 100, service="other")]
    logs = [line(1, 65, "late"), line(2, 101, "in time"), line(3, 101, "elsewhere", service="other"), line(2, 301, "after")]
    sources = recorded(traces=traces, logs=logs)
    rows = sources.logs.presence(window(60, 300), step_seconds=60, services=["shop"]).table.to_pylist()
    assert [(row["service"], row["pattern"], row["times"]) for row in rows] == [("shop", "in time", [moment(60)])]


def test_spans_that_end_after_the_horizon_are_not_known_yet(recorded: RecordingSources) -> None:
    traces = [span(1, 5, duration_ns=200_000_000_000)]
    rows = recorded(100, traces=traces, logs=[line(1, 6, "hello")]).logs.presence(window(0, 100), step_seconds=60).table.to_pylist()
    assert [row["operation"] for row in rows] == [""]


def test_patterns_are_masked_as_in_patterns() -> None:
    masks = [statement(name).split("WITH", 1)[1].split("AS number", 1)[0] for name in ("log_patterns", "log_presence")]
    assert masks[0] == masks[1]
    steps = [
        [row.strip() for row in statement(name).splitlines() if "replaceRegexpAll" in row]
        for name in ("log_patterns", "log_presence")
    ]
    assert steps[0] == steps[1]
