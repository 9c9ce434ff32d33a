"""Plain questions to telemetry, each answered with records that say what was read and what was not.

A function takes what may be read, the window, and what is asked. Rows are bounded by the question's own limit; what a source or a
limit left out is told in `notes`.

Constants without a source are chosen, not derived.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from middlewatch.records import Anomaly, Assessment, Brief, Query, Window
from middlewatch.records.question import (
    Asked,
    AssessAnswer,
    AssessQuestion,
    ChangeRow,
    ChangesAnswer,
    ChangesQuestion,
    Fact,
    FreshnessAnswer,
    LinesAnswer,
    LinesQuestion,
    ListQuestion,
    LogLine,
    MapAnswer,
    MapEdge,
    MapQuestion,
    MetricRow,
    MetricsAnswer,
    PatternRow,
    PatternsAnswer,
    PatternsQuestion,
    ServiceRow,
    ServicesAnswer,
    SpanRow,
    SpansAnswer,
    SpansQuestion,
)
from middlewatch.telemetry.sources import Answer, Sources
from middlewatch.tools.change_records import changes_of
from middlewatch.tools.service_map import COARSEST_STEPS
from middlewatch.tools.timeline import STEP_SECONDS

LONGEST_BODY = 2000
"""Characters of a log line that are handed on; as of a sample."""
LEAST_MINUTES = 1.0
"""A rate is not taken over less time than this."""

Row = Mapping[str, Any]


def assess(assessment: Assessment, brief: Brief, asked: AssessQuestion) -> AssessAnswer:
    """An analysis, as an answer. It is made of every service, since how unusual one is depends on the others."""
    wanted = frozenset(asked.services)
    scores = sorted(assessment.scores.items(), key=lambda item: (-item[1], item[0]))
    about = asked_about(assessment, asked)
    cut = f"{len(about) - asked.limit} weaker facts are left out" if len(about) > asked.limit else ""
    return AssessAnswer(
        window=brief.incident,
        recording=brief.scope.recording,
        notes=_notes(*assessment.notes, cut),
        freshness=assessment.freshness,
        queries=_once(fact.query for fact in about[: asked.limit]),
        agent=assessment.agent,
        baseline=brief.baseline,
        scores={service: score for service, score in scores if not wanted or service in wanted},
        facts=tuple(
            Fact.model_validate({name: getattr(fact, name) for name in Fact.model_fields}) for fact in about[: asked.limit]
        ),
        cleared=assessment.cleared,
    )


def asked_about(assessment: Assessment, asked: AssessQuestion) -> tuple[Anomaly, ...]:
    """What an analysis found about the services that are asked about, strongest first."""
    wanted = frozenset(asked.services)
    facts = sorted(assessment.anomalies, key=lambda fact: -fact.strength)
    return tuple(fact for fact in facts if not wanted or wanted & {fact.service, fact.peer})


def list_metrics(sources: Sources, window: Window, asked: ListQuestion) -> MetricsAnswer:
    """The metrics that services report."""
    answer = sources.metrics.catalogue(window, services=asked.services)
    groups: dict[tuple[str, str, str, str], list[Row]] = defaultdict(list)
    for row in _rows(answer):
        if asked.contains in str(row["metric"]):
            groups[str(row["service"]), str(row["metric"]), str(row["unit"]), str(row["kind"])].append(row)
    found = [
        MetricRow(
            service=service,
            metric=metric,
            unit=unit,
            kind=kind,
            series=len(rows),
            instances=len({row["instance"] for row in rows}),
            last=max(cast("datetime", row["last"]) for row in rows),
        )
        for (service, metric, unit, kind), rows in sorted(groups.items())
    ]
    return MetricsAnswer(metrics=tuple(found[: asked.limit]), **_said(sources, window, [answer], _cut(found, asked.limit)))


def list_services(sources: Sources, window: Window, asked: ListQuestion) -> ServicesAnswer:
    """The services that any signal shows."""
    step = max(1, math.ceil(window.seconds / COARSEST_STEPS))
    metrics = sources.metrics.catalogue(window, services=asked.services)
    logs = sources.logs.patterns(window, step_seconds=step, services=asked.services)
    traces = sources.traces.edges(window, step_seconds=step)
    changes = sources.changes.changes(window, services=asked.services)
    seen = {name: set(_texts(answer, "service")) for name, answer in (("metrics", metrics), ("logs", logs), ("changes", changes))}
    spans = set(sources.traces.services(window).column("service").to_pylist())
    seen["traces"] = {*_texts(traces, "caller"), *_texts(traces, "callee"), *spans}
    wanted = frozenset(asked.services)
    names = sorted(s for s in set().union(*seen.values()) if s and asked.contains in s and (not wanted or s in wanted))
    found = [ServiceRow(service=name, **{signal: name in services for signal, services in seen.items()}) for name in names]
    said = _said(sources, window, [metrics, logs, traces, changes], _cut(found, asked.limit))
    return ServicesAnswer(services=tuple(found[: asked.limit]), **said)


def log_patterns(sources: Sources, window: Window, asked: PatternsQuestion) -> PatternsAnswer:
    """Log patterns: where a split is given those first whose rate changed most, else the most frequent.

    How much a rate changed is told by the difference of the square roots of the counts that the same time would have had: its
    spread is the same for frequent and for rare patterns (Anscombe 1948).
    """
    answer = sources.logs.patterns(window, step_seconds=STEP_SECONDS, services=asked.services)
    split = asked.split
    minutes = max(LEAST_MINUTES, window.seconds / 60)
    parts = (
        (window.seconds, window.seconds)
        if split is None
        else (
            (split - window.start).total_seconds(),
            (window.end - split).total_seconds(),
        )
    )
    sides = [max(LEAST_MINUTES, seconds / 60) for seconds in parts]
    found = []
    for row in _rows(answer):
        if asked.contains not in str(row["pattern"]):
            continue
        after = sum(n for moment, n in zip(row["times"], row["count"], strict=True) if split is not None and moment >= split)
        total = int(row["total"])
        found.append(
            PatternRow(
                service=row["service"],
                pattern=row["pattern"],
                severity=row["severity"],
                total=total,
                per_minute=total / minutes,
                before_per_minute=None if split is None else (total - after) / sides[0],
                after_per_minute=None if split is None else after / sides[1],
                first=row["first"],
                last=row["last"],
                sample=str(row["sample"])[:LONGEST_BODY],
                trace_id=row["sample_trace_id"],
            )
        )
    if split is not None:
        found.sort(key=lambda row: -_moved(row, min(sides)))
    said = _said(sources, window, [answer], _cut(found, asked.limit))
    return PatternsAnswer(split=split, patterns=tuple(found[: asked.limit]), total=len(found), **said)


def log_lines(sources: Sources, window: Window, asked: LinesQuestion) -> LinesAnswer:
    """Raw lines."""
    answer = sources.logs.lines(window, services=asked.services, contains=asked.contains, limit=asked.limit)
    lines = tuple(
        LogLine(
            time=row["time"],
            service=row["service"],
            instance=row["instance"],
            severity=row["severity"],
            body=str(row["body"])[:LONGEST_BODY],
            trace_id=row["trace_id"],
            span_id=row["span_id"],
        )
        for row in _rows(answer)
    )
    return LinesAnswer(lines=lines, **_said(sources, window, [answer]))


def slow_spans(sources: Sources, window: Window, asked: SpansQuestion) -> SpansAnswer:
    """Raw spans, slowest first."""
    answer = sources.traces.spans(window, services=asked.services, limit=asked.limit)
    spans = tuple(
        SpanRow(
            trace_id=row["trace_id"],
            span_id=row["span_id"],
            parent_span_id=row["parent_span_id"],
            service=row["service"],
            instance=row["instance"],
            operation=row["operation"],
            start=row["start"],
            duration_ms=row["duration_ns"] / 1e6,
            failed="error" in str(row["status"]).lower(),
        )
        for row in _rows(answer)
    )
    return SpansAnswer(spans=spans, **_said(sources, window, [answer]))


def service_map(sources: Sources, window: Window, asked: MapQuestion) -> MapAnswer:
    """Who calls whom."""
    answer = sources.traces.edges(window, step_seconds=max(1, math.ceil(window.seconds / COARSEST_STEPS)))
    wanted = frozenset(asked.services)
    found = [
        MapEdge(
            caller=row["caller"],
            callee=row["callee"],
            calls=int(row["calls"] or 0),
            errors=int(row["errors"] or 0),
            declared=bool(row["declared"]),
        )
        for row in _rows(answer)
        if row["caller"] and row["callee"] and row["caller"] != row["callee"]
    ]
    found = sorted((e for e in found if not wanted or wanted & {e.caller, e.callee}), key=lambda e: (-e.calls, e.caller, e.callee))
    return MapAnswer(edges=tuple(found[: asked.limit]), **_said(sources, window, [answer], _cut(found, asked.limit)))


def recent_changes(sources: Sources, window: Window, asked: ChangesQuestion) -> ChangesAnswer:
    """What was changed."""
    answer = sources.changes.changes(window, services=asked.services)
    found = [
        ChangeRow(
            time=change.time,
            service=change.service,
            kind=change.kind,
            version=change.version,
            actor=change.actor,
            description=change.description[:LONGEST_BODY],
        )
        for change in reversed(changes_of(answer.table))
    ]
    return ChangesAnswer(changes=tuple(found[: asked.limit]), **_said(sources, window, [answer], _cut(found, asked.limit)))


def data_freshness(sources: Sources, window: Window, _asked: Asked) -> FreshnessAnswer:
    """How far each signal reaches."""
    signals = (sources.metrics, sources.logs, sources.traces, sources.changes)
    reach = tuple(signal.freshness(window) for signal in signals)
    return FreshnessAnswer(window=window, recording=sources.scope.recording, freshness=reach)


def _moved(row: PatternRow, minutes: float) -> float:
    before, after = (max(0.0, rate or 0.0) * minutes for rate in (row.before_per_minute, row.after_per_minute))
    return abs(math.sqrt(after + 3 / 8) - math.sqrt(before + 3 / 8))


def _rows(answer: Answer) -> list[Row]:
    return cast("list[Row]", answer.table.to_pylist())


def _texts(answer: Answer, column: str) -> list[str]:
    return [str(text) for text in answer.table.column(column).to_pylist() if text]


def _said(sources: Sources, window: Window, answers: Sequence[Answer], *notes: str) -> dict[str, Any]:
    """What every answer says of itself."""
    return {
        "window": window,
        "recording": sources.scope.recording,
        "notes": _notes(*(answer.bound for answer in answers), *notes),
        "freshness": tuple(answer.freshness for answer in answers),
        "queries": _once(answer.query for answer in answers),
    }


def _once(queries: Iterable[Query]) -> tuple[Query, ...]:
    """Each query once, without its statement, which its name stands for."""
    found: dict[str, Query] = {}
    for query in queries:
        slim = query.model_copy(update={"text": ""})
        found.setdefault(slim.model_dump_json(), slim)
    return tuple(found.values())


def _notes(*notes: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for note in notes if note))


def _cut(found: Sequence[object], limit: int) -> str:
    return f"the first {limit} of {len(found)} are listed" if len(found) > limit else ""
