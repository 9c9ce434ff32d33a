"""Logs are counted and grouped by what they say, not by their variable parts, and the raw lines stay reachable."""

from __future__ import annotations

from tests.contract.telemetry.conftest import LiveSources, RecordingSources, window
from tests.telemetry_data import moment, signal_table


def test_lines_are_counted_per_step_and_severities_have_one_name_each(recorded: RecordingSources) -> None:
    logs = [
        {"severity": severity, "time": second, "body": severity.lower()}
        for severity, second in (("info", 0), ("INFO", 61), ("err", 62))
    ]
    rows = recorded(logs=logs).logs.patterns(window(), step_seconds=60).table.to_pylist()
    assert [(row["pattern"], row["severity"], row["times"], row["count"]) for row in rows] == [
        ("info", "INFO", [moment(0), moment(60)], [1, 1]),
        ("err", "ERROR", [moment(60)], [1]),
    ]


def test_a_severity_number_says_more_than_its_text(live: LiveSources) -> None:
    times = signal_table("logs", [{}, {}])["time"]
    sources = live("otel_logs", {"Timestamp": times, "Body": ["a", "b"], "SeverityText": ["odd", "odd"], "SeverityNumber": [18, 0]})
    assert sources.logs.patterns(window(), step_seconds=60).table["severity"].to_pylist() == ["ERROR", "ODD"]


_PATTERNS = {
    "took 12.5ms for 3 items": "took <*> for <*> items",
    "2026-03-01T12:00:00.123Z started": "<*> started",
    "16:42:09.574 INFO done": "<*> INFO done",
    "user 3fa85f64-5717-4562-b3fc-2c963f66afa6 gone": "user <*> gone",
    "trace 4bf92f3577b34da6a3ce929d0e0e4736": "trace <*>",
    "from 10.1.2.3:8080 at 0xDEADbeef": "from <*> at <*>",
    'name "Ada \\"L\\"" added': "name <*> added",
    "key='secret' don't touch": "key <*> don't touch",
    "o.s.OrderService#123 failed after 3 tries": "o.s.OrderService#123 failed after <*> tries",
    "main.py:12 raised": "main.py:12 raised",
    "no variable part": "no variable part",
}


def test_variable_parts_are_masked_and_source_locations_are_not(recorded: RecordingSources) -> None:
    table = recorded(logs=[{"body": body} for body in _PATTERNS]).logs.patterns(window(), step_seconds=60).table
    assert dict(zip(table["sample"].to_pylist(), table["pattern"].to_pylist(), strict=True)) == _PATTERNS


def test_a_pattern_has_its_worst_severity_and_its_first_line_as_sample(recorded: RecordingSources) -> None:
    logs = [
        {"time": 61, "body": "failed 2 times", "severity": "ERROR", "trace_id": "t2"},
        {"time": 1, "body": "failed 1 times", "severity": "INFO", "trace_id": "t1", "span_id": "s1"},
        {"time": 2, "body": "calm"},
        {"time": 3, "body": "failed 3 times", "service": "other"},
    ]
    rows = recorded(logs=logs).logs.patterns(window(), step_seconds=60).table.to_pylist()
    assert rows[0] == {
        "service": "shop",
        "pattern": "failed <*> times",
        "severity": "ERROR",
        "total": 2,
        "first": moment(1),
        "last": moment(61),
        "sample": "failed 1 times",
        "sample_trace_id": "t1",
        "sample_span_id": "s1",
        "times": [moment(0), moment(60)],
        "count": [1, 1],
    }
    assert [(row["service"], row["total"]) for row in rows[1:]] == [("other", 1), ("shop", 1)]


def test_the_most_frequent_patterns_survive_a_limit_and_the_cut_is_told(recorded: RecordingSources) -> None:
    logs = [{"body": word} for word in ["often", "often", "often", "twice", "twice", "once"]]
    answer = recorded(logs=logs).logs.patterns(window(), step_seconds=60, limit=2)
    assert answer.table["pattern"].to_pylist() == ["often", "twice"]
    assert answer.bound == "only the first 2 rows were read; there are more"
    assert recorded(logs=logs).logs.patterns(window(), step_seconds=60, limit=3).bound == ""


def test_lines_come_oldest_first_and_can_be_searched(recorded: RecordingSources) -> None:
    logs = [
        {"time": 9, "body": "b 100%"},
        {"time": 8, "body": "a 100%", "instance": "i", "trace_id": "t"},
        {"time": 7, "body": "no"},
    ]
    answer = recorded(logs=logs).logs.lines(window(), contains="100%")
    assert answer.table["body"].to_pylist() == ["a 100%", "b 100%"]
    assert answer.table.to_pylist()[0]["instance"] == "i"
    assert answer.query.parameters["contains"] == "100%"
    assert "{contains:String}" in answer.query.text


def test_examples_are_the_lines_of_each_pattern_nearest_to_a_moment(recorded: RecordingSources) -> None:
    logs = [{"time": second, "body": f"took {second} ms"} for second in (10, 20, 30, 40, 50, 60)]
    logs += [{"time": 25, "body": "once"}, {"time": 25, "body": "took 7 ms", "service": "other"}]
    answer = recorded(logs=logs).logs.examples(window(), split=moment(35), services=["shop"], each=2)
    rows = [(row["pattern"], bool(row["after"]), row["body"]) for row in answer.table.to_pylist()]
    assert rows == [
        ("once", False, "once"),
        ("took <*> ms", False, "took 30 ms"),
        ("took <*> ms", False, "took 20 ms"),
        ("took <*> ms", True, "took 40 ms"),
        ("took <*> ms", True, "took 50 ms"),
    ]
    assert recorded(logs=logs).logs.examples(window(), split=moment(35), limit=1).bound
