"""The trace analysis: where requests lose time, which calls vanish or appear, and which operations begin to fail.

Everything is computed from aggregates per operation and step, so the cost does not grow with the traffic.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from middlewatch.records import AgentName, Assessment, Brief
from middlewatch.telemetry.sources import Answer, Sources
from middlewatch.tools.baseline import Floats
from middlewatch.tools.service_map import callees, edges_of
from middlewatch.tools.timeline import STEP_SECONDS, Timeline, active_minutes, busiest, with_history
from middlewatch.tools.trace_anomalies import Exhibits
from middlewatch.tools.trace_views import TraceViews
from middlewatch.tools.wording import quantity, quoted

FLOOR_SHARE = 0.02
"""Of a typical request's duration: what an operation gains or loses below this nobody notices."""
DEFAULT_FLOOR_MS = 1.0
FLOOR_BUCKETS = 900 // STEP_SECONDS
"""How much of the time before the end is looked at for a typical request."""
MOST_KEYS = 3000
"""Operations, and kinds of calls, that are compared; a row of buckets is 12 kB."""
SPARSE_SPANS = 4.0
"""Fewer spans a minute than this, of half of the operations, and rare faults cannot be seen."""
SERVICES_CLEARED = 5


@dataclass(frozen=True, slots=True)
class _Read:
    operations: Answer
    structure: Answer | None
    edges: Answer
    floor_ms: float


def assess_traces(sources: Sources, brief: Brief) -> Assessment:
    """Score every service by how unusual its spans are in the incident.

    The score is 2 T + .5 S. T is how much slower the service and its edges became (`slowness`), S the log odds of calls that
    vanished, appeared or fail, less what the services it calls explain (`structure`). Both are lower bounds in nats, averaged
    over the candidate onsets; `trace_views` says why they weigh what they do.

    Args:
        sources: what may be read; only traces are.
        brief: the incident and its baseline, and the known earlier incidents that are left out.

    Returns:
        Scores in nats: 0 for a service whose spans are as usual; services without spans are absent.
    """
    read, timeline, notes = with_history(brief, lambda asked: _read(sources, brief, asked))
    volume = timeline.spread(read.operations.table, "count").sum(axis=0)
    timeline = timeline.unveiled(volume)
    edges = edges_of(read.edges)
    pairs = tuple((edge.caller, edge.callee) for edge in edges)
    notes = (*notes, *_gaps(read, volume, timeline))
    if read.structure is None:
        return Assessment(agent=AgentName.TRACES, scores={}, freshness=(read.operations.freshness,), edges=pairs, notes=notes)
    operations = busiest(read.operations.table, "count", MOST_KEYS)
    structure = busiest(read.structure.table, "units", MOST_KEYS)
    if operations.num_rows < read.operations.table.num_rows or structure.num_rows < read.structure.table.num_rows:
        notes = (*notes, f"only the {MOST_KEYS} busiest operations and kinds of calls were compared")
    views = TraceViews.of(operations, structure, callees(edges), timeline, floor_ms=read.floor_ms)
    scores = views.scores(timeline.question)
    return Assessment(
        agent=AgentName.TRACES,
        scores=scores,
        anomalies=Exhibits(views, timeline, sources, read.operations.query, read.structure.query).anomalies(scores),
        usual_tops=tuple(max(views.scores(question).values()) for question in timeline.earlier_questions(volume)),
        freshness=(read.operations.freshness,),
        edges=pairs,
        notes=notes,
        cleared=_cleared(views, scores, timeline, brief),
    )


def _read(sources: Sources, brief: Brief, timeline: Timeline) -> _Read:
    traces, window, services = sources.traces, timeline.window, brief.services
    recent = timeline.span(max(0, timeline.size - FLOOR_BUCKETS), timeline.size)
    floor_ms = _floor_ms(traces.operations(recent, step_seconds=STEP_SECONDS, services=services).table)
    operations = traces.operations(window, step_seconds=STEP_SECONDS, floor_ms=floor_ms, services=services)
    seen = timeline.spread(operations.table, "count")[:, min(timeline.question.onsets) :].any()
    structure = traces.structure(window, step_seconds=STEP_SECONDS, services=services) if seen else None
    edges = traces.edges(recent, step_seconds=STEP_SECONDS * FLOOR_BUCKETS)
    return _Read(operations, structure, edges, floor_ms)


def _floor_ms(operations: pa.Table) -> float:
    """2 % of the median duration of requests, in two digits, so that the same system gets the same query."""
    roots = operations.filter(pc.equal(operations.column("parent_operation"), ""))
    if roots.num_rows == 0:
        return DEFAULT_FLOOR_MS
    mean, count = (
        roots.column(c).combine_chunks().flatten().cast(pa.float64()).to_numpy(zero_copy_only=False) for c in ("mean_ms", "count")
    )
    order = np.argsort(mean)
    middle = np.searchsorted(np.cumsum(count[order]), count.sum() / 2)
    return float(f"{FLOOR_SHARE * mean[order][middle]:.1e}") or DEFAULT_FLOOR_MS


def _gaps(read: _Read, volume: Floats, timeline: Timeline) -> tuple[str, ...]:
    """What was missing, in words; not that the signal ends early, which the report says of every signal."""
    freshness = read.operations.freshness
    if freshness.watermark is None or not read.operations.table.num_rows:
        return ("no traces",)
    notes = [f"traces: {answer.bound}" for answer in (read.operations, read.structure, read.edges) if answer and answer.bound]
    first = min(timeline.question.onsets)
    if not volume[first:].any():
        notes.append("no spans in the window of the incident")
    if not volume[:first].any():
        notes.append("no spans before the incident to compare with")
    counts = timeline.spread(read.operations.table, "count").sum(axis=1)
    if (typical := float(np.median(counts)) / max(1.0, active_minutes(volume))) < SPARSE_SPANS:
        notes.append(
            f"half of the operations have fewer than {quantity(max(typical, 0.01))} spans a minute: rare faults stay unseen"
        )
    return tuple(notes)


def _cleared(views: TraceViews, scores: Mapping[str, float], timeline: Timeline, brief: Brief) -> tuple[str, ...]:
    """The symptom's service and the busiest others in which nothing was found."""
    count = views.slowness.latencies.count
    spans = count[:, timeline.size] - count[:, min(timeline.question.onsets)]
    seen: dict[str, list[float]] = defaultdict(list)
    for place, n in zip(views.slowness.place.tolist(), spans.tolist(), strict=True):
        if n:
            seen[views.slowness.places[place].service].append(n)
    symptom = brief.alert.symptom
    innocent = sorted(
        (service for service in seen if scores.get(service, 0.0) == 0.0),
        key=lambda service: (symptom is None or service != symptom.service, -sum(seen[service]), service),
    )
    return tuple(
        f"{quoted(s)}: {len(seen[s])} operations, {quantity(sum(seen[s]))} spans, no more time, other calls or failures than usual"
        for s in innocent[:SERVICES_CLEARED]
    )
