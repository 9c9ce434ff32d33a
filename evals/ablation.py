"""What each agent is worth: every subset of them answers every incident, and every answer is scored."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from middlewatch.evals.assessing import Asked
from middlewatch.evals.assessments import AgentSet, Assessed, predicted
from middlewatch.evals.onsets import Onsets, score_onsets
from middlewatch.evals.reasons import why_missed
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
from middlewatch.records import AgentName, Prediction, Record


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
    onsets: tuple[Onsets, ...] = Field(default=(), description="all incidents, and each system")
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
    reason: str = Field(default="", description="why, as far as the agents' scores tell")
    rank_by_agent: Mapping[AgentName, int | None] = Field(description="where it stood for each agent alone, as far as it was asked")


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


def ablate(incidents: Sequence[Assessed], asked: Asked) -> Ablation:
    """Score every subset of the agents that were asked, or all of them together where no more was asked.

    Args:
        incidents: what each found about each incident, at least one.
        asked: what they were asked.
    """
    answers = {agents: tuple(predicted(incident, agents) for incident in incidents) for agents in agent_sets(asked.agents)}
    scored = answers if asked.every_set else {asked.agents: answers[asked.agents]}
    return Ablation(
        degraded=asked.degradations,
        seed=asked.seed,
        moments_before=asked.moments_before,
        scores=tuple(score(agents, incidents, given) for agents, given in scored.items()),
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
        onsets=tuple(_onsets(faults)),
        confidence=_confidence(certain),
        confidence_of_all=_confidence([(a.confidence, _rank(i, a) == 1) for i, a in pairs]),
        seconds_median=round(statistics.median(seconds), 3),
        seconds_longest=max(seconds),
    )


def is_right(incident: Assessed, answer: Prediction) -> bool:
    """Whether the truth was named first, any of several causes, or nobody where nothing was wrong."""
    if incident.label.root_cause_service is None:
        return answer.inconclusive
    return not answer.inconclusive and _rank(incident, answer) == 1


def _rank(incident: Assessed, answer: Prediction) -> int | None:
    ranks = (strict_rank(answer.ranking, truth) for truth in incident.label.services)
    return min((rank for rank in ranks if rank is not None), default=None)


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


def _onsets(pairs: _Pairs) -> list[Onsets]:
    """Of right answers; of two faults at once nobody knows which onset the answer means."""
    known = [
        (incident.system, answer.onset, incident.label.started_at)
        for incident, answer in pairs
        if is_right(incident, answer) and incident.label.started_at is not None and not incident.label.further_services
    ]
    systems = ("", *dict.fromkeys(system for system, _, _ in known))
    scored = (score_onsets(system, [(at, began) for of, at, began in known if system in ("", of)]) for system in systems)
    return [each for each in scored if each is not None]


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
        if is_right(incident, answer):
            continue
        top = answer.ranking[0][0] if answer.ranking else None
        found.append(
            Miss(
                system=incident.system,
                incident=incident.incident,
                kind=incident.label.root_cause_kind,
                truth=" and ".join(incident.label.services) or None,
                answer=None if answer.inconclusive else top,
                top=top,
                confidence=answer.confidence,
                rank=_rank(incident, answer),
                reason=why_missed(incident, agents),
                rank_by_agent={name: _rank(incident, answers[name,][number]) for name in agents},
            )
        )
    return found
