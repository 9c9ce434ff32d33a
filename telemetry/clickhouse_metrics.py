"""Metrics from ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any

import pyarrow as pa

from middlewatch.records import Freshness, Signal, Window
from middlewatch.records.errors import BadInput
from middlewatch.telemetry import histograms
from middlewatch.telemetry.clickhouse_reader import NANOSECONDS, Reader, names, step_nanoseconds
from middlewatch.telemetry.histograms import Bucket
from middlewatch.telemetry.sources import Answer

_LOOKBACK_SECONDS = 600
"""How long before the window a cumulative series' previous point is looked for: two of the slowest usual intervals (300 s)."""


class ClickHouseMetrics:
    """`MetricSource` over the exporter's five metric tables."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def catalogue(self, window: Window, *, services: Sequence[str] = ()) -> Answer:
        return self._reader.answer(Signal.METRICS, "metric_catalogue", window, services=names(services))

    def series(self, window: Window, *, step_seconds: int, services: Sequence[str] = (), metrics: Sequence[str] = ()) -> Answer:
        return self._reader.answer(
            Signal.METRICS,
            "metric_series",
            window,
            step=step_nanoseconds(step_seconds),
            lookback=_LOOKBACK_SECONDS * NANOSECONDS,
            services=names(services),
            metrics=names(metrics),
        )

    def quantiles(
        self, window: Window, *, metric: str, quantiles: Sequence[float], step_seconds: int, services: Sequence[str] = ()
    ) -> Answer:
        if not all(0.0 <= quantile <= 1.0 for quantile in quantiles):
            raise BadInput(f"quantiles are probabilities from 0 to 1, and these are not: {list(quantiles)}")
        answer = self._reader.answer(
            Signal.METRICS,
            "metric_buckets",
            window,
            step=step_nanoseconds(step_seconds),
            lookback=_LOOKBACK_SECONDS * NANOSECONDS,
            services=names(services),
            metric=metric,
        )
        return replace(answer, table=_quantiles(answer.table, quantiles))

    def increases(self, window: Window, *, step_seconds: int, services: Sequence[str], metrics: Sequence[str]) -> pa.Table:
        return self._reader.rows(
            "counter_increases",
            window,
            step=step_nanoseconds(step_seconds),
            lookback=_LOOKBACK_SECONDS * NANOSECONDS,
            services=names(services),
            metrics=names(metrics),
        )

    def freshness(self, window: Window) -> Freshness:
        return self._reader.freshness(Signal.METRICS, window)


def _quantiles(table: pa.Table, wanted: Sequence[float]) -> pa.Table:
    """Merge the bucket rows of each service and step, and take the quantiles once."""
    services, times, counts, values = [], [], [], []
    for (service, time), group in groupby(sorted(table.to_pylist(), key=_service_and_time), key=_service_and_time):
        members = list(group)
        services.append(service)
        times.append(time)
        counts.append(sum(row["count"] for row in members))
        values.append(histograms.quantiles([bucket for row in members for bucket in _buckets(row)], wanted))
    return pa.table(
        {
            "service": pa.array(services, pa.string()),
            "time": pa.array(times, pa.timestamp("us", tz="UTC")),
            "count": pa.array(counts, pa.int64()),
            "values": pa.array(values, pa.list_(pa.float64())),
        }
    )


def _service_and_time(row: dict[str, Any]) -> tuple[str, datetime]:
    return row["service"], row["time"]


def _buckets(row: dict[str, Any]) -> list[Bucket]:
    if row["layout"] == "explicit":
        return histograms.explicit_buckets(row["bounds"], row["counts"])
    return histograms.exponential_buckets(
        row["scale"],
        row["zeros"],
        list(zip(row["positive_indexes"], row["positive_counts"], strict=True)),
        list(zip(row["negative_indexes"], row["negative_counts"], strict=True)),
    )
