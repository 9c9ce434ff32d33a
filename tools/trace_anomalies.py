"""What deviates in traces, as facts that a person can check.

Constants without a source are chosen, not measured: they bound what is read and shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import numpy as np

from middlewatch.records import Anomaly, AnomalyKind, Family, Query, Sample
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.baseline import Floats
from middlewatch.tools.onset import find_split
from middlewatch.tools.structure import Call, Structure
from middlewatch.tools.timeline import BUCKETS_PER_MINUTE, Timeline
from middlewatch.tools.trace_views import LATENCY_WEIGHT, STRUCTURE_WEIGHT, TraceViews
from middlewatch.tools.wording import quantity, quoted

SERVICES_SHOWN = 5
"""Leading services that get evidence; the vote puts little more than these to hypotheses."""
FACTS_PER_SERVICE = 4
SAMPLES_SHOWN = 3
SPANS_READ = 500
"""Slowest spans of a service that samples are chosen from."""
ONSET_BUCKETS = 20 * BUCKETS_PER_MINUTE
"""How far before the end of the window an onset is looked for."""


@dataclass(frozen=True, slots=True, eq=False)
class _Fact:
    """An anomaly in the making."""

    kind: AnomalyKind
    family: Family
    peer: str
    spoken_by: str
    """The service whose spans show it."""
    operation: str
    subject: str
    unit: str
    baseline: float
    observed: float
    strength: float
    course: Floats
    """The quantity over the last `ONSET_BUCKETS`, NaN where nothing was seen."""
    summary: str
    query: Query


@dataclass(frozen=True, slots=True, eq=False)
class Exhibits:
    """What facts are made from.

    Args:
        operations: the query behind latencies and failures.
        structure: the query behind calls.
    """

    views: TraceViews
    timeline: Timeline
    sources: Sources
    operations: Query
    structure: Query

    def anomalies(self, scores: Mapping[str, float]) -> tuple[Anomaly, ...]:
        """The strongest facts about the leading services.

        Args:
            scores: per service; only those above 0 lead.
        """
        question = self.timeline.question
        by_onset = {onset: self.views.scores_at(onset, question.end) for onset in question.onsets}
        found: dict[tuple[str, ...], Anomaly] = {}  # each once: an edge belongs to both of its ends
        for service in sorted((s for s in scores if scores[s] > 0), key=lambda s: (-scores[s], s))[:SERVICES_SHOWN]:
            onset = max(question.onsets, key=lambda i: by_onset[i].get(service, 0.0))
            facts = sorted(self._facts(service, onset), key=lambda fact: (-fact.strength, fact.summary))[:FACTS_PER_SERVICE]
            for fact in facts:
                ends = (fact.family, fact.subject, *sorted((service, fact.peer)))
                if ends not in found:
                    found[ends] = self._anomaly(service, onset, fact)
        return tuple(found.values())

    def _facts(self, service: str, onset: int) -> Iterator[_Fact]:
        yield from self._slow_operations(service, onset)
        yield from self._slow_edges(service, onset)
        yield from self._changed_calls(service, onset)
        yield from self._failures(service, onset)

    def _slow_operations(self, service: str, onset: int) -> Iterator[_Fact]:
        slowness = self.views.slowness
        shift = slowness.latencies.shift(onset, self.timeline.question.end)
        for key in np.flatnonzero(shift.bound > 0).tolist():
            place = slowness.places[slowness.place[key]]
            if place.service == service and not place.callee:
                operation = slowness.operations[key]
                yield self._slow(key, onset, AnomalyKind.OPERATION, "", f"own time of {quoted(operation)} in {quoted(service)}")

    def _slow_edges(self, service: str, onset: int) -> Iterator[_Fact]:
        slowness = self.views.slowness
        shift = slowness.latencies.shift(onset, self.timeline.question.end)
        for place, evidence in slowness.evidence(shift).items():
            if evidence > 0 and place.callee and service in (place.service, place.callee):
                keys = np.flatnonzero(slowness.place == slowness.places.index(place))
                key = int(keys[np.argmax(shift.bound[keys])])
                peer = place.callee if service == place.service else place.service
                between = f"time between {quoted(place.service)} and {quoted(place.callee)} in {quoted(slowness.operations[key])}"
                yield self._slow(key, onset, AnomalyKind.EDGE, peer, between)

    def _slow(self, key: int, onset: int, kind: AnomalyKind, peer: str, what: str) -> _Fact:
        slowness = self.views.slowness
        shift = slowness.latencies.shift(onset, self.timeline.question.end)
        before, after = (max(0.0, float(np.exp(y[key]) - slowness.floor_ms)) for y in (shift.before, shift.after))
        count, total = (np.diff(x[key]) for x in (slowness.latencies.count, slowness.latencies.total))
        course = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        times = f" ({quantity(after / before)}x)" if before > 0 else ""
        spans = quantity(float(shift.spans[key]))
        return _Fact(
            kind=kind,
            family=Family.LATENCY,
            peer=peer,
            spoken_by=slowness.places[slowness.place[key]].service,
            operation=slowness.operations[key],
            subject=slowness.operations[key],
            unit="ms",
            baseline=before,
            observed=after,
            strength=LATENCY_WEIGHT * float(shift.bound[key]),
            course=(course - shift.before[key]) / np.sqrt(shift.sampling[key] + shift.drift[key]),
            summary=f"{what} rose from {quantity(before, 'ms')} to {quantity(after, 'ms')}{times}, over {spans} spans",
            query=self.operations,
        )

    def _changed_calls(self, service: str, onset: int) -> Iterator[_Fact]:
        for call, before, after, strength, course in self._changes(self.views.children, service, onset):
            yield _Fact(
                kind=AnomalyKind.STRUCTURE,
                family=Family.OTHER,
                peer=call.child_service if call.child_service != service else "",
                spoken_by=call.service,
                operation=call.operation,
                subject=f"{call.operation} -> {call.child_operation}",
                unit="1",
                baseline=before,
                observed=after,
                strength=strength,
                course=course,
                summary=f"{quoted(call.operation)} of {quoted(call.service)} calls {quoted(call.child_operation)} of "
                f"{quoted(call.child_service)} in {_percent(after)} of its runs, {_percent(before)} before",
                query=self.structure,
            )

    def _failures(self, service: str, onset: int) -> Iterator[_Fact]:
        for call, before, after, strength, course in self._changes(self.views.failures, service, onset):
            towards = f" towards {quoted(call.child_service)}" if call.child_service else ""
            yield _Fact(
                kind=AnomalyKind.EDGE if call.child_service else AnomalyKind.OPERATION,
                family=Family.ERRORS,
                peer=call.service if call.child_service else "",
                spoken_by=call.service,
                operation=call.operation,
                subject=call.operation,
                unit="1",
                baseline=before,
                observed=after,
                strength=strength,
                course=course,
                summary=f"{quoted(call.operation)} of {quoted(call.service)}{towards} fails in {_percent(after)} of its spans, "
                f"{_percent(before)} before",
                query=self.operations,
            )

    def _changes(self, structure: Structure, service: str, onset: int) -> Iterator[tuple[Call, float, float, float, Floats]]:
        """What changed and speaks against the service: before, after, strength, and the share per bucket."""
        change = structure.presence.change(onset, self.timeline.question.end)
        evidence = structure.evidence(change)
        for key in np.flatnonzero(evidence > 0).tolist():
            if structure.calls[key].blamed == service:
                units, present = np.diff(structure.presence.units[key]), np.diff(structure.presence.present[key])
                course = np.where(units > 0, present / np.maximum(units, 1), np.nan)
                strength = STRUCTURE_WEIGHT * float(evidence[key])
                yield structure.calls[key], float(change.before[key]), float(change.after[key]), strength, course

    def _anomaly(self, service: str, onset: int, fact: _Fact) -> Anomaly:
        timeline = self.timeline
        first = max(0, timeline.size - ONSET_BUCKETS)
        split = find_split(fact.course[first:])
        return Anomaly(
            kind=fact.kind,
            service=service,
            peer=fact.peer,
            subject=fact.subject[:2000],
            family=fact.family,
            unit=fact.unit,
            baseline=fact.baseline,
            observed=fact.observed,
            factor=fact.observed / fact.baseline if fact.baseline > 0 else None,
            onset=timeline.onset(split and split.shifted(first), onset),
            strength=fact.strength,
            window=timeline.span(onset, timeline.size),
            baseline_window=timeline.span(0, onset),
            summary=fact.summary,
            query=fact.query,
            samples=self._samples(onset, fact),
        )

    def _samples(self, onset: int, fact: _Fact) -> tuple[Sample, ...]:
        """The slowest spans of the operation; of failures, those that failed."""
        window = self.timeline.span(onset, self.timeline.size)
        table = self.sources.traces.spans(window, services=[fact.spoken_by], limit=SPANS_READ).table
        rows = (cast("dict[str, object]", row) for row in table.to_pylist() if row["operation"] == fact.operation)
        chosen = [row for row in rows if fact.family is not Family.ERRORS or "error" in str(row["status"]).lower()]
        return tuple(_sample(row) for row in chosen[:SAMPLES_SHOWN])


def _sample(row: dict[str, object]) -> Sample:
    took = quantity(cast("int", row["duration_ns"]) / 1e6, "ms")
    return Sample(
        time=cast("datetime", row["start"]),
        text=f"{row['operation']}: {took}, status {row['status'] or 'unset'}"[:2000],
        trace_id=str(row["trace_id"]),
        span_id=str(row["span_id"]),
    )


def _percent(share: float) -> str:
    return f"{quantity(100 * share)} %"
