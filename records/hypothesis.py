"""Proposed causes, and what the agents say of them."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from middlewatch.records.base import Identifier, Record, Sentence, Tenant
from middlewatch.records.cause import Cause
from middlewatch.records.evidence import AgentName
from middlewatch.records.language_model import Voice


class Hypothesis(Record):
    """A proposed cause that cites evidence."""

    tenant: Tenant
    investigation: Identifier
    id: Identifier
    round: int = Field(ge=1)
    service: str
    statement: Sentence = Field(description="one sentence; names of services only as quotations")
    evidence: tuple[Identifier, ...] = Field(description="evidence ids that it rests on")
    cause: Cause | None = Field(default=None, description="what went wrong in the service, as far as the evidence tells")


class Position(StrEnum):
    """Where an agent stands on a hypothesis."""

    SUPPORT = "support"
    OPPOSE = "oppose"
    ABSTAIN = "abstain"


class Vote(Record):
    """One agent's word on one hypothesis.

    ``strength`` is in nats, at least 0; the position gives it its sign, and abstaining has strength 0. ``weight`` is what it counts
    for: a language model's may be nothing.
    """

    tenant: Tenant
    investigation: Identifier
    hypothesis: Identifier
    agent: AgentName
    round: int = Field(ge=1)
    position: Position
    strength: float = Field(ge=0.0)
    reason: Sentence
    evidence: tuple[Identifier, ...] = ()
    voice: Voice = Field(default=Voice.RULES, description="whether rules or a language model speak for the agent")
    model: str = Field(default="", description="which language model; empty where rules speak")
    weight: float = Field(default=1.0, ge=0.0, le=1.0, description="what it counts for")
