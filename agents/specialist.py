"""What a worker does with an agent's task: look, write evidence, and later vote."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from middlewatch.agents.agent import Agent, Agents
from middlewatch.agents.briefing import History, brief
from middlewatch.agents.phases import assessments, round_of
from middlewatch.context_store.store import ContextStore
from middlewatch.records import AgentName, Assessment, Claim, Completion, Evidence, Investigation, Scope, evidence_id
from middlewatch.telemetry.sources import Sources

OpenSources = Callable[[Scope, datetime], Sources]
"""Opens the sources of a scope up to a horizon, past which nothing can be read."""


@dataclass(frozen=True, slots=True)
class Specialists:
    """Runs the tasks of the agents."""

    agents: Agents
    store: ContextStore
    open_sources: OpenSources
    history: History

    def investigate(self, claim: Claim) -> Completion:
        """Assess every service, append the evidence, and hand in the assessment."""
        agent, number = self._asked(claim)
        investigation = self.store.investigation(claim.task.tenant, claim.task.investigation)
        started = time.monotonic()
        assessment = self.assess(agent, investigation, number)
        self.store.append(claim, _evidence(claim, agent, number, assessment))
        slim = assessment.model_copy(update={"anomalies": ()})  # they are evidence now, and redacted
        return Completion(result={"assessment": slim.model_dump(mode="json"), "seconds": round(time.monotonic() - started, 3)})

    def assess(self, agent: Agent, investigation: Investigation, number: int) -> Assessment:
        """What one agent finds in round `number`. Writes nothing."""
        sources = self.open_sources(investigation.scope, investigation.alert.window_end)
        return agent.assess(sources, brief(investigation, number, self.history))

    def vote(self, claim: Claim) -> Completion:
        """Vote on every hypothesis of the round."""
        agent, number = self._asked(claim)
        snapshot = self.store.snapshot(claim.task.tenant, claim.task.investigation)
        own = assessments(snapshot, number).get(agent.name)
        return Completion(votes=tuple(agent.vote(h, own, snapshot.evidence) for h in snapshot.hypotheses if h.round == number))

    def _asked(self, claim: Claim) -> tuple[Agent, int]:
        return self.agents[AgentName(str(claim.task.arguments["agent"]))], round_of(claim.task)


def _evidence(claim: Claim, agent: Agent, number: int, assessment: Assessment) -> tuple[Evidence, ...]:
    written: dict[str, Evidence] = {}
    for anomaly in assessment.anomalies:
        fact = Evidence(
            tenant=claim.task.tenant,
            investigation=claim.task.investigation,
            id=evidence_id(claim.task.id, anomaly),
            agent=agent.name,
            round=number,
            anomaly=anomaly,
        )
        written.setdefault(fact.id, fact)
    return tuple(written.values())
