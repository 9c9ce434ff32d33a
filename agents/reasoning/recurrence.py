"""What a model said of the same incident before holds for this one as far as the same facts are there again: it is not asked twice.

An agent's claims are taken over only where each of its facts of today was there as well: then there is nothing new to reason about.
Each claim cites the facts of today, and a number in it or a change of which it speaks has to be theirs. Votes are not taken over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from middlewatch.agents.reasoning.answers import unborne
from middlewatch.records import AgentName, AgentReasoning, Alert, CitedClaim, Evidence, Report
from middlewatch.records.signature import Shape, shape

Key = tuple[AgentName, Shape]
"""By which a fact is known again."""


def carried_over(earlier: Report, agent: AgentName, alert: Alert, facts: Sequence[Evidence]) -> AgentReasoning | None:
    """What an agent's model said before and still holds; None where it has to be asked.

    Args:
        earlier: the report of the same incident before.
        agent: whose model.
        alert: of today.
        facts: of today, by rules.
    """
    said = (
        next((one for one in earlier.models.reasoning if one.agent is agent and not one.problem), None) if earlier.models else None
    )
    if said is None or not said.claims:
        return None
    then = {fact.id: _key(fact) for fact in earlier.evidence}
    now = _by_key(facts)
    if any(_key(fact) not in then.values() for fact in facts if fact.agent is agent and fact.anomaly.strength > 0):
        return None
    services = {fact.anomaly.service for fact in facts}
    claims = tuple(claim for one in said.claims if (claim := _again(one, then, now, services, alert)) is not None)
    return AgentReasoning(agent=agent, claims=claims, carried_from=earlier.investigation) if claims else None


def _again(
    claim: CitedClaim, then: dict[str, Key], now: dict[Key, Evidence], services: set[str], alert: Alert
) -> CitedClaim | None:
    """The claim with the facts of today; None where one is missing, or a number or a change is another today."""
    facts = [now.get(then[cited]) if cited in then else None for cited in claim.evidence]
    found = [fact for fact in facts if fact is not None]
    if len(found) < len(facts):
        return None
    if unborne(claim.text.strip('"'), found, services, alert):
        return None
    return CitedClaim(text=claim.text, evidence=tuple(dict.fromkeys(fact.id for fact in found)))


def _by_key(facts: Iterable[Evidence]) -> dict[Key, Evidence]:
    """Of each the strongest."""
    return {_key(fact): fact for fact in sorted(facts, key=lambda fact: (fact.anomaly.strength, fact.id))}


def _key(fact: Evidence) -> Key:
    return fact.agent, shape(fact.anomaly)
