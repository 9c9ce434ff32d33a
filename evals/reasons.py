"""Why the vote missed: read off what each agent said of the truth and of what stood first instead."""

from __future__ import annotations

from collections.abc import Iterable

from middlewatch.agents.agent import NEGLIGIBLE_NATS
from middlewatch.agents.voting import LEAST_CONFIDENCE
from middlewatch.app import AGENTS
from middlewatch.evals.assessments import AgentSet, Assessed, Decision, decided
from middlewatch.records import AgentName, Edge, Signal
from middlewatch.tools.service_map import reachable


def why_missed(incident: Assessed, agents: AgentSet) -> str:
    """The reason in a few words, for an incident that these agents did not answer rightly, or a quiet moment that they blamed.

    What stood first is compared with the truth: who saw either deviate, who preferred which by how many nats of the vote, and how
    the two are connected by calls.
    """
    decision = decided(incident, agents)
    first = decision.verdict.ranking[0].service if decision.verdict.ranking else ""
    truths = [row.service for row in decision.verdict.ranking if row.service in incident.label.services]
    if not incident.label.services:
        return f"{_names(_seeing(decision, first))} saw a deviation where nothing was wrong"
    if not truths:
        return "no agent saw the service"
    truth = truths[0]
    unsure = _unsure(decision) if decision.verdict.inconclusive else ""
    if not _seeing(decision, truth):
        return "no agent saw it deviate"
    if truth == first:
        return unsure or "ties with another service"
    reasons = [_outvoted(decision, truth, first), _connection(decision, truth, first), unsure]
    return "; ".join(reason for reason in reasons if reason)


def _seeing(decision: Decision, service: str) -> list[AgentName]:
    """The agents that score a service above nothing; that it was changed is no deviation."""
    return [
        name
        for name, found in decision.found.items()
        if AGENTS[name].signal is not Signal.CHANGES and found.assessment.scores.get(service, 0.0) > NEGLIGIBLE_NATS
    ]


def _unsure(decision: Decision) -> str:
    verdict = decision.verdict
    return (
        f"not sure enough: {verdict.confidence:.2f} < {LEAST_CONFIDENCE:.2f}"
        f" (that anything changed: {verdict.change_probability:.2f})"
    )


def _outvoted(decision: Decision, truth: str, first: str) -> str:
    """Who preferred what stood first, and who the truth."""
    lead = {
        name: AGENTS[name].stance(found.assessment, first) - AGENTS[name].stance(found.assessment, truth)
        for name, found in decision.found.items()
    }
    against = {name: nats for name, nats in lead.items() if nats > NEGLIGIBLE_NATS}
    pro = {name: -nats for name, nats in lead.items() if nats < -NEGLIGIBLE_NATS}
    if not against:
        return "ties with another service"
    if not pro:
        return f"{_names(against)} preferred the first by {sum(against.values()):.1f} nats"
    return (
        f"{_names(against)} ({sum(against.values()):.1f} nats for the first) outvoted"
        f" {_names(pro)} ({sum(pro.values()):.1f} for the truth)"
    )


def _connection(decision: Decision, truth: str, first: str) -> str:
    edges = [Edge(caller=caller, callee=callee) for found in decision.found.values() for caller, callee in found.assessment.edges]
    if truth in reachable(edges, first):
        return "ranked below a service that depends on it"
    return "ranked below a service that it depends on" if first in reachable(edges, truth) else ""


def _names(agents: Iterable[AgentName]) -> str:
    return " and ".join(agents)
