"""The trace analysis: where requests lose time, which calls vanish or appear, and which operations begin to fail.

Everything is computed from aggregates per operation and step, so the cost does not grow with the traffic.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from middlewatch.records import AgentName, Assessment, Brief
from middlewatch.telemetry.sources import Answer, Sources
from middlewatch.tools.baseline import Floats
from middlewatch.tools.credit import Credit
from middlewatch.tools.impatience import impatient, unheard
from middlewatch.tools.service_map import callees, edges_of, innocent
from middlewatch.tools.slowness import DEFAULT_FLOOR_MS, FLOOR_SHARE
from middlewatch.tools.structure import numbered, rows_of
from middlewatch.tools.timeline import BUCKETS_PER_MINUTE, STEP_SECONDS, Timeline, active_minutes, busiest, with_history
from middlewatch.tools.trace_anomalies import Exhibits
from middlewatch.tools.trace_ground import Ground
from middlewatch.tools.trace_requests import Requests
from middlewatch.tools.trace_views import Surprises, TraceViews
from middlewatch.tools.unreported import left_out, unreported
from middlewatch.tools.wording import quantity, quoted

FLOOR_BUCKETS = 900 // STEP_SECONDS
"""How much of the time before the end is looked at for a typical request."""
MOST_KEYS = 3000
"""Behaviours of operations that are compared; a row of buckets is 12 kB."""
SPARSE_SPANS = 4.0
"""Fewer spans a minute than this, of half of the operations, and rare faults cannot be seen."""
SAMPLED_SPANS = 60_000
"""Spans of whole requests that are looked at one by one: enough for hundreds of requests on either side of an onset."""
SAMPLED_BUCKETS = 10 * BUCKETS_PER_MINUTE
"""Requests from at least so long before the onset, and from as much traffic as there was after it."""


@dataclass(frozen=True, slots=True)
class _Read:
    behaviours: Answer
    edges: Answer
    floor_ms: float


def assess_traces(sources: Sources, brief: Brief) -> Assessment:
    """Score every service by how unusual its spans are in the incident.

    There are two views of each service: how much slower it and its edges became (`slowness`), and how much its behaviour changed or
    its calls fail (`structure`), less what other services explain (`credit`). Both are lower bounds in nats, averaged over the
    candidate onsets. What makes them comparable is how rarely quiet moments of the same system score so high: the score is the sum
    of both surprises.

    Args:
        sources: what may be read; only traces are.
        brief: the incident and its baseline, and the known earlier incidents that are left out.

    Returns:
        Scores in nats: 0 for a service whose spans are as usual; services without spans are absent.
    """
    read, timeline, notes = with_history(brief, lambda asked: _read(sources, brief, asked))
    volume = timeline.spread(read.behaviours.table, "count").sum(axis=0)
    timeline = timeline.unveiled(volume).begun(volume, brief.alert.detected_at)
    edges = edges_of(read.edges)
    pairs = tuple((edge.caller, edge.callee) for edge in edges)
    notes = (*notes, *_gaps(read, volume, timeline))
    if not volume[min(timeline.question.onsets) :].any():
        return Assessment(agent=AgentName.TRACES, scores={}, freshness=(read.behaviours.freshness,), edges=pairs, notes=notes)
    behaviours = busiest(read.behaviours.table, "count", MOST_KEYS)
    if behaviours.num_rows < read.behaviours.table.num_rows:
        notes = (*notes, f"only the {MOST_KEYS} most frequent behaviours of operations were compared")
    views = TraceViews.of(behaviours, callees(edges), timeline, floor_ms=read.floor_ms)
    if (hidden := unreported((views.children.presence, views.failures.presence), timeline, volume)).any():
        notes = (*notes, *left_out("traces", hidden, timeline))
        timeline, volume = timeline.without(hidden), np.where(hidden, 0.0, volume)
        views = TraceViews.of(behaviours, callees(edges), timeline, floor_ms=read.floor_ms)
    surprises = Surprises.of(views, timeline.earlier_questions(volume))
    sampled = _sample(sources, timeline, volume)
    credit = Credit.of(Requests.of(sampled.table), views.children.behaviours, timeline)
    views, credit = _of_the_caller(views, credit, min(timeline.question.onsets))
    scores = {service: surprises.total(found) for service, found in views.scores(timeline.question, credit.blame).items()}
    ground = Ground(views, surprises, credit, timeline, read.behaviours.query, sampled.query)
    return Assessment(
        agent=AgentName.TRACES,
        scores=scores,
        anomalies=Exhibits(ground, sources).anomalies(scores),
        usual_tops=tuple(surprises.total(top) for top in surprises.tops),
        freshness=(read.behaviours.freshness,),
        edges=pairs,
        notes=(*notes, f"traces: {sampled.bound}") if sampled.bound else notes,
        cleared=_cleared(views, scores, timeline, brief),
    )


def _read(sources: Sources, brief: Brief, timeline: Timeline) -> _Read:
    traces, window, services = sources.traces, timeline.window, brief.services
    recent = timeline.span(max(0, timeline.size - FLOOR_BUCKETS), timeline.size)
    floor_ms = _floor_ms(traces.behaviours(recent, step_seconds=STEP_SECONDS, services=services).table)
    behaviours = traces.behaviours(window, step_seconds=STEP_SECONDS, floor_ms=floor_ms, services=services)
    edges = traces.edges(recent, step_seconds=STEP_SECONDS * FLOOR_BUCKETS)
    return _Read(behaviours, edges, floor_ms)


def _of_the_caller(views: TraceViews, credit: Credit, onset: int) -> tuple[TraceViews, Credit]:
    """The same, where callers speak against themselves with calls that fail because of them."""
    failures = impatient(unheard(views.failures, views.failures, credit, onset), credit, onset)
    children = unheard(views.children, views.failures, credit, onset)
    return replace(views, failures=failures, children=children), replace(credit, behaviours=children.behaviours)


def _sample(sources: Sources, timeline: Timeline, volume: Floats) -> Answer:
    """Whole requests of the incident, and of the time before it.

    Args:
        sources: asked for them.
        timeline: the buckets.
        volume: spans per bucket, shape (size,).
    """
    onset = min(timeline.question.onsets)
    earlier = np.cumsum(volume[:onset][::-1])
    back = max(SAMPLED_BUCKETS, 1 + int(np.searchsorted(earlier, volume[onset:].sum())))
    first = max(0, onset - back)
    share = min(1.0, SAMPLED_SPANS / max(1.0, volume[first:].sum()))
    return sources.traces.requests(timeline.span(first, timeline.size), share=share)


def _floor_ms(behaviours: pa.Table) -> float:
    """2 % of the median duration of requests, in two digits, so that the same system gets the same query."""
    roots = behaviours.filter(pc.equal(behaviours.column("parent_operation"), ""))
    if roots.num_rows == 0:
        return DEFAULT_FLOOR_MS
    total, count = (
        roots.column(c).combine_chunks().flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
        for c in ("duration_ms", "count")
    )
    mean = total / count
    order = np.argsort(mean)
    middle = np.searchsorted(np.cumsum(count[order]), count.sum() / 2)
    return float(f"{FLOOR_SHARE * mean[order][middle]:.1e}") or DEFAULT_FLOOR_MS


def _gaps(read: _Read, volume: Floats, timeline: Timeline) -> tuple[str, ...]:
    """What was missing, in words; not that the signal ends early, which the report says of every signal."""
    freshness = read.behaviours.freshness
    if freshness.watermark is None or not read.behaviours.table.num_rows:
        return ("no traces",)
    notes = [f"traces: {answer.bound}" for answer in (read.behaviours, read.edges) if answer.bound]
    first = min(timeline.question.onsets)
    if not volume[first:].any():
        notes.append("no spans in the window of the incident")
    if not volume[:first].any():
        notes.append("no spans before the incident to compare with")
    operation = numbered([key for key, _ in rows_of(read.behaviours.table)])
    counts = timeline.spread(read.behaviours.table, "count", operation).sum(axis=1)
    if (typical := float(np.median(counts)) / max(1.0, active_minutes(volume))) < SPARSE_SPANS:
        few = quantity(max(typical, 0.01))
        notes.append(f"half of the operations have fewer than {few} spans a minute: rare faults stay unseen")
        notes.append("if slow or failed requests are more likely to be traced, times and failures are those of what was traced")
    return tuple(notes)


def _cleared(views: TraceViews, scores: Mapping[str, float], timeline: Timeline, brief: Brief) -> tuple[str, ...]:
    """The symptom's service and the busiest others in which nothing was found."""
    count = views.slowness.latencies.count
    spans = count[:, timeline.size] - count[:, min(timeline.question.onsets)]
    seen: dict[str, list[float]] = defaultdict(list)
    for place, n in zip(views.slowness.place.tolist(), spans.tolist(), strict=True):
        if n:
            seen[views.slowness.places[place].service].append(n)
    return tuple(
        f"{quoted(s)}: {len(seen[s])} operations, {quantity(sum(seen[s]))} spans, no more time, other calls or failures than usual"
        for s in innocent(seen, scores, brief.alert.symptom)
    )
