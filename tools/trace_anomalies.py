"""What deviates in traces, as facts that a person can check.

Constants without a source are chosen, not measured: they bound what is read and shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from middlewatch.records import Anomaly, AnomalyKind, Family, Sample, Window
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.critical_path import PathSpan, Stretch, critical_path
from middlewatch.tools.onset import find_split
from middlewatch.tools.timeline import ONSET_BUCKETS
from middlewatch.tools.trace_ground import Fact, Ground
from middlewatch.tools.trace_other_facts import busier, failures, loops, other_behaviour
from middlewatch.tools.trace_slow_facts import slow
from middlewatch.tools.wording import quantity, quoted

SERVICES_SHOWN = 5
"""Leading services that get evidence; the vote puts little more than these to hypotheses."""
FACTS_PER_SERVICE = 4
SAMPLES_SHOWN = 3
SPANS_READ = 500
"""Slowest spans of a service that samples are chosen from."""
STRETCHES_SHOWN = 3
SAMPLED_SPANS = 5_000
"""Spans of the sampled requests that their critical paths are found in."""

Row = Mapping[str, object]
"""Of `TraceSource.spans`."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Exhibits:
    """Facts with their onsets and samples."""

    ground: Ground
    sources: Sources

    def anomalies(self, scores: Mapping[str, float]) -> tuple[Anomaly, ...]:
        """The strongest facts about the leading services.

        Args:
            scores: per service; only those above 0 lead.
        """
        ground, question = self.ground, self.ground.timeline.question
        by_onset = {onset: ground.views.scores_at(onset, question, ground.credit.blame) for onset in question.onsets}
        nats = {onset: {s: ground.surprises.total(x) for s, x in by_onset[onset].items()} for onset in question.onsets}
        found: dict[tuple[str, ...], Anomaly] = {}  # each once: an edge belongs to both of its ends
        for service in sorted((s for s in scores if scores[s] > 0), key=lambda s: (-scores[s], s))[:SERVICES_SHOWN]:
            onset = max(question.onsets, key=lambda i: nats[i].get(service, 0.0))
            facts = self._facts(service, onset)[:FACTS_PER_SERVICE]
            samples = self._samples(onset, facts)
            for fact, chosen in zip(facts, samples, strict=True):
                ends = (fact.family, fact.operation, *sorted((service, fact.peer)))
                if ends not in found:
                    found[ends] = self._anomaly(service, onset, fact, chosen)
        return tuple(found.values())

    def _facts(self, service: str, onset: int) -> list[Fact]:
        """Everything that speaks against a service, the strongest of each sort first."""
        facts = [find for found in (slow, other_behaviour, failures) for find in found(self.ground, service, onset)]
        most = max((fact.strength for fact in facts), default=0.0)
        if most > 0:
            facts += [find for found in (loops, busier) for find in found(self.ground, service, onset, most)]
        facts.sort(key=lambda fact: (-fact.strength, fact.summary))
        # The strongest of each sort before the second of any: four slow operations say less than one and where requests fail.
        foremost = {(fact.family, fact.mechanism): fact for fact in reversed(facts)}.values()
        return [*reversed(foremost), *(fact for fact in facts if not any(fact is each for each in foremost))]

    def _anomaly(self, service: str, onset: int, fact: Fact, samples: tuple[Sample, ...]) -> Anomaly:
        timeline = self.ground.timeline
        first = max(0, timeline.size - ONSET_BUCKETS)
        split = find_split(fact.course[first:])
        return Anomaly(
            kind=fact.kind,
            service=service,
            instance=fact.instance,
            peer=fact.peer,
            subject=fact.operation[:2000],
            family=fact.family,
            unit=fact.unit,
            baseline=fact.baseline,
            observed=fact.observed,
            factor=fact.observed / fact.baseline if fact.baseline > 0 else None,
            onset=timeline.onset(split and split.shifted(first), onset),
            strength=fact.strength,
            mechanism=fact.mechanism,
            window=timeline.span(onset, timeline.size),
            baseline_window=timeline.span(0, onset),
            summary=fact.summary,
            query=fact.query,
            samples=samples,
            passed=fact.passed,
        )

    def _samples(self, onset: int, facts: Sequence[Fact]) -> list[tuple[Sample, ...]]:
        """Spans of each fact's operation with what their requests waited for: of requests that show it, or the slowest, or of
        failures those that failed.
        """
        window = self.ground.timeline.span(onset, self.ground.timeline.size)
        services = sorted({fact.spoken_by for fact in facts if not fact.examples})
        slowest = {service: self._spans(window, services=[service], limit=SPANS_READ) for service in services}
        chosen = [[] if fact.examples else _chosen(fact, slowest[fact.spoken_by]) for fact in facts]
        traces = {str(row["trace_id"]) for rows in chosen for row in rows} | {trace for fact in facts for trace in fact.examples}
        spans = self._spans(window, trace_ids=sorted(traces), limit=SAMPLED_SPANS) if traces else []
        by_trace: dict[str, list[Row]] = defaultdict(list)
        for row in spans:
            by_trace[str(row["trace_id"])].append(row)
        paths = {trace: critical_path(_path_span(row) for row in rows) for trace, rows in by_trace.items()}
        shown = [
            [row for trace in fact.examples for row in _chosen(fact, by_trace[trace])[:1]] if fact.examples else rows
            for fact, rows in zip(facts, chosen, strict=True)
        ]
        return [tuple(_sample(row, paths.get(str(row["trace_id"]), ())) for row in rows) for rows in shown]

    def _spans(self, window: Window, *, services: Sequence[str] = (), trace_ids: Sequence[str] = (), limit: int) -> list[Row]:
        answer = self.sources.traces.spans(window, services=services, trace_ids=trace_ids, limit=limit)
        return cast("list[Row]", answer.table.to_pylist())


def _chosen(fact: Fact, rows: Sequence[Row]) -> list[Row]:
    own = (row for row in rows if (row["service"], row["operation"]) == (fact.spoken_by, fact.operation))
    here = (row for row in own if not fact.instance or fact.kind is AnomalyKind.EDGE or row["instance"] == fact.instance)
    wanted = [row for row in here if fact.family is not Family.ERRORS or "error" in str(row["status"]).lower()]
    return wanted[:SAMPLES_SHOWN]


def _path_span(row: Row) -> PathSpan:
    start = (cast("datetime", row["start"]) - _EPOCH).total_seconds()
    return PathSpan(
        id=str(row["span_id"]),
        parent=str(row["parent_span_id"]),
        service=str(row["service"]),
        operation=str(row["operation"]),
        start_ns=round(start * 1e6) * 1000,
        duration_ns=cast("int", row["duration_ns"]),
    )


def _sample(row: Row, path: Sequence[Stretch]) -> Sample:
    took = quantity(cast("int", row["duration_ns"]) / 1e6, "ms")
    text = f"{row['operation']}: {took}, status {row['status'] or 'unset'}"
    if path:
        whole = quantity(sum(stretch.milliseconds for stretch in path), "ms")
        text += f"; its request took {whole}: {', '.join(_told(*place) for place in _longest(path))}"
    return Sample(time=cast("datetime", row["start"]), text=text[:2000], trace_id=str(row["trace_id"]), span_id=str(row["span_id"]))


def _longest(path: Sequence[Stretch]) -> list[tuple[str, float]]:
    """The places in which a request spent most of its time, with the milliseconds."""
    places: dict[str, float] = defaultdict(float)
    for stretch in path:
        between = f"between {quoted(stretch.service)} and {quoted(stretch.callee)}"
        places[between if stretch.callee else f"in {quoted(stretch.operation)} of {quoted(stretch.service)}"] += (
            stretch.milliseconds
        )
    return sorted(places.items(), key=lambda item: (-item[1], item[0]))[:STRETCHES_SHOWN]


def _told(place: str, milliseconds: float) -> str:
    return f"{quantity(milliseconds, 'ms')} {place}"
