"""Metrics mean what the OpenTelemetry data model says: rates from counters, means and quantiles from merged histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from middlewatch.records.errors import BadInput, WindowError
from tests.contract.telemetry.conftest import LiveSources, RecordingSources, window
from tests.telemetry_data import moment

_TIME = pa.timestamp("us", tz="UTC")
_DELTA, _CUMULATIVE = 1, 2


def points(
    times: Sequence[float], *, began: float | Sequence[float] = -10_000, instance: str = "", **columns: Any
) -> dict[str, Any]:
    """Columns of a metric table: one series of one service."""
    size = len(times)
    starts = [began] * size if isinstance(began, int | float) else began
    return {
        "ServiceName": ["shop"] * size,
        "MetricName": ["m"] * size,
        "ResourceAttributes": pa.array([[("service.instance.id", instance)]] * size, pa.map_(pa.string(), pa.string())),
        "StartTimeUnix": pa.array([moment(start) for start in starts], _TIME),
        "TimeUnix": pa.array([moment(time) for time in times], _TIME),
        **columns,
    }


def test_gauges_are_averaged_per_step(recorded: RecordingSources) -> None:
    rows = [{"time": second, "value": value, "instance": "a"} for second, value in ((0, 1.0), (59, 3.0), (120, 5.0))]
    table = recorded(metrics=rows).metrics.series(window(), step_seconds=60).table
    assert table.select(["service", "instance", "metric", "unit", "kind"]).to_pylist() == [
        {"service": "shop", "instance": "a", "metric": "process.cpu.utilization", "unit": "1", "kind": "gauge"}
    ]
    row = table.to_pylist()[0]
    assert row["times"] == [moment(0), moment(120)]
    assert (row["average"], row["minimum"], row["maximum"], row["count"]) == ([2.0, 5.0], [1.0, 5.0], [3.0, 5.0], [2, 1])
    assert table.schema.field("times").type.value_type == _TIME


def test_steps_begin_with_the_window(recorded: RecordingSources) -> None:
    sources = recorded(metrics=[{"time": 30}, {"time": 89.999999}, {"time": 90}])
    assert sources.metrics.series(window(30, 3600), step_seconds=60).table["times"].to_pylist() == [[moment(30), moment(90)]]


def test_series_are_told_apart_by_attributes_whatever_their_order(recorded: RecordingSources) -> None:
    metrics = [{"attributes": [("a", "1"), ("b", "2")]}, {"attributes": [("b", "2"), ("a", "1")]}, {"attributes": {"a": "1"}}]
    table = recorded(metrics=metrics).metrics.series(window(), step_seconds=60).table
    assert [(dict(row["attributes"]), row["count"]) for row in table.to_pylist()] == [
        ({"a": "1"}, [1]),
        ({"a": "1", "b": "2"}, [2]),
    ]


def test_region_and_cluster_are_dimensions(recorded: RecordingSources) -> None:
    metrics = [{"region": "eu", "cluster": "blue"}, {"region": "us", "cluster": "blue"}]
    sources = recorded(metrics=metrics, logs=[{"region": "eu", "cluster": "green"}], traces=[{"region": "us", "cluster": "red"}])
    found = sources.metrics.catalogue(window()).table.select(["region", "cluster", "points"]).to_pylist()
    assert found == [{"region": "eu", "cluster": "blue", "points": 1}, {"region": "us", "cluster": "blue", "points": 1}]
    assert sources.logs.lines(window()).table.select(["region", "cluster"]).to_pylist() == [{"region": "eu", "cluster": "green"}]
    assert sources.traces.spans(window()).table.select(["region", "cluster"]).to_pylist() == [{"region": "us", "cluster": "red"}]


def test_the_catalogue_counts_points_and_says_when(recorded: RecordingSources) -> None:
    row = recorded(metrics=[{"time": 5}, {"time": 50}]).metrics.catalogue(window()).table.to_pylist()[0]
    assert (row["points"], row["first"], row["last"]) == (2, moment(5), moment(50))


def test_counters_come_as_increase_per_second_with_resets_taken_out(live: LiveSources) -> None:
    values = [100.0, 160.0, 220.0, 30.0, 90.0]  # restarted between 120 and 180
    rows = points(
        [0, 60, 120, 180, 240], Value=values, AggregationTemporality=pa.array([_CUMULATIVE] * 5, pa.int32()), IsMonotonic=[True] * 5
    )
    row = live("otel_metrics_sum", rows).metrics.series(window(), step_seconds=60).table.to_pylist()[0]
    assert row["unit"] == "/s"
    assert row["times"] == [moment(60), moment(120), moment(180), moment(240)]
    assert row["average"] == pytest.approx([1.0, 1.0, 0.5, 1.0])


def test_a_counter_that_started_in_the_window_counts_from_its_start(live: LiveSources) -> None:
    rows = points([60], began=0, Value=[120.0], AggregationTemporality=pa.array([_CUMULATIVE], pa.int32()), IsMonotonic=[True])
    row = live("otel_metrics_sum", rows).metrics.series(window(), step_seconds=60).table.to_pylist()[0]
    assert row["average"] == [2.0]


def test_the_point_before_the_window_is_where_its_first_rate_starts(live: LiveSources) -> None:
    temporality = pa.array([_CUMULATIVE] * 2, pa.int32())
    rows = points([0, 60], Value=[0.0, 30.0], AggregationTemporality=temporality, IsMonotonic=[True] * 2)
    row = live("otel_metrics_sum", rows).metrics.series(window(60, 120), step_seconds=60).table.to_pylist()[0]
    assert (row["times"], row["average"]) == ([moment(60)], [0.5])


def test_delta_counters_come_per_second_too(live: LiveSources) -> None:
    temporality = pa.array([_DELTA] * 2, pa.int32())
    rows = points([60, 120], began=[0, 60], Value=[30.0, 60.0], AggregationTemporality=temporality, IsMonotonic=[True] * 2)
    row = live("otel_metrics_sum", rows).metrics.series(window(), step_seconds=60).table.to_pylist()[0]
    assert row["average"] == [0.5, 1.0]


def test_sums_that_may_fall_are_read_as_they_are(live: LiveSources) -> None:
    temporality = pa.array([_CUMULATIVE] * 2, pa.int32())
    rows = points([0, 60], Value=[7.0, 3.0], AggregationTemporality=temporality, IsMonotonic=[False] * 2)
    row = live("otel_metrics_sum", rows).metrics.series(window(), step_seconds=60).table.to_pylist()[0]
    assert (row["unit"], row["average"]) == ("", [7.0, 3.0])


def test_histograms_come_as_the_mean_of_what_was_observed_in_the_step(live: LiveSources) -> None:
    columns = {"Count": pa.array([10, 20, 40], pa.uint64()), "Sum": [10.0, 40.0, 60.0]}
    rows = points([0, 60, 120], **columns, AggregationTemporality=pa.array([_CUMULATIVE] * 3, pa.int32()))
    row = live("otel_metrics_histogram", rows).metrics.series(window(), step_seconds=60).table.to_pylist()[0]
    assert (row["kind"], row["times"], row["average"], row["count"]) == (
        "histogram",
        [moment(60), moment(120)],
        [3.0, 1.0],
        [10, 20],
    )


def test_values_that_are_no_numbers_are_no_samples(live: LiveSources) -> None:
    rows = points([0, 1, 2], Value=[float("nan"), float("inf"), 4.0])
    row = live("otel_metrics_gauge", rows).metrics.series(window(), step_seconds=60).table.to_pylist()[0]
    assert (row["average"], row["count"]) == ([4.0], [1])


_BOUNDS = [0.1, 0.2, 0.4, 0.8, 1.6]


def two_instances(live: LiveSources) -> Any:
    """A fast instance with much traffic and a slow one with little."""
    for instance, counts in (("fast", [990, 10, 0, 0, 0, 0]), ("slow", [0, 0, 0, 0, 10, 0])):
        rows = points(
            [30],
            instance=instance,
            Count=pa.array([sum(counts)], pa.uint64()),
            Sum=[1.0],
            BucketCounts=pa.array([counts], pa.list_(pa.uint64())),
            ExplicitBounds=pa.array([_BOUNDS], pa.list_(pa.float64())),
            AggregationTemporality=pa.array([_DELTA], pa.int32()),
        )
        sources = live("otel_metrics_histogram", rows)
    return sources


def test_quantiles_come_from_merged_histograms_and_an_average_of_quantiles_would_differ(live: LiveSources) -> None:
    sources = two_instances(live)
    row = sources.metrics.quantiles(window(), metric="m", quantiles=[0.5, 0.95], step_seconds=60).table.to_pylist()[0]
    assert (row["service"], row["time"], row["count"]) == ("shop", moment(0), 1010)
    # By hand: rank 505 of 990 in (0, 0.1], and rank 959.5 of 990 in the same bucket.
    assert row["values"] == pytest.approx([0.1 * 505 / 990, 0.1 * 959.5 / 990])
    p95_fast, p95_slow = 0.1 * 950 / 990, 0.8 + 0.8 * 9.5 / 10
    averaged = (p95_fast + p95_slow) / 2
    assert averaged > 8 * row["values"][1]


def test_cumulative_buckets_count_only_what_the_step_added(live: LiveSources) -> None:
    counts = [[100, 0, 0, 0, 0, 0], [100, 0, 0, 0, 10, 0]]
    rows = points(
        [0, 60],
        Count=pa.array([100, 110], pa.uint64()),
        Sum=[1.0, 2.0],
        BucketCounts=pa.array(counts, pa.list_(pa.uint64())),
        ExplicitBounds=pa.array([_BOUNDS] * 2, pa.list_(pa.float64())),
        AggregationTemporality=pa.array([_CUMULATIVE] * 2, pa.int32()),
    )
    table = live("otel_metrics_histogram", rows).metrics.quantiles(window(), metric="m", quantiles=[0.5], step_seconds=60).table
    assert table.to_pylist() == [{"service": "shop", "time": moment(60), "count": 10, "values": [pytest.approx(1.2)]}]


def test_exponential_histograms_of_different_scales_merge(live: LiveSources) -> None:
    rows = points(
        [0, 60],
        Count=pa.array([10, 30], pa.uint64()),
        Sum=[1.0, 2.0],
        Scale=pa.array([1, 0], pa.int32()),  # base sqrt(2), then 2: indexes 2 and 3 become index 1
        ZeroCount=pa.array([0, 0], pa.uint64()),
        PositiveOffset=pa.array([2, 1], pa.int32()),
        PositiveBucketCounts=pa.array([[5, 5], [30]], pa.list_(pa.uint64())),
        AggregationTemporality=pa.array([_CUMULATIVE] * 2, pa.int32()),
    )
    sources = live("otel_metrics_exponential_histogram", rows)
    table = sources.metrics.quantiles(window(), metric="m", quantiles=[0.5], step_seconds=60).table
    assert table.to_pylist() == [{"service": "shop", "time": moment(60), "count": 20, "values": [pytest.approx(3.0)]}]


def test_impossible_questions_are_refused(recorded: RecordingSources) -> None:
    metrics = recorded(metrics=[{}]).metrics
    with pytest.raises(BadInput, match="probabilities"):
        metrics.quantiles(window(), metric="m", quantiles=[95], step_seconds=60)
    with pytest.raises(WindowError, match="step"):
        metrics.series(window(), step_seconds=0)
