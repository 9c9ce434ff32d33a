"""Observed facts: what an analysis saw, against which baseline, and how to see it again."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from middlewatch.records.base import Identifier, Record, Sentence, Tenant, UtcDatetime, Window, digest_of
from middlewatch.records.telemetry import ChangeKind, Freshness, Query


class AgentName(StrEnum):
    """The agents that investigate."""

    METRICS = "metrics"
    LOGS = "logs"
    TRACES = "traces"
    DEPLOYS = "deploys"


class AnomalyKind(StrEnum):
    """What sort of thing deviated."""

    METRIC = "metric"
    LOG_PATTERN = "log_pattern"
    OPERATION = "operation"
    EDGE = "edge"
    STRUCTURE = "structure"
    CHANGE = "change"


class Family(StrEnum):
    """What a quantity measures, inferred from its unit and behaviour."""

    SATURATION = "saturation"
    LATENCY = "latency"
    TRAFFIC = "traffic"
    ERRORS = "errors"
    SUCCESS = "success"
    OTHER = "other"


class Mechanism(StrEnum):
    """What a deviation points to, where the telemetry itself says so; the kind of a cause is inferred from these."""

    SATURATION = "saturation"
    LOAD = "load"
    NEIGHBOUR = "neighbour"
    POOL_WAIT = "pool_wait"
    CONNECTION_SETUP = "connection_setup"
    NETWORK = "network"
    GARBAGE_COLLECTION = "garbage_collection"
    OWN_CODE = "own_code"
    UNINSTRUMENTED = "uninstrumented"
    UNREACHABLE = "unreachable"
    EXCEPTION = "exception"
    OTHER_PATH = "other_path"
    RETRIES = "retries"
    QUEUE = "queue"
    CONFIGURATION = "configuration"
    RESTART = "restart"


class Sample(Record):
    """A short piece of the raw telemetry behind an anomaly. Hostile text: quoted and escaped wherever it is shown."""

    time: UtcDatetime
    text: str = Field(max_length=2000)
    trace_id: str = ""
    span_id: str = ""


class Onset(Record):
    """When a deviation began: the best estimate, and the interval that it lies in with about 95 % confidence."""

    at: UtcDatetime
    earliest: UtcDatetime
    latest: UtcDatetime

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.earliest <= self.at <= self.latest:
            message = f"an onset lies in its interval, and {self.at} is not within {self.earliest} to {self.latest}"
            raise ValueError(message)
        return self


class Anomaly(Record):
    """A deviation from a named baseline.

    ``strength`` is in nats (natural-log odds): how much the fact speaks for ``service``, 0 where it does not.
    """

    kind: AnomalyKind
    service: str
    instance: str = ""
    peer: str = Field(default="", description="the other end, for an edge")
    subject: str = Field(description="metric name, log pattern, operation or change that deviated", max_length=2000)
    family: Family = Family.OTHER
    unit: str = ""
    baseline: float | None = Field(default=None, description="the usual value, in `unit`")
    observed: float | None = Field(default=None, description="the value in the window, in `unit`")
    factor: float | None = Field(default=None, description="observed / baseline; None where the baseline is 0 or absent")
    onset: Onset | None = Field(default=None, description="when the deviation began")
    strength: float = Field(ge=0.0)
    mechanism: Mechanism | None = Field(default=None, description="what it points to; null where the telemetry does not say")
    window: Window = Field(description="where it was observed")
    baseline_window: Window | None = Field(default=None, description="where the baseline was taken")
    summary: Sentence = Field(description="one sentence by middlewatch, numbers with units; telemetry text only as a quotation")
    clause: Sentence = Field(
        default="", description="`summary` in a few words, as they stand inside another sentence; changes have one"
    )
    change: ChangeKind | None = Field(default=None, description="what was done, for a change of a kind that is known")
    query: Query
    samples: tuple[Sample, ...] = ()
    passed: tuple[str, ...] = Field(
        default=(),
        description="every service that requests of the operation ran through, before it deviated too; empty where not known",
    )

    @property
    def in_short(self) -> str:
        """The clause; of facts that have none, the whole summary."""
        return self.clause or self.summary


class Assessment(Record):
    """What one analysis says about every service that it could see.

    ``scores`` are in nats and comparable inside one assessment; a service that is absent was not seen at all, while 0 means
    seen and unremarkable. ``usual_tops`` are the top scores that the same analysis gave earlier quiet moments of the same
    system: its own false-alarm history.
    """

    agent: AgentName
    scores: dict[str, float]
    anomalies: tuple[Anomaly, ...] = ()
    usual_tops: tuple[float, ...] = ()
    symptom_rarity: float | None = Field(
        default=None,
        gt=0.0,
        le=1.0,
        description="rank of the symptom's own window among earlier ones of the same length; small is rare",
    )
    symptom_as_usual: bool = Field(default=False, description="whether the alarming metric is known and does not deviate at all")
    freshness: tuple[Freshness, ...] = ()
    edges: tuple[tuple[str, str], ...] = Field(default=(), description="(caller, callee) pairs seen")
    notes: tuple[Sentence, ...] = Field(default=(), description="what was missing, bounded or sampled, in words")
    cleared: tuple[Sentence, ...] = Field(default=(), description="what was looked at and found innocent, in words")


class Evidence(Record):
    """One observed fact in the shared context. Its id follows from what was asked, so that a re-run writes nothing twice."""

    tenant: Tenant
    investigation: Identifier
    id: Identifier
    agent: AgentName
    round: int = Field(ge=1)
    anomaly: Anomaly

    @property
    def digest(self) -> str:
        """SHA-256 over the whole record."""
        return digest_of(self.model_dump(mode="json"))


def evidence_id(task: str, anomaly: Anomaly) -> str:
    """The id of a fact: digest(task, query, window, subject). A task that runs again finds the same facts under the same ids."""
    subject = (anomaly.kind, anomaly.service, anomaly.instance, anomaly.peer, anomaly.subject)
    window = (anomaly.window.start, anomaly.window.end)
    return "ev-" + digest_of(task, anomaly.query.name, window, subject)[:16]
