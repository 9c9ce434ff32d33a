"""The two voices of a vote: what language models may add to what rules say, and what they may not.

Rules' votes count for what they are. A model's counts for its strength, at most `MODEL_NATS`, times its weight, and all models
together move one service by no more than that. What holds whatever a model says, also one that obeys hostile text:

- Of the services for which evidence of two modalities speaks, the first by rules stays ahead of every service that it is ahead of
  by rules and for which less speaks. Its lead over those shrinks to a half at most.
- Its lead over others for which as much speaks shrinks by `MODEL_NATS` at most, what models say for those included.
- Where rules find such a cause, there stays a finding of one.

docs/voting.md says why.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from middlewatch.agents.agent import Agents
from middlewatch.records import Challenge, ChallengeVerdict, Hypothesis, Position, Voice, Vote

MODEL_NATS: Final = 2.0
"""That all language models together may move one service: odds of 7 to 1. Chosen."""
MODALITY_NATS: Final = MODEL_NATS / 2
"""From here on a modality speaks for a service, so that two of them weigh no less than all models may. Chosen."""
_LEAD_SHARE: Final = 0.25
"""Of a lead that either side of it may move: half of it stays."""


def nats(probability: float) -> float:
    """The strength of a model's vote: |ln(p / (1 - p))|, at most `MODEL_NATS`.

    Args:
        probability: that the hypothesis is true, from 0 to 1, as the model says.
    """
    if not 0.0 < probability < 1.0:
        return MODEL_NATS
    return min(MODEL_NATS, abs(math.log(probability / (1.0 - probability))))


def signed(vote: Vote) -> float:
    """What a vote says, in nats: above 0 for, below 0 against; a model's within `MODEL_NATS`, before it is weighed."""
    strength = vote.strength if vote.voice is Voice.RULES else min(vote.strength, MODEL_NATS)
    return {Position.SUPPORT: strength, Position.OPPOSE: -strength, Position.ABSTAIN: 0.0}[vote.position]


def moves(hypotheses: Sequence[Hypothesis], votes: Sequence[Vote], challenge: Challenge | None) -> dict[str, float]:
    """How far language models together move each service, in nats; those that they do not move are absent.

    Args:
        hypotheses: what was put to the vote.
        votes: of both voices.
        challenge: of one of the hypotheses. What it refutes it opposes with all it may; what stands has gained nothing by it.
    """
    service_of = {hypothesis.id: hypothesis.service for hypothesis in hypotheses}
    moved = dict.fromkeys(service_of.values(), 0.0)
    for vote in votes:
        if vote.voice is Voice.MODEL and vote.hypothesis in service_of:
            moved[service_of[vote.hypothesis]] += vote.weight * signed(vote)
    if challenge is not None and challenge.verdict is ChallengeVerdict.REFUTED and challenge.hypothesis in service_of:
        moved[service_of[challenge.hypothesis]] -= challenge.weight * MODEL_NATS
    return {service: max(-MODEL_NATS, min(MODEL_NATS, by)) for service, by in moved.items() if by}


def witnessed(agents: Agents, hypotheses: Sequence[Hypothesis], votes: Sequence[Vote]) -> frozenset[str]:
    """The services for which rules see evidence of two modalities, each of at least `MODALITY_NATS`."""
    found = set()
    for hypothesis in hypotheses:
        speaking = {
            agents[vote.agent].signal
            for vote in votes
            if vote.voice is Voice.RULES and vote.hypothesis == hypothesis.id and signed(vote) >= MODALITY_NATS
        }
        if len(speaking) > 1:
            found.add(hypothesis.service)
    return frozenset(found)


def bounded(
    moved: Mapping[str, float], by_rules: Mapping[str, float], own: Collection[str], two_modalities: Collection[str]
) -> dict[str, float]:
    """The moves, as far as they outweigh no evidence of two modalities.

    Args:
        moved: service -> nats.
        by_rules: every service -> what rules say of it, in nats.
        own: the services that rules blame; others, such as one that was merely changed, are ahead of nobody by rules.
        two_modalities: services that are `witnessed`.
    """
    first = max(sorted(set(two_modalities) & set(own)), key=lambda service: by_rules[service], default=None)
    if first is None:
        return dict(moved)
    equals = frozenset(two_modalities) - {first}
    below = {s: score for s, score in by_rules.items() if s not in two_modalities and score <= by_rules[first]}
    most = min(MODEL_NATS, (by_rules[first] - max(below.values(), default=-math.inf)) * _LEAD_SHARE)
    bounds = {service: min(by, most) for service, by in moved.items() if service in below}
    bounds |= {service: min(by, MODEL_NATS / 2) for service, by in moved.items() if service in equals}
    ahead_of_nobody = by_rules.keys() - below.keys() - set(own) - set(two_modalities)
    bounds |= {service: min(by, 0.0) for service, by in moved.items() if service in ahead_of_nobody}
    if first in moved:
        bounds[first] = max(moved[first], -min(most, MODEL_NATS / 2) if equals else -most)
    return {service: by for service, by in (dict(moved) | bounds).items() if by}
