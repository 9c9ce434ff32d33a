"""Metrics of OTLP as rows of the five `otel_metrics_*` tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter
from typing import Final

import pyarrow as pa
from opentelemetry.proto.metrics.v1.metrics_pb2 import DataPointFlags

from middlewatch.frontends.otlp.columns import (
    SPAN_BYTES,
    TRACE_BYTES,
    identifiers,
    listed_maps,
    lists,
    nested,
    numbers,
    texts,
    times,
)
from middlewatch.frontends.otlp.decoded import Decoded, Ground, Rejected
from middlewatch.frontends.otlp.groups import Groups
from middlewatch.frontends.otlp.messages import Read
from middlewatch.frontends.otlp.wire import Messages

_NOTHING: Final = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_LAST_INT32: Final = 2**31 - 1

Columns = dict[str, pa.Array]


@dataclass(slots=True)
class _Points:
    """The points of one table, and what each is a point of."""

    points: list[Read] = field(default_factory=list)
    scope_of: list[int] = field(default_factory=list)
    metric_of: list[int] = field(default_factory=list)


def decode_metrics(request: Read, ground: Ground) -> Decoded:
    """The points of a request that can be stored, and why others cannot. A point that says that it has no value is no row."""
    groups, metrics, rejected = Groups(), list[Read](), Rejected()
    found = {kind: _Points() for kind in _KINDS}
    for scope, metric in _metrics(request, groups):
        kind = metric.WhichOneof("data")
        if kind is None or kind not in _KINDS:
            continue  # without data there are no points
        metrics.append(metric)
        own = found[kind]
        for point in getattr(metric, kind).data_points:
            if point.flags & _NOTHING:
                continue
            if reason := _unfit(metric, point, ground) or _KINDS[kind].unfit(point):
                rejected.add(reason)
                continue
            own.points.append(point)
            own.scope_of.append(scope)
            own.metric_of.append(len(metrics) - 1)
    tables = {_KINDS[kind].table: ground.table(_rows(kind, own, metrics, groups)) for kind, own in found.items() if own.points}
    return Decoded(tables, rejected)


def _metrics(request: Read, groups: Groups) -> Iterator[tuple[int, Read]]:
    """Every metric with the number of its scope."""
    for number, scope in groups.walk(request.resource_metrics, attrgetter("scope_metrics")):
        for metric in scope.metrics:
            yield number, metric


def _unfit(metric: Read, point: Read, ground: Ground) -> str:
    """Why a point of any kind cannot be stored; empty where it can."""
    if not metric.name:
        return "of a metric without a name"
    if not ground.has_use_for(point.time_unix_nano):
        return "with a time of no use (not set, older than 400 days, or ahead by over a day)"
    return ""


def _rows(kind: str, own: _Points, metrics: Sequence[Read], groups: Groups) -> Columns:
    points, of = own.points, pa.array(own.metric_of, pa.int32())
    return {
        **groups.columns(own.scope_of),
        "ScopeDroppedAttrCount": groups.dropped(own.scope_of),
        "MetricName": texts([metric.name for metric in metrics]).take(of),
        "MetricDescription": texts([metric.description for metric in metrics]).take(of),
        "MetricUnit": texts([metric.unit for metric in metrics]).take(of),
        "Attributes": listed_maps(point.attributes for point in points),
        "StartTimeUnix": times([point.start_time_unix_nano for point in points]),
        "TimeUnix": times([point.time_unix_nano for point in points]),
        "Flags": numbers([point.flags for point in points], "uint32"),
        **_KINDS[kind].columns(points, [getattr(metrics[number], kind) for number in own.metric_of]),
    }


def _exemplars(points: Sequence[Read]) -> Columns:
    sets = [point.exemplars for point in points]
    counts, exemplars = [len(each) for each in sets], [exemplar for each in sets for exemplar in each]
    columns = {
        "FilteredAttributes": listed_maps(exemplar.filtered_attributes for exemplar in exemplars),
        "TimeUnix": times([exemplar.time_unix_nano for exemplar in exemplars]),
        "Value": numbers([_value(exemplar) for exemplar in exemplars], "float64"),
        "SpanId": identifiers(Messages.of([exemplar.span_id for exemplar in exemplars]), SPAN_BYTES),
        "TraceId": identifiers(Messages.of([exemplar.trace_id for exemplar in exemplars]), TRACE_BYTES),
    }
    return nested("Exemplars", counts, columns)


def _value(point: Read) -> float:
    return float(point.as_int) if point.WhichOneof("value") == "as_int" else float(point.as_double)


def _finite(*values: float) -> str:
    return "" if all(map(math.isfinite, values)) else "with a value that is not a finite number"


def _unfit_number(point: Read) -> str:
    return _finite(_value(point)) if point.WhichOneof("value") else "without a value"


def _number_columns(points: Sequence[Read], _data: Sequence[Read]) -> Columns:
    return {"Value": numbers([_value(point) for point in points], "float64"), **_exemplars(points)}


def _temporality(data: Sequence[Read]) -> Columns:
    """By its number, also one that is not known yet."""
    return {"AggregationTemporality": numbers([min(each.aggregation_temporality, _LAST_INT32) for each in data], "int32")}


def _sum_columns(points: Sequence[Read], data: Sequence[Read]) -> Columns:
    monotonic = pa.array([each.is_monotonic for each in data], pa.bool_())
    return {**_number_columns(points, data), **_temporality(data), "IsMonotonic": monotonic}


def _unfit_histogram(point: Read) -> str:
    bounds = point.explicit_bounds
    if point.bucket_counts and len(point.bucket_counts) != len(bounds) + 1:
        return "with another number of buckets than bounds ask for"
    if any(lower >= upper for lower, upper in pairwise(bounds)):
        return "with bounds that do not rise"
    return _finite(point.sum, point.min, point.max, *bounds)


def _common_columns(points: Sequence[Read], data: Sequence[Read]) -> Columns:
    return {
        "Count": numbers([point.count for point in points], "uint64"),
        "Sum": numbers([point.sum for point in points], "float64"),
        "Min": numbers([point.min for point in points], "float64"),
        "Max": numbers([point.max for point in points], "float64"),
        **_temporality(data),
        **_exemplars(points),
    }


def _histogram_columns(points: Sequence[Read], data: Sequence[Read]) -> Columns:
    return {
        **_common_columns(points, data),
        "BucketCounts": _flat((point.bucket_counts for point in points), "uint64"),
        "ExplicitBounds": _flat((point.explicit_bounds for point in points), "float64"),
    }


def _unfit_exponential(point: Read) -> str:
    return _finite(point.sum, point.min, point.max)


def _exponential_columns(points: Sequence[Read], data: Sequence[Read]) -> Columns:
    return {
        **_common_columns(points, data),
        "Scale": numbers([point.scale for point in points], "int32"),
        "ZeroCount": numbers([point.zero_count for point in points], "uint64"),
        "PositiveOffset": numbers([point.positive.offset for point in points], "int32"),
        "PositiveBucketCounts": _flat((point.positive.bucket_counts for point in points), "uint64"),
        "NegativeOffset": numbers([point.negative.offset for point in points], "int32"),
        "NegativeBucketCounts": _flat((point.negative.bucket_counts for point in points), "uint64"),
    }


def _unfit_summary(point: Read) -> str:
    return _finite(point.sum, *(number for each in point.quantile_values for number in (each.quantile, each.value)))


def _summary_columns(points: Sequence[Read], _data: Sequence[Read]) -> Columns:
    return {
        "Count": numbers([point.count for point in points], "uint64"),
        "Sum": numbers([point.sum for point in points], "float64"),
        "ValueAtQuantiles.Quantile": _flat(([each.quantile for each in point.quantile_values] for point in points), "float64"),
        "ValueAtQuantiles.Value": _flat(([each.value for each in point.quantile_values] for point in points), "float64"),
    }


def _flat(sets: Iterable[Sequence[float]], kind: str) -> pa.ListArray:
    listed = [list(each) for each in sets]
    return lists([len(each) for each in listed], numbers([number for each in listed for number in each], kind))


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of data."""

    table: str
    unfit: Callable[[Read], str]
    columns: Callable[[Sequence[Read], Sequence[Read]], Columns]
    """(points, the data that each is of) -> what only this kind has."""


_KINDS: Final = {
    "gauge": _Kind("otel_metrics_gauge", _unfit_number, _number_columns),
    "sum": _Kind("otel_metrics_sum", _unfit_number, _sum_columns),
    "histogram": _Kind("otel_metrics_histogram", _unfit_histogram, _histogram_columns),
    "exponential_histogram": _Kind("otel_metrics_exponential_histogram", _unfit_exponential, _exponential_columns),
    "summary": _Kind("otel_metrics_summary", _unfit_summary, _summary_columns),
}
"""By its name in a metric."""
