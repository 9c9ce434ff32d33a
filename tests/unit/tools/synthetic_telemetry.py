"""Telemetry from plain numbers: sources in memory that answer as the ones in middlewatch.telemetry do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from middlewatch.records import Alert, Brief, Freshness, Query, Scope, Signal, Symptom, Window
from middlewatch.records.errors import SourceUnavailable, WindowError
from middlewatch.telemetry.sources import Answer, ChangeSource, LogSource, MetricSource, Sources, TraceSource

DETECTED = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
END = DETECTED + timedelta(minutes=1)
TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Series:
    """A series of one value every `step_seconds`, the last of them one step before `END` plus `after_end` steps; NaN is a gap."""

    service: str
    metric: str
    values: NDArray[np.float64]
    unit: str = "1"
    kind: str = "gauge"
    instance: str = "a"
    attributes: Mapping[str, str] = field(default_factory=dict)
    step_seconds: int = 60
    after_end: int = 0
    observations: int = 1
    """Of how many each value is the mean; only of a histogram more than one."""

    def points(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Seconds since 1970 and values inside the window."""
        last = END.timestamp() + (self.after_end - 1) * self.step_seconds
        times = np.asarray(last - self.step_seconds * np.arange(self.values.size)[::-1], dtype=np.float64)
        inside = (times >= window.start.timestamp()) & (times < window.end.timestamp()) & ~np.isnan(self.values)
        return times[inside], self.values[inside]


@dataclass
class Metrics:
    """A `MetricSource` over series, or one that does not answer where they are None; remembers how far it was read."""

    series_held: Sequence[Series] | None
    bound: str = ""
    asked: list[Window] = field(default_factory=list)

    def freshness(self, window: Window) -> Freshness:
        return Freshness(signal=Signal.METRICS, watermark=window.end, horizon=window.end)

    def catalogue(self, window: Window, *, services: Sequence[str] = ()) -> Answer:
        held = self._inside(window, services)
        columns = _labels([series for series, _, _ in held])
        columns["points"] = pa.array([times.size for _, times, _ in held], pa.uint64())
        columns["first"] = pa.array([_micros(times[0]) for _, times, _ in held], TIME)
        columns["last"] = pa.array([_micros(times[-1]) for _, times, _ in held], TIME)
        return self._answer(columns, "metric_catalogue", window)

    def series(self, window: Window, *, step_seconds: int, services: Sequence[str] = (), metrics: Sequence[str] = ()) -> Answer:
        held = [row for row in self._inside(window, services) if not metrics or row[0].metric in metrics]
        columns = _labels([series for series, _, _ in held])
        times, averages, counts = [], [], []
        for series, moments, values in held:
            steps, where = np.unique((moments - window.start.timestamp()) // step_seconds, return_inverse=True)
            times.append([_micros(window.start.timestamp() + step * step_seconds) for step in steps])
            averages.append(np.bincount(where, values) / np.bincount(where))
            counts.append(np.bincount(where) * series.observations)
        columns["times"] = pa.array(times, pa.list_(TIME))
        columns["average"] = pa.array(averages, pa.list_(pa.float64()))
        columns["count"] = pa.array(counts, pa.list_(pa.uint64()))
        return self._answer(columns, "metric_series", window)

    def quantiles(
        self, window: Window, *, metric: str, quantiles: Sequence[float], step_seconds: int, services: Sequence[str] = ()
    ) -> Answer:
        raise NotImplementedError

    def increases(self, window: Window, *, step_seconds: int, services: Sequence[str], metrics: Sequence[str]) -> pa.Table:
        raise NotImplementedError

    def _inside(self, window: Window, services: Sequence[str]) -> list[tuple[Series, NDArray[np.float64], NDArray[np.float64]]]:
        if window.end > END:
            raise WindowError
        if self.series_held is None:
            raise SourceUnavailable("the metrics do not answer")
        self.asked.append(window)
        wanted = [series for series in self.series_held if not services or series.service in services]
        return [(series, *points) for series in wanted if (points := series.points(window))[0].size]

    def _answer(self, columns: Mapping[str, pa.Array], name: str, window: Window) -> Answer:
        query = Query(source="synthetic", name=name, window=window)
        return Answer(table=pa.table(dict(columns)), query=query, freshness=self.freshness(window), bound=self.bound)


@dataclass
class Calls:
    """The edges of a `TraceSource`, or one that does not answer where `pairs` is None."""

    pairs: Sequence[tuple[str, str]] | None = ()

    def edges(self, window: Window, *, step_seconds: int) -> Answer:
        assert step_seconds > 0
        if self.pairs is None:
            raise SourceUnavailable("the traces do not answer")
        table = pa.table(
            {
                "caller": pa.array([caller for caller, _ in self.pairs], pa.string()),
                "callee": pa.array([callee for _, callee in self.pairs], pa.string()),
                "calls": pa.array([7] * len(self.pairs), pa.uint64()),
            }
        )
        freshness = Freshness(signal=Signal.TRACES, watermark=None, horizon=window.end)
        return Answer(table=table, query=Query(source="synthetic", name="span_edges", window=window), freshness=freshness)


@dataclass
class Changes:
    """A `ChangeSource` over (minutes after the detection, service, kind, version)."""

    rows: Sequence[tuple[float, str, str, str]] = ()
    description: str = "a change"

    def freshness(self, window: Window) -> Freshness:
        watermark = max((self._time(row) for row in self.rows), default=None)
        return Freshness(signal=Signal.CHANGES, watermark=watermark, horizon=window.end)

    def changes(self, window: Window, *, services: Sequence[str] = ()) -> Answer:
        rows = sorted(r for r in self.rows if window.contains(self._time(r)) and (not services or r[1] in services))
        table = pa.table(
            {
                "time": pa.array([self._time(row) for row in rows], TIME),
                "service": pa.array([row[1] for row in rows], pa.string()),
                "kind": pa.array([row[2] for row in rows], pa.string()),
                "version": pa.array([row[3] for row in rows], pa.string()),
                "actor": pa.array(["somebody" for _ in rows], pa.string()),
                "description": pa.array([self.description for _ in rows], pa.string()),
            }
        )
        return Answer(table=table, query=Query(source="synthetic", name="changes", window=window), freshness=self.freshness(window))

    @staticmethod
    def _time(row: tuple[float, str, str, str]) -> datetime:
        return DETECTED + timedelta(minutes=row[0])


def sources(metrics: Metrics | None = None, calls: Calls | None = None, changes: Changes | None = None) -> Sources:
    """Sources with what a test needs; what else is asked of them fails."""
    return Sources(
        scope=Scope(tenant="default"),
        horizon=END,
        metrics=cast("MetricSource", metrics or Metrics(())),
        logs=cast("LogSource", None),
        traces=cast("TraceSource", calls or Calls()),
        changes=cast("ChangeSource", changes or Changes()),
    )


def brief(
    *, symptom: Symptom | None = None, earlier: Sequence[Window] = (), lead_seconds: float = 240.0, hours: float = 3.0
) -> Brief:
    """The question about an incident that was detected at `DETECTED` and is looked at until `END`."""
    start = DETECTED - timedelta(seconds=lead_seconds)
    alert = Alert(
        tenant="default",
        source="test",
        source_id="1",
        title="slow",
        detected_at=DETECTED,
        window_end=END,
        symptom=symptom,
        earlier_incidents=tuple(earlier),
    )
    return Brief(
        scope=Scope(tenant="default"),
        alert=alert,
        incident=Window(start=start, end=END),
        baseline=Window(start=start - timedelta(hours=hours), end=start),
    )


def minutes_before_end(minutes: float) -> datetime:
    return END - timedelta(minutes=minutes)


def _labels(held: Sequence[Series]) -> dict[str, pa.Array]:
    columns = {
        name: pa.array([getattr(s, name) for s in held], pa.string()) for name in ("service", "instance", "metric", "unit", "kind")
    }
    columns["attributes"] = pa.array([list(s.attributes.items()) for s in held], pa.map_(pa.string(), pa.string()))
    return columns


def _micros(seconds: float) -> int:
    return round(seconds * 1e6)
