"""Invariants: an answer that nobody knows says what was ruled out and which data would decide; two causes are told as two."""

from __future__ import annotations

from middlewatch.records import (
    AgentName,
    AnomalyKind,
    Assessment,
    CauseKind,
    Freshness,
    Mechanism,
    Outcome,
    Report,
    Signal,
)
from tests.unit.agents.shared_context import NOW, Finding, SharedContext, anomaly, assessment

SIGNALS = {
    AgentName.METRICS: Signal.METRICS,
    AgentName.LOGS: Signal.LOGS,
    AgentName.TRACES: Signal.TRACES,
    AgentName.DEPLOYS: Signal.CHANGES,
}


def fresh(agent: AgentName, *, there: bool = True) -> tuple[Freshness, ...]:
    return (Freshness(signal=SIGNALS[agent], watermark=NOW if there else None, horizon=NOW),)


def report_of(findings: Finding) -> Report:
    report = SharedContext(findings).run().report
    assert report is not None
    return report


def faint(agent: AgentName, _round: int) -> Assessment:
    """Metrics hardly deviate, logs know one of the two services, there are no traces and no changes."""
    scores = {AgentName.METRICS: {"a": 0.05, "b": 0.04, "calm": 0.0}, AgentName.LOGS: {"a": 0.01, "calm": 0.0}}.get(agent, {})
    there = agent in (AgentName.METRICS, AgentName.LOGS)
    cleared = ('deploy of "b" came after the detection',) if agent is AgentName.DEPLOYS else ()
    return assessment(agent, scores, freshness=fresh(agent, there=there), cleared=cleared)


def test_an_inconclusive_answer_says_what_was_ruled_out_and_what_would_decide() -> None:
    report = report_of(faint)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.causes == ()
    assert report.ruled_out == ('deploy of "b" came after the detection', 'nothing unusual in "calm"')
    assert report.would_decide == (
        'logs of "b": they would show what it says when it fails',
        "traces, of which there were none: of a service they show whether it loses the time itself or waits for others",
        "changes, of which there were none: of a service they show whether it was changed just before",
        "the service and the metric that alarmed: how rare its value is, and on whom it depends, would count",
    )
    assert "Connect a source of traces: this investigation had none." in report.next_steps


def test_a_short_history_is_named() -> None:
    def young(agent: AgentName, number: int) -> Assessment:
        return faint(agent, number).model_copy(update={"usual_tops": (9.0,)})

    expected = "more metrics and logs from before the incident: so few quiet moments do not show what is usual"
    assert expected in report_of(young).would_decide


def loud(agent: AgentName, _round: int, mechanism: Mechanism | None = Mechanism.SATURATION) -> Assessment:
    if agent in (AgentName.DEPLOYS, AgentName.LOGS):
        return assessment(agent, {}, freshness=fresh(agent, there=False))
    seen = anomaly("cause", 30.0).model_copy(update={"mechanism": mechanism})
    return assessment(agent, {"cause": 30.0, "calm": 0.0}, freshness=fresh(agent), anomalies=(seen,))


def test_a_finding_whose_kind_is_known_needs_no_more_data() -> None:
    report = report_of(loud)
    cause = report.hypotheses[0].hypothesis.cause
    assert cause is not None
    assert cause.kind is CauseKind.SATURATION
    assert report.would_decide == ()


def test_a_finding_whose_kind_is_unknown_says_what_would_show_it() -> None:
    report = report_of(lambda agent, number: loud(agent, number, None))
    assert report.outcome is Outcome.FINDING
    assert report.would_decide == (
        "logs, of which there were none: of a service they show what it says when it fails",
        "changes, of which there were none: of a service they show whether it was changed just before",
    )


def test_two_causes_are_told_as_two() -> None:
    def both(agent: AgentName, _round: int) -> Assessment:
        if agent is AgentName.DEPLOYS:
            return assessment(agent, {}, freshness=fresh(agent))
        facts = tuple(anomaly(s, 30.0, AnomalyKind.OPERATION, f"work of {s}") for s in ("stock", "prices"))
        edges = (("web", "stock"), ("web", "prices"))
        return assessment(agent, {"stock": 30.0, "prices": 29.0, "web": 0.0}, edges=edges, anomalies=facts, freshness=fresh(agent))

    report = report_of(both)
    assert [cause.service for cause in report.causes] == ["stock", "prices"]
    assert report.answer == (
        '"stock" is the most likely root cause: work of stock of "stock" rose from 1 ms to 2 ms. "prices" is a second cause, '
        'which the first does not explain: work of prices of "prices" rose from 1 ms to 2 ms.'
    )
    assert [step.partition(":")[0] for step in report.next_steps][:2] == ['Look at "stock" first', 'Look at "prices" as well']
    assert report.confidence == report.causes[0].confidence
