"""Whether a service got worse after a change, by its own key metrics: pure analysis of steps that were read before.

The last minute is held against all minutes of the hour before the change. What counts is the service's own part: requests that fail
while no service that they called failed, and time that no called service took. So a service that merely waits for a broken one
behind it is not blamed for it, and nor is one that has more to do than ever before.

Thresholds are chosen, not derived, and were set before anything was measured, but where it says otherwise
(docs/measurements/deploy-watch.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from middlewatch.records import Window
from middlewatch.tools.baseline import Floats, robust_baseline, tail_rank
from middlewatch.tools.shared_calls import Shared
from middlewatch.tools.watched_steps import PER_OCTAVE, STEP_SECONDS, Measure, Steps

HELD_STEPS: Final = 6
"""A degradation is told when it was held for so many steps, a minute: what a restart costs is over by then."""
THIRD: Final = HELD_STEPS // 3
WATCH_SECONDS: Final = 600.0
"""For how long a change is watched."""
HISTORY_SECONDS: Final = 3600.0
"""What is compared with: the hour before the change, if there is as much."""
LEAST_HISTORY_STEPS: Final = 4 * HELD_STEPS
"""With less than four minutes of it nothing is told."""
RARE: Final = 0.05
"""A minute is unusual where less than this share of those before are as bad."""
HALF: Final = 0.5
"""What was half as bad in the minute before the change did not begin with it."""
LASTING: Final = 1 / 3
"""Each third of the minute shows at least this share of the deviation."""
SURGE: Final = 1.3
"""Where this many times more is asked for than in the busiest minutes before, time and processors say nothing of the change."""
BUSIEST: Final = 0.95
SLOW_FACTOR: Final = 2.0
"""A request is slow that takes so many times the usual 99th percentile."""
MEDIAN_NOISE: Final = 0.05
"""The least scale of a median: a bucket of durations is almost twice as wide."""
TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Bar:
    """What has to be passed, all of it."""

    scales: float
    """The deviation in robust standard deviations of the minutes before,"""
    rise: float
    """in its own unit,"""
    factor: float
    """as a factor of what is usual,"""
    fewest: float = 0.0
    """and in number, of what is counted."""


BARS: Final[Mapping[Measure, Bar]] = {
    Measure.ERRORS: Bar(scales=5, rise=0.02, factor=2, fewest=5),
    Measure.SLOW: Bar(scales=5, rise=0.05, factor=3, fewest=5),
    Measure.MEDIAN: Bar(scales=6, rise=2.0, factor=1.5, fewest=20),
    Measure.LOG_ERRORS: Bar(scales=6, rise=10, factor=3, fewest=10),
    Measure.CPU: Bar(scales=8, rise=0.0, factor=2),
    Measure.MEMORY: Bar(scales=8, rise=0.0, factor=2),
}
_SAID: Final[Mapping[Measure, str]] = {
    Measure.ERRORS: "{:.1%} of requests",
    Measure.SLOW: "{:.1%} of requests",
    Measure.MEDIAN: "{:.3g} ms",
    Measure.SILENCE: "{:.0f}",
    Measure.LOG_ERRORS: "{:.0f}",
    Measure.CPU: "{:.3g}",
    Measure.MEMORY: "{:.4g}",
}
_NAMED: Final[Mapping[Measure, str]] = {
    Measure.ERRORS: "failures of its own:",
    Measure.SLOW: "slow by its own time (over twice the usual 99th percentile):",
    Measure.MEDIAN: "median of its own time:",
    Measure.SILENCE: "requests answered, and no other sign of life:",
    Measure.LOG_ERRORS: "error lines:",
    Measure.CPU: "processor time:",
    Measure.MEMORY: "memory:",
}
SILENT_SHARE: Final = 0.1
"""Next to nothing is answered any more where less than this share of the usual is,"""
SILENT_FEWEST: Final = 30
"""and the usual is at least so many requests in the quietest minutes."""
BESIDE: Final = frozenset({Measure.CPU, Measure.LOG_ERRORS})
"""What is told beside others, and raises nothing by itself where requests are seen: another service's failure is logged as well,
and processors work for many reasons. (Set after a look at the lab's recordings.)"""
OF_CALLS: Final = frozenset({Measure.ERRORS, Measure.SLOW, Measure.MEDIAN})
"""What a called service that does not answer explains."""
OF_LOAD: Final = frozenset({Measure.SLOW, Measure.MEDIAN, Measure.CPU})
"""What more work explains."""

Others = Callable[[Window], Shared]
"""What others share of a service's getting worse in a minute."""


@dataclass(frozen=True, slots=True)
class Degradation:
    """One measure that got worse after a change."""

    measure: Measure
    window: Window
    """The minute that shows it."""
    usual: float
    observed: float
    """Both in the measure's unit: shares, milliseconds, lines or requests a minute, or the metric's own."""
    scales: float
    """How far from the usual, in robust standard deviations of the minutes before."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is told of a change by now."""

    worse: tuple[Degradation, ...] = ()
    """In the latest minute, the clearest first."""
    first: Degradation | None = None
    """What was worse first."""
    looked: int = 0
    """How many minutes were looked at."""
    note: str = ""
    """Why nothing can be told, or what was held against it, in words."""
    well_for: int = 0
    """Of the latest minutes, so many in a row show nothing."""


@dataclass(frozen=True, eq=False)
class _Course:
    """A measure of every minute, by the step that it begins with, beside what is usual for it."""

    measure: Measure
    whole: Floats
    parts: Floats
    """Of every third of a minute, by the step that it begins with."""
    number: Floats
    """Of what is counted in a minute: failed or slow requests, requests, lines."""
    before: int
    """Steps before the change."""
    noise: float = 0.0
    """The least scale: what counting alone does."""
    logarithm: bool = False

    @cached_property
    def quiet(self) -> Floats:
        """The minutes before the change that have a value."""
        quiet = self.whole[: self.before - HELD_STEPS + 1]
        return quiet[~np.isnan(quiet)]

    @cached_property
    def usual(self) -> tuple[float, float]:
        """Centre and scale of the minutes before, on the scale of `of`."""
        baseline = robust_baseline(self.of(self.quiet)[None, :])
        return float(baseline.centre[0]), max(float(baseline.scale[0]), self.noise, TINY)

    def of(self, values: Floats) -> Floats:
        """On the scale on which deviations are measured."""
        return np.log(values + 1.0) if self.logarithm else values

    def above(self, value: float) -> float:
        """By how much a value is above the usual, on that scale."""
        return float(self.of(np.array([value]))[0]) - self.usual[0]

    def held(self, begin: int, least: float) -> bool:
        """Whether every part of a minute is so far above: its thirds, or, where samples are rarer, it and the minute before."""
        thirds = self.parts[begin : begin + HELD_STEPS : THIRD]
        known = thirds[~np.isnan(thirds)]
        parts = known if known.size > 1 else self.whole[[begin - HELD_STEPS, begin]]
        return bool((self.of(parts) - self.usual[0] >= least).all())


def judge(before: Steps, after: Steps, hidden: Sequence[Window] = (), others: Others | None = None) -> Judgement:
    """Compare every minute after a change with those before it.

    Args:
        before: the changed service until the change, at most `HISTORY_SECONDS`.
        after: from the change on; not past the service's next change.
        hidden: times before the change that are not usual, such as earlier incidents.
        others: asked of each minute in which requests failed or were slow.
    """
    usual = before.without(hidden)
    if usual.size < LEAST_HISTORY_STEPS:
        return Judgement(note=f"there are less than {LEAST_HISTORY_STEPS * STEP_SECONDS // 60} minutes before it to compare with")
    if after.size < HELD_STEPS:
        return Judgement(note="less than a minute of telemetry came since")
    steps = usual.then(after)
    courses = [c for c in _courses(steps, usual.size) if c.quiet.size >= LEAST_HISTORY_STEPS - HELD_STEPS + 1]
    if not courses:
        return Judgement(note="there are no requests, logs or resources of it to compare with")
    first, well_for = None, 0
    worse: tuple[Degradation, ...] = ()
    notes: dict[str, None] = {}
    for begin in range(usual.size, steps.size - HELD_STEPS + 1):
        minute = begin - usual.size
        window = Window(start=after.time(minute), end=after.time(minute + HELD_STEPS))
        worse = _worse(courses, steps, begin, window, notes, others)
        first = first or next(iter(worse), None)
        well_for = 0 if worse else well_for + 1
    return Judgement(worse, first, after.size - HELD_STEPS + 1, "; ".join(notes), well_for)


def in_words(worse: Degradation) -> str:
    """What is worse, with its window and what is usual."""
    usual, observed = (_SAID[worse.measure].format(value) for value in (worse.usual, worse.observed))
    what = _NAMED[worse.measure]
    return f"{what} {observed} in the minute to {worse.window.end:%H:%M:%S} UTC, usually {usual}"


def quantile(counts: Floats, share: float) -> float:
    """A quantile of durations from their buckets, in ms; NaN of none."""
    total = counts.sum()
    if total <= 0:
        return math.nan
    bucket = int(np.searchsorted(np.cumsum(counts), share * total))
    return float((2.0 ** ((bucket + 0.5) / PER_OCTAVE) - 1) / 1e3)


def _courses(steps: Steps, before: int) -> Iterator[_Course]:
    if steps.requests[:before].any():
        yield _share(Measure.ERRORS, steps.errors, steps, before)
        limit = SLOW_FACTOR * quantile(steps.durations[:before].sum(axis=0), 0.99)
        bucket = math.ceil(PER_OCTAVE * math.log2(limit * 1e3 + 1))
        yield _share(Measure.SLOW, steps.durations[:, bucket:].sum(axis=1), steps, before)
        yield _median(steps, before)
        yield from _silence(steps, before)
    if steps.log_errors.any():
        usual = float(steps.log_errors[:before].mean()) * HELD_STEPS
        whole = _sums(steps.log_errors, HELD_STEPS)
        yield _Course(Measure.LOG_ERRORS, whole, 3 * _sums(steps.log_errors, THIRD), whole, before, math.sqrt(usual + 1))
    for measure, values in steps.gauges.items():
        yield _Course(measure, _means(values, HELD_STEPS), _means(values, THIRD), np.full(steps.size, np.inf), before)


def _share(measure: Measure, part: Floats, steps: Steps, before: int) -> _Course:
    usual = min(1.0, (part[:before].sum() + 1) / (steps.requests[:before].sum() + 1))
    in_a_minute = max(1.0, float(steps.requests[:before].mean()) * HELD_STEPS)
    whole, thirds = (_ratio(_sums(part, n), _sums(steps.requests, n)) for n in (HELD_STEPS, THIRD))
    return _Course(measure, whole, thirds, _sums(part, HELD_STEPS), before, math.sqrt(usual * (1 - usual) / in_a_minute))


def _median(steps: Steps, before: int) -> _Course:
    whole, thirds = (np.array([quantile(sums, 0.5) for sums in _sums(steps.durations, n)]) for n in (HELD_STEPS, THIRD))
    return _Course(Measure.MEDIAN, whole, thirds, _sums(steps.requests, HELD_STEPS), before, MEDIAN_NOISE, logarithm=True)


def _silence(steps: Steps, before: int) -> Iterator[_Course]:
    """Requests, where the process gives no other sign of life either; none of a service that often has few of them."""
    whole, lives = _sums(steps.requests, HELD_STEPS), _sums(steps.alive, HELD_STEPS)
    earlier = slice(before - HELD_STEPS + 1)
    if float(np.quantile(whole[earlier], RARE)) >= SILENT_FEWEST and (lives[earlier] > 0).all():
        whole = np.where(lives > 0, np.maximum(whole, float(np.median(whole[earlier]))), whole)  # it lives, and nobody asks
        yield _Course(Measure.SILENCE, whole, _sums(steps.requests, THIRD), whole, before)


def _worse(  # a minute, and all that it is held against
    courses: Sequence[_Course], steps: Steps, begin: int, window: Window, notes: dict[str, None], others: Others | None
) -> tuple[Degradation, ...]:
    """What is worse in the minute that begins with a step, the clearest first."""
    found = [each for course in courses if (each := _degraded(course, begin, window, notes))]
    if _is_surge(steps, begin, courses[0].before):
        if any(each.measure in OF_LOAD for each in found):
            notes.setdefault("it has more to do than in the busiest minutes before")
        found = [each for each in found if each.measure not in OF_LOAD]
    if others is not None and any(each.measure in OF_CALLS for each in found):
        shared = others(window)
        whys = {each.measure: shared.failing if each.measure is Measure.ERRORS else shared.waiting for each in found}
        notes.update(dict.fromkeys(why for measure, why in whys.items() if why and measure in OF_CALLS))
        found = [each for each in found if not (each.measure in OF_CALLS and whys[each.measure])]
    if steps.requests[: courses[0].before].any() and all(each.measure in BESIDE for each in found):
        return ()
    return tuple(sorted(found, key=lambda each: (each.measure in BESIDE, -each.scales)))


def _degraded(course: _Course, begin: int, window: Window, notes: dict[str, None]) -> Degradation | None:
    """The degradation of a minute; None where there is none, or it began before the change."""
    value, usual = float(course.whole[begin]), float(np.median(course.quiet))
    if math.isnan(value):
        return None
    if course.measure is Measure.SILENCE:
        return Degradation(course.measure, window, usual, value, usual) if value < SILENT_SHARE * usual else None
    bar, above, scale = BARS[course.measure], course.above(value), course.usual[1]
    rank = float(tail_rank(np.asarray(value), np.append(course.quiet, value)))
    passed = above >= bar.scales * scale and value - usual >= bar.rise and value >= bar.factor * usual
    if not passed or course.number[begin] < bar.fewest or rank > max(RARE, 1 / (course.quiet.size + 1)):
        return None
    if not course.held(begin, LASTING * above):
        return None
    if course.above(float(course.quiet[-1])) >= HALF * above:
        notes.setdefault("what is worse was so before it")
        return None
    return Degradation(course.measure, window, usual, value, above / scale)


def _is_surge(steps: Steps, begin: int, before: int) -> bool:
    """Whether more is asked for than in the busiest minutes before."""
    whole = _sums(steps.requests, HELD_STEPS)
    return bool(whole[begin] > SURGE * float(np.quantile(whole[: before - HELD_STEPS + 1], BUSIEST)) > 0)


def _sums(values: Floats, length: int) -> Floats:
    """Sums of every run of so many steps, by the first of them: shape (steps - length + 1, ...)."""
    total = np.cumsum(np.concatenate([np.zeros((1, *values.shape[1:])), values]), axis=0)
    return np.asarray(total[length:] - total[:-length], dtype=np.float64)


def _means(values: Floats, length: int) -> Floats:
    """Means of the samples of every run; NaN where there is none."""
    known: NDArray[np.bool_] = ~np.isnan(values)
    number = _sums(known.astype(np.float64), length)
    return np.where(number > 0, _sums(np.where(known, values, 0.0), length) / np.maximum(number, 1.0), np.nan)


def _ratio(part: Floats, of: Floats) -> Floats:
    return np.where(of > 0, part / np.maximum(of, 1.0), np.nan)
