"""`middlewatch.report/v1`: the contract with whoever reads the outcome of an investigation."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from middlewatch.records.action import ActionName, RiskTier
from middlewatch.records.alert import Alert
from middlewatch.records.base import Identifier, Record, Scope, Sentence, Tenant, UtcDatetime
from middlewatch.records.calibration import Calibrated
from middlewatch.records.evidence import AgentName, Evidence, Onset
from middlewatch.records.explanation import Explanation, FoundCause
from middlewatch.records.hypothesis import Hypothesis, Vote
from middlewatch.records.language_model import ModelWork
from middlewatch.records.runbook import RunbookPassage
from middlewatch.records.telemetry import Edge, Freshness

REPORT_FORMAT = "middlewatch.report/v1"


class Outcome(StrEnum):
    """A finding, or the honest other outcome."""

    FINDING = "finding"
    INCONCLUSIVE = "inconclusive"


class RankedHypothesis(Record):
    """A hypothesis with what the agents said of it and what that adds up to."""

    rank: int = Field(ge=1)
    hypothesis: Hypothesis
    votes: tuple[Vote, ...]
    score: float = Field(description="sum of the votes, in nats; opposing votes count negative")
    share: float = Field(ge=0.0, le=1.0, description="probability among the hypotheses, given that one of them is the cause")
    dissent: tuple[AgentName, ...] = Field(description="agents that oppose it")
    explanation: Explanation | None = Field(default=None, description="how it explains the symptom; for the leading hypotheses")


class ServiceScore(Record):
    """A service and what all agents together say of it, in nats."""

    service: str
    score: float


class Timing(Record):
    """How long one piece of the work took."""

    name: str
    seconds: float = Field(ge=0.0)


class ProposedRemediation(Record):
    """An action that was put to people, as it was then; the request itself says where it stands now."""

    request: Identifier
    action: ActionName
    title: Sentence
    target: str
    tier: RiskTier


class Report(Record):
    """The outcome of one investigation."""

    format: Literal["middlewatch.report/v1"] = "middlewatch.report/v1"
    tenant: Tenant
    investigation: Identifier
    scope: Scope
    alert: Alert
    outcome: Outcome
    answer: Sentence = Field(description="one sentence")
    confidence: float = Field(ge=0.0, le=1.0, description="probability that the finding names the true cause")
    calibration: Calibrated | None = Field(
        default=None, description="how confidence was calibrated on operators' verdicts; null where it is as the votes state it"
    )
    change_probability: float = Field(ge=0.0, le=1.0, description="probability that anything changed at all")
    onset: Onset | None = Field(default=None, description="when it began, from the strongest facts about the cause")
    causes: tuple[FoundCause, ...] = Field(default=(), description="what the finding names, surest first; empty where inconclusive")
    hypotheses: tuple[RankedHypothesis, ...]
    ranking: tuple[ServiceScore, ...] = Field(description="every service that was seen, most suspected first")
    evidence: tuple[Evidence, ...]
    service_map: tuple[Edge, ...] = ()
    ruled_out: tuple[Sentence, ...] = ()
    missing: tuple[Sentence, ...] = Field(default=(), description="data that was absent, stale, sampled or bounded, in words")
    would_decide: tuple[Sentence, ...] = Field(default=(), description="data that would decide what stayed open, in words")
    next_steps: tuple[Sentence, ...] = ()
    remediations: tuple[ProposedRemediation, ...] = Field(default=(), description="actions that people were asked to decide on")
    considered: tuple[Sentence, ...] = Field(
        default=(), description="actions that were looked at and not proposed, and why, in words"
    )
    runbooks: tuple[RunbookPassage, ...] = Field(
        default=(), description="what the team's runbooks say about the leading hypotheses; hints by people, and no evidence"
    )
    models: ModelWork | None = Field(default=None, description="what language models did; null where none was asked")
    freshness: tuple[Freshness, ...] = ()
    rounds: int = Field(ge=1)
    timings: tuple[Timing, ...] = ()
    opened_at: UtcDatetime
    closed_at: UtcDatetime
    engine: str = Field(description="name and version of what wrote the report")
