"""What each agent is worth: every subset of them answers every incident, and every answer is scored.

The votes are counted by the orchestrator's own functions over what `evals/assessing.py` kept: no subset investigates again.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from middlewatch.agents.voting import Assessments, Verdict, candidates, tally
from middlewatch.app import AGENTS
from middlewatch.evals.assessing import Asked, Assessed
from middlewatch.evals.scoring import (
    Bin,
    Interval,
    Sure,
    brier,
    brier_of_constant,
    calibration_error,
    calibration_interval,
    reliability,
    strict_rank,
    wilson,
)
from middlewatch.records import AgentName, Hypothesis, Prediction, Record

AgentSet = tuple[AgentName, ...]


class Macro(Record):
    """How often the truth was named, as a mean over systems. Ranks are strict: ties count against it."""

    at_1: float = Field(description="share of incidents with the truth in first place, AC@1")
    at_3: float = Field(description="among the first three, AC@3")
    average_5: float = Field(description="mean of AC@1 to AC@5, Avg@5")


class Rates(Macro):
    """The same of some incidents."""

    at_1_interval: Interval = Field(description="Wilson interval")


class Group(Record):
    """The incidents of one system, of one fault kind in it, or all."""

    system: str = Field(description="'' for all")
    kind: str = Field(default="", description="fault kind; '' for all")
    incidents: int
    ranked: Rates = Field(description="before abstention: by the ranking alone")
    answered: Rates = Field(description="after abstention: an inconclusive answer is a miss")
    inconclusive: float
    right_when_answered: float | None


class Quiet(Record):
    """Moments at which nothing was wrong, so that any answer is a false blame."""

    system: str = Field(description="'' for all")
    moments: int
    blamed: int
    interval: Interval = Field(description="Wilson interval of the share that was blamed")


class Confidence(Record):
    """What a stated confidence is worth, quiet moments included."""

    answers: int
    brier: float
    brier_of_constant: float = Field(description="of the best constant confidence")
    calibration_error: float
    calibration_interval: Interval = Field(description="bootstrap")
    reliability: tuple[Bin, ...]


class Score(Record):
    """How one set of agents did."""

    agents: AgentSet
    groups: tuple[Group, ...] = Field(description="all incidents, each system, each kind in it")
    macro: Macro | None = Field(description="mean over the systems of the rates after abstention; None without incidents")
    quiet: tuple[Quiet, ...]
    confidence: Confidence | None = Field(description="over answers; None where there are none")
    confidence_of_all: Confidence | None = Field(description="over everything, inconclusive answers included")
    seconds_median: float = Field(description="of the agents' work, one after the other")
    seconds_longest: float


class Miss(Record):
    """An incident that was not answered rightly by the vote of all, or a quiet moment that was blamed."""

    system: str
    incident: str
    kind: str
    truth: str | None = Field(description="None for a quiet moment")
    answer: str | None = Field(description="None where it was inconclusive")
    top: str | None = Field(description="first in the ranking")
    confidence: float
    rank: int | None = Field(description="where the truth stood; None where it was not listed")
    rank_by_agent: Mapping[AgentName, int | None] = Field(description="where it stood for each agent alone")


class Ablation(Record):
    """Everything that `middlewatch evaluate --ablate` measures."""

    format: Literal["middlewatch.ablation/v1"] = "middlewatch.ablation/v1"
    degraded: tuple[str, ...] = Field(default=(), description="what was done to the recordings, in order")
    seed: int = 0
    moments_before: bool = Field(default=False, description="quiet moments include the one before each fault")
    scores: tuple[Score, ...] = Field(description="by the number of agents; the last is the vote of all")
    misses: tuple[Miss, ...]

    @property
    def vote(self) -> Score:
        """The score of all agents together."""
        return self.scores[-1]


def agent_sets(agents: AgentSet) -> tuple[AgentSet, ...]:
    """Every subset that is not empty, by size."""
    return tuple(each for size in range(1, len(agents) + 1) for each in itertools.combinations(agents, size))


def predicted(incident: Assessed, agents: AgentSet) -> Prediction:
    """What an investigation of this incident by these agents answers.

    Args:
        incident: what every agent found.
        agents: who takes part.

    Returns:
        The answer of the surest round; there is a second one where the first is inconclusive. The seconds are those of the
        agents' work in the rounds that were needed, one after the other.
    """
    seconds, verdicts = 0.0, []
    for number, found in enumerate(incident.rounds, start=1):
        seconds += sum(found[name].seconds for name in agents)
        verdicts.append(_verdict({name: found[name].assessment for name in agents}, number))
        if not verdicts[-1].inconclusive:
            break
    verdict = max(verdicts, key=lambda each: each.confidence)
    return Prediction(
        incident=incident.incident,
        ranking=tuple((row.service, row.score) for row in verdict.ranking),
        confidence=verdict.confidence,
        inconclusive=verdict.inconclusive,
        seconds=round(seconds, 3),
    )


def ablate(incidents: Sequence[Assessed], asked: Asked) -> Ablation:
    """Score every subset of the agents that were asked.

    Args:
        incidents: what each found about each incident, at least one.
        asked: what they were asked.
    """
    answers = {agents: tuple(predicted(incident, agents) for incident in incidents) for agents in agent_sets(asked.agents)}
    return Ablation(
        degraded=asked.degradations,
        seed=asked.seed,
        moments_before=asked.moments_before,
        scores=tuple(score(agents, incidents, given) for agents, given in answers.items()),
        misses=tuple(_misses(incidents, answers, asked.agents)),
    )


def score(agents: AgentSet, incidents: Sequence[Assessed], answers: Sequence[Prediction]) -> Score:
    """Compare answers with labels, incident by incident in the same order."""
    pairs = tuple(zip(incidents, answers, strict=True))
    faults = [(i, a) for i, a in pairs if i.label.root_cause_service is not None]
    systems = tuple(dict.fromkeys(i.system for i, _ in faults))
    groups = [_group("", "", faults)] if faults else []
    for system in systems:
        here = [(i, a) for i, a in faults if i.system == system]
        kinds = sorted({i.label.root_cause_kind for i, _ in here})
        groups.append(_group(system, "", here))
        groups += [_group(system, kind, [(i, a) for i, a in here if i.label.root_cause_kind == kind]) for kind in kinds]
    certain = [(a.confidence, _rank(i, a) == 1) for i, a in pairs if not a.inconclusive]
    seconds = [a.seconds for a in answers]
    return Score(
        agents=agents,
        groups=tuple(groups),
        macro=_mean([g.answered for g in groups if g.system and not g.kind]),
        quiet=tuple(_quiet([(i, a) for i, a in pairs if i.label.root_cause_service is None])),
        confidence=_confidence(certain),
        confidence_of_all=_confidence([(a.confidence, _rank(i, a) == 1) for i, a in pairs]),
        seconds_median=round(statistics.median(seconds), 3),
        seconds_longest=max(seconds),
    )


def _verdict(found: Assessments, number: int) -> Verdict:
    hypotheses = [
        Hypothesis(
            tenant="default", investigation="ablation", id=f"hy-{n}", round=number, service=service, statement="", evidence=()
        )
        for n, service in enumerate(candidates(AGENTS, found))
    ]
    votes = [AGENTS[name].vote(hypothesis, found[name], ()) for hypothesis in hypotheses for name in found]
    return tally(AGENTS, found, hypotheses, votes)


def _rank(incident: Assessed, answer: Prediction) -> int | None:
    truth = incident.label.root_cause_service
    return None if truth is None else strict_rank(answer.ranking, truth)


_Pairs = Sequence[tuple[Assessed, Prediction]]


def _group(system: str, kind: str, pairs: _Pairs) -> Group:
    ranks = [_rank(i, a) for i, a in pairs]
    given = [rank for rank, (_, a) in zip(ranks, pairs, strict=True) if not a.inconclusive]
    return Group(
        system=system,
        kind=kind,
        incidents=len(pairs),
        ranked=_rates(ranks, len(pairs)),
        answered=_rates(given, len(pairs)),
        inconclusive=1 - len(given) / len(pairs),
        right_when_answered=given.count(1) / len(given) if given else None,
    )


def _rates(ranks: Sequence[int | None], n: int) -> Rates:
    at = {k: sum(rank is not None and rank <= k for rank in ranks) for k in range(1, 6)}
    return Rates(at_1=at[1] / n, at_1_interval=wilson(at[1], n), at_3=at[3] / n, average_5=sum(at.values()) / 5 / n)


def _mean(rates: Sequence[Rates]) -> Macro | None:
    if not rates:
        return None
    return Macro(**{name: statistics.fmean(getattr(r, name) for r in rates) for name in Macro.model_fields})


def _quiet(pairs: _Pairs) -> list[Quiet]:
    found = []
    systems = tuple(dict.fromkeys(i.system for i, _ in pairs))
    for system in ("", *systems) if pairs else ():
        here = [a for i, a in pairs if system in ("", i.system)]
        blamed = sum(not a.inconclusive for a in here)
        found.append(Quiet(system=system, moments=len(here), blamed=blamed, interval=wilson(blamed, len(here))))
    return found


def _confidence(answers: Sequence[Sure]) -> Confidence | None:
    if not answers:
        return None
    return Confidence(
        answers=len(answers),
        brier=brier(answers),
        brier_of_constant=brier_of_constant(answers),
        calibration_error=calibration_error(answers),
        calibration_interval=calibration_interval(answers),
        reliability=reliability(answers),
    )


def _misses(incidents: Sequence[Assessed], answers: Mapping[AgentSet, Sequence[Prediction]], agents: AgentSet) -> list[Miss]:
    found = []
    for number, (incident, answer) in enumerate(zip(incidents, answers[agents], strict=True)):
        truth, rank = incident.label.root_cause_service, _rank(incident, answer)
        if (truth is None and answer.inconclusive) or (rank == 1 and not answer.inconclusive):
            continue
        top = answer.ranking[0][0] if answer.ranking else None
        found.append(
            Miss(
                system=incident.system,
                incident=incident.incident,
                kind=incident.label.root_cause_kind,
                truth=truth,
                answer=None if answer.inconclusive else top,
                top=top,
                confidence=answer.confidence,
                rank=rank,
                rank_by_agent={name: _rank(incident, answers[name,][number]) for name in agents},
            )
        )
    return found
