"""A sample of requests is whole: every span that wrote lines, or could have, with its patterns in the order of their writing."""

from __future__ import annotations

from datetime import timedelta

from tests.contract.telemetry.conftest import RecordingSources, window
from tests.telemetry_data import moment

TRACE = "00000000000000000000000000000001"


def span(number: int, start: float, **changes: object) -> dict[str, object]:
    return {"span_id": f"{number:016x}", "start_time": start, "name": "work", "duration_ns": 2_000_000_000, **changes}


def line(number: int, time: float, body: str, **changes: object) -> dict[str, object]:
    return {"trace_id": TRACE, "span_id": f"{number:016x}", "time": time, "body": body, **changes}


def test_a_span_has_each_pattern_once_where_it_was_first_written(recorded: RecordingSources) -> None:
    logs = [line(1, 13, "done"), line(1, 11, "saved 1 items"), line(1, 12, "saved 2 items"), {"time": 5, "body": "no span at all"}]
    rows = recorded(traces=[span(1, 10)], logs=logs).logs.requests(window(), share=1.0).table.to_pylist()
    assert [row.pop("trace") > 0 for row in rows] == [True]
    assert rows == [
        {
            "service": "shop",
            "operation": "work",
            "began": moment(10),
            "ended": moment(12),
            "patterns": ["saved <*> items", "done"],
            "times": [moment(11), moment(13)],
        }
    ]


def test_spans_that_wrote_nothing_count_where_others_of_their_operation_wrote(recorded: RecordingSources) -> None:
    traces = [span(1, 10), span(2, 20), span(3, 30, name="silent"), span(4, 40, service="other")]
    rows = recorded(traces=traces, logs=[line(1, 11, "hello")]).logs.requests(window(), share=1.0).table.to_pylist()
    assert [(row["operation"], row["began"], row["patterns"]) for row in rows] == [
        ("work", moment(10), ["hello"]),
        ("work", moment(20), []),
    ]


def test_a_span_that_no_trace_has_lasts_from_its_first_line_to_its_last(recorded: RecordingSources) -> None:
    logs = [line(9, 70, "hello"), line(9, 130, "hello"), line(9, 90, "you")]
    rows = recorded(logs=logs).logs.requests(window(), share=1.0).table.to_pylist()
    assert [(row["operation"], row["began"], row["ended"], row["patterns"]) for row in rows] == [
        ("", moment(70), moment(130), ["hello", "you"])
    ]


def test_lines_with_a_trace_id_alone_are_one_span_of_their_service(recorded: RecordingSources) -> None:
    logs = [line(0, second, "hello", span_id="", service=service) for second, service in ((1, "a"), (2, "b"), (3, "a"))]
    rows = recorded(logs=logs).logs.requests(window(), share=1.0).table.to_pylist()
    assert [(row["service"], row["ended"] - row["began"]) for row in rows] == [("a", timedelta(seconds=2)), ("b", timedelta())]


def test_only_the_window_and_the_services_that_were_asked_for_count(recorded: RecordingSources) -> None:
    traces = [span(1, 5), span(2, 100), span(3, 100, service="other")]
    logs = [line(1, 65, "late"), line(2, 101, "in time"), line(3, 101, "elsewhere", service="other"), line(2, 301, "after")]
    rows = recorded(traces=traces, logs=logs).logs.requests(window(60, 300), share=1.0, services=["shop"]).table.to_pylist()
    assert [(row["service"], row["patterns"]) for row in rows] == [("shop", ["in time"])]


def test_spans_that_end_after_the_horizon_are_not_known_yet(recorded: RecordingSources) -> None:
    traces = [span(1, 5, duration_ns=200_000_000_000)]
    rows = recorded(100, traces=traces, logs=[line(1, 6, "hello")]).logs.requests(window(0, 100), share=1.0).table.to_pylist()
    assert [row["operation"] for row in rows] == [""]


def test_a_sample_is_of_whole_requests_and_the_same_in_logs_and_traces(recorded: RecordingSources) -> None:
    ids = [f"{number:032x}" for number in range(1, 401)]
    traces = [span(number, 5 + number, trace_id=trace) for trace in ids for number in (1, 2)]
    logs = [line(number, 5 + number, f"line of span {'ab'[number - 1]}", trace_id=trace) for trace in ids for number in (1, 2)]
    rows = recorded(traces=traces, logs=logs).logs.requests(window(), share=0.25).table.to_pylist()
    assert 60 <= len({row["trace"] for row in rows}) <= 140
    assert len(rows) == 2 * len({row["trace"] for row in rows})
    assert all(row["patterns"] for row in rows)
