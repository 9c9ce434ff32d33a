"""How far each series is from its own baseline, now and in the windows before: the same measure for both.

The windows before the incident are the analysis' false-alarm history: what it would have said when nothing was wrong.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from middlewatch.records import Brief, Family
from middlewatch.tools.baseline import Baseline, Floats, burst, robust_baseline
from middlewatch.tools.metric_series import EARLIER_WINDOWS, Axis, Group, Labels, SeriesMatrix, family_of
from middlewatch.tools.onset import Split, find_split

FEWEST_PAST_SAMPLES = 4
"""A series with fewer samples in its baseline has no spread worth the name; it borrows its siblings' baseline or is left out."""
LEAST_RELATIVE_SCALE = 0.05
"""The scale is at least 5 % of the series' own level and of what is typical for the metric: a change by a few per cent of the
level is no incident, however steady the series was, and neither is one on a service where the metric is always tiny."""
LEAST_SUCCESS_SCALE = 0.002
"""The same for success rates, as a share of their ceiling: 99.9 % and 99.5 % are worlds apart."""
DROP_WEIGHT = 0.5
"""A drop of traffic or saturation counts half of a rise: it is more often the consequence of trouble elsewhere."""
CLEAR_DEVIATION = 4.0
"""Scales: twice what quiet windows commonly reach. What deviates less may be chance: it shows neither guilt nor innocence, and when
it began is a guess."""
LARGEST_DEVIATION = 1000.0
"""Beyond this many scales, more says nothing more."""


@dataclass(frozen=True, slots=True)
class Deviations:
    """Every series against its baseline."""

    baseline: Baseline
    """With the scale floors applied and missing baselines borrowed."""
    signed: Floats
    """(value - centre) / scale, shape (series, steps); NaN without a sample or a baseline."""
    tops: Floats
    """The deviation for the worse in the incident (column 0) and in each earlier window (1, 2, ... going back), shape
    (series, 1 + windows), in scales, at least 0."""
    families: tuple[Family, ...]
    clean: NDArray[np.int64]
    """The steps that the baseline was taken from."""
    unusable: int
    """Series without any baseline."""
    contaminated: bool
    """Known earlier incidents fill so much of the history that they could not be left out."""

    def recent(self, axis: Axis, length: int) -> NDArray[np.int64]:
        """The last steps up to the end of the incident and of each earlier window, shape (1 + windows, length).

        Steps that are left out of the baseline are passed over; -1 stands for what would lie before the first.
        """
        steps = np.concatenate([np.full(length, -1), self.clean, incident_steps(axis)])
        ends = steps.size - axis.incident_steps * np.arange(self.tops.shape[1])
        return np.asarray(steps[ends[:, None] + np.arange(-length, 0)])


def measure(matrix: SeriesMatrix, brief: Brief) -> Deviations:
    """Compare every series with its baseline.

    Args:
        matrix: all series on one axis.
        brief: for the known earlier incidents, which are left out of the baseline.
    """
    axis = matrix.axis
    clean, contaminated = _clean_steps(axis, brief)
    groups: dict[Group, list[int]] = defaultdict(list)
    for row, label in enumerate(matrix.labels):
        groups[label.group].append(row)
    past = matrix.values[:, clean]
    families = [Family.OTHER] * len(matrix.labels)
    baseline = robust_baseline(past)
    scale = baseline.scale.copy()
    for (_, unit, _, _), rows in groups.items():
        family = family_of(unit, past[rows])
        for row in rows:
            families[row] = family
        scale[rows] = np.maximum(scale[rows], _least_scale(family, matrix.values[rows], past[rows], baseline.centre[rows]))
    usable, baseline = _borrow(replace(baseline, scale=scale), matrix.labels)
    signed = (matrix.values - baseline.centre[:, None]) / baseline.scale[:, None]
    signed[~usable] = np.nan
    signed = _without_starts(np.clip(signed, -LARGEST_DEVIATION, LARGEST_DEVIATION), matrix)
    worse = for_the_worse(signed, tuple(families))
    return Deviations(
        baseline=baseline,
        signed=signed,
        tops=np.column_stack([burst(worse[:, incident_steps(axis)]), *(burst(worse[:, w]) for w in _windows(axis, clean))]),
        families=tuple(families),
        clean=clean,
        unusable=int(np.count_nonzero(~usable & ~np.isnan(matrix.values[:, incident_steps(axis)]).all(axis=1))),
        contaminated=contaminated,
    )


def for_the_worse(signed: Floats, families: tuple[Family, ...]) -> Floats:
    """Deviations turned so that larger is worse.

    Latency and errors are bad when they rise, success rates when they fall. What else there is may be bad both ways.

    Args:
        signed: shape (series, steps).
        families: one per series.
    """
    up = np.array([f in {Family.LATENCY, Family.ERRORS} for f in families])[:, None]
    down = np.array([f is Family.SUCCESS for f in families])[:, None]
    both = np.where(signed > 0, signed, -DROP_WEIGHT * signed)
    return np.asarray(np.where(up, signed, np.where(down, -signed, both)), dtype=np.float64)


def incident_steps(axis: Axis) -> NDArray[np.int64]:
    """The steps of the incident."""
    return np.arange(axis.steps - axis.incident_steps, axis.steps)


def onset_split(row: int, axis: Axis, deviations: Deviations) -> Split:
    """Where a series changed its level; anywhere in the incident where it shows no change.

    Looked for from two incident lengths before the incident, since it may have begun before it was taken to. A series that begins
    there, such as one of a new instance, comes from the level of its baseline: that of its service's other instances. So what
    deviates as long as it exists does so since its first sample, and not since anywhere in the incident.
    """
    first = axis.steps - axis.incident_steps
    since = max(0, first - 2 * axis.incident_steps)
    course = deviations.signed[row, since:].copy()
    present = np.flatnonzero(~np.isnan(course))
    if present.size and present[0] > 0 and np.isnan(deviations.signed[row, :since]).all():
        interval = int(np.median(np.diff(present))) if present.size > 1 else 1
        course[max(0, int(present[0]) - interval)] = 0.0
    split = find_split(course)
    return Split(step=first, before=max(0, first - 1), last=axis.steps - 1) if split is None else split.shifted(since)


def _without_starts(signed: Floats, matrix: SeriesMatrix) -> Floats:
    """The same, with every instance that begins on the axis deviating in its first step no more than in its second.

    What it takes to start, such as processor time, is in its first sample, and is no trouble of its.
    """
    present = ~np.isnan(matrix.values)
    instances: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, label in enumerate(matrix.labels):
        if label.instance:
            instances[label.service, label.instance].append(row)
    steady = signed.copy()
    for rows in instances.values():
        first = int(np.argmax(present[rows].any(axis=0)))
        for row in rows if first > 0 else ():
            later = signed[row, first + 1 :][present[row, first + 1 :]]
            steady[row, first] = min(signed[row, first], later[0], key=abs) if later.size else np.nan
    return steady


def _clean_steps(axis: Axis, brief: Brief) -> tuple[NDArray[np.int64], bool]:
    before = np.arange(axis.steps - axis.incident_steps)
    clean = before[~axis.covered(brief.alert.earlier_incidents)[before]]
    if clean.size < max(FEWEST_PAST_SAMPLES, axis.incident_steps):
        return before, clean.size < before.size
    return clean, False


def _windows(axis: Axis, clean: NDArray[np.int64]) -> NDArray[np.int64]:
    """Earlier windows of the incident's length, the latest first, shape (windows, steps); cut from the clean steps only."""
    count = min(EARLIER_WINDOWS, clean.size // axis.incident_steps)
    recent = clean[clean.size - count * axis.incident_steps :]
    return recent.reshape(count, axis.incident_steps)[::-1]


def _least_scale(family: Family, values: Floats, past: Floats, centres: Floats) -> Floats:
    """The floor under the scale of each series of one group, shape (series,)."""
    if family is Family.SUCCESS:
        return np.full(len(values), LEAST_SUCCESS_SCALE * float(np.nanmax(past)))
    sampled = ~np.isnan(past).all(axis=1)
    typical = float(np.median(np.abs(centres[sampled]))) if sampled.any() else 0.0
    if typical == 0:  # an event that usually does not happen: what is typical when it does
        for candidates in (past, values):
            seen = np.abs(candidates[~np.isnan(candidates) & (candidates != 0)])
            if seen.size:
                typical = float(np.median(seen))
                break
    return np.maximum(LEAST_RELATIVE_SCALE * np.maximum(np.abs(centres), typical), np.finfo(np.float64).tiny)


def _borrow(baseline: Baseline, labels: tuple[Labels, ...]) -> tuple[NDArray[np.bool_], Baseline]:
    """Give a series without a past, such as that of a new instance, the typical baseline of its service's other instances."""
    usable = baseline.count >= FEWEST_PAST_SAMPLES
    siblings: dict[tuple[str, str, Group], list[int]] = defaultdict(list)
    for row in (int(r) for r in np.flatnonzero(usable)):
        siblings[labels[row].service, labels[row].peer, labels[row].group].append(row)
    centre, scale, now_usable = baseline.centre.copy(), baseline.scale.copy(), usable.copy()
    for row in (int(r) for r in np.flatnonzero(~usable)):
        rows = siblings.get((labels[row].service, labels[row].peer, labels[row].group))
        if rows:
            centre[row] = np.median(baseline.centre[rows])
            scale[row] = max(float(np.max(baseline.scale[rows])), float(np.ptp(baseline.centre[rows])))
            now_usable[row] = True
    return now_usable, replace(baseline, centre=centre, scale=scale)
