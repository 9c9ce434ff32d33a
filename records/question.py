"""What may be asked of telemetry, and what is answered: the arguments and results of the read-only tools.

Whoever asks (a person, an agent, a model, another program) names no tenant: it is the application's. Every answer is bounded, and
says what it rests on: how far the telemetry reaches, the queries behind it, and the bounds that were hit.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from middlewatch.records.base import Identifier, Record, Sentence, UtcDatetime, Window
from middlewatch.records.evidence import AgentName, AnomalyKind, Family, Mechanism, Onset, Sample
from middlewatch.records.telemetry import Edge, Freshness, Query

Service = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Services = Annotated[tuple[Service, ...], Field(default=(), max_length=50, description="only these; empty means every service")]


class Asked(Record):
    """Whose telemetry, and when. Without a window: of an investigation its incident, of live telemetry the last 15 minutes."""

    investigation: Identifier | None = Field(
        default=None, description="id of an investigation: its telemetry is read, and nothing after the end of its window"
    )
    recording: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9._-]{1,80}$", description="name of an imported recording; absent means live telemetry"
    )
    start: UtcDatetime | None = Field(default=None, description="begin of the window, ISO 8601 with its offset from UTC")
    end: UtcDatetime | None = Field(default=None, description="end of the window, not included")
    around: UtcDatetime | None = Field(default=None, description="in place of start and end: the middle of the window")
    minutes: float | None = Field(default=None, gt=0, le=7 * 24 * 60, description="how long the window is, without start or end")


class Answered(Record):
    """What every answer says of itself."""

    window: Window = Field(description="what was really read")
    recording: str = Field(default="", description="whose telemetry; empty means live")
    notes: tuple[Sentence, ...] = Field(
        default=(), description="bounds that were hit, windows that were cut, data that is missing, in words"
    )
    freshness: tuple[Freshness, ...] = Field(default=(), description="how far the telemetry reaches")
    queries: tuple[Query, ...] = Field(default=(), description="what was asked of the source")


# Analyses


class AssessQuestion(Asked):
    """What is different in the window from the time before it?"""

    services: Services
    limit: int = Field(default=12, ge=1, le=40, description="at most so many facts")


class Fact(Record):
    """A deviation from its baseline, as an analysis found it."""

    kind: AnomalyKind
    service: str
    instance: str = ""
    peer: str = ""
    subject: str = Field(description="metric, log pattern, operation or change")
    family: Family
    unit: str = ""
    baseline: float | None = Field(default=None, description="the usual value, in `unit`")
    observed: float | None = Field(default=None, description="the value in the window, in `unit`")
    factor: float | None = None
    onset: Onset | None = None
    strength: float = Field(description="how much it speaks for the service as the cause, in nats (natural-log odds)")
    mechanism: Mechanism | None = None
    window: Window
    baseline_window: Window | None = None
    summary: Sentence
    samples: tuple[Sample, ...] = ()


class AssessAnswer(Answered):
    """How unusual every service is, and the facts behind that."""

    agent: AgentName = Field(description="whose analysis it is")
    baseline: Window = Field(description="what the window was compared with")
    scores: dict[str, float] = Field(
        description="in nats, most unusual first; 0 is seen and unremarkable, an absent service was not seen"
    )
    facts: tuple[Fact, ...] = Field(description="strongest first")
    cleared: tuple[Sentence, ...] = Field(default=(), description="what was looked at and found innocent, in words")


# Metrics


class MetricQuestion(Asked):
    """How did a metric go?"""

    service: Service = Field(description="whose metric")
    metric: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = Field(
        description='its name, also with attributes as in name{key="value"}'
    )
    instance: str = Field(default="", max_length=512, description="only this one; empty means all of them together")


class ListQuestion(Asked):
    """What is there?"""

    services: Services
    contains: str = Field(default="", max_length=200, description="only names that contain this text")
    limit: int = Field(default=100, ge=1, le=500, description="at most so many rows")


class MetricRow(Record):
    """One metric of a service."""

    service: str
    metric: str
    unit: str = ""
    kind: str
    series: int = Field(description="how many, over instances and attributes")
    instances: int
    last: UtcDatetime = Field(description="time of its newest sample in the window")


class MetricsAnswer(Answered):
    """The metrics that services report."""

    metrics: tuple[MetricRow, ...]


class ServiceRow(Record):
    """One service, and which signals show it."""

    service: str
    metrics: bool
    logs: bool
    traces: bool
    changes: bool


class ServicesAnswer(Answered):
    """The services that telemetry knows."""

    services: tuple[ServiceRow, ...]


# Logs


class PatternsQuestion(Asked):
    """Which log patterns are there, and how often?"""

    services: Services
    contains: str = Field(default="", max_length=200, description="only patterns that contain this text")
    split: UtcDatetime | None = Field(default=None, description="count before and after this moment, inside the window")
    limit: int = Field(default=50, ge=1, le=300, description="at most so many rows")


class PatternRow(Record):
    """One log pattern of a service: its body with the variable parts masked."""

    service: str
    pattern: str
    severity: str = Field(description="the worst seen")
    total: int = Field(description="lines in the window")
    per_minute: float
    before_per_minute: float | None = Field(default=None, description="before the split; null without one")
    after_per_minute: float | None = Field(default=None, description="from the split on; null without one")
    first: UtcDatetime
    last: UtcDatetime
    sample: str
    trace_id: str = Field(default="", description="of the sample")


class PatternsAnswer(Answered):
    """Log patterns: with a split those first whose rate changed most, else the most frequent first."""

    split: UtcDatetime | None = None
    patterns: tuple[PatternRow, ...]
    total: int = Field(description="patterns that fit, shown or not")


class LinesQuestion(Asked):
    """What do the log lines say?"""

    services: Services
    contains: str = Field(default="", max_length=200, description="only lines that contain this text")
    limit: int = Field(default=50, ge=1, le=300, description="at most so many rows")


class LogLine(Record):
    """One raw line."""

    time: UtcDatetime
    service: str
    instance: str = ""
    severity: str = ""
    body: str = Field(description="cut at 2,000 characters")
    trace_id: str = ""
    span_id: str = ""


class LinesAnswer(Answered):
    """Raw lines, oldest first."""

    lines: tuple[LogLine, ...]


# Traces


class SpansQuestion(Asked):
    """Which spans are the slowest?"""

    services: Services
    limit: int = Field(default=50, ge=1, le=300, description="at most so many rows")


class SpanRow(Record):
    """One raw span."""

    trace_id: str
    span_id: str
    parent_span_id: str = ""
    service: str
    instance: str = ""
    operation: str
    start: UtcDatetime
    duration_ms: float
    failed: bool


class SpansAnswer(Answered):
    """Spans, slowest first."""

    spans: tuple[SpanRow, ...]


class TraceQuestion(Asked):
    """What happened in one request? Without a window it is looked for in all that may be read."""

    trace_id: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")] = Field(
        description="as a span, a log line or a sample names it"
    )


class EvidenceQuestion(Record):
    """What does a fact of an investigation look like?"""

    investigation: Identifier = Field(description="id of the investigation")
    evidence: Identifier | None = Field(default=None, description="id of the fact; absent means the strongest that can be shown")


# The system


class MapQuestion(Asked):
    """Who calls whom?"""

    services: Services
    limit: int = Field(default=300, ge=1, le=1000, description="at most so many rows")


class MapEdge(Edge):
    """One arrow of the service map, with what went wrong on it."""

    errors: int = Field(default=0, description="calls that failed")
    declared: bool = Field(default=False, description="named by the topology, whether or not traces show it")


class MapAnswer(Answered):
    """The service map, busiest edges first."""

    edges: tuple[MapEdge, ...]


class ChangesQuestion(Asked):
    """What was changed? Without a window: the 24 hours before the end of what may be read."""

    services: Services
    limit: int = Field(default=50, ge=1, le=300, description="at most so many rows")


class ChangeRow(Record):
    """One recorded change."""

    time: UtcDatetime
    service: str
    kind: str = Field(description="deploy, config, flag, scale, migration, or whatever else the source calls it")
    version: str = ""
    actor: str = ""
    description: str = ""


class ChangesAnswer(Answered):
    """Deploys, configuration, flags, scaling and migrations, newest first."""

    changes: tuple[ChangeRow, ...]


class FreshnessAnswer(Answered):
    """How far each signal reaches: 'no data since 02:03' is not 'healthy'."""
