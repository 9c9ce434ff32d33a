"""Metrics as one matrix: which step to ask for, the series on a common time axis, and what each of them measures.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from middlewatch.records import Brief, Family, UtcDatetime, Window
from middlewatch.records.errors import BoundExceeded
from middlewatch.telemetry.sources import Answer, Sources
from middlewatch.tools.baseline import Floats
from middlewatch.tools.timeline import healthy_until

STEPS_SECONDS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)
"""Steps that are asked for: the usual scrape and aggregation intervals."""
FINEST_SHARE = 20
"""The incident is cut into at most this many steps: more only cost, since a third of a window's samples in a row make its deviation
(`baseline.burst`)."""
FEWEST_STEPS = 4
"""The incident is cut into at least this many steps where the series are dense enough."""
MOST_CELLS = 3_000_000
"""Series x steps held at once: 24 MB as float64, about 100 MB while Arrow's four lists are being read. 6,000 series keep two hours
at 15 s or eight at 60 s."""
EARLIER_WINDOWS = 20
"""Windows before the incident that the analysis compares with (see metric_scores); the baseline is never cut shorter than these."""
TIME_UNITS = frozenset({"ns", "us", "µs", "ms", "s", "sec", "second", "seconds", "milliseconds", "microseconds", "min", "h"})
RATIO_UNITS = frozenset({"%", "1", "percent", "ratio", ""})
BYTE_UNITS = frozenset({"By", "KiBy", "MiBy", "GiBy", "bytes", "B", "KiB", "MiB", "GiB", "kB", "MB", "GB"})
RARE_SHARE = 0.9
"""A quantity that is zero this often is an event that should not happen."""
OBSERVING_KINDS = ("histogram", "summary")
"""Kinds of series whose values are means of observations that are counted."""
LARGEST_MAGNITUDE = 1e70
"""Values are clipped to this, and those closer to zero than one over it are zero: then every ratio, and every product of four as in
a correlation, is finite. No unit makes a measured quantity as large or as small."""
NEAR_CEILING = 0.95
"""A ratio whose median is this close to its ceiling is a success rate: good is up."""


Group = tuple[str, str, str, tuple[str, ...]]
"""Metric, unit, kind and attribute names."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A common time axis: `steps` steps of `step_seconds` from `start`. The incident is the last `incident_steps` of them."""

    start: datetime
    step_seconds: int
    steps: int
    incident_steps: int
    shortened: str = ""
    """Empty, or in words why the baseline is shorter than was asked for."""
    oldest: datetime | None = None
    """The oldest sample in the time that was asked about, also where the axis begins later; None where nobody looked."""

    def time(self, step: int) -> UtcDatetime:
        return self.start + timedelta(seconds=step * self.step_seconds)

    def earlier(self, days: int) -> Axis:
        """The same so many days before."""
        return replace(self, start=self.start - timedelta(days=days))

    def covered(self, windows: tuple[Window, ...]) -> NDArray[np.bool_]:
        """Which steps overlap any of the windows, shape (steps,)."""
        starts = np.arange(self.steps) * float(self.step_seconds)
        covered = np.zeros(self.steps, dtype=np.bool_)
        for window in windows:
            low, high = ((moment - self.start).total_seconds() for moment in (window.start, window.end))
            covered |= (starts < high) & (starts + self.step_seconds > low)
        return covered


@dataclass(frozen=True, slots=True)
class Labels:
    """What identifies one series."""

    service: str
    instance: str
    metric: str
    unit: str
    kind: str
    attributes: tuple[tuple[str, str], ...]
    peer: str = ""
    """The other service where the series describes calls between two: an attribute's value names it."""

    @property
    def group(self) -> Group:
        """Series of one group measure the same thing in different places."""
        return self.metric, self.unit, self.kind, tuple(key for key, _ in self.attributes)

    @property
    def subject(self) -> str:
        """The metric with its attributes, as in ``name{key="value"}``."""
        inside = ", ".join(f'{key}="{value}"' for key, value in self.attributes)
        return f"{self.metric}{{{inside}}}" if inside else self.metric


@dataclass(frozen=True, slots=True)
class SeriesMatrix:
    """All series of an investigation on one axis."""

    axis: Axis
    labels: tuple[Labels, ...]
    values: Floats
    """Shape (series, steps): the average in each step, NaN where a step has no sample."""
    counts: Floats
    """Shape (series, steps): of how many observations the average is the mean, per second; NaN where that is not told."""
    answer: Answer


def load_series(sources: Sources, brief: Brief, services_known: frozenset[str] = frozenset()) -> SeriesMatrix | Answer:
    """Read every series of the brief's baseline and incident.

    Args:
        sources: what may be read.
        brief: the windows, and the neighbourhood if there is one.
        services_known: services that other signals know, which an attribute may name.

    Returns:
        The matrix, or the catalogue's empty answer where there are no metrics.

    Raises:
        BoundExceeded: even the shortest history that is of use costs too much.
    """
    window = Window(start=brief.baseline.start, end=brief.incident.end)
    catalogue = sources.metrics.catalogue(window, services=brief.services)
    if catalogue.table.num_rows == 0:
        return catalogue
    axis = choose_axis(brief, catalogue.table)
    try:
        answer = _ask(sources, brief, axis)
    except BoundExceeded:
        axis = _shortest(axis)
        answer = _ask(sources, brief, axis)
    if answer.table.num_rows == 0:
        return answer
    return series_matrix(answer, axis, services_known)


def series_matrix(answer: Answer, axis: Axis, services_known: frozenset[str] = frozenset()) -> SeriesMatrix:
    """The series of an answer of `MetricSource.series` on an axis with the same steps."""
    labels = _labels(answer.table, services_known)
    values, counts = _on_axis(answer.table, axis)
    return SeriesMatrix(axis, labels, _absent_counters_as_zero(values, labels, axis), counts, answer)


def choose_axis(brief: Brief, catalogue: pa.Table) -> Axis:
    """The step and the part of the baseline that keep the answer within `MOST_CELLS`.

    The step is the series' own interval (its median over the series), or a twentieth of the incident where that is coarser. When
    that is too much, the baseline is cut to its most recent part first, since what is usual now matters more than what was usual
    yesterday, and the step is made coarser only when 20 earlier windows would not fit any more.

    With slow series the incident is taken to start at least two steps before the detection, because one sample cannot show a
    change. The axis ends where the incident does, so that the last step is a whole one; the step around the incident's start
    belongs to it if at least half of it does.
    """
    counts, firsts, lasts = (
        catalogue.column(name).combine_chunks().cast(pa.int64()).to_numpy(zero_copy_only=False).astype(np.float64)
        for name in ("points", "first", "last")
    )
    earliest = datetime.fromtimestamp(max(float(firsts.min()) / 1e6, brief.baseline.start.timestamp()), UTC)
    brief = _after_health(brief, earliest)
    several = counts > 1
    gaps = (lasts[several] - firsts[several]) / 1e6 / (counts[several] - 1)
    interval = float(np.median(gaps)) if gaps.size else brief.incident.seconds / FEWEST_STEPS
    wanted = max(_usual_step(interval), brief.incident.seconds / FINEST_SHARE)
    affordable = max(1, MOST_CELLS // catalogue.num_rows)
    ladder = [s for s in STEPS_SECONDS if s >= wanted] or [STEPS_SECONDS[-1]]
    fits = [s for s in ladder if _incident_steps(brief, s) * (EARLIER_WINDOWS + 1) <= affordable]
    step = fits[0] if fits else ladder[-1]
    end = brief.incident.end
    available = math.ceil((end - earliest).total_seconds() / step)
    incident = min(_incident_steps(brief, step), available)
    steps = max(incident, min(available, affordable))
    start = end - timedelta(seconds=steps * step)
    axis = Axis(start=start, step_seconds=step, steps=steps, incident_steps=incident, oldest=earliest)
    return axis if steps == available else replace(axis, shortened=f"{_compared(axis)}, to stay within {MOST_CELLS:,} samples")


def _after_health(brief: Brief, earliest: datetime) -> Brief:
    """The same with an incident that does not begin in what the oldest metrics are needed for: to say what is usual."""
    detected = brief.alert.detected_at
    if earliest >= detected:
        return brief
    start = max(brief.incident.start, healthy_until(earliest, detected))
    incident = brief.incident.model_copy(update={"start": start})
    return brief.model_copy(update={"incident": incident})


def _shortest(axis: Axis) -> Axis:
    """The same with no more history than the earlier windows need."""
    steps = min(axis.steps, axis.incident_steps * (EARLIER_WINDOWS + 1))
    shorter = replace(axis, start=axis.time(axis.steps - steps), steps=steps)
    return replace(shorter, shortened=f"{_compared(shorter)}: more hit the bound of the query")


def _compared(axis: Axis) -> str:
    hours = (axis.steps - axis.incident_steps) * axis.step_seconds / 3600
    return f"metrics were compared with the last {hours:.1f} h only"


def _ask(sources: Sources, brief: Brief, axis: Axis) -> Answer:
    window = Window(start=axis.start, end=brief.incident.end)
    return sources.metrics.series(window, step_seconds=axis.step_seconds, services=brief.services)


def family_of(unit: str, baseline: Floats) -> Family:
    """What a group of series measures, from its unit and its behaviour; names are not looked at.

    Args:
        unit: as reported, UCUM or not; rates end in ``/s``.
        baseline: the group's values before the incident, shape (series, steps).
    """
    known = baseline[~np.isnan(baseline)]
    a_rate = unit.endswith("/s")
    unit = unit.removesuffix("/s")
    if unit in TIME_UNITS:
        return Family.SATURATION if a_rate else Family.LATENCY  # seconds of work per second are a share of time
    if known.size and unit in RATIO_UNITS and not a_rate:
        ceiling = float(known.max())
        if ceiling in {1.0, 100.0} and float(np.median(known)) >= NEAR_CEILING * ceiling:
            return Family.SUCCESS
    if known.size and unit not in BYTE_UNITS and np.count_nonzero(known == 0) >= RARE_SHARE * known.size:
        return Family.ERRORS
    if a_rate:
        return Family.TRAFFIC
    return Family.SATURATION if unit in RATIO_UNITS or unit in BYTE_UNITS else Family.OTHER


def _usual_step(interval_seconds: float) -> int:
    """The longest usual step that is no longer than the interval, which gaps make seem longer (80 s is 60 s with gaps).

    A little longer is all right: no clock is exact (14.9 s is 15 s).
    """
    return max((step for step in STEPS_SECONDS if step <= 1.05 * interval_seconds), default=STEPS_SECONDS[0])


def _incident_steps(brief: Brief, step: int) -> int:
    lead = max((brief.alert.detected_at - brief.incident.start).total_seconds(), 2.0 * step)
    seconds = (brief.incident.end - brief.alert.detected_at).total_seconds() + lead
    return math.floor(seconds / step + 0.5)


def _labels(table: pa.Table, services_known: frozenset[str]) -> tuple[Labels, ...]:
    columns = [
        cast("list[str | None]", table.column(name).to_pylist()) for name in ("service", "instance", "metric", "unit", "kind")
    ]
    attributes = cast("list[list[tuple[str, str | None]] | None]", table.column("attributes").to_pylist())
    rows = [
        Labels(service or "", instance or "", metric or "", unit or "", kind or "", _pairs(pairs))
        for service, instance, metric, unit, kind, pairs in zip(*columns, attributes, strict=True)
    ]
    services = services_known | {row.service for row in rows}
    return tuple(replace(row, peer=_peer(row, services)) for row in rows)


def _pairs(pairs: list[tuple[str, str | None]] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, value or "") for key, value in pairs or ()))


def _peer(row: Labels, services: frozenset[str] | set[str]) -> str:
    return next((value for _, value in row.attributes if value in services and value != row.service), "")


def _on_axis(table: pa.Table, axis: Axis) -> tuple[Floats, Floats]:
    """Flatten the lists of the answer and scatter them into matrices: the averages, and the observations per second."""
    values, counts = np.full((2, table.num_rows, axis.steps), np.nan)
    times = table.column("times").combine_chunks()
    lengths = np.diff(times.offsets.to_numpy())
    rows = np.repeat(np.arange(table.num_rows), lengths)
    seconds = times.flatten().cast(pa.int64()).to_numpy(zero_copy_only=False) / 1e6
    steps = np.floor((seconds - axis.start.timestamp()) / axis.step_seconds + 1e-9).astype(np.int64)
    inside = (steps >= 0) & (steps < axis.steps)
    values[rows[inside], steps[inside]] = _tamed(_flat(table, "average")[inside])
    observed = inside & np.isin(cast("list[str]", table.column("kind").to_pylist()), OBSERVING_KINDS)[rows]
    if observed.any():
        counts[rows[observed], steps[observed]] = _flat(table, "count")[observed] / axis.step_seconds
    return values, counts


def _flat(table: pa.Table, column: str) -> Floats:
    """All numbers of a column of lists, one after the other."""
    numbers = table.column(column).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(numbers, dtype=np.float64)


def _tamed(numbers: Floats) -> Floats:
    """Numbers that can be calculated with; see `LARGEST_MAGNITUDE`. What is not finite is no sample."""
    clipped = np.clip(numbers, -LARGEST_MAGNITUDE, LARGEST_MAGNITUDE)
    return np.where(np.isfinite(numbers), np.where(np.abs(clipped) < 1 / LARGEST_MAGNITUDE, 0.0, clipped), np.nan)


def _absent_counters_as_zero(values: Floats, labels: tuple[Labels, ...], axis: Axis) -> Floats:
    """A counter that first appears in the incident counted nothing before: SDKs create a series at its first event.

    The zeros are written only where the same instance reported something, so that one that was itself absent or newly started is
    not compared with a past that it has not had.
    """
    before = axis.steps - axis.incident_steps
    known = ~np.isnan(values)
    new = ~known[:, :before].any(axis=1) & known[:, before:].any(axis=1)
    instances: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        instances[label.service, label.instance].append(row)
    filled = values.copy()
    for row in (int(r) for r in np.flatnonzero(new) if labels[r].kind == "sum" and labels[r].unit.endswith("/s")):
        reported = np.logical_or.reduce(known[instances[labels[row].service, labels[row].instance]], axis=0)
        first = int(np.argmax(known[row]))
        filled[row, :first] = np.where(reported[:first], 0.0, np.nan)
    return filled
