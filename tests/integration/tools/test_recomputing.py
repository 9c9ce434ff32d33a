"""Invariant: every number in a fact follows from the query that is stored with it, the window and the analysis' own functions.

The facts are written as JSON and read back, so nothing but what a report keeps is used; the queries are run again on the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from middlewatch.agents.briefing import History
from middlewatch.agents.briefing import brief as ask
from middlewatch.alerts import incident_alert
from middlewatch.app import AGENTS
from middlewatch.records import (
    AgentName,
    Alert,
    Anomaly,
    AnomalyKind,
    Brief,
    Family,
    Investigation,
    Scope,
    Signal,
)
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.clickhouse_reader import NANOSECONDS, Reader
from middlewatch.telemetry.recordings import import_recording
from middlewatch.telemetry.sources import Answer
from middlewatch.telemetry.statements import statement
from middlewatch.tools import metric_evidence, metric_series
from middlewatch.tools.fan_out import fan_outs
from middlewatch.tools.log_parameters import changed_parameters
from middlewatch.tools.log_patterns import merged
from middlewatch.tools.metric_deviations import measure
from middlewatch.tools.metric_scores import units_of
from middlewatch.tools.slowness import Slowness
from middlewatch.tools.structure import Structure
from middlewatch.tools.timeline import BUCKETS_PER_MINUTE, RECENT_BUCKETS, Question, Timeline, active_minutes
from middlewatch.tools.trace_requests import Requests

RECORDINGS = Path(__file__).parents[3] / "evals" / "recordings"
SIGNALS = {
    AgentName.METRICS: Signal.METRICS,
    AgentName.LOGS: Signal.LOGS,
    AgentName.TRACES: Signal.TRACES,
    AgentName.DEPLOYS: Signal.CHANGES,
}


class Case:
    """One recorded incident, in the store."""

    def __init__(self, database: ClickHouse, tenant: str, folder: Path) -> None:
        imported = import_recording(database, tenant, folder)
        self.alert: Alert = incident_alert(tenant, imported.name, imported.incidents[0], imported.incidents)
        self.scope = Scope(tenant=tenant, recording=imported.name)
        self.sources = database.sources(self.scope, self.alert.window_end)
        self.reader = Reader(database.query, self.scope, self.alert.window_end)
        self._answers: dict[str, Answer] = {}
        """Of what several facts rest on, by the stored query."""

    def brief(self) -> Brief:
        investigation = Investigation(tenant=self.scope.tenant, id="inv-1", scope=self.scope, alert=self.alert)
        return ask(investigation, 1, History())

    def again(self, signal: Signal, fact: Anomaly) -> Answer:
        """The stored query's answer; its text is that of the statement it names."""
        assert fact.query.text == statement(fact.query.name)
        parameters = dict(fact.query.parameters)
        limit = parameters.pop("limit", None)
        assert limit is None or isinstance(limit, int)
        query = f"{signal} {fact.query.model_dump_json()}"
        if query not in self._answers:
            self._answers[query] = self.reader.answer(signal, fact.query.name, fact.query.window, limit=limit, **parameters)
        return self._answers[query]

    def facts(self) -> Iterator[tuple[AgentName, Anomaly]]:
        for name, agent in AGENTS.items():
            for anomaly in agent.assess(self.sources, self.brief()).anomalies:
                yield name, Anomaly.model_validate_json(anomaly.model_dump_json())


def step_seconds(fact: Anomaly) -> int:
    step = fact.query.parameters["step"]
    assert isinstance(step, int)
    return step // NANOSECONDS


def metric_values(fact: Anomaly, answer: Answer, case: Case) -> set[tuple[float, float]]:
    """Baseline and observed value of the series that the fact names."""
    step = step_seconds(fact)
    axis = metric_series.Axis(
        start=fact.query.window.start,
        step_seconds=step,
        steps=round(fact.query.window.seconds / step),
        incident_steps=round(fact.window.seconds / step),
    )
    matrix = metric_series.series_matrix(answer, axis, frozenset({fact.peer} - {""}))
    labels = matrix.labels
    deviations = measure(matrix, case.brief())
    return {
        (float(deviations.baseline.centre[row]), metric_evidence._observed(row, unit, matrix, deviations))
        for unit in units_of(labels, deviations.families)
        for row in unit.rows
        if (labels[row].service, labels[row].instance, labels[row].subject) == (fact.service, fact.instance, fact.subject)
    }


def timeline_of(fact: Anomaly) -> Timeline:
    window = fact.query.window
    size = round(window.seconds / step_seconds(fact))
    onset = round((fact.window.start - window.start).total_seconds() / step_seconds(fact))
    return Timeline(window=window, size=size, hidden=np.zeros(size, dtype=np.bool_), question=Question((onset,), size))


def loop_values(fact: Anomaly, answer: Answer) -> set[tuple[float, float]]:
    """Calls per run before and after, of whatever became more."""
    requests = Requests.of(answer.table)
    now = requests.start_ns[requests.root] >= fact.window.start.timestamp() * NANOSECONDS
    found = [f for service in range(len(requests.services)) for f in fan_outs(requests, service, ~now, now)]
    return {(f.before, f.after) for f in found if f.operation == fact.subject}


def trace_values(fact: Anomaly, answer: Answer, _case: Case) -> set[tuple[float, float]]:
    """Before and after, of every operation or behaviour that the fact may be about."""
    if fact.family is Family.TRAFFIC and fact.kind is AnomalyKind.STRUCTURE:
        return loop_values(fact, answer)
    timeline = timeline_of(fact)
    onset, end = timeline.question.onsets[0], timeline.size
    if fact.family is Family.TRAFFIC:
        counts = Slowness.of(answer.table, timeline, floor_ms=1.0).begun(fact.service)
        usual, now = (part[part > 0] for part in (counts[max(0, onset - RECENT_BUCKETS) : onset], counts[onset:]))
        return {(float(usual.mean()) * BUCKETS_PER_MINUTE, float(now.mean()) * BUCKETS_PER_MINUTE)}
    if fact.family is Family.LATENCY:
        floor_ms = fact.query.parameters["floor_ms"]
        assert isinstance(floor_ms, float)
        slowness = Slowness.of(answer.table, timeline, floor_ms=floor_ms)
        shift = slowness.latencies.shift(onset, end)
        own = [(k, slowness.places[p]) for k, p in enumerate(slowness.place) if slowness.operations[k] == fact.subject]
        keys = [k for k, place in own if {place.service, place.callee} == {fact.service, fact.peer}]
        return {tuple(max(0.0, float(np.exp(y[k]) - floor_ms)) for y in (shift.before, shift.after)) for k in keys}  # type: ignore[misc]
    build = Structure.of_failures if fact.family is Family.ERRORS else Structure.of_children
    structure = build(answer.table, timeline)
    change = structure.presence.change(onset, end)
    shares = zip(structure.behaviours, change.before.tolist(), change.after.tolist(), strict=True)
    return {(before, after) for behaviour, before, after in shares if behaviour.operation == fact.subject}


def log_values(fact: Anomaly, answer: Answer, _case: Case) -> set[tuple[float, float]]:
    """Lines a minute before and after, of the pattern's service and of every pattern that was merged; or shares of a value."""
    if fact.query.name == "log_examples":
        columns = (answer.table.column(name).to_pylist() for name in ("service", "pattern", "after", "body"))
        return {(parameter.before, parameter.after) for parameter in changed_parameters(zip(*columns, strict=True))}
    timeline = timeline_of(fact)
    onset = timeline.question.onsets[0]
    services = answer.table.column("service").to_pylist()
    group = np.array(merged(list(zip(services, answer.table.column("pattern").to_pylist(), strict=True))), dtype=np.intp)
    lines = timeline.spread(answer.table, "count", group)
    rows = {int(g) for g, service in zip(group, services, strict=True) if service == fact.service}

    def rate(row: int, first: int, last: int) -> float:
        return float(lines[row, first:last].sum()) / active_minutes(lines[:, first:last].sum(axis=0))

    return {(rate(row, max(0, onset - RECENT_BUCKETS), onset), rate(row, onset, timeline.size)) for row in rows}


VALUES = {AgentName.METRICS: metric_values, AgentName.LOGS: log_values, AgentName.TRACES: trace_values}


@pytest.mark.parametrize("recording", ["shop-slow-pages", "shop-failing-orders"])
def test_the_numbers_of_a_fact_follow_from_its_query(recording: str, clickhouse: ClickHouse, tenant: str) -> None:
    case = Case(clickhouse, tenant, RECORDINGS / recording)
    seen = set()
    for agent, fact in case.facts():
        seen.add((agent, fact.family))
        answer = case.again(SIGNALS[agent], fact)
        if fact.kind is AnomalyKind.CHANGE:
            assert fact.onset is not None
            assert (fact.service, fact.onset.at) in zip(
                *(answer.table.column(c).to_pylist() for c in ("service", "time")), strict=True
            )
            continue
        assert fact.baseline is not None
        assert fact.observed is not None
        values = VALUES[agent](fact, answer, case)
        assert any(found == pytest.approx((fact.baseline, fact.observed), rel=1e-6, abs=1e-9) for found in values), fact.summary
        assert fact.factor == (pytest.approx(fact.observed / fact.baseline) if fact.baseline else None)
    assert {agent for agent, _ in seen} == set(AgentName)
