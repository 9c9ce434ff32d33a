"""Incidents as agents saw them, for tests: give the scores that matter."""

from __future__ import annotations

from collections.abc import Mapping

from middlewatch.evals.assessments import Assessed, Found, began
from middlewatch.evals.labels import Label
from middlewatch.records import AgentName, Anomaly, Assessment
from tests.unit.agents import shared_context
from tests.unit.agents.shared_context import alert, anomaly

METRICS, LOGS, TRACES, DEPLOYS = AgentName

Scores = Mapping[AgentName, Mapping[str, float]]


def facts(scores: Mapping[str, float]) -> tuple[Anomaly, ...]:
    """One fact for every score, from half a minute before the end of the window to four minutes earlier."""
    return tuple(
        anomaly(service, score).model_copy(update={"onset": shared_context.began(minutes_ago=0.5 + score % 4)})
        for service, score in scores.items()
        if score > 0
    )


def incident(
    *rounds: Scores, truth: str | None = "cart", identifier: str = "incident-1", system: str = "shop", kind: str = "slow"
) -> Assessed:
    """What agents found, by round; whom a round does not name saw nothing. One round stands for both."""
    both = rounds if len(rounds) > 1 else rounds * 2
    return Assessed(
        recording="recording-1",
        system=system,
        incident=identifier,
        detected_at=alert().detected_at,
        label=Label(incident=identifier, root_cause_service=truth, root_cause_kind=kind if truth else "none"),
        rounds=tuple(
            {
                name: Found(
                    assessment=Assessment(agent=name, scores=dict(scores.get(name, {})), usual_tops=(0.1,) * 20),
                    began=began(facts(scores.get(name, {}))),
                    seconds=1.0,
                )
                for name in AgentName
            }
            for scores in both
        ),
    )


def findings(known: Assessed) -> shared_context.Finding:
    """The same for agents that investigate, facts included."""

    def found(name: AgentName, number: int) -> Assessment:
        assessment = known.rounds[number - 1][name].assessment
        return assessment.model_copy(update={"anomalies": facts(assessment.scores)})

    return found


PLAIN = {TRACES: {"cart": 8.0, "shop": 0.5}, LOGS: {"cart": 6.0, "shop": 0.0}, METRICS: {"cart": 1.0, "shop": 4.0}}
NOTHING: Scores = {TRACES: {"cart": 0.0, "shop": 0.0}}
