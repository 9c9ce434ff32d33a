"""What is kept and shown of language models: their calls, what those cost, and what they said that was accepted."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from middlewatch.records.base import Identifier, Record, Sentence, Tenant, UtcDatetime
from middlewatch.records.evidence import AgentName


class Voice(StrEnum):
    """Whose word a vote is."""

    RULES = "rules"
    MODEL = "model"


class Purpose(StrEnum):
    """What a language model is asked for."""

    REASON = "reason"
    """By a specialist, over its signal."""
    CHALLENGE = "challenge"
    WRITE = "write"
    CHECK = "check"
    """By the doctor: whether it answers at all."""


class CallOutcome(StrEnum):
    """How a call ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """By the model, for what it is asked."""
    CUT = "cut"
    """It reached the most tokens that it may write."""
    TIMED_OUT = "timed_out"
    OVERLOADED = "overloaded"
    """By its server, which answers 429 or 529, after all retries."""
    FAILED = "failed"
    """Its server, or the way to it."""
    MALFORMED = "malformed"
    """What came back is not what its protocol or the question asks for."""
    OVER_BUDGET = "over_budget"
    """It was not made."""
    CANCELLED = "cancelled"


class Tokens(Record):
    """Tokens of one call or of several. Cached and written tokens are part of no other count."""

    input: int = Field(default=0, ge=0, description="read afresh, at the full price")
    cached: int = Field(default=0, ge=0, description="read from the provider's cache")
    cache_written: int = Field(default=0, ge=0, description="read afresh and kept in the provider's cache")
    output: int = Field(default=0, ge=0, description="written, what it thought included")
    reasoning: int = Field(default=0, ge=0, description="of those, what it thought; 0 also where the provider does not say")

    @property
    def prompt(self) -> int:
        """All that was read."""
        return self.input + self.cached + self.cache_written

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(**{name: getattr(self, name) + getattr(other, name) for name in type(self).model_fields})


class ModelCall(Record):
    """One request to a language model, with its retries, and what it cost."""

    id: Identifier
    tenant: Tenant
    investigation: Identifier | None = None
    agent: str = Field(description="who asked: an agent, or 'challenger', 'writer', 'doctor'")
    purpose: Purpose
    provider: str
    model: str
    started_at: UtcDatetime
    seconds: float = Field(ge=0.0)
    attempts: int = Field(default=1, ge=0)
    outcome: CallOutcome
    problem: Sentence = Field(default="", description="why it was not answered, in words")
    tokens: Tokens = Tokens()
    dollars: float | None = Field(default=0.0, ge=0.0, description="null where the price of the model is not known")
    priced_at: str = Field(default="", description="date of the price list")


class Rejection(StrEnum):
    """Why something that a language model said was not accepted."""

    UNCITED = "uncited"
    """It cites nothing, or what is not there."""
    CHANGE = "change"
    """It speaks of a change, and cites none of that service."""
    NUMBER = "number"
    """It has a number that its evidence does not have."""
    CONTRADICTORY = "contradictory"
    """Its probability says another thing than its position."""
    UNRELATED = "unrelated"
    """What it cites is not about the service that it blames, or there is no such service or hypothesis."""
    SURPLUS = "surplus"
    """It was said before, or is more than is looked at."""


class CitedClaim(Record):
    """A sentence of a language model that was accepted: all of what it cites is in the shared context."""

    text: Sentence
    evidence: tuple[Identifier, ...] = Field(min_length=1)


class AgentReasoning(Record):
    """What an agent's dialogue with a language model came to."""

    agent: AgentName
    claims: tuple[CitedClaim, ...] = ()
    rejected: int = Field(default=0, ge=0, description="claims, facts, hypotheses, votes and reasons that were not accepted")
    rejected_for: dict[Rejection, int] = Field(
        default_factory=dict, description="how many of them for which reason; empty in reports stored before this was kept"
    )
    added: tuple[Identifier, ...] = Field(default=(), description="evidence that its tool calls found")
    tools: int = Field(default=0, ge=0, description="tool calls that were run")
    problem: Sentence = Field(
        default="", description="why it ended before it had answered; the rules of the agent stand alone then"
    )
    carried_from: Identifier | None = Field(
        default=None, description="the investigation of the same incident before, whose claims hold again; its model was not asked"
    )


class ChallengeVerdict(StrEnum):
    """Whether a finding survived the attempt to refute it."""

    STANDS = "stands"
    UNDECIDED = "undecided"
    REFUTED = "refuted"


class Challenge(Record):
    """An attempt to refute the leading hypothesis. Like a model's vote it moves the answer only by its weight."""

    hypothesis: Identifier
    verdict: ChallengeVerdict
    reason: Sentence
    evidence: tuple[Identifier, ...] = ()
    model: str = Field(default="", description="which language model challenged")
    weight: float = Field(default=0.0, ge=0.0, le=1.0, description="what it counts for")


class ModelWork(Record):
    """What language models did in one investigation."""

    reasoning: tuple[AgentReasoning, ...] = ()
    challenge: Challenge | None = None
    sentence: Sentence = Field(default="", description="the outcome in one sentence; empty where the rules' own stands")
    prose: Sentence = Field(
        default="", description="the outcome in at most 120 words, every number of it in the evidence; may be empty"
    )
    problems: tuple[Sentence, ...] = Field(default=(), description="what was given up and why, and which budget was reached")
    calls: tuple[ModelCall, ...] = ()

    @property
    def failed(self) -> int:
        """Dialogues that were given up; `problems` tells of agents of which the same is to be said together."""
        agents = [one.problem for one in self.reasoning if one.problem]
        return len(agents) + len(self.problems) - len({*agents})

    @property
    def tokens(self) -> Tokens:
        """Of all calls."""
        return sum((call.tokens for call in self.calls), Tokens())

    @property
    def dollars(self) -> float | None:
        """Of all calls; None where the price of one is not known."""
        prices = [call.dollars for call in self.calls]
        return None if None in prices else round(sum(price for price in prices if price is not None), 6)
