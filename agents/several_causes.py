"""Which causes a finding names: one, or two where the second stands by itself.

Most of what deviates beside the cause follows from it. Two faults at once are rare, and a consequence that is reported as a cause
costs somebody's night. So a second one is named only where what is left, when all that follows from the first is taken away, would
be a clear finding of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from middlewatch.agents.agent import Agents
from middlewatch.agents.explanation import about, fact_of_onset
from middlewatch.agents.voting import Assessments, Verdict, change_probability, shares
from middlewatch.records import Anomaly, AnomalyKind, CauseKind, Edge, Evidence, Family, FoundCause, UtcDatetime
from middlewatch.tools.service_map import reachable

LEAST_PROBABILITY = 0.9
"""That something changed in the second service, by what its own facts say: one in ten would be named for nothing. Chosen, not
derived; how often it happens is in docs/measurements/causes.md."""
ASKED_FOR = {Family.TRAFFIC, Family.SATURATION, Family.LATENCY}
"""What changes in a service where one above it asks for more or less."""
NOT_ASKED = {Family.TRAFFIC, Family.SATURATION, Family.OTHER}
"""What falls in a service where those that wait for another one no longer ask for it."""
HANDED_ON = {Family.LATENCY, Family.ERRORS, Family.SUCCESS}
"""What the metrics of a service show where one that it calls is in trouble. Traces tell its own time from theirs."""


def found_causes(
    agents: Agents, found: Assessments, verdict: Verdict, evidence: Sequence[Evidence], edges: Sequence[Edge], detected: UtcDatetime
) -> tuple[FoundCause, ...]:
    """What a finding names, the leading hypothesis first.

    The second cause is the next hypothesis that does not depend on the first, or does other things than it did in requests that
    never got to the first. Of what the agents say only that counts for which
    they have a fact that the first does not explain, the symptom's own rarity does not count again, and together they must be
    `LEAST_PROBABILITY` sure. It must have begun before the detection. Where the first depends on the second, the first has to pass
    the same test: otherwise it may be no more than a consequence. Load explains whatever is called.

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
    if leading.cause is not None and leading.cause.kind is CauseKind.LOAD:
        dependent |= reachable(edges, leading.service).keys()
    rest = [
        row
        for row in verdict.ranked[1:]
        if row.hypothesis.service not in dependent or scene.stands_apart(row.hypothesis.service, leading.service)
    ]
    second = rest[0].hypothesis if rest else None
    if second is None or not scene.began_by(second.service, detected) or not scene.independent(leading.service, second.service):
        return (
            FoundCause(
                service=leading.service,
                hypothesis=leading.id,
                confidence=verdict.confidence,
                evidence=_ids(e for e in about(leading.service, evidence) if _speaks(e.anomaly)),
            ),
        )
    others = [row.score for row in verdict.ranked if row.hypothesis is not second]
    first = verdict.change_probability * shares(others)[0]
    confidence = scene.probability(second.service, leading.service) * shares([row.score for row in rest])[0]
    apart = second.service in dependent
    own = _ids(scene.own(leading.service, second.service)), _ids(scene.own(second.service, leading.service, apart=apart))
    return (
        FoundCause(service=leading.service, hypothesis=leading.id, confidence=first, evidence=own[0]),
        FoundCause(service=second.service, hypothesis=second.id, confidence=confidence, evidence=own[1]),
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
        callers = [Edge(caller=edge.callee, callee=edge.caller) for edge in self.edges]
        return set(reachable(callers, service))

    def began_by(self, service: str, detected: UtcDatetime) -> bool:
        fact = fact_of_onset(about(service, self.evidence))
        return fact is not None and fact.anomaly.onset is not None and fact.anomaly.onset.earliest <= detected

    def independent(self, first: str, second: str) -> bool:
        """Whether the second stands by itself; where the first depends on it, both. Without a map of both, nobody can tell."""
        mapped = {end for edge in self.edges for end in (edge.caller, edge.callee)}
        if not {first, second} <= mapped or self.probability(second, first) < LEAST_PROBABILITY:
            return False
        return second not in reachable(self.edges, first) or self.probability(first, second) >= LEAST_PROBABILITY

    def stands_apart(self, service: str, other: str) -> bool:
        """Whether a service that depends on the other one is in trouble of its own, too: it does other things than it did, in
        requests that never got to the other one. The other one is then held against it in turn.
        """
        apart = self.probability(service, other, apart=True)
        return min(apart, self.probability(other, service)) >= LEAST_PROBABILITY

    def probability(self, service: str, other: str, *, apart: bool = False) -> float:
        """That something changed in a service, by the agents that have a fact about it which the other one does not explain.

        Of such an agent no more counts than its strongest such fact. With ``apart``, only what requests show counts that ran
        through the service and not through the other one.
        """
        voices = {}
        facts = self.own(service, other, apart=apart)
        for name, assessment in self.found.items():
            strengths = [e.anomaly.strength for e in facts if e.agent is name]
            if strengths and service in assessment.scores:
                score = min(assessment.scores[service], max(strengths))
                without = {"symptom_rarity": None, "symptom_as_usual": False}
                voices[name] = assessment.model_copy(update={"scores": {service: score}, **without})
        return change_probability(self.agents, voices)

    def own(self, service: str, other: str, *, apart: bool = False) -> list[Evidence]:
        """The facts about a service that the other one does not explain, in their order; ``apart`` as in `probability`."""
        explained = self.dependent_on(other) - {service}
        return [
            e
            for e in about(service, self.evidence)
            if _speaks(e.anomaly)
            and (_apart(e.anomaly, other) or not apart)
            and not self._explains(other, explained, service, e.anomaly)
        ]

    def _explains(self, other: str, explained: Collection[str], service: str, fact: Anomaly) -> bool:
        """Whether trouble in the other service, and in the explained ones, which wait for it, brings this about."""
        if not ({fact.service, fact.peer} - {service}).isdisjoint(explained):
            return True
        if service in reachable(self.edges, other):
            return fact.family in ASKED_FOR
        if other in reachable(self.edges, service):
            return fact.kind is AnomalyKind.METRIC and fact.family in HANDED_ON
        fell = fact.baseline is not None and fact.observed is not None and fact.observed < fact.baseline
        return fell and fact.family in NOT_ASKED and any(e.caller in explained and e.callee == service for e in self.edges)


def _apart(fact: Anomaly, other: str) -> bool:
    """Whether trouble in the other service cannot have changed these requests. Those that wait for it may make everybody wait,
    so what is merely slow or fails proves nothing.
    """
    return fact.kind is AnomalyKind.STRUCTURE and bool(fact.passed) and other not in fact.passed


def _ids(facts: Iterable[Evidence]) -> tuple[str, ...]:
    return tuple(fact.id for fact in facts)


def _speaks(fact: Anomaly) -> bool:
    return fact.kind is not AnomalyKind.CHANGE and fact.strength > 0
