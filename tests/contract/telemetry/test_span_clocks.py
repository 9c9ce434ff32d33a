"""Calls that fit into the spans that wait for them say by how much the two clocks can differ."""

from __future__ import annotations

from tests.contract.telemetry.conftest import RecordingSources, window


def call(number: int, lead_ms: float, took_ms: int, *, waited_ms: int = 100, callee: str = "cart") -> list[dict[str, object]]:
    """A span of `shop` and one of the callee below it."""
    trace, start = f"{number:032x}", 10.0 * number
    shop = {"trace_id": trace, "span_id": f"{1:016x}", "start_time": start, "duration_ns": waited_ms * 1_000_000}
    below = {"trace_id": trace, "span_id": f"{2:016x}", "parent_span_id": f"{1:016x}", "service": callee}
    return [shop, {**below, "start_time": start + lead_ms / 1000, "duration_ns": took_ms * 1_000_000}]


def test_the_medians_of_what_the_beginning_and_the_end_allow(recorded: RecordingSources) -> None:
    traces = [span for number, lead in enumerate((10, 20, 30), 1) for span in call(number, lead, 60)]
    rows = recorded(traces=traces).traces.clocks(window(), share=1.0).table.to_pylist()
    assert rows == [{"caller": "shop", "callee": "cart", "calls": 3, "least": -20_000, "most": 20_000}]


def test_a_clock_that_is_ahead_shows(recorded: RecordingSources) -> None:
    row = recorded(traces=call(1, 2020, 60)).traces.clocks(window(), share=1.0).table.to_pylist()[0]
    assert (row["least"], row["most"]) == (1_980_000, 2_020_000)


def test_calls_that_nobody_waits_for_and_calls_inside_a_service_say_nothing(recorded: RecordingSources) -> None:
    traces = call(1, 10, 500) + call(2, 10, 60, callee="shop")
    assert recorded(traces=traces).traces.clocks(window(), share=1.0).table.num_rows == 0


def test_a_sample_of_requests_is_enough(recorded: RecordingSources) -> None:
    traces = [span for number in range(1, 300) for span in call(number, 10, 60)]
    (row,) = recorded(traces=traces).traces.clocks(window(), share=0.25).table.to_pylist()
    assert 30 <= row["calls"] <= 120
