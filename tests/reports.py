"""Reports as investigations write them, for the tests of whatever shows or exports one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from middlewatch.records import (
    AgentName,
    Alert,
    AnomalyKind,
    Cause,
    CauseKind,
    Explanation,
    FoundCause,
    Freshness,
    KindChance,
    OnsetOrder,
    Outcome,
    PathStep,
    ProposedRemediation,
    Report,
    RiskTier,
    Scope,
    ServiceScore,
    Signal,
    Symptom,
)
from tests.report_finding import finding
from tests.report_parts import (
    ABSTAIN,
    AGAINST,
    DETECTED,
    FOR,
    OPENED,
    WINDOW,
    at,
    began,
    explained,
    fact,
    ranked,
)

__all__ = ["empty", "finding", "inconclusive", "two_causes"]


def inconclusive() -> Report:
    """A slow service whose traces are missing: two guesses, no finding, after two rounds."""
    facts = (
        fact(
            AgentName.METRICS,
            AnomalyKind.METRIC,
            "image-resizer",
            "http.server.request.duration",
            (0.12, 0.48, "s"),
            summary='"http.server.request.duration" of "image-resizer" is 0.48 s, usually 0.12 s',
            strength=0.45,
            onset="01:51:10",
            family="latency",
        ),
        fact(
            AgentName.METRICS,
            AnomalyKind.METRIC,
            "catalog-api",
            "cache.hit.ratio",
            (99.91, 97.2, "%"),
            summary='"cache.hit.ratio" of "catalog-api" is 97.2 %, usually 99.91 %',
            strength=0.35,
            onset="01:50:40",
            family="success",
        ),
        fact(
            AgentName.LOGS,
            AnomalyKind.LOG_PATTERN,
            "image-resizer",
            "queue is <n> deep",
            (11.0, 38.0, "1/min"),
            summary='38 lines a minute of "queue is <n> deep" in "image-resizer", usually 11',
            strength=0.2,
            onset="01:51:31",
            query="log_patterns",
        ),
    )
    hypotheses = (
        ranked(
            1,
            "image-resizer",
            '"image-resizer" is where it started.',
            0.56,
            (
                (FOR, 0.45, facts[0].anomaly.summary),
                (FOR, 0.2, facts[2].anomaly.summary),
                (ABSTAIN, 0.0, "no traces to look at"),
                (ABSTAIN, 0.0, "no change to this service in 72 h"),
            ),
            facts,
        ),
        ranked(
            2,
            "catalog-api",
            '"catalog-api" is where it started.',
            0.44,
            (
                (FOR, 0.35, facts[1].anomaly.summary),
                (AGAINST, 0.1, "logs of this service are close to their baseline, others deviate more"),
                (ABSTAIN, 0.0, "no traces to look at"),
                (ABSTAIN, 0.0, "no change to this service in 72 h"),
            ),
            facts,
        ),
    )
    return finding().model_copy(
        update={
            "alert": Alert(
                tenant="default",
                source="command line",
                source_id="cli-1",
                title="catalog-api p95 above 0.4 s",
                detected_at=DETECTED,
                window_end=WINDOW.end,
                symptom=Symptom(service="catalog-api"),
            ),
            "scope": Scope(tenant="default"),
            "outcome": Outcome.INCONCLUSIVE,
            "answer": (
                'I don\'t know: nothing stands out enough. The least unlikely is "image-resizer", at 21%, which is no finding.'
            ),
            "confidence": 0.21,
            "change_probability": 0.38,
            "onset": None,
            "causes": (),
            "hypotheses": hypotheses,
            "ranking": tuple(ServiceScore(service=row.hypothesis.service, score=row.score) for row in hypotheses),
            "evidence": facts,
            "service_map": (),
            "ruled_out": ("no deploy, configuration or flag change in 72 h", 'nothing unusual in "catalog-db", "cdn-edge"'),
            "missing": ("no traces to look at: none since 2026-11-20 17:05:00 UTC", "image-resizer reports no queue length"),
            "would_decide": (
                "traces, of which there were none: of a service they show whether it loses the time itself or waits for others",
                "the service and the metric that alarmed: how rare its value is, and on whom it depends, would count",
            ),
            "next_steps": (
                "Connect a source of traces: this investigation had none.",
                "Investigate again with a later end, or with the symptom's service and metric named.",
            ),
            "freshness": (
                Freshness(signal=Signal.METRICS, watermark=at("01:55:45"), horizon=WINDOW.end, services=4),
                Freshness(signal=Signal.LOGS, watermark=at("01:55:59"), horizon=WINDOW.end, services=4),
                Freshness(
                    signal=Signal.TRACES, watermark=datetime(2026, 11, 20, 17, 5, tzinfo=UTC), horizon=WINDOW.end, services=0
                ),
                Freshness(signal=Signal.CHANGES, watermark=None, horizon=WINDOW.end),
            ),
            "rounds": 2,
            "closed_at": OPENED + timedelta(seconds=7.9),
        }
    )


def two_causes() -> Report:
    """A second service failed at the same moment, of itself; and the path does not fit the times."""
    base = finding()
    first, second, *others = base.hypotheses
    began_late = began("01:46:31")
    explanation = Explanation(
        path=(PathStep(service="payment-gw", onset=began_late, evidence=base.evidence[5].id),),
        reaches_symptom=False,
        order=OnsetOrder.UNKNOWN,
        remarks=('no calls connect "payment-gw" with "storefront-web", as far as the service map shows',),
    )
    unknown = Cause(
        kind=CauseKind.UNKNOWN,
        probability=0.6,
        why="It stands out, and nothing that was seen says why.",
        alternatives=(KindChance(kind=CauseKind.NETWORK, probability=0.4),),
    )
    assert first.explanation is not None
    remark = '"storefront-web" began at 01:45:40 UTC already, before "checkout-api" at 01:46:20 UTC'
    contradicted = first.explanation.model_copy(update={"order": OnsetOrder.CONTRADICTED, "remarks": (remark,)})
    return base.model_copy(
        update={
            "answer": (
                '"checkout-api" is the most likely root cause: self time of "SELECT orders" in "checkout-api" is 2.61 s, usually '
                '4 ms. "payment-gw" is a second cause, which the first does not explain: 212 lines of "context deadline exceeded" '
                'in "payment-gw", usually 2.'
            ),
            "causes": (
                FoundCause(service="checkout-api", hypothesis="hy-1", confidence=0.82, change=base.evidence[3].id),
                FoundCause(service="payment-gw", hypothesis="hy-2", confidence=0.93),
            ),
            "hypotheses": (
                first.model_copy(update={"explanation": contradicted}),
                explained(second, unknown, explanation),
                *others,
            ),
        }
    )


def proposed() -> Report:
    """A finding that people were asked to act on."""
    return finding().model_copy(
        update={
            "remediations": (
                ProposedRemediation(
                    request="apr-7be14c09a5d1",
                    action="roll_back_deploy",
                    title="Roll back a deploy",
                    target="checkout-api",
                    tier=RiskTier.MEDIUM,
                ),
                ProposedRemediation(
                    request="apr-00f067aa0ba9",
                    action="open_ticket",
                    title="Open a ticket",
                    target="checkout-api",
                    tier=RiskTier.INFO,
                ),
            ),
            "considered": ("restart_service: it does not take back the deploy that is blamed",),
        }
    )


def empty() -> Report:
    """No telemetry at all: nothing was seen, nothing was voted on."""
    return inconclusive().model_copy(
        update={
            "answer": "I don't know: there was no telemetry to look at in this window.",
            "confidence": 0.0,
            "change_probability": 0.0,
            "hypotheses": (),
            "ranking": (),
            "evidence": (),
            "ruled_out": (),
            "would_decide": (),
            "timings": (),
            "freshness": (),
        }
    )
