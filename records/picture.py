"""Telemetry as a person takes it in at a glance: a quantity over time beside what is usual, and one request span by span.

Whatever could not be drawn says so in `reason`, in words; the lists are empty then. Names inside are text of telemetry: hostile.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from middlewatch.records.base import Record, Sentence, UtcDatetime, Window
from middlewatch.records.evidence import Onset
from middlewatch.records.telemetry import Freshness, Query


class Band(Record):
    """What is usual, point by point; parallel to the times of its chart."""

    low: tuple[float | None, ...]
    middle: tuple[float | None, ...]
    high: tuple[float | None, ...]
    words: Sentence = Field(description="what it is and of which time, such as 'median and 5-95 % quantiles of 08:00 to 14:00 UTC'")
    window: Window = Field(description="what it was taken from")


class Chart(Record):
    """The course of one quantity around an incident or in a window."""

    what: Sentence = Field(description="the quantity in words; names of telemetry quoted")
    service: str
    instance: str = Field(default="", description="empty where several are taken together")
    peer: str = Field(default="", description="the other end of a call, where it is about calls")
    subject: str = Field(description="metric, operation or log pattern")
    unit: str = ""
    window: Window = Field(description="what the chart reaches over, also where nothing was seen")
    step_seconds: float = Field(default=0.0, ge=0.0, description="how much time one value stands for at the source")
    times: tuple[UtcDatetime, ...] = Field(default=(), description="rising; at most about 300")
    observed: tuple[float | None, ...] = Field(default=(), description="parallel to `times`; null where there is no sample")
    band: Band | None = Field(default=None, description="what is usual; null where there is too little past to tell")
    thinned: int = Field(default=0, ge=0, description="values left out between those shown; each stretch keeps its extremes")
    incident: Window | None = Field(default=None, description="what was compared with what is usual")
    onset: Onset | None = None
    evidence: str = Field(default="", description="id of the fact that it shows; empty where it shows none")
    reason: Sentence = Field(default="", description="why there is nothing to see, in words; empty where there is")
    notes: tuple[Sentence, ...] = Field(default=(), description="bounds that were hit and windows that were cut, in words")
    freshness: Freshness | None = None
    query: Query | None = None


class Lost(StrEnum):
    """What the own time of a span is, as far as one request tells."""

    OWN = "own"
    """Time in the operation itself, in no call."""
    BETWEEN = "between"
    """It waits for another service, which is not at work on it either: lost between the two."""
    UNSEEN = "unseen"
    """In something that no span looks into, such as a database."""
    WAITING = "waiting"
    """For a connection: out of a pool, or set up."""


class Stretch(Record):
    """A piece of a span's time that no child covers. Every kind but `own` is missing time."""

    start_ms: float = Field(description="since the request began")
    end_ms: float
    kind: Lost
    words: Sentence = Field(default="", description="what the time is lost in; names quoted; empty for own time")


class WaterfallSpan(Record):
    """One line of a waterfall."""

    span_id: str
    parent_id: str = ""
    depth: int = Field(ge=0)
    service: str
    instance: str = ""
    operation: str
    start_ms: float = Field(description="since the request began; clocks corrected")
    duration_ms: float = Field(ge=0.0)
    failed: bool
    own: tuple[Stretch, ...] = Field(default=(), description="its time that no child covers, in order")
    own_ms: float = Field(ge=0.0, description="how much that is")
    critical: bool = Field(description="whether the whole request waited for it")
    culprit: bool = Field(default=False, description="whether the fact that the trace is shown for is about it")
    below: int = Field(default=0, ge=0, description="spans below it that are left out")


class Waterfall(Record):
    """One request, span by span: parents before children, siblings in the order of their beginning."""

    trace_id: str
    start: UtcDatetime | None = Field(default=None, description="when it began; null where there is nothing to see")
    duration_ms: float = Field(default=0.0, ge=0.0, description="from its first moment to its last")
    spans: tuple[WaterfallSpan, ...] = ()
    left_out: int = Field(default=0, ge=0, description="spans that were read and are not shown")
    services: tuple[str, ...] = Field(default=(), description="every service of the request, also of spans that are not shown")
    evidence: str = Field(default="", description="id of the fact that it is a sample of; empty where it is of none")
    reason: Sentence = Field(default="", description="why there is nothing to see, in words; empty where there is")
    notes: tuple[Sentence, ...] = Field(
        default=(), description="corrected clocks, spans without their parents, and bounds, in words"
    )
    freshness: Freshness | None = None
    query: Query | None = None
