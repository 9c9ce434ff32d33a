"""Invariant: two simultaneous causes are named as two, and never a consequence as a cause."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from middlewatch.agents.several_causes import found_causes
from middlewatch.agents.voting import Verdict, candidates, tally
from middlewatch.app import AGENTS
from middlewatch.records import (
    AgentName,
    Anomaly,
    AnomalyKind,
    Assessment,
    Cause,
    CauseKind,
    Edge,
    Evidence,
    Family,
    FoundCause,
    Hypothesis,
    evidence_id,
)
from tests.unit.agents.shared_context import NOW, anomaly, assessment

EDGES = tuple(Edge(caller=a, callee=b) for a, b in [("web", "stock"), ("web", "prices"), ("orders", "stock"), ("stock", "disk")])
DETECTED = NOW - timedelta(minutes=1)


def fact(service: str, **more: object) -> Anomaly:
    return anomaly(service, 30.0, AnomalyKind.OPERATION).model_copy(update=more)


def found(scores: Mapping[str, float], *facts: Anomaly) -> dict[AgentName, Assessment]:
    """Two agents that see the same."""
    seen = {"anomalies": facts, "symptom_rarity": None}
    return {name: assessment(name, scores, **seen) for name in (AgentName.TRACES, AgentName.LOGS)}


def causes(assessments: dict[AgentName, Assessment], kind: CauseKind = CauseKind.CODE) -> tuple[Verdict, tuple[FoundCause, ...]]:
    evidence = [
        Evidence(tenant="default", investigation="inv-1", id=evidence_id(name, a), agent=name, round=1, anomaly=a)
        for name, assessed in assessments.items()
        for a in assessed.anomalies
    ]
    hypotheses = [
        Hypothesis(
            tenant="default",
            investigation="inv-1",
            id=f"hy-{s}",
            round=1,
            service=s,
            statement="",
            evidence=(),
            cause=Cause(kind=kind, probability=0.8, why="because"),
        )
        for s in candidates(AGENTS, assessments)
    ]
    votes = [AGENTS[name].vote(h, a, evidence) for h in hypotheses for name, a in assessments.items()]
    verdict = tally(AGENTS, assessments, hypotheses, votes)
    return verdict, found_causes(AGENTS, assessments, verdict, evidence, EDGES, DETECTED)


def services(assessments: dict[AgentName, Assessment], kind: CauseKind = CauseKind.CODE) -> list[str]:
    return [cause.service for cause in causes(assessments, kind)[1]]


def test_two_faults_that_do_not_explain_one_another_are_both_named() -> None:
    verdict, named = causes(found({"stock": 30.0, "prices": 25.0, "web": 1.0}, fact("stock"), fact("prices")))
    assert [cause.service for cause in named] == ["stock", "prices"]
    assert verdict.ranked[1].share < 0.01, "of which the shares, which take one cause for granted, say nothing"
    assert all(0.5 < cause.confidence <= 1.0 for cause in named)
    assert [cause.hypothesis for cause in named] == ["hy-stock", "hy-prices"]


def test_equal_faults_do_not_halve_one_anothers_confidence() -> None:
    verdict, named = causes(found({"stock": 30.0, "prices": 30.0}, fact("stock"), fact("prices")))
    assert verdict.confidence < 0.6
    assert min(cause.confidence for cause in named) > 0.9


def test_one_fault_is_one_cause_with_the_verdicts_confidence() -> None:
    verdict, named = causes(found({"stock": 30.0, "web": 1.0}, fact("stock"), fact("web")))
    assert [(cause.service, cause.confidence) for cause in named] == [("stock", verdict.confidence)]


def test_an_inconclusive_verdict_names_nothing() -> None:
    assert causes(found({"stock": 0.01}, fact("stock")))[1] == ()


def test_a_service_that_depends_on_the_first_is_its_consequence() -> None:
    assert services(found({"stock": 30.0, "orders": 29.0}, fact("stock"), fact("orders"))) == ["stock"]


OTHER_CALLS = {"kind": AnomalyKind.STRUCTURE, "family": Family.OTHER}


@pytest.mark.parametrize(
    ("about_the_second", "named"),
    [
        ({**OTHER_CALLS, "passed": ("prices", "web")}, True),
        ({**OTHER_CALLS, "passed": ("prices", "stock", "web")}, False),
        (OTHER_CALLS, False),
        ({"family": Family.LATENCY, "passed": ("prices", "web")}, False),
        ({**OTHER_CALLS, "passed": ("prices", "web"), "strength": 0.1}, False),
    ],
    ids=["other calls elsewhere", "other calls after the first", "nobody knows where", "slow elsewhere", "weak"],
)
def test_a_service_that_depends_on_the_first_may_be_in_trouble_of_its_own(
    about_the_second: dict[str, object], *, named: bool
) -> None:
    both = found({"stock": 30.0, "web": 29.0}, fact("stock", family=Family.ERRORS), fact("web", **about_the_second))
    assert services(both) == ["stock"] + ["web"] * named


def test_where_the_first_is_only_asked_for_more_by_the_second_it_is_no_second_cause() -> None:
    elsewhere = fact("web", **OTHER_CALLS, passed=("prices", "web"))
    assert services(found({"stock": 30.0, "web": 29.0}, fact("stock", family=Family.LATENCY), elsewhere)) == ["stock"]


def test_a_service_that_the_map_does_not_know_may_be_a_consequence() -> None:
    assert services(found({"stock": 30.0, "mail": 29.0}, fact("stock"), fact("mail"))) == ["stock"]


def test_what_is_no_rarer_than_quiet_moments_is_no_cause() -> None:
    assert services(found({"stock": 30.0, "prices": 0.15}, fact("stock"), fact("prices"))) == ["stock"]


@pytest.mark.parametrize(
    ("about_the_second", "named"),
    [
        ({"kind": AnomalyKind.LOG_PATTERN, "family": Family.OTHER}, True),
        ({"family": Family.ERRORS}, True),
        ({"family": Family.LATENCY}, False),
        ({"family": Family.ERRORS, "kind": AnomalyKind.EDGE, "peer": "stock"}, False),
        ({"family": Family.ERRORS, "kind": AnomalyKind.CHANGE}, False),
        ({"family": Family.ERRORS, "strength": 0.0}, False),
        ({"family": Family.ERRORS, "strength": 0.1}, False),
        ({"kind": AnomalyKind.METRIC, "family": Family.SATURATION}, False),
    ],
    ids=["other lines", "errors", "asked for more", "call from the first", "change", "no fact", "weak fact", "busier"],
)
def test_a_service_below_the_first_needs_a_fact_of_its_own(about_the_second: dict[str, object], *, named: bool) -> None:
    assert (
        services(found({"stock": 30.0, "disk": 28.0}, fact("stock", family=Family.OTHER), fact("disk", **about_the_second)))
        == ["stock"] + ["disk"] * named
    )


@pytest.mark.parametrize(("observed", "named"), [(2.0, False), (20.0, True)])
def test_what_falls_beside_the_first_is_no_longer_asked_for(observed: float, *, named: bool) -> None:
    busy = fact("prices", kind=AnomalyKind.METRIC, family=Family.SATURATION, baseline=9.0, observed=observed)
    assert services(found({"stock": 30.0, "prices": 28.0}, fact("stock"), busy)) == ["stock"] + ["prices"] * named


def test_load_explains_whatever_is_called() -> None:
    both = found({"stock": 30.0, "disk": 28.0}, fact("stock", family=Family.OTHER), fact("disk", family=Family.ERRORS))
    assert services(both) == ["stock", "disk"]
    assert services(both, CauseKind.LOAD) == ["stock"]


def test_where_the_first_may_follow_from_the_second_only_it_is_named() -> None:
    waits = fact("stock", kind=AnomalyKind.METRIC, family=Family.LATENCY)
    assert services(found({"stock": 30.0, "disk": 28.0}, waits, fact("disk"))) == ["stock"]


def test_a_second_that_began_after_the_detection_is_no_cause_of_it() -> None:
    late = fact("prices")
    assert late.onset is not None
    late = late.model_copy(update={"onset": late.onset.model_copy(update={"earliest": NOW, "at": NOW, "latest": NOW})})
    assert services(found({"stock": 30.0, "prices": 28.0}, fact("stock"), late)) == ["stock"]
    timeless = fact("prices", onset=None)
    assert services(found({"stock": 30.0, "prices": 28.0}, fact("stock"), timeless)) == ["stock"]
