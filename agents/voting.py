"""From votes to a verdict: which service, whether anything changed at all, and how sure.

Two questions are kept apart. *Which service?* is the sum of the agents' signed strengths, to which language models add what
`agents/voices.py` lets them. *Did anything change?* compares what the agents see now with what the same agents saw at earlier,
quiet moments of the same system; models have no say in it. Confidence is the product of the two answers. docs/voting.md derives
the formulas and says where each constant comes from.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from middlewatch.agents.agent import Agents
from middlewatch.agents.voices import bounded, moves, signed, witnessed
from middlewatch.records import (
    AgentName,
    Assessment,
    Challenge,
    Hypothesis,
    Position,
    RankedHypothesis,
    ServiceScore,
    Signal,
    Voice,
    Vote,
)

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
    proposed: tuple[RankedHypothesis, ...] = ()
    """What only models propose that have no weight: to be seen, and of no consequence. Ranked behind the others."""

    @property
    def inconclusive(self) -> bool:
        """Whether the honest answer is that nobody knows."""
        return not self.ranked or self.confidence < LEAST_CONFIDENCE


def deviating(agents: Agents, assessments: Assessments) -> frozenset[str]:
    """The services that something but the deploy correlator sees deviate: only of those there may be a hypothesis."""
    return frozenset(
        service
        for name, assessment in assessments.items()
        if agents[name].signal is not Signal.CHANGES
        for service, score in assessment.scores.items()
        if score > 0
    )


def candidates(agents: Agents, assessments: Assessments) -> tuple[str, ...]:
    """The services worth a hypothesis, most suspected first."""
    worth = deviating(agents, assessments)
    return tuple(row.service for row in _scores(agents, assessments) if row.service in worth)[:CANDIDATES]


def tally(
    agents: Agents,
    assessments: Assessments,
    hypotheses: Sequence[Hypothesis],
    votes: Sequence[Vote],
    challenge: Challenge | None = None,
) -> Verdict:
    """Add the votes up.

    Where no model has a weight, everything but `proposed` is what rules alone say, to the last digit.

    Args:
        agents: the agents that took part.
        assessments: what each found; an agent that could not finish is absent.
        hypotheses: what was put to the vote, of one round.
        votes: every agent's votes on each of them, of both voices.
        challenge: the attempt to refute one of them.

    Returns:
        Hypotheses by score, every service that was seen by what all agents say of it, and the two probabilities.
    """
    own = frozenset(candidates(agents, assessments))
    said = {h.id: sum(signed(v) for v in votes if v.voice is Voice.RULES and v.hypothesis == h.id) for h in hypotheses}
    by_rules = {h.service: said[h.id] for h in hypotheses if h.service not in own}
    by_rules |= {row.service: row.score for row in _scores(agents, assessments)}
    by_rules |= {h.service: said[h.id] for h in hypotheses if h.service in own}
    two_modalities = witnessed(agents, hypotheses, votes)
    moved = bounded(moves(hypotheses, votes, challenge), by_rules, own, two_modalities)
    seen = {service for assessment in assessments.values() for service in assessment.scores}
    listed = seen | {service for service, by in moved.items() if by > 0}
    scores = {service: by_rules[service] + moved.get(service, 0.0) for service in listed}
    ranking = _ranking(scores, by_rules)
    totals = {h.id: said[h.id] + moved.get(h.service, 0.0) for h in hypotheses}
    share_of = {row.service: share for row, share in zip(ranking, shares([row.score for row in ranking]), strict=True)}
    idle = {h.id for h in hypotheses if h.service not in own and moved.get(h.service, 0.0) <= 0}
    ordered = sorted(hypotheses, key=lambda h: (h.id in idle, -totals[h.id], -by_rules[h.service], h.service))
    rows = tuple(
        RankedHypothesis(
            rank=rank,
            hypothesis=hypothesis,
            votes=tuple(v for v in votes if v.hypothesis == hypothesis.id),
            score=totals[hypothesis.id],
            share=share_of.get(hypothesis.service, 0.0),
            dissent=_dissent(hypothesis, votes),
        )
        for rank, hypothesis in enumerate(ordered, 1)
    )
    ranked, proposed = rows[: len(rows) - len(idle)], rows[len(rows) - len(idle) :]
    change = change_probability(agents, assessments)
    confidence = change * (ranked[0].share if ranked else 0.0)
    if moved and _found_by_rules(change, by_rules, seen, own, two_modalities):
        confidence = max(confidence, LEAST_CONFIDENCE)
    return Verdict(ranked, ranking, change, confidence, proposed)


def _found_by_rules(
    change: float, by_rules: Mapping[str, float], seen: Collection[str], own: Collection[str], two_modalities: Collection[str]
) -> bool:
    """Whether rules alone find a cause for which evidence of two modalities speaks."""
    ranking = _ranking({service: by_rules[service] for service in seen}, by_rules)
    share_of = zip(ranking, shares([row.score for row in ranking]), strict=True)
    leading = next(((row.service, share) for row, share in share_of if row.service in own), None)
    return leading is not None and leading[0] in two_modalities and change * leading[1] >= LEAST_CONFIDENCE


def _ranking(scores: Mapping[str, float], by_rules: Mapping[str, float]) -> tuple[ServiceScore, ...]:
    ordered = sorted(scores, key=lambda service: (-scores[service], -by_rules[service], service))
    return tuple(ServiceScore(service=service, score=scores[service]) for service in ordered)


def _dissent(hypothesis: Hypothesis, votes: Sequence[Vote]) -> tuple[AgentName, ...]:
    """Agents that oppose it, in the order of their votes; models where they count for something."""
    opposing = (v.agent for v in votes if v.hypothesis == hypothesis.id and v.position is Position.OPPOSE and v.weight)
    return tuple(dict.fromkeys(opposing))


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


def shares(scores: Sequence[float]) -> list[float]:
    """The probability of each, given that one of them is the cause: a softmax."""
    if not scores:
        return []
    top = max(scores)
    weights = [math.exp((score - top) / SHARE_TEMPERATURE) for score in scores]
    return [weight / sum(weights) for weight in weights]
