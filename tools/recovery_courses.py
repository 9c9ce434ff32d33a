"""What is looked at to see whether a symptom went away: the alarming metric, the alarming service's spans, and the facts that the
cause rests on, each as one course of values over the quiet time before, the incident, and the time since.

Instances and attributes are taken together, since an action may replace them: what a single new instance shows has no past.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from middlewatch.records import Anomaly, AnomalyKind, Brief, Family, Freshness, Symptom, UtcDatetime, Window
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.baseline import Floats
from middlewatch.tools.metric_deviations import LEAST_SUCCESS_SCALE
from middlewatch.tools.metric_series import SeriesMatrix, family_of, load_series
from middlewatch.tools.recovery_reading import LEAST_SAMPLES, LEAST_SECONDS, Course
from middlewatch.tools.structure import rows_of
from middlewatch.tools.timeline import HISTORY_HOURS, STEP_SECONDS, microseconds
from middlewatch.tools.wording import quoted

FLOOR_MS = 1.0
"""Added to times before their logarithm is taken, so that next to nothing is not everything."""


def earliest(brief: Brief) -> UtcDatetime:
    """Where the past begins that is compared with: the baseline's, but no longer than the analyses look back at most."""
    return max(brief.baseline.start, brief.incident.start - timedelta(hours=HISTORY_HOURS[0]))


def reached(fresh: Freshness) -> UtcDatetime:
    """Where to stop reading: just after the newest item, or at the horizon."""
    return fresh.horizon if fresh.watermark is None else min(fresh.horizon, fresh.watermark + timedelta(seconds=1))


def step_of(least_seconds: float) -> int:
    """Seconds of a bucket of spans: the analyses' own, or less where `LEAST_SAMPLES` of those would last for too long."""
    return max(1, min(STEP_SECONDS, int(least_seconds // LEAST_SAMPLES)))


def load_metrics(
    sources: Sources, brief: Brief, service: str, end: UtcDatetime, least_seconds: float = LEAST_SECONDS
) -> SeriesMatrix | None:
    """Every metric of a service up to `end`; None where there is none.

    Args:
        sources: what may be read.
        brief: the incident; its windows are moved so that the latest one ends at `end`.
        service: whose.
        end: not past the horizon.
        least_seconds: how long the latest window is.
    """
    latest = Window(start=end - timedelta(seconds=least_seconds), end=end)
    moved = brief.model_copy(
        update={"incident": latest, "baseline": Window(start=earliest(brief), end=latest.start), "services": (service,)}
    )
    matrix = load_series(sources, moved)
    return matrix if isinstance(matrix, SeriesMatrix) else None


def metric_course(matrix: SeriesMatrix, service: str, name: str, *, worse: int) -> Course | None:
    """A metric of a service; None where it is not known.

    Sums are added up over instances and attributes, of everything else the mean is taken. A rate without a sample is 0 where the
    service reported anything in that step: counters begin with their first event, and begin anew with every instance.

    Args:
        matrix: the metrics of the service.
        service: whose.
        name: the metric, with its attributes or without.
        worse: as of a course.
    """
    labels = matrix.labels
    own = [i for i, label in enumerate(labels) if label.service == service]
    rows = [i for i in own if labels[i].metric == name] or [i for i in own if labels[i].subject == name]
    if not rows:
        return None
    values, label = matrix.values[rows], labels[rows[0]]
    present = ~np.isnan(values)
    total, count = np.where(present, values, 0.0).sum(axis=0), present.sum(axis=0)
    if label.kind == "sum" and label.unit.endswith("/s"):
        course = np.where((~np.isnan(matrix.values[own])).any(axis=0), total, np.nan)
    else:
        course = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    what = f"{quoted(name)} of {quoted(service)}"
    return Course(what, label.unit, matrix.axis.start, matrix.axis.step_seconds, course, worse=worse)


def direction(matrix: SeriesMatrix, brief: Brief, symptom: Symptom) -> int:
    """Which way the alarming metric gets worse, from what it measures: 1 up, -1 down, 0 either way."""
    rows = [i for i, label in enumerate(matrix.labels) if (label.service, label.metric) == (symptom.service, symptom.metric)]
    before = math.ceil((brief.incident.start - matrix.axis.start).total_seconds() / matrix.axis.step_seconds)
    family = family_of(matrix.labels[rows[0]].unit, matrix.values[rows, : max(0, before)]) if rows else Family.OTHER
    return _WORSE.get(family, 0)


_WORSE = {Family.LATENCY: 1, Family.ERRORS: 1, Family.SUCCESS: -1}


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """The spans of a service in buckets; every array has shape (rows, steps)."""

    service: str
    start: datetime
    step_seconds: int
    operations: tuple[str, ...]
    """One per row."""
    count: Floats
    errors: Floats
    log_self: Floats
    duration_ms: Floats

    @classmethod
    def load(cls, sources: Sources, brief: Brief, service: str, end: UtcDatetime, step_seconds: int = STEP_SECONDS) -> Spans:
        """Every span of a service that began before `end`, in whole buckets.

        Args:
            sources: what may be read.
            brief: the incident.
            service: whose.
            end: not past the horizon. A bucket that it cuts is left out, since not all of its spans are there yet.
            step_seconds: of a bucket.
        """
        start = earliest(brief).replace(microsecond=0)
        size = max(1, int((end - start).total_seconds() // step_seconds))
        window = Window(start=start, end=start + timedelta(seconds=size * step_seconds))
        answer = sources.traces.behaviours(window, step_seconds=step_seconds, floor_ms=FLOOR_MS, services=[service])
        keys = [key for key, _ in rows_of(answer.table)]
        own = [i for i, key in enumerate(keys) if key[0] == service]
        table = answer.table.take(pa.array(own, pa.int64()))
        columns = (spread(table, column, start, size, step_seconds) for column in ("count", "errors", "log_self", "duration_ms"))
        return cls(service, start, step_seconds, tuple(keys[i][1] for i in own), *columns)

    @property
    def volume(self) -> Course:
        """How many spans there are: 0 where there are none, from the first on."""
        count = self.count.sum(axis=0)
        return self._course(f"spans of {quoted(self.service)}", "", np.where(np.cumsum(count) > 0, count, np.nan))

    def symptom(self) -> Iterable[Course]:
        """How many of its spans fail, and how long they take."""
        count, service = self.count.sum(axis=0), quoted(self.service)
        yield self._course(
            f"share of failed spans of {service}", "1", share(self.errors.sum(axis=0), count), 1, LEAST_SUCCESS_SCALE
        )
        yield self._course(f"mean duration of spans of {service}", "ms", share(self.duration_ms.sum(axis=0), count), 1)

    def operation(self, name: str, family: Family, *, worse: int) -> Course | None:
        """What a fact says of an operation: its time, its failures or its number; None of an operation without spans."""
        rows = [i for i, operation in enumerate(self.operations) if operation == name]
        if not rows:
            return None
        count, what = self.count[rows].sum(axis=0), f"{quoted(name)} of {quoted(self.service)}"
        if family is Family.ERRORS:
            return self._course(
                f"share of failures of {what}", "1", share(self.errors[rows].sum(axis=0), count), worse, LEAST_SUCCESS_SCALE
            )
        if family is Family.TRAFFIC:
            return self._course(f"spans of {what}", "", count, worse)
        own_time = np.exp(share(self.log_self[rows].sum(axis=0), count)) - FLOOR_MS
        return self._course(f"own time of {what}", "ms", own_time, worse)

    def _course(self, what: str, unit: str, values: Floats, worse: int = 0, floor: float = 0.0) -> Course:
        return Course(what, unit, self.start, self.step_seconds, values, worse, floor)


def fact_courses(facts: Sequence[Anomaly], metrics: Mapping[str, SeriesMatrix], spans: Mapping[str, Spans]) -> list[Course]:
    """The courses of the facts of a cause that have one: metrics, and operations.

    Args:
        facts: what was found.
        metrics: of each service that has any.
        spans: the same.
    """
    found: dict[tuple[str, ...], Course | None] = {}
    for fact in facts:
        key = (fact.kind, fact.service, fact.subject, fact.family)
        worse = 0 if fact.observed is None or fact.baseline is None else 1 if fact.observed > fact.baseline else -1
        if fact.kind is AnomalyKind.METRIC and fact.service in metrics:
            found[key] = metric_course(metrics[fact.service], fact.service, fact.subject, worse=worse)
        elif fact.kind is AnomalyKind.OPERATION and fact.service in spans:
            found[key] = spans[fact.service].operation(fact.subject, fact.family, worse=worse)
    return [course for course in found.values() if course is not None]


def share(part: Floats, count: Floats) -> Floats:
    """The part of each that is counted; NaN where nothing is."""
    return np.where(count > 0, part / np.maximum(count, 1.0), np.nan)


def spread(table: pa.Table, column: str, start: datetime, size: int, step_seconds: int = STEP_SECONDS) -> Floats:
    """A column of lists beside `times`, in buckets of so many seconds; shape (rows, size). What comes twice in a bucket adds up."""
    spread = np.zeros((table.num_rows, size))
    times, values = table.column("times").combine_chunks(), table.column(column).combine_chunks()
    if not len(times) or not len(flat := times.flatten()):
        return spread
    at = (microseconds(flat) - round(start.timestamp() * 1e6)) // (step_seconds * 1_000_000)
    rows = pc.list_parent_indices(times).to_numpy()
    numbers = values.flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
    inside = (at >= 0) & (at < size) & np.isfinite(numbers)
    np.add.at(spread, (rows[inside], at[inside]), numbers[inside])
    return spread
