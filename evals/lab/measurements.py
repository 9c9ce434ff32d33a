"""From the metrics that the services exported to the gauges of a recording.

Services export delta histograms, delta counters and gauges every few seconds. A recording holds plain values, so that each
exported histogram becomes a rate, a mean and quantiles of the same interval (from its merged buckets), and a counter a rate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

SERVER_P99 = "http.server.request.duration.p99"
SERVER_ERROR_RATIO = "http.server.request.error.ratio"

REFUSED_RATIO = "shop.checkout.refused.ratio"
OLDEST_MAIL = "shop.mails.oldest.age"
MEMORY = "process.memory.usage"

_KEPT_ATTRIBUTES = {
    "http.client.request.duration": ("server.address",),
    "db.client.connection.count": ("db.client.connection.state",),
}
"""Metrics whose points stay apart by an attribute; the points of all others are merged."""

_COUNTED_AS = {
    "http.server.request": "{request}",
    "http.client.request": "{request}",
    "db.client.operation": "{operation}",
    "messaging.client.operation": "{operation}",
    "messaging.process": "{message}",
}
"""What a histogram's count counts; its rate is part of the recording."""

_SHARES = {"shop.checkouts": (REFUSED_RATIO, "shop.checkout.outcome", "refused")}
"""Counters of which one value of an attribute becomes a ratio of its own: its name, the attribute and the value."""

_QUANTILES = (("p50", 0.5), ("p99", 0.99))

Attributes = tuple[tuple[str, str], ...]
Export = dict[str, Any]
"""One line of an instance's `metrics.jsonl`, as `telemetry` wrote it."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of one series."""

    time: datetime
    service: str
    instance: str
    metric: str
    unit: str
    value: float
    attributes: Attributes = ()


def measurements(exports: Iterable[Export], *, service: str, instance: str, started_ns: int) -> Iterator[Measurement]:
    """Translate one instance's exports, oldest first.

    Args:
        exports: the lines of its metrics file.
        service: who exported them.
        instance: which instance of it.
        started_ns: when the instance started, in ns since the epoch; the first interval begins there.
    """
    previous_ns = started_ns
    for export in exports:
        time_ns: int = export["time_ns"]
        seconds = (time_ns - previous_ns) / 1e9
        previous_ns = time_ns
        if seconds <= 0:
            continue
        time = datetime.fromtimestamp(time_ns / 1e9, tz=UTC)
        for metric in export["metrics"]:
            for name, unit, value, attributes in _values(metric, seconds):
                yield Measurement(time, service, instance, name, unit, value, attributes)


def quantile(points: Sequence[Export], share: float) -> float:
    """The value below which ``share`` of the observations lie, from exponential histograms that are merged first.

    The result is the middle of its bucket, clipped to the least and the greatest observation. A bucket is
    ``2**(2**-scale)`` wide as a ratio, a few per cent at the scales that these histograms reach.
    """
    buckets: list[tuple[float, int]] = []
    for point in points:
        base: float = 2.0 ** (2.0 ** -point["scale"])
        buckets.append((0.0, point["zero_count"]))
        buckets.extend((base ** (point["offset"] + index + 0.5), count) for index, count in enumerate(point["buckets"]) if count)
    buckets.sort()
    wanted = share * sum(count for _, count in buckets)
    reached = accumulate(count for _, count in buckets)
    middle = next(middle for (middle, _), seen in zip(buckets, reached, strict=True) if seen >= wanted)
    least: float = min(point["min"] for point in points)
    greatest: float = max(point["max"] for point in points)
    return min(max(middle, least), greatest)


def _values(metric: Export, seconds: float) -> Iterator[tuple[str, str, float, Attributes]]:
    """Name, unit, value and attributes of everything that one exported metric becomes."""
    name, unit, kind = metric["name"], metric["unit"], metric["kind"]
    groups: dict[Attributes, list[Export]] = defaultdict(list)
    for point in metric["points"]:
        kept = tuple((key, str(point["attributes"].get(key, ""))) for key in _KEPT_ATTRIBUTES.get(name, ()))
        groups[kept].append(point)
    for attributes, points in groups.items():
        if kind == "histogram":
            values = _of_histogram(name, unit, points, seconds)
        elif kind == "counter":
            values = _of_counter(name, unit, points, seconds)
        else:
            values = iter([(name, unit, float(sum(point["value"] for point in points)))])
        yield from ((*value, attributes) for value in values)


def _of_counter(name: str, unit: str, points: Sequence[Export], seconds: float) -> Iterator[tuple[str, str, float]]:
    total = sum(point["value"] for point in points)
    yield f"{name}.rate", f"{unit}/s", total / seconds
    if total and name in _SHARES:
        ratio, attribute, wanted = _SHARES[name]
        yield ratio, "1", sum(point["value"] for point in points if point["attributes"].get(attribute) == wanted) / total


def _of_histogram(name: str, unit: str, points: Sequence[Export], seconds: float) -> Iterator[tuple[str, str, float]]:
    count = sum(point["count"] for point in points)
    stem = name.removesuffix(".duration")
    if stem in _COUNTED_AS:
        errors = sum(point["count"] for point in points if "error.type" in point["attributes"])
        yield f"{stem}.rate", f"{_COUNTED_AS[stem]}/s", count / seconds
        yield f"{stem}.error.rate", f"{_COUNTED_AS[stem]}/s", errors / seconds
        yield f"{stem}.error.ratio", "1", errors / count
    yield f"{name}.mean", unit, sum(point["sum"] for point in points) / count
    for label, share in _QUANTILES:
        yield f"{name}.{label}", unit, quantile(points, share)
