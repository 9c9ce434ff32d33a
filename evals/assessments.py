"""What the agents found about an incident, one by one, and what the votes of any of them add up to.

The votes are counted by the orchestrator's own functions: no subset of the agents has to investigate again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from middlewatch.agents.voting import Assessments, Verdict, candidates, tally
from middlewatch.app import AGENTS
from middlewatch.evals.labels import Label
from middlewatch.records import AgentName, Assessment, Hypothesis, Prediction, Record
from middlewatch.records.errors import BadInput

AgentSet = tuple[AgentName, ...]


class Found(Record):
    """What one agent found in one round."""

    assessment: Assessment = Field(description="without its anomalies: votes do not depend on them")
    seconds: float


class Assessed(Record):
    """One incident, as every agent saw it in every round."""

    recording: str = Field(description="its `identity`")
    system: str
    incident: str
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


def _verdict(found: Assessments, number: int) -> Verdict:
    hypotheses = [
        Hypothesis(
            tenant="default", investigation="ablation", id=f"hy-{n}", round=number, service=service, statement="", evidence=()
        )
        for n, service in enumerate(candidates(AGENTS, found))
    ]
    votes = [AGENTS[name].vote(hypothesis, found[name], ()) for hypothesis in hypotheses for name in found]
    return tally(AGENTS, found, hypotheses, votes)
