"""Investigations, tasks and evidence for the tests of the context store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from middlewatch.records import (
    ORCHESTRATOR,
    AgentName,
    Alert,
    Anomaly,
    AnomalyKind,
    ApprovalRequest,
    Evidence,
    Hypothesis,
    Investigation,
    Outcome,
    Position,
    Query,
    Remediation,
    Report,
    Requirement,
    RiskTier,
    Role,
    Rule,
    Sample,
    Scope,
    Seat,
    Task,
    TaskKind,
    Vote,
    Window,
    evidence_id,
)

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
WINDOW = Window(start=NOW - timedelta(minutes=5), end=NOW)


def make_alert(tenant: str = "acme", source_id: str = "alert-1") -> Alert:
    return Alert(
        tenant=tenant,
        source="test",
        source_id=source_id,
        title="checkout is slow",
        detected_at=WINDOW.start,
        window_end=WINDOW.end,
    )


def make_investigation(tenant: str = "acme", identifier: str = "inv-1", source_id: str = "alert-1") -> Investigation:
    return Investigation(tenant=tenant, id=identifier, scope=Scope(tenant=tenant), alert=make_alert(tenant, source_id))


def make_task(
    identifier: str,
    *,
    investigation: Investigation | None = None,
    kind: TaskKind = TaskKind.INVESTIGATE,
    **arguments: JsonValue,
) -> Task:
    of = investigation or make_investigation()
    return Task(tenant=of.tenant, investigation=of.id, id=identifier, kind=kind, arguments=arguments)


def make_evidence(
    subject: str = "latency", *, investigation: Investigation | None = None, text: str = "it was slow", summary: str = "it rose"
) -> Evidence:
    of = investigation or make_investigation()
    anomaly = Anomaly(
        kind=AnomalyKind.METRIC,
        service="checkout",
        subject=subject,
        strength=1.0,
        window=WINDOW,
        summary=summary,
        query=Query(source="test", name="series", window=WINDOW),
        samples=(Sample(time=NOW, text=text, trace_id="0af7651916cd43dd8448eb211c80319c", span_id="b7ad6b7169203331"),),
    )
    return Evidence(
        tenant=of.tenant,
        investigation=of.id,
        id=evidence_id("investigate", anomaly),
        agent=AgentName.METRICS,
        round=1,
        anomaly=anomaly,
    )


def make_hypothesis(identifier: str = "hyp-1", *, investigation: Investigation | None = None) -> Hypothesis:
    of = investigation or make_investigation()
    return Hypothesis(
        tenant=of.tenant,
        investigation=of.id,
        id=identifier,
        round=1,
        service="checkout",
        statement='"checkout" is the cause',
        evidence=(),
    )


def make_vote(agent: AgentName, hypothesis: str = "hyp-1", *, investigation: Investigation | None = None) -> Vote:
    of = investigation or make_investigation()
    return Vote(
        tenant=of.tenant,
        investigation=of.id,
        hypothesis=hypothesis,
        agent=agent,
        round=1,
        position=Position.SUPPORT,
        strength=1.0,
        reason="it rose first",
    )


def make_report(investigation: Investigation | None = None) -> Report:
    of = investigation or make_investigation()
    return Report(
        tenant=of.tenant,
        investigation=of.id,
        scope=of.scope,
        alert=of.alert,
        outcome=Outcome.INCONCLUSIVE,
        answer="nothing stands out",
        confidence=0.1,
        change_probability=0.2,
        hypotheses=(),
        ranking=(),
        evidence=(),
        rounds=1,
        opened_at=NOW,
        closed_at=NOW,
        engine="test",
    )


def make_request(identifier: str = "apr-1", *, investigation: Investigation | None = None) -> ApprovalRequest:
    of = investigation or make_investigation()
    return ApprovalRequest(
        tenant=of.tenant,
        id=identifier,
        epoch=1,
        remediation=Remediation(
            tenant=of.tenant,
            investigation=of.id,
            action="restart_service",
            target="checkout",
            proposed_by=ORCHESTRATOR,
            confidence=0.9,
        ),
        rule=Rule(
            tier=RiskTier.MEDIUM,
            tier_because=("the catalogue says so",),
            requires=Requirement(quantifier="any_of", seats=(Seat(role=Role.LEAD),)),
            deadline_seconds=900.0,
            life_seconds=300.0,
            least_modalities=2,
            least_confidence=0.5,
        ),
        created_at=NOW,
    )
