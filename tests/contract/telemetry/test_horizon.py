"""Nothing at or after the horizon is ever read: not by a window, not by a join, not by a freshness, not inside a span."""

from __future__ import annotations

from datetime import timedelta

import pytest

from middlewatch.records import Window
from middlewatch.records.errors import WindowError
from tests.contract.telemetry.conftest import RecordingSources, window
from tests.contract.telemetry.test_isolation import every_answer, whole_text
from tests.telemetry_data import moment

_GLARING = "the disk is on fire"


def test_a_glaring_fault_after_the_horizon_leaves_no_trace(recorded: RecordingSources) -> None:
    late = 3600.0
    sources = recorded(
        metrics=[{"time": 10}, {"time": late, "instance": _GLARING}],
        logs=[{"time": 10}, {"time": late, "body": _GLARING}],
        traces=[
            {"start_time": 10},
            {"start_time": late, "service": _GLARING, "parent_span_id": "0000000000000001", "span_id": "2"},
        ],
        changes=[{"time": 10}, {"time": late, "version": _GLARING}],
    )
    assert _GLARING not in whole_text(sources)
    for name, answer in every_answer(sources).items():
        watermark = answer.freshness.watermark
        assert watermark is not None, name
        assert watermark == moment(10), name


def test_a_span_that_ends_after_the_horizon_is_not_known_yet(recorded: RecordingSources) -> None:
    sources = recorded(
        traces=[
            {"start_time": 3590, "duration_ns": 9_000_000_000},
            {"start_time": 3590, "duration_ns": 10_000_000_000, "span_id": "late", "service": "late"},
        ]
    )
    assert sources.traces.spans(window()).table["service"].to_pylist() == ["shop"]
    assert set(sources.traces.behaviours(window(), step_seconds=60).table["service"].to_pylist()) == {"shop"}
    assert sources.traces.freshness(window()).services == 1


def test_children_are_looked_for_beyond_the_window_but_not_beyond_the_horizon(recorded: RecordingSources) -> None:
    child = {"parent_span_id": "0000000000000001", "span_id": "2", "service": "stock", "duration_ns": 3_000_000_000}
    rows = [{"start_time": 599, "duration_ns": 5_000_000_000}, {**child, "start_time": 600.5}]
    found = recorded(traces=rows).traces.behaviours(window(0, 600), step_seconds=60).table
    assert found["child_services"].to_pylist() == [["stock"]]
    narrow = recorded(horizon=603, traces=rows).traces.behaviours(window(0, 600), step_seconds=60).table
    assert narrow.num_rows == 0  # the parent itself ends after 603


def test_a_window_past_the_horizon_is_refused(recorded: RecordingSources) -> None:
    sources = recorded(horizon=600, logs=[{}])
    with pytest.raises(WindowError, match="beyond which nothing is read"):
        sources.logs.lines(window(0, 601))
    with pytest.raises(WindowError):
        sources.metrics.freshness(window(0, 600.000001))
    assert sources.logs.lines(window(0, 600)).table.num_rows == 1


def test_a_microsecond_decides(recorded: RecordingSources) -> None:
    sources = recorded(horizon=600, logs=[{"time": 599.999999, "body": "in"}, {"time": 600, "body": "out"}])
    assert sources.logs.lines(window(0, 600)).table["body"].to_pylist() == ["in"]


def test_a_window_cannot_be_empty() -> None:
    with pytest.raises(ValueError, match="must end after it starts"):
        Window(start=moment(1), end=moment(1) - timedelta(0))
