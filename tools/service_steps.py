"""Reads what a deploy watch compares: the requests, error lines and resources of one service, in short steps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa

from middlewatch.records import UtcDatetime, Window
from middlewatch.telemetry.conventions import AROUND_CPU, ERROR_TYPE, MEMORY_USED, OWN_CPU, REQUESTS_ANSWERED
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.baseline import Floats
from middlewatch.tools.watched_steps import PER_OCTAVE, STEP_SECONDS, Measure, Steps

BUCKETS: Final = 37 * PER_OCTAVE
"""Up to a day and a half."""
QUANTILES: Final = 50
"""So many points of a histogram stand for its requests."""
ERROR_SEVERITIES: Final = frozenset({"ERROR", "FATAL"})
RESOURCES: Final[Mapping[Measure, Collection[str]]] = {Measure.CPU: OWN_CPU | AROUND_CPU, Measure.MEMORY: MEMORY_USED}
_MS: Final = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}


def read_steps(sources: Sources, service: str, window: Window, share: float = 1.0) -> Steps:
    """Read one service.

    Args:
        sources: what may be read.
        service: as telemetry calls it.
        window: a whole number of steps, of which a last one that is cut is left out.
        share: of its requests that is read.

    Returns:
        Its requests from spans, or, where there are none, from the histograms of its server.
    """
    size = int(window.seconds // STEP_SECONDS)
    whole = Window(start=window.start, end=window.start + timedelta(seconds=size * STEP_SECONDS))
    steps = _from_spans(sources.traces.answered(whole, step_seconds=STEP_SECONDS, service=service, share=share), whole.start, size)
    if not steps.requests.any():
        steps = _from_histograms(sources, service, whole, size)
    alive = np.zeros(size)
    lines = _error_lines(sources, service, whole, alive)
    return replace(steps, log_errors=lines, alive=alive, gauges=_resources(sources, service, whole, alive))


def _from_spans(table: pa.Table, start: UtcDatetime, size: int) -> Steps:
    steps = _empty(start, size)
    for row in table.to_pylist():
        step = _step(row["time"], start)
        steps.requests[step] += row["count"]
        steps.errors[step] += row["own_errors"]
        for bucket, number in zip(row["buckets"], row["in_buckets"], strict=True):
            steps.durations[step, min(bucket, BUCKETS - 1)] += number
    return steps


def _from_histograms(sources: Sources, service: str, window: Window, size: int) -> Steps:
    steps = _empty(window.start, size)
    shares = [(n + 0.5) / QUANTILES for n in range(QUANTILES)]
    for metric in REQUESTS_ANSWERED:
        counted = sources.metrics.series(window, step_seconds=STEP_SECONDS, services=[service], metrics=[metric]).table.to_pylist()
        if not counted:
            continue
        to_ms = _MS.get(str(counted[0]["unit"]), 1.0)
        for row in counted:
            failed = bool(dict(row["attributes"] or ()).get(ERROR_TYPE))
            for moment, number in zip(row["times"], row["count"], strict=True):
                steps.requests[_step(moment, window.start)] += number
                steps.errors[_step(moment, window.start)] += number if failed else 0
        found = sources.metrics.quantiles(
            window, metric=metric, quantiles=shares, step_seconds=STEP_SECONDS, services=[service]
        ).table
        for row in found.to_pylist():
            us = np.maximum(np.array(row["values"], dtype=np.float64), 0.0) * to_ms * 1e3
            buckets = np.clip(PER_OCTAVE * np.log2(us[np.isfinite(us)] + 1), 0, BUCKETS - 1).astype(np.int64)
            np.add.at(steps.durations[_step(row["time"], window.start)], buckets, row["count"] / QUANTILES)
        return steps
    return steps


def _error_lines(sources: Sources, service: str, window: Window, alive: Floats) -> Floats:
    lines = np.zeros(alive.size)
    for row in sources.logs.patterns(window, step_seconds=STEP_SECONDS, services=[service]).table.to_pylist():
        bad = row["severity"] in ERROR_SEVERITIES
        for moment, number in zip(row["times"], row["count"], strict=True):
            alive[_step(moment, window.start)] += number
            lines[_step(moment, window.start)] += number if bad else 0
    return lines


def _resources(sources: Sources, service: str, window: Window, alive: Floats) -> dict[Measure, Floats]:
    """Of each resource the first metric by name that there is, its mean over instances and attributes."""
    names = sorted(set().union(*RESOURCES.values()))
    answer = sources.metrics.series(window, step_seconds=STEP_SECONDS, services=[service], metrics=names)
    rows: list[dict[str, Any]] = answer.table.to_pylist()
    found = {}
    for measure, known in RESOURCES.items():
        there = sorted({str(row["metric"]) for row in rows} & set(known))
        if there:
            found[measure] = _mean([row for row in rows if row["metric"] == there[0]], window.start, alive.size)
            alive += ~np.isnan(found[measure])
    return found


def _mean(rows: Sequence[dict[str, Any]], start: UtcDatetime, size: int) -> Floats:
    total, number = np.zeros(size), np.zeros(size)
    for row in rows:
        for moment, value in zip(row["times"], row["average"], strict=True):
            if value is not None and np.isfinite(value):
                total[_step(moment, start)] += value
                number[_step(moment, start)] += 1
    return np.where(number > 0, total / np.maximum(number, 1.0), np.nan)


def _empty(start: UtcDatetime, size: int) -> Steps:
    return Steps(start, np.zeros(size), np.zeros(size), np.zeros((size, BUCKETS)), np.zeros(size), np.zeros(size))


def _step(moment: datetime, start: datetime) -> int:
    return int((moment - start).total_seconds() // STEP_SECONDS)
