"""Courses of a symptom before, in and after an incident, and the sources that deliver them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

import numpy as np
import pyarrow as pa

from middlewatch.records import Alert, Brief, Evidence, Freshness, Query, Scope, Signal, Symptom, Window
from middlewatch.records.errors import SourceUnavailable
from middlewatch.telemetry.sources import Answer, MetricSource, Sources, TraceSource
from middlewatch.tools.baseline import Floats
from middlewatch.tools.recovery import SymptomState, symptom_now
from middlewatch.tools.recovery_reading import LEAST_SECONDS
from tests.unit.tools.synthetic_telemetry import END, TIME, Metrics, Series, sources

STEP = 15
DONE = END - timedelta(minutes=5)
"""When the action was done."""
DETECTED = DONE - timedelta(minutes=10)
BEGAN = DETECTED - timedelta(minutes=2)
QUIET, BAD, AFTER = 90 * 60 // STEP, 12 * 60 // STEP, 5 * 60 // STEP
"""Steps of quiet time, from the beginning to the action, and since."""


def course(now: Floats | Sequence[float], *, usual: float = 100.0, bad: float = 900.0, noise: float = 5.0) -> Floats:
    """A value every 15 s: usual, bad, and `now` since the action."""
    values = np.concatenate([np.full(QUIET, usual), np.full(BAD, bad), np.asarray(now, dtype=np.float64)])
    return np.asarray(values + np.random.default_rng(3).normal(0, noise, values.size), dtype=np.float64)


def latency(
    now: Floats | Sequence[float], *, service: str = "shop", metric: str = "latency", unit: str = "ms", **more: float
) -> Series:
    return Series(service, metric, course(now, **more), unit, step_seconds=STEP)


def brief(metric: str | None = "latency", *, service: str | None = "shop", earlier: Sequence[Window] = ()) -> Brief:
    alert = Alert(
        tenant="default",
        source="test",
        source_id="1",
        title="slow",
        detected_at=DETECTED,
        window_end=DETECTED + timedelta(minutes=4),
        symptom=Symptom(service=service, metric=metric) if service else None,
        earlier_incidents=tuple(earlier),
    )
    start = DETECTED - timedelta(minutes=4)
    return Brief(
        scope=Scope(tenant="default"),
        alert=alert,
        incident=Window(start=start, end=alert.window_end),
        baseline=Window(start=start - timedelta(hours=24), end=start),
    )


@dataclass
class Spans:
    """Spans of services per 15 s from the first quiet step on: (how many, how many fail, mean ms), each of shape (steps,)."""

    held: Mapping[str, tuple[Floats, Floats, Floats]] = field(default_factory=dict)
    watermark: datetime | None = END
    fails: bool = False

    def freshness(self, window: Window) -> Freshness:
        return Freshness(signal=Signal.TRACES, watermark=self.watermark if self.held else None, horizon=window.end)

    def behaviours(self, window: Window, *, step_seconds: int, floor_ms: float = 1.0, services: Sequence[str] = ()) -> Answer:
        assert step_seconds == STEP
        if self.fails:
            raise SourceUnavailable("the traces do not answer")
        rows = [name for name in services if name in self.held]
        start = END - timedelta(seconds=STEP * (QUIET + BAD + AFTER))
        moments = [start + timedelta(seconds=STEP * i) for i in range(QUIET + BAD + AFTER)]
        lists: dict[str, list[list[float]]] = {name: [] for name in ("count", "errors", "log_self", "duration_ms")}
        times = []
        for name in rows:
            count, errors, ms = self.held[name]
            kept = [i for i in range(count.size) if count[i] > 0 and window.contains(moments[i])]
            times.append([moments[i] for i in kept])
            columns = (count, errors, count * np.log(ms + floor_ms), count * ms)
            for column, values in zip(lists.values(), columns, strict=True):
                column.append([float(values[i]) for i in kept])
        table = pa.table(
            {
                "service": pa.array(rows, pa.string()),
                "operation": pa.array(["GET /" for _ in rows], pa.string()),
                "parent_operation": pa.array(["" for _ in rows], pa.string()),
                "child_services": pa.array([[] for _ in rows], pa.list_(pa.string())),
                "child_operations": pa.array([[] for _ in rows], pa.list_(pa.string())),
                "times": pa.array(times, pa.list_(TIME)),
                **{name: pa.array(column, pa.list_(pa.float64())) for name, column in lists.items()},
            }
        )
        query = Query(source="synthetic", name="span_behaviours", window=window)
        return Answer(table=table, query=query, freshness=self.freshness(window))


def spans(
    now_ms: Floats | Sequence[float], *, count: Floats | None = None, failing: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    count = np.full(QUIET + BAD + AFTER, 40.0) if count is None else count
    failing = np.zeros(QUIET + BAD + AFTER) if failing is None else failing
    return count, failing, np.maximum(course(now_ms), 1.0)


def look(
    *series: Series,
    traces: Spans | None = None,
    asked: Brief | None = None,
    facts: Sequence[Evidence] = (),
    since: datetime = DONE,
    least_seconds: float = LEAST_SECONDS,
) -> SymptomState:
    held = sources(Metrics(series))
    opened = Sources(
        scope=held.scope,
        horizon=END,
        metrics=held.metrics if series else cast("MetricSource", Nothing()),
        logs=held.logs,
        traces=cast("TraceSource", traces or Spans()),
        changes=held.changes,
    )
    return symptom_now(opened, asked or brief(), since, facts, least_seconds=least_seconds)


class Nothing:
    """Metrics that there are none of."""

    def freshness(self, window: Window) -> Freshness:
        return Freshness(signal=Signal.METRICS, watermark=None, horizon=window.end)
