"""What an agent is: a name, an analysis of one signal, and a vote on every hypothesis that follows from it.

Analyses score in nats of their own: 4 may be an ordinary moment for one and an alarm for another. What they have in common is
their history. So an agent votes with its *surprise*: how rarely the same analysis scores so high at quiet moments of the same
system. That makes the agents comparable without a chosen weight (docs/voting.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from middlewatch.records import AgentName, Assessment, Brief, Evidence, Hypothesis, Position, Signal, Vote
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.surprise import surprise

OPPOSITION_SHARE = 0.5
"""An agent starts to pull against a service that scores below this share of the agent's own top service.

At half, a service that the agent saw and found wholly unremarkable is opposed with a quarter of the top score, and one at a
sixth of it is where support ends. The share orders services the agent saw exactly as its scores do, so it can only matter
between agents; without it dissent would be invisible."""

NEGLIGIBLE_NATS = 0.01
"""Below this a vote is an abstention: it changes the odds by less than one per cent."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A specialist for one signal."""

    name: AgentName
    signal: Signal
    usual_top: float
    """The top score that it gives a quiet moment, in its own nats, before it has seen any of the system's history."""
    assess: Callable[[Sources, Brief], Assessment]

    def surprise(self, assessment: Assessment, service: str) -> float:
        """-ln of the probability that this agent scores a service so high at a quiet moment, at least 0.

        Changes have no quiet history: their score is already the logarithm of odds.
        """
        score = max(assessment.scores[service], 0.0)
        if self.signal is Signal.CHANGES:
            return score
        return surprise(score, assessment.usual_tops, self.usual_top)

    def stance(self, assessment: Assessment, service: str) -> float:
        """Signed strength for one service, in nats: above 0 supports, below 0 opposes, 0 abstains.

        Args:
            assessment: what this agent found.
            service: the service that a hypothesis blames. One that the agent did not see gets 0.
        """
        if service not in assessment.scores:
            return 0.0
        surprise = self.surprise(assessment, service)
        if self.signal is Signal.CHANGES:
            return surprise  # that nothing was deployed is no evidence for innocence
        top = self.surprise(assessment, max(assessment.scores, key=lambda s: assessment.scores[s]))
        return surprise - OPPOSITION_SHARE * max(0.0, OPPOSITION_SHARE * top - surprise)

    def vote(self, hypothesis: Hypothesis, assessment: Assessment | None, evidence: Sequence[Evidence]) -> Vote:
        """Vote on one hypothesis.

        Args:
            hypothesis: what is proposed.
            assessment: what this agent found, or None where it could not finish.
            evidence: the whole shared context; the vote cites what this agent itself wrote about the service.
        """
        stance = 0.0 if assessment is None else self.stance(assessment, hypothesis.service)
        own = sorted(
            (e for e in evidence if e.agent is self.name and e.round == hypothesis.round), key=lambda e: -e.anomaly.strength
        )
        about = [e for e in own if hypothesis.service in (e.anomaly.service, e.anomaly.peer)]
        if abs(stance) < NEGLIGIBLE_NATS:
            position, reason = Position.ABSTAIN, self._why_not(hypothesis.service, assessment)
        elif stance > 0:
            position = Position.SUPPORT
            reason = about[0].anomaly.summary if about else f"{self.signal} of this service deviate from their baseline"
        else:
            position = Position.OPPOSE
            reason = f"{self.signal} of this service are close to their baseline, others deviate more"
            if own:
                reason += f": {own[0].anomaly.summary}"
        return Vote(
            tenant=hypothesis.tenant,
            investigation=hypothesis.investigation,
            hypothesis=hypothesis.id,
            agent=self.name,
            round=hypothesis.round,
            position=position,
            strength=0.0 if position is Position.ABSTAIN else abs(stance),
            reason=reason,
            evidence=tuple(e.id for e in (own[:1] if position is Position.OPPOSE else about[:3])),
        )

    def _why_not(self, service: str, assessment: Assessment | None) -> str:
        if assessment is None:
            return f"the {self.name} agent could not finish"
        if not assessment.scores:
            return assessment.notes[0] if assessment.notes else f"no {self.signal} to look at"
        if service not in assessment.scores:
            return f"no {self.signal} of this service"
        return f"nothing unusual in the {self.signal} of this service"


Agents = Mapping[AgentName, Agent]
