"""Whether one course of values is back where it usually is.

Two statistics of a window, its mean and its worst step, are ranked among those of all quiet windows of the same length. The mean
shows what is still half as bad all the time, the worst step what is bad every now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from middlewatch.records import UtcDatetime, Window
from middlewatch.tools.baseline import Floats, robust_baseline, tail_rank
from middlewatch.tools.metric_deviations import CLEAR_DEVIATION, FEWEST_PAST_SAMPLES
from middlewatch.tools.metric_evidence import GAP_STEPS
from middlewatch.tools.timeline import healthy_until

LEAST_SECONDS = 60.0
"""What is called recovered was so for at least this long, where the settings say nothing else,"""
LEAST_SAMPLES = 4
"""and in so many samples one after the other. Both chosen: the shortest that is no lucky moment."""
AFTER_SECONDS = 60.0
"""No quiet time after a known earlier incident, since few systems recover at once. Chosen."""
RARE = 0.05
"""A window is unusual where less than this share of the quiet ones are as bad. Chosen, the usual level."""
NEGLIGIBLE = 0.05
"""Of what is usual, or of the way from there to the incident's worst: a difference below this share is none, however steady it was
before. Chosen, as the least scale of a metric is."""


class State(StrEnum):
    """What a course says."""

    BACK = "back"
    AWAY = "away"
    TOO_SHORT = "too_short"
    """Not enough samples since."""
    SILENT = "silent"
    """No samples any more, where others still have some."""
    UNMOVED = "unmoved"
    """It did not show the incident, so it does not show the end of it."""
    UNKNOWN = "unknown"
    """Too little of a quiet past, or nothing in the incident."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Values on steps of equal length, up to the end of what is known of the signal; NaN where a step has no sample."""

    what: str
    """In words; names of telemetry quoted."""
    unit: str
    start: datetime
    step_seconds: int
    values: Floats
    """Shape (steps,)."""
    worse: int = 0
    """1 where only more is worse, -1 where only less is, 0 where either may be."""
    floor: float = 0.0
    """The least scale that deviations are measured in, in `unit`."""

    @property
    def end(self) -> UtcDatetime:
        return self.start + timedelta(seconds=self.step_seconds * self.values.size)


@dataclass(frozen=True, slots=True)
class Phases:
    """Which time is which."""

    incident: Window
    """From before the trouble began until the action was done."""
    since: UtcDatetime
    """When the action was done: what is looked at begins with the first whole step after it."""
    hidden: tuple[Window, ...] = ()
    """Earlier incidents, which are no quiet time."""
    detected: UtcDatetime | None = None
    """When the incident was; what began to be measured shortly before that was healthy at first (`healthy_until`)."""
    least_seconds: float = LEAST_SECONDS
    """How long it must have been back."""

    def of(self, course: Course) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """The steps of quiet time, of the incident and since the action, each of shape (steps,)."""
        begins = np.arange(course.values.size) * float(course.step_seconds)
        ends = begins + course.step_seconds
        began = max(self.incident.start, self._healthy(course))
        first, last, since = ((moment - course.start).total_seconds() for moment in (began, self.incident.end, self.since))
        quiet = ends <= first
        for window in self.hidden:
            low, high = ((moment - course.start).total_seconds() for moment in (window.start, window.end))
            quiet &= (begins >= high + AFTER_SECONDS) | (ends <= low)
        return quiet, (begins >= first) & (begins < last), begins >= since

    def _healthy(self, course: Course) -> UtcDatetime:
        """Until when a course is taken to be healthy that has begun shortly before the incident."""
        known = np.flatnonzero(~np.isnan(course.values))
        if self.detected is None or not known.size:
            return self.incident.start
        began = course.start + timedelta(seconds=int(known[0]) * course.step_seconds)
        return healthy_until(began, self.detected) if began < self.detected else self.incident.start


@dataclass(frozen=True, slots=True)
class Reading:
    """What a course says, in numbers: means of windows, in its unit; NaN where there is none."""

    course: Course
    state: State
    usual: float = np.nan
    during: float = np.nan
    now: float = np.nan
    window: Window | None = None
    """What `now` is the mean of; of a silent course, from its last sample on."""


def read(course: Course, phases: Phases) -> Reading:
    """Hold a course's latest window against quiet windows of the same length.

    It is back where neither the mean nor the worst step of the latest samples is unusual, in the direction in which the incident
    was, or nearer to the incident than to what is usual. It says nothing where the incident did not deviate clearly.
    """
    known = ~np.isnan(course.values)
    quiet, during, after = (np.flatnonzero(mask & known) for mask in phases.of(course))
    length = _length(course, np.flatnonzero(known), phases.least_seconds)
    past = _windows(course.values[quiet], length)
    if len(past) < FEWEST_PAST_SAMPLES or not during.size:
        return Reading(course, State.UNKNOWN)
    bad = _windows(course.values[during], min(length, during.size))
    usual = float(np.median(past.mean(axis=1)))
    sign = course.worse or (-1 if usual - bad.mean(axis=1).min() > bad.mean(axis=1).max() - usual else 1)
    worst = int(np.argmax(sign * bad.mean(axis=1)))
    reading = Reading(course, State.UNMOVED, usual, float(bad[worst].mean()))
    statistics = [_Statistic.of(sign * bad, sign * past, course.floor, how) for how in (np.mean, np.max)]
    if not any(each.moved for each in statistics):
        return reading
    if _silent(course, known, length):
        last = int(np.flatnonzero(known)[-1]) + 1
        return replace(reading, state=State.SILENT, window=_window(course, last, course.values.size))
    latest = after[-length:]
    if latest.size < length:
        window = _window(course, int(latest[0]), int(latest[-1]) + 1) if latest.size else None
        return replace(reading, state=State.TOO_SHORT, window=window)
    now = course.values[latest]
    state = State.AWAY if any(each.away(sign * now) for each in statistics) else State.BACK
    return replace(reading, state=state, now=float(now.mean()), window=_window(course, int(latest[0]), int(latest[-1]) + 1))


def faded(course: Course, phases: Phases, least_share: float) -> Reading | None:
    """The latest window of a course of counts, where next to nothing comes any more.

    Args:
        course: counts; 0 where there was nothing.
        phases: which time is which.
        least_share: of the median quiet window; less than that is next to nothing where it is unusual as well.

    Returns:
        None where it goes on, and where that cannot be told.
    """
    quiet, _, after = (np.flatnonzero(mask & ~np.isnan(course.values)) for mask in phases.of(course))
    length = max(LEAST_SAMPLES, int(np.ceil(phases.least_seconds / course.step_seconds)))
    past, latest = _windows(course.values[quiet], length).mean(axis=1), after[-length:]
    if len(past) < FEWEST_PAST_SAMPLES or latest.size < length:
        return None
    usual, now = float(np.median(past)), float(course.values[latest].mean())
    if now >= least_share * usual or not _rare(-now, -past):
        return None
    return Reading(course, State.SILENT, usual=usual, now=now, window=_window(course, int(latest[0]), int(latest[-1]) + 1))


def _length(course: Course, samples: NDArray[np.intp], least_seconds: float) -> int:
    """Samples of a window."""
    interval = course.step_seconds * (float(np.median(np.diff(samples))) if samples.size > 1 else 1.0)
    return max(LEAST_SAMPLES, int(np.ceil(least_seconds / interval)))


def _windows(samples: Floats, length: int) -> Floats:
    """Every window of so many samples, shape (windows, length)."""
    if samples.size < length:
        return np.empty((0, length))
    return np.lib.stride_tricks.sliding_window_view(samples, length)


@dataclass(frozen=True, slots=True, eq=False)
class _Statistic:
    """One number of a window, more of which is worse: what it is in quiet windows, and at most in the incident."""

    how: Callable[..., Floats]
    quiet: Floats
    """Shape (windows,)."""
    usual: float
    most: float
    moved: bool
    """Whether the incident deviates clearly, by the measure of the analyses."""

    @classmethod
    def of(cls, bad: Floats, past: Floats, floor: float, how: Callable[..., Floats]) -> Self:
        """Of the windows of the incident and the quiet ones, each of shape (windows, length)."""
        quiet, most = np.asarray(how(past, axis=1)), float(np.max(how(bad, axis=1)))
        baseline = robust_baseline(quiet[None, :])
        usual, scale = float(baseline.centre[0]), max(float(baseline.scale[0]), floor)
        return cls(how, quiet, usual, most, most - usual > max(CLEAR_DEVIATION * scale, NEGLIGIBLE * abs(usual)))

    def away(self, window: Floats) -> bool:
        """Whether a window is still bad: by more than a trifle, and so that quiet ones rarely are or nearer to the incident."""
        value = float(self.how(window))
        trifle = NEGLIGIBLE * max(abs(self.usual), self.most - self.usual)
        nearer = self.moved and value > (self.usual + self.most) / 2
        return value > self.usual + trifle and (nearer or _rare(value, self.quiet))


def _rare(value: float, quiet: Floats) -> bool:
    """Whether hardly any quiet window is as high; of few of them, none."""
    pool = np.append(quiet, value)
    return float(tail_rank(np.asarray(value), pool)) <= max(RARE, 1 / pool.size)


def _silent(course: Course, known: NDArray[np.bool_], length: int) -> bool:
    """Whether samples stopped coming, longer ago than delay explains."""
    samples = np.flatnonzero(known)
    interval = float(np.median(np.diff(samples))) if samples.size > 1 else 1.0
    missing = course.values.size - 1 - int(samples[-1])
    return missing > GAP_STEPS * interval and missing >= length


def _window(course: Course, first: int, last: int) -> Window:
    """The steps ``first <= i < last``."""
    start, step = course.start, timedelta(seconds=course.step_seconds)
    return Window(start=start + first * step, end=start + last * step)


def back_since(readings: Sequence[Reading]) -> UtcDatetime | None:
    """When the windows began that show all of them back; None where there is none."""
    return max((reading.window.start for reading in readings if reading.window is not None), default=None)
