"""The challenger: a language model that takes the leading hypothesis for wrong, and says what it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from middlewatch.agents.reasoning.answers import UNBORNE, Citing, Reasoned, agrees, said
from middlewatch.agents.reasoning.dialogue import Misfit
from middlewatch.agents.reasoning.digest import Digest
from middlewatch.agents.reasoning.showing import Showing
from middlewatch.records import AgentName, AgentReasoning, Alert, Challenge, ChallengeVerdict, CitedClaim, Hypothesis, Position

MOST_TOLD = 12
"""Claims of the agents' models that it is told. Chosen."""
VERDICTS: Final = {
    Position.SUPPORT: ChallengeVerdict.STANDS,
    Position.OPPOSE: ChallengeVerdict.REFUTED,
    Position.ABSTAIN: ChallengeVerdict.UNDECIDED,
}
"""What its vote on the hypothesis says."""


def challenged(
    answer: Reasoned, key: str, hypothesis: Hypothesis, citing: Citing, alert: Alert, mark: Callable[[str], str]
) -> Challenge:
    """What the challenger's answer says of a hypothesis. It has no weight yet.

    Args:
        answer: of its model; of it, the vote on this hypothesis counts.
        key: of the hypothesis.
        hypothesis: that it was to refute.
        citing: what may be cited.
        alert: of the investigation.
        mark: makes of placeholders what may be stored.

    Raises:
        Misfit: it has no such vote, contradicts itself, cites what does not exist, or refutes without evidence.
    """
    vote = next((vote for vote in answer.votes if vote.hypothesis == key), None)
    if vote is None:
        raise Misfit(f"votes: there is none on {key}.")
    if not agrees(vote, vote.position):
        raise Misfit("probability: it is above 0.5 to support and below it to oppose.")
    facts = citing.facts(vote.evidence) if vote.evidence else ()
    if facts is None:
        raise Misfit("evidence: a key that you were not shown.")
    if vote.position is Position.OPPOSE and not facts:
        raise Misfit("evidence: what is refuted is refuted by evidence.")
    verdict = VERDICTS[vote.position]
    text = citing.named(mark(vote.reason))
    wrong = citing.unborne(text, facts, vote.evidence, alert)
    reason = UNBORNE[wrong] if wrong else said(text)
    return Challenge(hypothesis=hypothesis.id, verdict=verdict, reason=reason, evidence=citing.take(facts))


def key_of(hypothesis: Hypothesis, digest: Digest) -> tuple[str, str]:
    """The key of a hypothesis, and what has to be told of one that the digest does not have: a model's own."""
    known = next((key for key, one in digest.hypotheses.items() if one.id == hypothesis.id), None)
    if known is not None:
        return known, ""
    service = next((key for key, name in digest.services.items() if name == hypothesis.service), "a service that is not listed")
    key = f"h{len(digest.hypotheses) + 1}"
    return key, f"{key} it started in {service}; a model suspects it\n"


def claims_told(reasoning: Sequence[AgentReasoning], digest: Digest, show: Showing) -> str:
    """What the agents' models claimed, for another one to read: text of others like any other."""
    lines = [_told(one.agent, claim, digest, show) for one in reasoning for claim in one.claims]
    return "\n".join(["What the agents' models say:", *lines[:MOST_TOLD]]) if lines else "The agents' models claimed nothing."


def _told(agent: AgentName, claim: CitedClaim, digest: Digest, show: Showing) -> str:
    keys = dict.fromkeys(digest.keys.get(fact, "its own tool calls") for fact in claim.evidence)
    return f"the {agent} agent's model, citing {' '.join(keys)}: {show.said(claim.text, 'claim')}"
