"""Whether the symptom of an incident went away after something was done about it. Reads telemetry and changes nothing.

It is looked at with the measures and against the baseline of the investigation: the metric that alarmed, where the alert names one;
else the failures and durations of the alarming service's spans; else the facts that the cause rests on. The first of these that
showed the incident decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from middlewatch.records import AnomalyKind, Brief, Evidence, Freshness, Signal, UtcDatetime, Window
from middlewatch.records.errors import BoundExceeded, SourceUnavailable
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.metric_series import SeriesMatrix
from middlewatch.tools.recovery_courses import Spans, direction, fact_courses, load_metrics, metric_course, reached, step_of
from middlewatch.tools.recovery_reading import LEAST_SAMPLES, LEAST_SECONDS, Course, Phases, Reading, State, back_since, faded, read
from middlewatch.tools.timeline import LEAST_VOLUME
from middlewatch.tools.wording import clock, duration, quantity, quoted

MOVED = frozenset({State.BACK, State.AWAY, State.TOO_SHORT, State.SILENT})
"""What a course says that showed the incident."""


class Verdict(StrEnum):
    """Whether a symptom went away."""

    RECOVERED = "recovered"
    NOT_YET = "not_yet"
    TRAFFIC_GONE = "traffic_gone"
    """What showed the symptom has nothing to show any more: that nobody asks is no recovery."""
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True)
class SymptomState:
    """What is known of a symptom at one moment."""

    verdict: Verdict
    sentence: str
    """With numbers; names of telemetry quoted."""
    recovered_at: UtcDatetime | None = None
    """When the time began over which it is seen to be back; null where it is not."""


def symptom_now(
    sources: Sources, brief: Brief, since: UtcDatetime, facts: Sequence[Evidence] = (), *, least_seconds: float = LEAST_SECONDS
) -> SymptomState:
    """Look at a symptom as it is at the sources' horizon.

    Args:
        sources: opened for the scope of the investigation, up to now.
        brief: the investigation's, with its alert.
        since: when the action was done.
        facts: those that the cause rests on, which the action was for.
        least_seconds: how long it must have been over.

    Returns:
        `recovered` where every measure that showed the incident is no more unusual than quiet windows are, over at least
        `least_seconds` and `LEAST_SAMPLES` samples in a row.
    """
    return _Look(sources, brief, since, tuple(facts), least_seconds).state()


@dataclass(slots=True)
class _Look:
    """One look; keeps what it has read."""

    sources: Sources
    brief: Brief
    since: UtcDatetime
    facts: tuple[Evidence, ...]
    least_seconds: float
    notes: list[str] = field(default_factory=list)
    """Why something could not be looked at, in words."""
    _ends: dict[Signal, UtcDatetime | None] = field(default_factory=dict)
    _metrics: dict[str, SeriesMatrix | None] = field(default_factory=dict)
    _spans: dict[str, Spans | None] = field(default_factory=dict)

    def state(self) -> SymptomState:
        """The verdict."""
        if self.sources.horizon <= self.since:
            return SymptomState(Verdict.CANNOT_TELL, "Nothing later than the action can be read.")
        phases = self._phases()
        for courses in (self._alarming, self._service, self._cause):
            moved = [reading for course in courses() if (reading := read(course, phases)).state in MOVED]
            if moved:
                return self._told(moved, phases)
        return SymptomState(Verdict.CANNOT_TELL, self._why_not())

    def _phases(self) -> Phases:
        over = tuple(known for known in self.brief.alert.earlier_incidents if known.end <= self.brief.alert.detected_at)
        incident = Window(start=min(self.brief.incident.start, self.since), end=self.since)
        detected = self.brief.alert.detected_at
        return Phases(incident, self.since, hidden=over, detected=detected, least_seconds=self.least_seconds)

    def _told(self, readings: Sequence[Reading], phases: Phases) -> SymptomState:
        """What readings that showed the incident add up to: the worst of them decides."""
        by_state = {state: [each for each in readings if each.state is state] for state in MOVED}
        if away := by_state[State.AWAY]:
            return SymptomState(Verdict.NOT_YET, _away(away[0]))
        if short := by_state[State.TOO_SHORT]:
            return SymptomState(Verdict.NOT_YET, _too_short(short[0], self.least_seconds))
        back = by_state[State.BACK]
        gone = None if back else readings[0]
        if gone is None and (symptom := self.brief.alert.symptom) is not None and (spans := self._spans_of(symptom.service)):
            gone = faded(spans.volume, phases, LEAST_VOLUME)
        if gone is not None:
            return SymptomState(Verdict.TRAFFIC_GONE, _gone(gone))
        return SymptomState(Verdict.RECOVERED, _back(back[0]), recovered_at=back_since(back))

    def _alarming(self) -> Iterator[Course]:
        """The metric that alarmed."""
        symptom = self.brief.alert.symptom
        if symptom is None or symptom.metric is None:
            return
        matrix = self._metrics_of(symptom.service)
        if matrix is not None:
            worse = direction(matrix, self.brief, symptom)
            course = metric_course(matrix, symptom.service, symptom.metric, worse=worse)
            yield from [] if course is None else [course]

    def _service(self) -> Iterator[Course]:
        """The spans of the service that alarmed."""
        symptom = self.brief.alert.symptom
        if symptom is not None and (spans := self._spans_of(symptom.service)) is not None:
            yield from spans.symptom()

    def _cause(self) -> Iterator[Course]:
        """The facts of the cause."""
        found = [fact.anomaly for fact in self.facts if fact.anomaly.strength > 0]
        metrics = {f.service: self._metrics_of(f.service) for f in found if f.kind is AnomalyKind.METRIC}
        spans = {f.service: self._spans_of(f.service) for f in found if f.kind is AnomalyKind.OPERATION}
        known = {service: matrix for service, matrix in metrics.items() if matrix is not None}
        yield from fact_courses(found, known, {service: each for service, each in spans.items() if each is not None})

    def _metrics_of(self, service: str) -> SeriesMatrix | None:
        if service not in self._metrics:
            self._metrics[service] = None
            if (end := self._end(Signal.METRICS, self.sources.metrics.freshness)) is not None:
                try:
                    self._metrics[service] = load_metrics(self.sources, self.brief, service, end, self.least_seconds)
                except (BoundExceeded, SourceUnavailable) as error:
                    self.notes.append(f"metrics of {quoted(service)} could not be read: {error.message}")
        return self._metrics[service]

    def _spans_of(self, service: str) -> Spans | None:
        if service not in self._spans:
            self._spans[service] = None
            if (end := self._end(Signal.TRACES, self.sources.traces.freshness)) is not None:
                try:
                    self._spans[service] = Spans.load(self.sources, self.brief, service, end, step_of(self.least_seconds))
                except (BoundExceeded, SourceUnavailable) as error:
                    self.notes.append(f"spans of {quoted(service)} could not be read: {error.message}")
        return self._spans[service]

    def _end(self, signal: Signal, freshness: Callable[[Window], Freshness]) -> UtcDatetime | None:
        """How far a signal can be read; None where it does not reach past the action."""
        if signal not in self._ends:
            self._ends[signal] = None
            try:
                fresh = freshness(Window(start=self.since, end=self.sources.horizon))
            except (BoundExceeded, SourceUnavailable) as error:
                self.notes.append(f"{signal} could not be read: {error.message}")
                return None
            if fresh.watermark is None:
                self.notes.append(f"there are no {signal}")
            elif fresh.watermark < self.since:
                self.notes.append(f"{signal} reach {clock(fresh.watermark)}, which is before the action")
            else:
                self._ends[signal] = reached(fresh)
        return self._ends[signal]

    def _why_not(self) -> str:
        if self.notes:
            text = "; ".join(dict.fromkeys(self.notes))
            return f"{text[0].upper()}{text[1:]}."
        if self.brief.alert.symptom is None and not self.facts:
            return "The alert names no service, and no fact of the cause can be looked at."
        return "Nothing that can be looked at showed the incident clearly enough to see its end, or its past is too short."


def _numbers(reading: Reading) -> str:
    unit = reading.course.unit
    return f"usually {quantity(reading.usual, unit)}, {quantity(reading.during, unit)} in the incident"


def _over(reading: Reading) -> str:
    assert reading.window is not None  # noqa: S101  readings that say something of now have one
    return f"{quantity(reading.now, reading.course.unit)} over the last {duration(reading.window.end - reading.window.start)}"


def _back(reading: Reading) -> str:
    return f"The {reading.course.what} is back: {_over(reading)}, {_numbers(reading)}."


def _away(reading: Reading) -> str:
    return f"The {reading.course.what} is not back yet: {_over(reading)}, {_numbers(reading)}."


def _too_short(reading: Reading, least_seconds: float) -> str:
    known = duration(reading.window.end - reading.window.start) if reading.window else "nothing"
    takes = f"it takes {least_seconds:.0f} s and {LEAST_SAMPLES} samples"
    return f"Of the {reading.course.what}, {known} is known since the action, and {takes}; {_numbers(reading)}."


def _gone(reading: Reading) -> str:
    assert reading.window is not None  # noqa: S101  it says since when
    what, unit, seconds = reading.course.what, reading.course.unit, reading.course.step_seconds
    if math.isnan(reading.now):
        return f"There is no {what} after {clock(reading.window.start)} any more, while others are still seen; {_numbers(reading)}."
    now, usual = quantity(reading.now, unit), quantity(reading.usual, unit)
    return f"There are hardly any {what} any more, {now} in {seconds} s, usually {usual}: so nobody can tell whether it recovered."
