"""What is usual at this time of the day and of the week: the same phase of earlier days.

A job that runs every night and a peak of every Monday morning are new to the hours before, and no news. So what stands out against
those hours is looked for in the same phase of the days and weeks before, and only what is beyond both counts.

Few questions are asked: none where nothing clearly stands out or the telemetry does not reach back a day, and only about what does;
four where none of that is usual, ten at most. What happens by local time is missed for a while after the clocks were changed.

Constants without a source are chosen, not derived, and not measured: no development recording is long enough for that.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache

import numpy as np
from numpy.typing import NDArray

from middlewatch.records import Brief, Window
from middlewatch.records.errors import MiddlewatchError
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.baseline import MAD_TO_SD, Floats, burst, robust_baseline
from middlewatch.tools.metric_deviations import CLEAR_DEVIATION, LARGEST_DEVIATION, Deviations, for_the_worse
from middlewatch.tools.metric_scores import USUAL_DEVIATION
from middlewatch.tools.metric_series import MOST_CELLS, Axis, Labels, SeriesMatrix, series_matrix

DAILY = (1, 2, 3, 4, 5, 6, 7)
"""Days back that show what is usual at this time of the day,"""
WEEKLY = (7, 14, 21, 28)
"""and of the week."""
FEWEST_PHASES = 2
"""Phases of one kind that tell what is usual; where the first so many show nothing of it, no more of the kind are asked for."""
LEAST_SHARE = 0.5
"""An earlier phase shows what stands out now if it has at least this share of it."""
MARGIN_SECONDS = 900
"""How much earlier or later than today the same may happen on other days."""
LEAD_SECONDS = 2700
"""Time before the margin that shows on which level a series was on that day."""
GAP = timedelta(hours=3)
"""Telemetry that begins this much after the baseline may still have earlier days: it may have a gap there."""
MOST_SIBLINGS = 20
"""Other instances that stand for one that did not exist on an earlier day."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How high each series usually is at this time, as far as the days and weeks before tell; of shape (series,)."""

    quiet: Floats
    """The largest deviation in the windows just before the incident, in scales."""
    told: Floats
    """The usual deviation for the worse at this time, and how far it varies, both in today's scales; how many earlier phases show
    more than the windows just before the incident, and of how many. Shape (4, series), 0 where nothing is known."""
    weekly: NDArray[np.bool_]
    """Whether the phases are the same day of earlier weeks."""
    note: str = ""
    """Empty, or in words why earlier days are not compared with."""

    @property
    def tops(self) -> Floats:
        """The usual deviation at this time, in scales."""
        return np.asarray(self.told[0])

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which series usually deviate at this time."""
        return np.asarray(self.tops > self.quiet, dtype=np.bool_)

    def when(self, row: int) -> str:
        """In words, at which time a series usually deviates."""
        shown, seen = (int(n) for n in self.told[2:, row])
        if self.weekly[row]:
            return f"at this time of the week (in {shown} of {seen} weeks before)"
        return f"at this time of the day (on {shown} of {seen} days before)"

    def applied(self, deviations: Deviations) -> Deviations:
        """The same where what is usual at this time is no deviation.

        With u the usual deviation at this time, s its spread, and q the largest in the windows before, a series that deviates by
        d counts, where u > q, as deviating by min(d, q + max(0, d - u - min(2, u - q)) / max(1, s)). Two scales are what windows
        commonly differ by where nothing is wrong.
        """
        now = deviations.tops[:, 0]
        usual = self.tops + np.minimum(USUAL_DEVIATION, self.tops - self.quiet)
        beyond = self.quiet + np.maximum(0.0, now - usual) / np.maximum(1.0, self.told[1])
        tops = deviations.tops.copy()
        tops[:, 0] = np.where(self.known, np.minimum(now, beyond), now)
        return replace(deviations, tops=tops)


def habits(sources: Sources, brief: Brief, matrix: SeriesMatrix, deviations: Deviations) -> Habits:
    """Look for what stands out now in the same phase of earlier days.

    What a phase shows is the highest window within the margin, of the same instance or, where it did not exist, of any instance of
    the service. A series that was higher all that day is compared with its level on that day. Of the phases the median counts, the
    lower of two: a single bad day neither hides a fault nor passes for a habit.

    Args:
        sources: what may be read.
        brief: for the known earlier incidents; phases that touch one are left out.
        matrix: the series of today.
        deviations: what stands out.
    """
    now, quiet = deviations.tops[:, 0], deviations.tops[:, 1:].max(axis=1, initial=0.0)
    found = Habits(quiet, told=np.zeros((4, quiet.size)), weekly=np.zeros(quiet.size, dtype=np.bool_))
    rows = np.flatnonzero((now > quiet) & (now >= CLEAR_DEVIATION))
    axis = _phase_axis(matrix.axis)
    if not rows.size or not _reaches_back(matrix.axis, brief, axis):
        return found
    rows = rows[np.argsort(-now[rows], kind="stable")][: max(1, MOST_CELLS // axis.steps)]
    least = np.maximum(quiet, LEAST_SHARE * now)[rows]

    @cache
    def shown(days: int) -> Floats | None:
        return _shown(sources, axis.earlier(days), matrix, deviations, rows)

    def admitted(days: int) -> bool:
        phase = axis.earlier(days)
        return phase.time(phase.steps) <= brief.incident.start and not phase.covered(brief.alert.earlier_incidents).any()

    try:
        by_day, by_week = (_told(filter(admitted, kind), shown, quiet[rows], least) for kind in (DAILY, WEEKLY))
    except MiddlewatchError as error:
        return replace(found, note=f"metrics were not compared with the same time of earlier days: {error.message}")
    weekly = by_week[0] > by_day[0]
    found.told[:, rows], found.weekly[rows] = np.where(weekly, by_week, by_day), weekly
    return found


def _phase_axis(axis: Axis) -> Axis:
    """The incident of today with what is looked at around it; its last `incident_steps` are those that may show the same."""
    lead, margin = (max(1, math.ceil(seconds / axis.step_seconds)) for seconds in (LEAD_SECONDS, MARGIN_SECONDS))
    shown = margin + axis.incident_steps + margin
    first = axis.steps - axis.incident_steps - margin - lead
    return Axis(axis.time(first), axis.step_seconds, steps=lead + shown, incident_steps=shown)


def _reaches_back(axis: Axis, brief: Brief, phase: Axis) -> bool:
    """Whether there may be earlier days: the oldest known sample is as old as yesterday's phase, or as old as was asked for."""
    yesterday = phase.time(phase.steps) - timedelta(days=1)
    return axis.oldest is not None and axis.oldest <= max(yesterday, brief.baseline.start + GAP)


def _told(kind: Iterable[int], shown: Callable[[int], Floats | None], quiet: Floats, least: Floats) -> Floats:
    """What the phases of one kind say: the usual top, its spread, how many phases are not quiet, and of how many.

    Args:
        kind: the days back.
        shown: how high each row is, so many days back; None where nothing is known.
        quiet: how high each row is where nothing happens.
        least: how high it has to be on one of the first days, for the others to be asked about.

    Returns:
        Shape (4, rows); zeros where fewer than `FEWEST_PHASES` are known.
    """
    known: list[Floats] = []
    for number, days in enumerate(kind):
        if number == FEWEST_PHASES and not any((phase >= least).any() for phase in known):
            break
        phase = shown(days)
        if phase is not None:
            known.append(phase)
    phases = np.array(known).reshape(len(known), least.size)
    seen = np.count_nonzero(~np.isnan(phases), axis=0)
    usual = _middle(phases)
    told = np.array([usual, MAD_TO_SD * _middle(np.abs(phases - usual)), np.count_nonzero(phases > quiet, axis=0), seen])
    return np.where(seen >= FEWEST_PHASES, told, 0.0)


def _shown(sources: Sources, axis: Axis, matrix: SeriesMatrix, deviations: Deviations, rows: NDArray[np.intp]) -> Floats | None:
    """How far some series deviate for the worse in one earlier phase, in today's scales, shape (rows,).

    Returns:
        NaN for series of services of which nothing was measured at the time itself, 0 for those that had no sample beside others of
        their service; None where nothing at all was measured.
    """
    window = Window(start=axis.start, end=axis.time(axis.steps))
    labels = [matrix.labels[row] for row in rows]
    answer = sources.metrics.series(
        window,
        step_seconds=axis.step_seconds,
        services=sorted({label.service for label in labels}),
        metrics=sorted({label.metric for label in labels}),
    )
    if answer.table.num_rows == 0:
        return None
    earlier = series_matrix(answer, axis)
    margin = (axis.incident_steps - matrix.axis.incident_steps) // 2
    same_time = earlier.values[:, axis.steps - margin - matrix.axis.incident_steps : axis.steps - margin]
    reported = {earlier.labels[row].service for row in np.flatnonzero(~np.isnan(same_time).all(axis=1))}
    shown = np.zeros(len(labels))
    mine, theirs = _pairs(labels, earlier.labels)
    if mine.size:
        np.maximum.at(shown, mine, _tops(earlier.values[theirs], axis, matrix.axis, deviations, rows[mine]))
    shown[[label.service not in reported for label in labels]] = np.nan
    return shown


def _tops(values: Floats, phase: Axis, axis: Axis, deviations: Deviations, rows: NDArray[np.intp]) -> Floats:
    """The highest window of each row of an earlier phase, against today's baseline or that day's level: the smaller of the two.

    Args:
        values: of the phase, one row for each of `rows`.
        phase: its axis.
        axis: today's.
        deviations: today's.
        rows: the series that each is compared with.
    """
    centre, scale = (of[rows, None] for of in (deviations.baseline.centre, deviations.baseline.scale))
    families = tuple(deviations.families[row] for row in rows)
    lead = phase.steps - phase.incident_steps
    signed = (values - centre) / scale
    first = axis.steps - axis.incident_steps - (phase.incident_steps - axis.incident_steps) // 2
    then = robust_baseline(signed[:, :lead])
    today = robust_baseline(deviations.signed[rows, max(0, first - lead) : max(0, first)])
    level = np.where((then.count > 0) & (today.count > 0), then.centre - today.centre, 0.0)[:, None]
    against = (np.clip(signed[:, lead:] - by, -LARGEST_DEVIATION, LARGEST_DEVIATION) for by in (0.0, level))
    return np.minimum(*(burst(for_the_worse(d, families), axis.incident_steps) for d in against))


def _pairs(today: Sequence[Labels], earlier: Sequence[Labels]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which series of an earlier phase stand for which of today's: the same one, else the same of the service's other instances."""
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for index, label in enumerate(earlier):
        alike[label.service, label.group, label.attributes].append(index)
    pairs = [
        (row, index)
        for row, label in enumerate(today)
        if (others := alike.get((label.service, label.group, label.attributes)))
        for index in [i for i in others if earlier[i].instance == label.instance] or others[:MOST_SIBLINGS]
    ]
    mine, theirs = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    return mine, theirs


def _middle(phases: Floats) -> Floats:
    """The median of each column, the lower of two; 0 where there is nothing.

    Args:
        phases: shape (phases, rows).
    """
    if not len(phases):
        return np.zeros(phases.shape[1])
    known = np.count_nonzero(~np.isnan(phases), axis=0)
    middle = np.take_along_axis(np.sort(phases, axis=0), np.maximum(known - 1, 0)[None, :] // 2, axis=0)[0]
    return np.where(known > 0, middle, 0.0)
