"""What the agents found about an incident, one by one, and what the votes of any of them add up to.

The votes are counted by the orchestrator's own functions: no subset of the agents has to investigate again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from middlewatch.agents.explanation import middle_onset
from middlewatch.agents.voting import Assessments, Verdict, candidates, tally
from middlewatch.app import AGENTS
from middlewatch.evals.labels import Label
from middlewatch.records import (
    AgentName,
    Anomaly,
    AnomalyKind,
    Assessment,
    Hypothesis,
    Onset,
    Prediction,
    Record,
    UtcDatetime,
    evidence_id,
)
from middlewatch.records.errors import BadInput

AgentSet = tuple[AgentName, ...]


class Began(Record):
    """When a fact about these services began."""

    services: tuple[str, ...] = Field(description="which it is about; both ends of a call")
    strength: float
    onset: Onset


class Found(Record):
    """What one agent found in one round."""

    assessment: Assessment = Field(description="without its anomalies: votes do not depend on them")
    began: tuple[Began, ...] = Field(default=(), description="what is kept of them")
    seconds: float


class Assessed(Record):
    """One incident, as every agent saw it in every round."""

    recording: str = Field(description="its `identity`")
    system: str
    incident: str
    detected_at: UtcDatetime
    label: Label = Field(description="joined afterwards; no agent was given it")
    rounds: tuple[Mapping[AgentName, Found], ...] = Field(min_length=1, description="the second may be absent")


def kept_in(file: Path) -> tuple[Assessed, ...]:
    """What an earlier evaluation kept; nothing where there is no such file.

    Raises:
        BadInput: the file holds something else.
    """
    if not file.exists():
        return ()
    try:
        return tuple(Assessed.model_validate_json(line) for line in file.read_text(encoding="utf-8").split("\n") if line)
    except (ValidationError, UnicodeDecodeError):
        raise BadInput(
            f"{file} does not hold assessments of this version.", remedy="Name another file, or remove it to make it anew."
        ) from None


def began(anomalies: Iterable[Anomaly]) -> tuple[Began, ...]:
    """What is kept of facts: those that say when something began, each once, as in the shared context."""
    facts = {evidence_id("", a): a for a in anomalies if a.kind is not AnomalyKind.CHANGE and a.strength > 0}
    return tuple(
        Began(services=tuple(s for s in (a.service, a.peer) if s), strength=a.strength, onset=a.onset)
        for a in facts.values()
        if a.onset is not None
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """What the votes of some agents add up to."""

    found: Mapping[AgentName, Found]
    """In the round that decides."""
    verdict: Verdict
    seconds: float
    """Of the agents' work in all rounds that were needed, one after the other."""


def decided(incident: Assessed, agents: AgentSet) -> Decision:
    """The surest round; there is a second one where the first is inconclusive.

    Args:
        incident: what every agent found.
        agents: who takes part.
    """
    seconds, decisions = 0.0, []
    for number, of_round in enumerate(incident.rounds, start=1):
        found = {name: of_round[name] for name in agents}
        seconds += sum(each.seconds for each in found.values())
        decisions.append((found, verdict_on({name: each.assessment for name, each in found.items()}, number)))
        if not decisions[-1][1].inconclusive:
            break
    return Decision(*max(decisions, key=lambda each: each[1].confidence), seconds=seconds)


def predicted(incident: Assessed, agents: AgentSet) -> Prediction:
    """What an investigation of this incident by these agents answers.

    Args:
        incident: what every agent found.
        agents: who takes part.

    Returns:
        The answer of `decided`, with the onset that a report would give.
    """
    decision = decided(incident, agents)
    verdict = decision.verdict
    return Prediction(
        incident=incident.incident,
        ranking=tuple((row.service, row.score) for row in verdict.ranking),
        confidence=verdict.confidence,
        inconclusive=verdict.inconclusive,
        seconds=round(decision.seconds, 3),
        onset=None if verdict.inconclusive else _onset(decision, incident.detected_at),
    )


def _onset(decision: Decision, detected: UtcDatetime) -> Onset | None:
    blamed = decision.verdict.ranked[0].hypothesis.service
    facts = [(b.strength, b.onset) for found in decision.found.values() for b in found.began if blamed in b.services]
    return middle_onset(facts, detected)


def verdict_on(found: Assessments, number: int) -> Verdict:
    """What the rules' votes of these agents add up to, from what each found in a round."""
    hypotheses = [
        Hypothesis(
            tenant="default", investigation="ablation", id=f"hy-{n}", round=number, service=service, statement="", evidence=()
        )
        for n, service in enumerate(candidates(AGENTS, found))
    ]
    votes = [AGENTS[name].vote(hypothesis, found[name], ()) for hypothesis in hypotheses for name in found]
    return tally(AGENTS, found, hypotheses, votes)
