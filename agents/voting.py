"""From votes to a verdict: which service, whether anything changed at all, and how sure.

Two questions are kept apart. *Which service?* is the sum of the agents' signed strengths. *Did anything change?*
compares what the agents see now with what the same agents saw at earlier, quiet moments of the same system. Confidence is the
product of the two answers. docs/voting.md derives the formulas and says where each constant comes from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from middlewatch.agents.agent import Agents
from middlewatch.records import AgentName, Assessment, Hypothesis, Position, RankedHypothesis, ServiceScore, Signal, Vote

Assessments = Mapping[AgentName, Assessment]

SHARE_TEMPERATURE = 0.2
"""Nats: a lead of this much makes a service e times likelier than the next. Small, because the leader of a clear vote is nearly
always right; chosen on systems that were left out (docs/measurements/ranking.md)."""
BAYES_EXPONENT = 0.2
"""Exponent of the bound p -> Bayes factor, BF = k p^(k-1) (Sellke, Bayarri and Berger 2001, beta family)."""
SMALLEST_P = 1e-9
AS_USUAL = 0.1
"""How much rarer it is for an alarm about something than for a false one that the alarming metric does not deviate at all. Of the
development recordings whose alerts name a metric: 1 of 16 against 19 of 20 in one system, 2 of 20 against 4 of 4 in another."""
LEAST_CONFIDENCE = 0.35
"""Below this, 'I don't know' is the better answer. Chosen: a site that minds wrong names more than silence will want more."""
CANDIDATES = 6
"""Hypotheses that are put to the vote; a person reads the first three."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the votes add up to."""

    ranked: tuple[RankedHypothesis, ...]
    ranking: tuple[ServiceScore, ...]
    change_probability: float
    confidence: float

    @property
    def inconclusive(self) -> bool:
        """Whether the honest answer is that nobody knows."""
        return not self.ranked or self.confidence < LEAST_CONFIDENCE


def candidates(agents: Agents, assessments: Assessments) -> tuple[str, ...]:
    """The services worth a hypothesis, most suspected first: something but the deploy correlator sees each of them deviate."""
    deviating = {
        service
        for name, assessment in assessments.items()
        if agents[name].signal is not Signal.CHANGES
        for service, score in assessment.scores.items()
        if score > 0
    }
    return tuple(row.service for row in _scores(agents, assessments) if row.service in deviating)[:CANDIDATES]


def tally(agents: Agents, assessments: Assessments, hypotheses: Sequence[Hypothesis], votes: Sequence[Vote]) -> Verdict:
    """Add the votes up.

    Args:
        agents: the agents that took part.
        assessments: what each found; an agent that could not finish is absent.
        hypotheses: what was put to the vote, of one round.
        votes: every agent's vote on each of them.

    Returns:
        Hypotheses by score, every service that was seen by what all agents say of it, and the two probabilities.
    """
    totals = {h.id: sum(_signed(v) for v in votes if v.hypothesis == h.id) for h in hypotheses}
    by_service = {h.service: totals[h.id] for h in hypotheses}
    ranking = tuple(
        sorted(
            (
                ServiceScore(service=row.service, score=by_service.get(row.service, row.score))
                for row in _scores(agents, assessments)
            ),
            key=lambda row: (-row.score, row.service),
        )
    )
    share_of = {row.service: share for row, share in zip(ranking, shares([row.score for row in ranking]), strict=True)}
    ordered = sorted(hypotheses, key=lambda h: (-totals[h.id], h.service))
    ranked = tuple(
        RankedHypothesis(
            rank=rank,
            hypothesis=hypothesis,
            votes=tuple(v for v in votes if v.hypothesis == hypothesis.id),
            score=totals[hypothesis.id],
            share=share_of.get(hypothesis.service, 0.0),
            dissent=tuple(v.agent for v in votes if v.hypothesis == hypothesis.id and v.position is Position.OPPOSE),
        )
        for rank, hypothesis in enumerate(ordered, 1)
    )
    change = change_probability(agents, assessments)
    return Verdict(
        ranked=ranked, ranking=ranking, change_probability=change, confidence=change * (ranked[0].share if ranked else 0.0)
    )


def change_probability(agents: Agents, assessments: Assessments) -> float:
    """The probability that anything changed, from how surprised the agents are.

    Where nothing is wrong the most surprising services of V agents differ, so the largest sum E for one service is about the
    largest of V unit exponentials, whose tail is at most V e^-E (Bonferroni). The rarity of the symptom comes on top for every
    service, and the sum of two unit exponentials has the tail (1 + E) e^-E. Prior odds are 1, and where the alarming metric is as
    usual, `AS_USUAL`.
    """
    voices = {n: a for n, a in assessments.items() if agents[n].signal is not Signal.CHANGES and a.scores}
    services = {service for assessment in voices.values() for service in assessment.scores}
    if not services:
        return 0.0
    total = max(sum(agents[n].surprise(a, s) for n, a in voices.items() if s in a.scores) for s in services)
    rarity = [-math.log(a.symptom_rarity) for a in assessments.values() if a.symptom_rarity is not None]
    total += max(rarity, default=0.0)
    p = min(1.0, len(voices) * math.exp(-total) * (1.0 + total if rarity else 1.0))
    bayes_factor: float = BAYES_EXPONENT * max(p, SMALLEST_P) ** (BAYES_EXPONENT - 1.0)
    if any(a.symptom_as_usual for a in assessments.values()):
        bayes_factor *= AS_USUAL
    return bayes_factor / (1.0 + bayes_factor)


def _scores(agents: Agents, assessments: Assessments) -> tuple[ServiceScore, ...]:
    services = sorted({service for assessment in assessments.values() for service in assessment.scores})
    scored = [ServiceScore(service=s, score=sum(agents[name].stance(a, s) for name, a in assessments.items())) for s in services]
    return tuple(sorted(scored, key=lambda row: (-row.score, row.service)))


def _signed(vote: Vote) -> float:
    return {Position.SUPPORT: vote.strength, Position.OPPOSE: -vote.strength, Position.ABSTAIN: 0.0}[vote.position]


def shares(scores: Sequence[float]) -> list[float]:
    """The probability of each, given that one of them is the cause: a softmax."""
    if not scores:
        return []
    top = max(scores)
    weights = [math.exp((score - top) / SHARE_TEMPERATURE) for score in scores]
    return [weight / sum(weights) for weight in weights]
