"""One run over one alert, and what the shared context holds of it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, JsonValue

from middlewatch.records.alert import Alert
from middlewatch.records.base import Identifier, Record, Scope, Sentence, Tenant, UtcDatetime
from middlewatch.records.cause import CauseKind
from middlewatch.records.evidence import AgentName, Evidence
from middlewatch.records.hypothesis import Hypothesis, Vote
from middlewatch.records.model_spend import ModelSpend, spends
from middlewatch.records.report import Outcome, Report
from middlewatch.records.signature import Mark, marks, traits
from middlewatch.records.task import ASKS_MODELS, FanOut, TaskStatus


class InvestigationState(StrEnum):
    """Open until it has a report, or until somebody cancels it."""

    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Headline(Record):
    """What came of an investigation, as a list has it."""

    outcome: Outcome
    answer: Sentence
    confidence: float = Field(ge=0.0, le=1.0, description="in the first cause; of a best guess where the outcome is inconclusive")
    service: str = Field(default="", description="the first cause's, or the best guess's; empty where there is not even a guess")
    cause: CauseKind | None = Field(default=None, description="what went wrong there, as far as the evidence tells")
    requests: tuple[Identifier, ...] = Field(default=(), description="approval requests that were made of it")
    marks: tuple[Mark, ...] = Field(default=(), description="what it is recognised by where something like it happens again")

    spent: tuple[ModelSpend, ...] = Field(
        default=(), description="what language models did in it and cost, by day, agent and model"
    )

    @classmethod
    def of(cls, report: Report) -> Headline:
        """The headline of a report."""
        leading = report.hypotheses[0].hypothesis if report.hypotheses else None
        return cls(
            outcome=report.outcome,
            answer=report.answer,
            confidence=report.confidence,
            service=leading.service if leading else "",
            cause=leading.cause.kind if leading and leading.cause else None,
            requests=tuple(one.request for one in report.remediations),
            spent=spends(report.models.calls) if report.models else (),
            marks=marks(traits(report.alert, [leading] if leading else [], report.evidence)),
        )


class Investigation(Record):
    """One run over one alert."""

    tenant: Tenant
    id: Identifier
    scope: Scope
    alert: Alert
    agents: tuple[AgentName, ...] = tuple(AgentName)
    models: bool = Field(default=False, description="whether language models are asked as well, once the rules have answered")
    state: InvestigationState = InvestigationState.OPEN
    opened_at: UtcDatetime | None = Field(default=None, description="by the store's clock")
    closed_at: UtcDatetime | None = None
    headline: Headline | None = Field(default=None, description="null until there is a report")


class Event(Record):
    """Something that happened in an investigation, in order; what a live view shows."""

    id: str = Field(description="rises within one investigation; a reader resumes after the last one it saw")
    at: UtcDatetime
    kind: str = Field(description="such as 'task.claimed', 'evidence.appended', 'investigation.closed'")
    data: dict[str, JsonValue] = Field(default_factory=dict)


class Snapshot(Record):
    """All that the store holds of one investigation, read in one piece."""

    investigation: Investigation
    tasks: tuple[TaskStatus, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    votes: tuple[Vote, ...] = ()
    report: Report | None = None
    preliminary: Report | None = Field(
        default=None,
        description="what rules alone say, while language models look at it; null before that and once there is a report",
    )

    @property
    def report_so_far(self) -> Report | None:
        """The report; before there is one, what rules alone say."""
        return self.report or self.preliminary

    @property
    def answered_at(self) -> UtcDatetime | None:
        """When rules had answered, whichever phase did; None where none has ended."""
        ended = (one.finished_at for one in self.tasks if one.task.kind not in ASKS_MODELS and one.finished_at is not None)
        return max(ended, default=None)


class Completion(Record):
    """What a worker hands in for a task; recorded whole, in one step, or not at all."""

    result: dict[str, JsonValue] = Field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    votes: tuple[Vote, ...] = ()
    fan_out: FanOut | None = Field(default=None, description="what to do next; enqueued in the same step")
    preliminary: Report | None = Field(default=None, description="what rules alone say, before language models are asked")
    report: Report | None = Field(default=None, description="closes the investigation in the same step")
