"""The course of a quantity for a picture: of what a fact says, or of any metric, beside what is usual.

What is usual is what the analysis compared with: a metric's whole baseline, and of spans and lines the hour before, from which the
analyses take their spreads. The band is the middle nine tenths of it: a picture shows values and no scales.

Constants without a source are chosen, not derived.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from middlewatch.records import AgentName, Anomaly, AnomalyKind, Band, Chart, Evidence, UtcDatetime, Window
from middlewatch.telemetry.sources import Answer, Sources
from middlewatch.tools.baseline import Floats
from middlewatch.tools.chart_courses import Found, pattern_course, span_course, whole_steps
from middlewatch.tools.metric_deviations import FEWEST_PAST_SAMPLES
from middlewatch.tools.metric_evidence import GAP_STEPS
from middlewatch.tools.metric_series import STEPS_SECONDS, Axis, SeriesMatrix, series_matrix
from middlewatch.tools.recovery_courses import metric_course
from middlewatch.tools.recovery_reading import Course
from middlewatch.tools.timeline import STEP_SECONDS
from middlewatch.tools.wording import clock, quoted

MOST_POINTS = 300
"""Points of a picture: about one every three pixels of a page."""
SHOWN_SECONDS = 3600.0
"""What is shown of the time before the incident, and read of it where the baseline is not one of metrics."""
BAND = (0.05, 0.5, 0.95)
"""Quantiles of what is usual. Plain ones, since the reader knows them."""
STEPS_READ = 2000
"""Of a question about any metric; more cost and are thinned out anyway."""


def fact_chart(
    sources: Sources, fact: Evidence, earlier: Sequence[Window] = (), *, as_kept: Callable[[str], str] = lambda text: text
) -> Chart:
    """The course of what a fact of an investigation is about.

    Args:
        sources: what may be read, up to the end of the investigation's window.
        fact: any evidence.
        earlier: known incidents before it, which are no part of what is usual.
        as_kept: what became of text of telemetry when the fact was kept.

    Returns:
        A chart; empty, with its reason, where the fact has no course or its telemetry is gone.
    """
    anomaly = fact.anomaly
    end = min(anomaly.window.end, sources.horizon)
    shown = Window(start=anomaly.window.start - timedelta(seconds=SHOWN_SECONDS), end=end)
    match fact.agent:
        case AgentName.METRICS:
            usual = anomaly.baseline_window or Window(start=shown.start, end=anomaly.window.start)
            found = _metric_fact(sources, anomaly, Window(start=min(usual.start, shown.start), end=end))
        case AgentName.TRACES:
            window = whole_steps(shown)
            usual = Window(start=window.start, end=max(anomaly.window.start, window.start + timedelta(seconds=1)))
            found = span_course(sources, anomaly, window)
        case AgentName.LOGS if anomaly.kind is AnomalyKind.LOG_PATTERN and anomaly.unit == "1/min":
            window = whole_steps(shown)
            usual = Window(start=window.start, end=max(anomaly.window.start, window.start + timedelta(seconds=1)))
            found = pattern_course(sources, anomaly, window, as_kept)
        case AgentName.LOGS:
            reason = "It is read from single log lines and their order, and has no course."
            return _empty(fact, shown, Found(None, reason=reason))
        case AgentName.DEPLOYS:
            return _empty(fact, shown, Found(None, reason="A change is a moment and has no course."))
    if found.course is None:
        return _empty(fact, shown, found)
    hidden = tuple(known for known in earlier if known.end <= anomaly.window.start)
    chart = _Drawn(found.course, shown, _found_answer(found)).chart(found.service, anomaly.subject, usual, hidden)
    of_the_fact = {
        "peer": found.peer,
        "instance": "" if found.together else anomaly.instance,
        "incident": anomaly.window,
        "onset": anomaly.onset,
        "evidence": fact.id,
        "notes": tuple(note for note in (found.reason, *chart.notes) if note),
    }
    return chart.model_copy(update=of_the_fact)


def metric_chart(sources: Sources, window: Window, *, service: str, metric: str, instance: str = "") -> Chart:
    """The course of a metric in a window beside what it was in the hour before, or as long before as the window is.

    Args:
        sources: what may be read.
        window: not past the horizon.
        service: whose.
        metric: its name, with attributes or without.
        instance: only this one; '' takes all of them together.
    """
    lead = max(window.seconds, SHOWN_SECONDS)
    step = next((s for s in STEPS_SECONDS[4:] if (lead + window.seconds) / s <= STEPS_READ), STEPS_SECONDS[-1])
    usual = Window(start=window.start - timedelta(seconds=lead), end=window.start)
    matrix = _matrix(sources, Window(start=usual.start, end=window.end), step, service, [metric, _name(metric)])
    rows = [i for i, label in enumerate(matrix.labels) if not instance or label.instance == instance]
    course = metric_course(_only(matrix, rows), service, metric, worse=0)
    if course is None:
        of = quoted(service) + (f" (instance {quoted(instance)})" if instance else "")
        reason = f"There is no sample of {quoted(metric)} of {of} in this time{_reach(matrix.answer)}."
        return Chart(
            what=f"{quoted(metric)} of {of}",
            service=service,
            instance=instance,
            subject=metric[:2000],
            window=window,
            reason=reason,
            freshness=matrix.answer.freshness,
            query=matrix.answer.query,
        )
    chart = _Drawn(course, window, matrix.answer).chart(service, metric[:2000], usual)
    return chart.model_copy(update={"instance": instance})


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A course, and the part of it that is shown."""

    course: Course
    shown: Window
    answer: Answer

    def chart(self, service: str, subject: str, usual: Window, hidden: tuple[Window, ...] = ()) -> Chart:
        """The picture, of nobody's incident.

        Args:
            service: whose quantity it is.
            subject: which.
            usual: when it was as usual,
            hidden: but for these windows.
        """
        course = self.course
        steps = self._steps()
        kept = thinned(course.values, steps)
        band, why_not = self._band(usual, hidden, kept.size)
        return Chart(
            what=course.what,
            service=service,
            subject=subject,
            unit=course.unit,
            window=self.shown,
            step_seconds=course.step_seconds,
            times=tuple(self._time(step) for step in kept.tolist()),
            observed=tuple(_number(value) for value in course.values[kept].tolist()),
            band=band,
            thinned=steps.size - kept.size,
            reason="" if kept.size else f"There is no sample in this time{_reach(self.answer)}.",
            notes=tuple(note for note in (self.answer.bound, why_not) if note),
            freshness=self.answer.freshness,
            query=self.answer.query,
        )

    def _steps(self) -> NDArray[np.intp]:
        """The shown steps with a sample, and one without in each gap that is more than delay."""
        course = self.course
        starts = self._seconds()
        inside = (starts >= (self.shown.start - course.start).total_seconds()) & (
            starts < (self.shown.end - course.start).total_seconds()
        )
        if (newest := self.answer.freshness.watermark) is not None:
            inside &= starts <= (newest - course.start).total_seconds()
        known = np.flatnonzero(inside & ~np.isnan(course.values))
        apart = np.diff(known)
        usual = float(np.median(apart)) if apart.size else 1.0
        gaps = known[:-1][apart > GAP_STEPS * usual] + 1
        return np.sort(np.concatenate([known, gaps]))

    def _band(self, usual: Window, hidden: tuple[Window, ...], points: int) -> tuple[Band | None, str]:
        """What is usual, or in words why that cannot be told."""
        course = self.course
        starts = self._seconds()
        first, last = ((moment - course.start).total_seconds() for moment in (usual.start, usual.end))
        quiet = (starts >= first) & (starts + course.step_seconds <= last) & ~np.isnan(course.values)
        for window in hidden:
            low, high = ((moment - course.start).total_seconds() for moment in (window.start, window.end))
            quiet &= (starts >= high) | (starts + course.step_seconds <= low)
        at = np.flatnonzero(quiet)
        if at.size < FEWEST_PAST_SAMPLES:
            return None, f"only {at.size} samples before it: too few to say what is usual"
        low_, middle, high_ = (_number(float(value)) for value in np.quantile(course.values[at], BAND))
        start, end = self._time(int(at[0])), self._time(int(at[-1]) + 1)
        words = f"median and 5-95 % quantiles of {_span(start, end)}{', without known earlier incidents' if hidden else ''}"
        band = Band(
            low=(low_,) * points,
            middle=(middle,) * points,
            high=(high_,) * points,
            words=words,
            window=Window(start=start, end=end),
        )
        return band, ""

    def _seconds(self) -> Floats:
        """When each step begins, since the first one."""
        return np.arange(self.course.values.size, dtype=np.float64) * self.course.step_seconds

    def _time(self, step: int) -> UtcDatetime:
        return self.course.start + timedelta(seconds=step * self.course.step_seconds)


def thinned(values: Floats, steps: NDArray[np.intp], most: int = MOST_POINTS) -> NDArray[np.intp]:
    """At most so many of the steps: of each stretch of equal length the lowest and the highest, and the gaps.

    Args:
        values: shape (all steps,).
        steps: those to choose from, rising.
        most: how many to keep, at least five.
    """
    if steps.size <= most:
        return steps
    shown = values[steps]
    stretch = np.arange(steps.size) * ((most - 2) // 3) // steps.size  # three kept of each, two extremes and a gap, beside the ends
    kept = {0, steps.size - 1}
    for number in range(int(stretch[-1]) + 1):
        at = np.flatnonzero(stretch == number)
        known = at[~np.isnan(shown[at])]
        if known.size:
            kept |= {int(known[np.argmin(shown[known])]), int(known[np.argmax(shown[known])])}
        if known.size < at.size:
            kept.add(int(at[np.isnan(shown[at])][0]))
    return steps[sorted(kept)]


def _metric_fact(sources: Sources, anomaly: Anomaly, window: Window) -> Found:
    nanoseconds = anomaly.query.parameters.get("step")
    step = max(1, int(nanoseconds) // 1_000_000_000) if isinstance(nanoseconds, int) else STEP_SECONDS
    window = _aligned(window, anomaly.query.window.start, step)
    matrix = _matrix(sources, window, step, anomaly.service, [anomaly.subject, _name(anomaly.subject)])
    rows = _rows(matrix, anomaly)
    if rows and anomaly.baseline == 0.0 and np.isnan(matrix.values[rows, : max(1, _before(matrix, anomaly))]).all():
        # A counter that began with the incident was 0 before, where its instance reported anything else.
        matrix = _matrix(sources, window, step, anomaly.service, [], since=anomaly.window.start)
        rows = _rows(matrix, anomaly)
    if not rows:
        reason = f"There is no sample of {quoted(anomaly.subject)} of {quoted(anomaly.service)}{_reach(matrix.answer)}."
        return Found(None, matrix.answer, reason)
    own = matrix.values[rows, : max(0, _before(matrix, anomaly))]
    note = ""
    if np.count_nonzero(~np.isnan(own)) < FEWEST_PAST_SAMPLES:  # the analysis compared it with the others as well
        rows = [i for i, label in enumerate(matrix.labels) if label.subject[:2000] == anomaly.subject]
        note = f"{quoted(anomaly.instance)} is new: all instances are shown together" if len(rows) > 1 else ""
    course = metric_course(_only(matrix, rows), anomaly.service, matrix.labels[rows[0]].metric, worse=0)
    if course is None:
        return Found(None, matrix.answer, "The metric is not of this service.")
    what = f"{quoted(anomaly.subject)} of {quoted(anomaly.service)}"
    named = Course(what, course.unit, course.start, course.step_seconds, course.values)
    return Found(named, matrix.answer, note, anomaly.service, anomaly.peer, together=bool(note))


def _rows(matrix: SeriesMatrix, anomaly: Anomaly) -> list[int]:
    alike = [i for i, label in enumerate(matrix.labels) if label.subject[:2000] == anomaly.subject]
    return [i for i in alike if matrix.labels[i].instance == anomaly.instance]


def _before(matrix: SeriesMatrix, anomaly: Anomaly) -> int:
    """Steps before the incident."""
    return int((anomaly.window.start - matrix.axis.start).total_seconds() // matrix.axis.step_seconds)


def _aligned(window: Window, start: datetime, step: int) -> Window:
    """The window from a moment on that is a whole number of steps from `start`: then its steps are those of the analysis."""
    steps = math.ceil((window.start - start).total_seconds() / step)
    return Window(start=start + timedelta(seconds=steps * step), end=window.end)


def _matrix(
    sources: Sources, window: Window, step: int, service: str, metrics: Sequence[str], *, since: datetime | None = None
) -> SeriesMatrix:
    """Metrics of a service on an axis of its own; counters that began after `since` were 0 before."""
    answer = sources.metrics.series(window, step_seconds=step, services=[service], metrics=metrics)
    steps = max(1, math.ceil(window.seconds / step))
    incident = 0 if since is None else math.ceil((window.end - since).total_seconds() / step)
    return series_matrix(answer, Axis(window.start, step, steps, incident_steps=max(1, min(steps, incident))))


def _only(matrix: SeriesMatrix, rows: Sequence[int]) -> SeriesMatrix:
    labels = tuple(matrix.labels[row] for row in rows)
    return SeriesMatrix(matrix.axis, labels, matrix.values[list(rows)], matrix.counts[list(rows)], matrix.answer)


def _name(subject: str) -> str:
    """The metric of a subject such as ``name{key="value"}``."""
    return subject.partition("{")[0]


def _empty(fact: Evidence, shown: Window, found: Found) -> Chart:
    anomaly, answer = fact.anomaly, found.answer
    gone = _reach(answer) if answer is not None and not answer.table.num_rows else ""
    return Chart(
        what=f"{quoted(anomaly.subject)} of {quoted(anomaly.service)}",
        service=anomaly.service,
        instance=anomaly.instance,
        peer=anomaly.peer,
        subject=anomaly.subject,
        unit=anomaly.unit,
        window=shown,
        incident=anomaly.window,
        onset=anomaly.onset,
        evidence=fact.id,
        reason=found.reason.removesuffix(".") + gone + "." if gone else found.reason,
        notes=(answer.bound,) if answer is not None and answer.bound else (),
        freshness=answer.freshness if answer is not None else None,
        query=answer.query if answer is not None else None,
    )


def _found_answer(found: Found) -> Answer:
    assert found.answer is not None  # noqa: S101  a course was read from something
    return found.answer


def _reach(answer: Answer) -> str:
    """How far the signal reaches, as the end of a sentence."""
    fresh = answer.freshness
    if fresh.watermark is None:
        return f"; no {fresh.signal} are there any more"
    return f"; the newest {fresh.signal} are of {clock(fresh.watermark)}"


def _span(start: datetime, end: datetime) -> str:
    day = "" if start.date() == end.date() else f"{end:%Y-%m-%d} "
    return f"{start:%Y-%m-%d %H:%M} to {day}{end:%H:%M} UTC"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
