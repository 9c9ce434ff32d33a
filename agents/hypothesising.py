"""The hypothesis that a service is the cause, by rules: whoever suspects it, it says the same and rests on the same facts."""

from __future__ import annotations

from middlewatch.agents.agent import Agents
from middlewatch.agents.causes import infer_cause
from middlewatch.agents.voting import Assessments
from middlewatch.records import Hypothesis, Signal, Snapshot, digest_of
from middlewatch.tools.wording import quoted

EVIDENCE_CITED = 8
"""Facts that a hypothesis cites at most, strongest first; the rest stays in the shared context."""


def hypothesis(agents: Agents, snapshot: Snapshot, number: int, service: str, found: Assessments) -> Hypothesis:
    """The hypothesis about one service.

    Args:
        agents: for their surprise.
        snapshot: what is known; with the evidence that the rules found, and no other.
        number: the round.
        service: that is blamed.
        found: what each agent found in the round.
    """
    investigation = snapshot.investigation
    about = sorted(
        (e for e in snapshot.evidence if e.round == number and service in (e.anomaly.service, e.anomaly.peer)),
        key=lambda e: (-e.anomaly.strength, e.id),
    )
    surprise = {name: agents[name].surprise(a, service) for name, a in found.items() if service in a.scores}
    changes = [fresh for a in found.values() for fresh in a.freshness if fresh.signal is Signal.CHANGES]
    return Hypothesis(
        tenant=investigation.tenant,
        investigation=investigation.id,
        id="hy-" + digest_of(investigation.id, number, service)[:16],
        round=number,
        service=service,
        statement=f"{quoted(service)} is where it started.",
        evidence=tuple(e.id for e in about[:EVIDENCE_CITED]),
        cause=infer_cause(service, about, surprise, changes_known=any(fresh.watermark is not None for fresh in changes)),
    )
