"""Which causes a finding names: one, or two where the second stands by itself.

Most of what deviates beside the cause follows from it. Two faults at once are rare, and a consequence that is reported as a cause
costs somebody's night. So a second one is named only where what is left, when all that follows from the first is taken away, would
be a clear finding of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from middlewatch.agents.agent import Agents
from middlewatch.agents.explanation import about, fact_of_onset
from middlewatch.agents.voting import Assessments, Verdict, change_probability, shares
from middlewatch.records import Anomaly, AnomalyKind, Edge, Evidence, Family, FoundCause, UtcDatetime
from middlewatch.tools.service_map import reachable

LEAST_PROBABILITY = 0.9
"""That something changed in the second service, by what its own facts say: one in ten would be named for nothing. Chosen, not
derived; how often it happens is in docs/measurements/causes.md."""
ASKED_FOR = {Family.TRAFFIC, Family.SATURATION, Family.OTHER}
"""What falls in a service where those that call it ask for less."""
HANDED_ON = {Family.LATENCY, Family.ERRORS, Family.SUCCESS}
"""What the metrics of a service show where one that it calls is in trouble. Traces tell its own time from theirs."""


def found_causes(
    agents: Agents, found: Assessments, verdict: Verdict, evidence: Sequence[Evidence], edges: Sequence[Edge], detected: UtcDatetime
) -> tuple[FoundCause, ...]:
    """What a finding names, the leading hypothesis first.

    The second cause is the next hypothesis that does not depend on the first. Only those agents count that have a fact about it
    which the first does not explain, the symptom's own rarity does not count again, and together they must be `LEAST_PROBABILITY`
    sure. It must have begun before the detection. Where the first depends on the second, the first has to pass the same test:
    otherwise it may be no more than a consequence.

    Args:
        agents: for their surprise.
        found: what each agent found in the round.
        verdict: what the votes add up to.
        evidence: of the round.
        edges: who calls whom.
        detected: when the alarm was raised.

    Returns:
        Empty where the verdict is inconclusive.
    """
    if verdict.inconclusive:
        return ()
    leading = verdict.ranked[0].hypothesis
    scene = _Scene(agents, found, evidence, edges)
    dependent = scene.dependent_on(leading.service)
    rest = [row for row in verdict.ranked[1:] if row.hypothesis.service not in dependent]
    second = rest[0].hypothesis if rest else None
    if second is None or not scene.began_by(second.service, detected) or not scene.independent(leading.service, second.service):
        return (FoundCause(service=leading.service, hypothesis=leading.id, confidence=verdict.confidence),)
    others = [row.score for row in verdict.ranked if row.hypothesis is not second]
    first = verdict.change_probability * shares(others)[0]
    confidence = scene.probability(second.service, dependent) * shares([row.score for row in rest])[0]
    return (
        FoundCause(service=leading.service, hypothesis=leading.id, confidence=first),
        FoundCause(service=second.service, hypothesis=second.id, confidence=confidence),
    )


@dataclass(frozen=True, slots=True)
class _Scene:
    """What two causes are held against."""

    agents: Agents
    found: Assessments
    evidence: Sequence[Evidence]
    edges: Sequence[Edge]

    def dependent_on(self, service: str) -> set[str]:
        """The services whose trouble this one would explain, itself included."""
        services = {s for assessment in self.found.values() for s in assessment.scores} | {service}
        return {other for other in services if service in reachable(self.edges, other)}

    def began_by(self, service: str, detected: UtcDatetime) -> bool:
        fact = fact_of_onset(about(service, self.evidence))
        return fact is not None and fact.anomaly.onset is not None and fact.anomaly.onset.earliest <= detected

    def independent(self, first: str, second: str) -> bool:
        """Whether the second stands by itself; where the first depends on it, both. Without a map of both, nobody can tell."""
        mapped = {end for edge in self.edges for end in (edge.caller, edge.callee)}
        if not {first, second} <= mapped:
            return False
        if self.probability(second, self.dependent_on(first)) < LEAST_PROBABILITY:
            return False
        if second not in reachable(self.edges, first):
            return True
        return self.probability(first, self.dependent_on(second) - {first}) >= LEAST_PROBABILITY

    def probability(self, service: str, explained: Collection[str]) -> float:
        """That something changed in the service, by the agents that have a fact about it which the others do not explain.

        Args:
            service: what is looked at.
            explained: the services of which nothing is to be counted.
        """
        voices = {}
        asked = any(edge.caller in explained and edge.callee == service for edge in self.edges)
        asks = any(edge.caller == service and edge.callee in explained for edge in self.edges)
        for name, assessment in self.found.items():
            own = [e.anomaly for e in about(service, self.evidence) if e.agent is name and _speaks(e.anomaly)]
            own = [a for a in own if ({a.service, a.peer} - {service}).isdisjoint(explained)]
            own = [a for a in own if not (asked and _falls(a)) and not (asks and _handed_on(a))]
            if own and service in assessment.scores:
                alone = {"scores": {service: assessment.scores[service]}, "symptom_rarity": None}
                voices[name] = assessment.model_copy(update=alone)
        return change_probability(self.agents, voices)


def _speaks(fact: Anomaly) -> bool:
    return fact.kind is not AnomalyKind.CHANGE and fact.strength > 0


def _falls(fact: Anomaly) -> bool:
    """Whether it is what shows in a service that is asked for less."""
    fell = fact.baseline is not None and fact.observed is not None and fact.observed < fact.baseline
    return fell and fact.family in ASKED_FOR


def _handed_on(fact: Anomaly) -> bool:
    """Whether it is what shows in a service that waits for another."""
    return fact.kind is AnomalyKind.METRIC and fact.family in HANDED_ON
