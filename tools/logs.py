"""The log analysis: patterns that are new, gone, or more or less frequent than they were.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from middlewatch.records import AgentName, Assessment, Brief, Edge
from middlewatch.records.errors import MiddlewatchError
from middlewatch.telemetry.sources import Answer, Sources
from middlewatch.tools.baseline import Floats
from middlewatch.tools.log_anomalies import LogExhibits
from middlewatch.tools.log_clocks import clock_offsets
from middlewatch.tools.log_views import LogViews
from middlewatch.tools.service_map import innocent, service_map
from middlewatch.tools.timeline import STEP_SECONDS, Timeline, with_history
from middlewatch.tools.unreported import left_out, unreported
from middlewatch.tools.wording import quantity, quoted

MAP_BUCKETS = 900 // STEP_SECONDS
"""How much of the time before the end is looked at for who calls whom."""
SAMPLED_SHARE = 0.5
"""Where more of the spans that lines name than this are missing from the traces, the traces are taken to be sampled."""
MOST_LINES = 400_000
"""Lines of requests that are put in order. Of more, a sample of requests is taken: 10 M lines are counted, but not looked at one by
one. Chosen for 1 to 2 s and 100 MB."""


@dataclass(frozen=True, slots=True)
class _Read:
    patterns: Answer
    requests: Answer | None
    share: float
    """Of all requests, those that were read."""
    edges: tuple[Edge, ...]
    clocks: Mapping[str, int]
    """By how many microseconds a service's is ahead."""
    notes: tuple[str, ...]


def assess_logs(sources: Sources, brief: Brief) -> Assessment:
    """Score every service by how unusually it logs in the incident.

    A pattern is compared within the spans that write it: in which share of an operation's spans is it there? That does not
    depend on traffic, and shows what a fault leaves out as well as what it adds. What follows from earlier deviations of other
    services in the same requests is left out (`log_order`). Lines without spans are counted among their service's and among all
    lines, less what the services it calls explain. The evidence is the lower bound of the log odds ratio, and the score that of
    a service's most conspicuous pattern. Where traces lack the requests, how much longer they take from one line to the next
    is added (`log_gaps`).

    Args:
        sources: what may be read; logs, and traces for the operations behind the lines and for who calls whom.
        brief: the incident and its baseline, and the known earlier incidents that are left out.

    Returns:
        Scores in nats: 0 for a service that logs as usual; services without lines that nobody blames are absent.
    """
    read, timeline, notes = with_history(brief, lambda asked: _read(sources, brief, asked))
    volume = timeline.spread(read.patterns.table, "count").sum(axis=0)
    timeline = timeline.unveiled(volume).begun(volume, brief.alert.detected_at)
    gaps = (*notes, *read.notes, *_gaps(read, volume, timeline))
    if read.requests is None:
        pairs = tuple((edge.caller, edge.callee) for edge in read.edges)
        return Assessment(agent=AgentName.LOGS, scores={}, freshness=(read.patterns.freshness,), edges=pairs, notes=gaps)
    answers = (read.patterns.table, read.requests.table, read.edges)
    views = LogViews.of(*answers, timeline, share=read.share, clocks=read.clocks)
    if (hidden := unreported((views.requests.all, views.in_service, views.in_system), timeline, volume)).any():
        gaps = (*gaps, *left_out("logs", hidden, timeline))
        timeline, volume = timeline.without(hidden), np.where(hidden, 0.0, volume)
        views = LogViews.of(*answers, timeline, share=read.share, clocks=read.clocks)
    scores = views.scores(timeline.question)
    return Assessment(
        agent=AgentName.LOGS,
        scores=scores,
        anomalies=LogExhibits(views, timeline, sources, read.patterns.query, read.requests.query).anomalies(scores),
        usual_tops=tuple(max(views.scores(question).values()) for question in timeline.earlier_questions(volume)),
        freshness=(read.patterns.freshness,),
        edges=tuple((edge.caller, edge.callee) for edge in views.edges),
        notes=gaps,
        cleared=_cleared(views, scores, timeline, brief),
    )


def _read(sources: Sources, brief: Brief, timeline: Timeline) -> _Read:
    window, services = timeline.window, brief.services
    patterns = sources.logs.patterns(window, step_seconds=STEP_SECONDS, services=services)
    requests, share = None, 1.0
    if timeline.spread(patterns.table, "count")[:, min(timeline.question.onsets) :].any():
        lines = cast("float", pc.sum(patterns.table.column("total")).as_py() or 0.0)
        share = min(1.0, MOST_LINES / max(1.0, lines))
        requests = sources.logs.requests(window, share=share, services=services)
    recent = timeline.span(max(0, timeline.size - MAP_BUCKETS), timeline.size)
    try:
        clocks = clock_offsets(sources.traces.clocks(recent, share=share).table) if requests is not None else {}
        return _Read(patterns, requests, share, service_map(sources, recent), clocks, ())
    except MiddlewatchError as error:
        return _Read(patterns, requests, share, (), {}, (f"logs were compared without a service map: {error.message}",))


def _gaps(read: _Read, volume: Floats, timeline: Timeline) -> tuple[str, ...]:
    """What was missing, in words; not that the signal ends early, which the report says of every signal."""
    freshness = read.patterns.freshness
    if freshness.watermark is None or not read.patterns.table.num_rows:
        return ("no logs",)
    notes = [f"logs: {answer.bound}" for answer in (read.patterns, read.requests) if answer is not None and answer.bound]
    first = min(timeline.question.onsets)
    if not volume[first:].any():
        notes.append("no log lines in the window of the incident")
    if not volume[:first].any():
        notes.append("no log lines before the incident to compare with")
    if read.requests is not None:
        operations = read.requests.table.column("operation")
        missing = pc.mean(pc.equal(operations, "").cast(pa.float64())).as_py()
        if missing is None:
            notes.append("log lines carry no trace ids, so patterns were counted without the requests that wrote them")
        elif missing > SAMPLED_SHARE:
            notes.append(f"traces lack {quantity(100 * missing)} % of the spans that log lines name: they are sampled or cut")
        if read.share < 1:
            notes.append(f"logs: the order of lines was looked at in {quantity(100 * read.share)} % of the requests")
    return tuple(notes)


def _cleared(views: LogViews, scores: Mapping[str, float], timeline: Timeline, brief: Brief) -> tuple[str, ...]:
    """The symptom's service and the most talkative others in which nothing was found."""
    lines = views.lines[:, timeline.size] - views.lines[:, min(timeline.question.onsets)]
    seen: dict[str, list[float]] = defaultdict(list)
    for pattern, count in zip(views.patterns, lines.tolist(), strict=True):
        if count:
            seen[pattern.service].append(count)
    return tuple(
        f"{quoted(s)}: {quantity(sum(seen[s]))} lines of {len(seen[s])} patterns, none more or less frequent than usual"
        for s in innocent(seen, scores, brief.alert.symptom)
    )
