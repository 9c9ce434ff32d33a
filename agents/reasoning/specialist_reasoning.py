"""What an agent's language model adds to its rules: claims, evidence of its tool calls, hypotheses and votes, each cited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from middlewatch.agents.agent import Agents
from middlewatch.agents.hypothesising import hypothesis
from middlewatch.agents.phases import assessments
from middlewatch.agents.reasoning.answers import (
    MOST_OF_A_KIND,
    UNBORNE,
    Citing,
    Claimed,
    Reasoned,
    Suspected,
    Voted,
    agrees,
    said,
    speak_of,
)
from middlewatch.agents.voices import nats
from middlewatch.agents.voting import deviating
from middlewatch.records import (
    AgentName,
    AgentReasoning,
    CitedClaim,
    Evidence,
    Hypothesis,
    Position,
    Rejection,
    Snapshot,
    Voice,
    Vote,
)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was accepted of an answer."""

    reasoning: AgentReasoning
    evidence: tuple[Evidence, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    votes: tuple[Vote, ...] = ()


@dataclass(slots=True)
class Acceptance:
    """Takes of an answer what cites what is there, and counts the rest. Votes have no weight yet."""

    agents: Agents
    agent: AgentName
    snapshot: Snapshot
    """As it was when the rules had answered: without what other models found meanwhile."""
    round: int
    citing: Citing
    model: str
    mark: Callable[[str], str]
    """Makes of placeholders what may be stored."""
    rejected: Counter[Rejection] = field(default_factory=Counter)

    def accept(self, answer: Reasoned) -> Accepted:
        """All of an answer that stands."""
        claims = self._claims(answer.claims)
        votes = self._votes(answer.votes)
        blamed, more = self._suspects(answer.suspects, {vote.hypothesis for vote in votes})
        self._add(answer.add_evidence)
        added = tuple(self.citing.taken.values())
        reasoning = AgentReasoning(
            agent=self.agent,
            claims=claims,
            rejected=self.rejected.total(),
            rejected_for={why: self.rejected[why] for why in Rejection if self.rejected[why]},
            added=tuple(fact.id for fact in added),
        )
        return Accepted(reasoning, added, blamed, (*votes, *more))

    def _claims(self, claims: Sequence[Claimed]) -> tuple[CitedClaim, ...]:
        found = []
        for claim in self._first(claims):
            facts, text = self.citing.facts(claim.evidence), self.citing.named(self.mark(claim.text))
            if facts is None or not text.strip():
                self.rejected[Rejection.UNCITED] += 1
            elif wrong := self._unborne(text, facts, claim.evidence):
                self.rejected[wrong] += 1
            else:
                found.append(CitedClaim(text=said(text), evidence=self.citing.take(facts)))
        return tuple(found)

    def _unborne(self, text: str, facts: Sequence[Evidence], keys: Sequence[str]) -> Rejection | None:
        return self.citing.unborne(text, facts, keys, self.snapshot.investigation.alert)

    def _votes(self, votes: Sequence[Voted]) -> list[Vote]:
        found: dict[str, Vote] = {}
        for vote in self._first(votes):
            made = self._vote(self.citing.digest.hypotheses.get(vote.hypothesis), vote.position, vote, found)
            if isinstance(made, Vote):
                found[made.hypothesis] = made
            else:
                self.rejected[made] += 1
        return list(found.values())

    def _vote(
        self, about: Hypothesis | None, position: Position, word: Voted | Suspected, voted: Container[str]
    ) -> Vote | Rejection:
        """A vote, or why there is none."""
        facts = self.citing.facts(word.evidence)
        if facts is None:
            return Rejection.UNCITED
        if about is None or (position is Position.SUPPORT and not speak_of(facts, about.service)):
            return Rejection.UNRELATED
        if about.id in voted:
            return Rejection.SURPLUS
        if not agrees(word, position):
            return Rejection.CONTRADICTORY
        return Vote(
            tenant=about.tenant,
            investigation=about.investigation,
            hypothesis=about.id,
            agent=self.agent,
            round=about.round,
            position=position,
            strength=0.0 if position is Position.ABSTAIN else nats(word.probability),
            reason=self._reason(word, facts),
            evidence=self.citing.take(facts),
            voice=Voice.MODEL,
            model=self.model,
            weight=0.0,
        )

    def _reason(self, word: Voted | Suspected, facts: Sequence[Evidence]) -> str:
        """Its words, unless what it cites does not bear them out: then the vote stands without them."""
        text = self.citing.named(self.mark(word.reason))
        if wrong := self._unborne(text, facts, word.evidence):
            self.rejected[wrong] += 1
            return UNBORNE[wrong]
        return said(text)

    def _suspects(self, suspects: Sequence[Suspected], voted: set[str]) -> tuple[tuple[Hypothesis, ...], tuple[Vote, ...]]:
        """The hypotheses that have to be made for services that none blames yet, and the votes for them."""
        made: list[Hypothesis] = []
        votes: dict[str, Vote] = {}
        known = {h.service: h for h in self.snapshot.hypotheses if h.round == self.round}
        found = assessments(self.snapshot, self.round)
        worth = deviating(self.agents, found)
        for suspect in self._first(suspects):
            service = self.citing.digest.services.get(suspect.service, "")
            about = known.get(service)
            if about is None and service in worth:
                about = hypothesis(self.agents, self.snapshot, self.round, service, found)
            vote = self._vote(about, Position.SUPPORT, suspect, voted | votes.keys())
            if isinstance(vote, Rejection):
                self.rejected[vote] += 1
                continue
            votes[vote.hypothesis] = vote
            made += [about] if about is not None and service not in known else []
        return tuple(made), tuple(votes.values())

    def _add(self, keys: Sequence[str]) -> None:
        for key in self._first(keys):
            facts = self.citing.facts([key])
            if facts is None:
                self.rejected[Rejection.UNCITED] += 1
            else:
                self.citing.take(facts)

    def _first(self, items: Sequence[_T]) -> Sequence[_T]:
        self.rejected[Rejection.SURPLUS] += max(0, len(items) - MOST_OF_A_KIND)
        return items[:MOST_OF_A_KIND]
