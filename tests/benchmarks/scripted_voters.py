"""Voters of known skill in the place of a model's votes: what the formulas make of them. They say nothing of any real model."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from middlewatch.agents.voices import MODEL_NATS
from middlewatch.evals.model_ablation import (
    BOTH,
    IN_FULL,
    MODELS,
    RULES,
    WITHOUT_CHALLENGER,
    ModelAblation,
    Way,
    ablate_models,
)
from middlewatch.evals.reasoned import Asking, Reasoned
from middlewatch.evals.tables import markdown_table
from middlewatch.records import AgentName, Challenge, ChallengeVerdict, Position, Voice, Vote
from tests.benchmarks.scripted_runs import RUNS, Said

SKILLS: Final = {"right 9 times in 10": 0.9, "right 7 times in 10": 0.7, "a coin": 0.5, "wrong 9 times in 10": 0.1}
DRAWS: Final = 10
WAYS: Final = (RULES, MODELS, WITHOUT_CHALLENGER, BOTH, IN_FULL)


def vote_blocks(found: Sequence[Said], seed: int) -> Mapping[str, str]:
    """The tables."""
    runs = {name: [said.reasoned for said in found if said.run == name] for name in RUNS}
    singles = [*(f"{agent} alone" for agent in AgentName), RULES]
    alone = [[name, *_cells([ablate_models(said, RUNS[name].asking)], singles)] for name, said in runs.items()]
    rows = [
        [name, skill, *_cells([_measured(said, RUNS[name].asking, right, seed + n) for n in range(DRAWS)], WAYS)]
        for name, said in runs.items()
        for skill, right in SKILLS.items()
    ]
    return {
        "single": markdown_table(["recordings", *singles], alone),
        "voters": markdown_table(["recordings", "each agent's model is", *WAYS], rows),
    }


def _measured(said: Sequence[Reasoned], asking: Asking, right: float, seed: int) -> ModelAblation:
    draw = random.Random(seed)
    return ablate_models([voted(one, right, draw) for one in said], asking)


def _cells(measured: Sequence[ModelAblation], names: Sequence[str]) -> list[str]:
    return [_cell([one.way(name) for one in measured]) for name in names]


def _cell(ways: Sequence[Way]) -> str:
    """On the average of the draws."""
    named = statistics.mean(way.named.hits for way in ways)
    blamed = statistics.mean(way.blamed.hits for way in ways)
    return f"{named:.3g} of {ways[0].named.of}, blames {blamed:.2g} of {ways[0].blamed.of}"


def voted(one: Reasoned, right: float, draw: random.Random) -> Reasoned:
    """With voters that favour the truth so often, and otherwise another hypothesis; in a quiet moment nobody, or anybody."""
    rules = tuple(vote for vote in one.votes if vote.voice is Voice.RULES)
    truth = [h.service for h in one.hypotheses if h.service in one.label.services]
    others = [h.service for h in one.hypotheses if h.service not in one.label.services]
    votes: list[Vote] = []
    for agent in AgentName:
        favours = truth if draw.random() < right else [draw.choice(others)] if others else []
        votes += _votes(one, agent, favours)
    return one.model_copy(update={"votes": (*rules, *votes), "challenge": _challenge(one, right, draw)})


def _votes(one: Reasoned, agent: AgentName, favours: Sequence[str]) -> list[Vote]:
    return [
        Vote(
            tenant=h.tenant,
            investigation=h.investigation,
            hypothesis=h.id,
            agent=agent,
            round=h.round,
            position=Position.SUPPORT if h.service in favours else Position.OPPOSE,
            strength=MODEL_NATS,
            reason="drawn",
            voice=Voice.MODEL,
            model=one.model,
        )
        for h in one.hypotheses
    ]


def _challenge(one: Reasoned, right: float, draw: random.Random) -> Challenge | None:
    """Of what the rules lead with: refuted where it is not the truth, as often as the voter is right."""
    leading = one.hypotheses[0] if one.hypotheses else None
    wrong = leading is not None and leading.service not in one.label.services
    refuted = wrong == (draw.random() < right)
    if leading is None or one.challenge is None:
        return None
    verdict = ChallengeVerdict.REFUTED if refuted else ChallengeVerdict.STANDS
    return one.challenge.model_copy(update={"hypothesis": leading.id, "verdict": verdict})
