"""Earlier investigations that are like one, and what came of them.

Alike is a plain order, without weights: the same cause (service and kind), then the same service as the cause, then the same
alarming metric of the same service, then the same alarming service, then the same kind of cause elsewhere; newest first in each.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from middlewatch.records import ActionName, Feedback, Headline, Identifier, Record, Recovery, RequestState, Symptom, UtcDatetime


class Likeness(StrEnum):
    """In what an earlier investigation is like this one, the most telling first."""

    SAME_CAUSE = "same_cause"
    """The same service, and the same kind of cause."""
    SAME_SERVICE = "same_service"
    """The same service as the cause."""
    SAME_METRIC = "same_metric"
    """The same metric of the same service alarmed."""
    SAME_SYMPTOM = "same_symptom"
    """The same service alarmed."""
    SAME_KIND = "same_kind"
    """The same kind of cause in another service."""


class Tried(Record):
    """An action that was put to people in an earlier investigation."""

    request: Identifier
    action: ActionName
    target: str
    state: RequestState
    recovery: Recovery | None = Field(default=None, description="whether the symptom went away; null where it was not executed")
    recovered_at: UtcDatetime | None = None


class Earlier(Record):
    """One earlier investigation."""

    investigation: Identifier
    likeness: Likeness
    title: str = Field(description="of its alert")
    symptom: Symptom | None = None
    detected_at: UtcDatetime
    headline: Headline
    feedback: tuple[Feedback, ...] = Field(default=(), description="what people said of its answer")
    tried: tuple[Tried, ...] = Field(default=(), description="what was done about it, as far as it was asked for")


class Precedents(Record):
    """What an investigation can be compared with."""

    earlier: tuple[Earlier, ...] = Field(description="the most alike first, of one likeness the newest first")
    seen: int = Field(ge=0, description="earlier investigations of the same symptom in the 30 days before; 0 where it has none")
    looked_at: int = Field(ge=0, description="how many earlier investigations were compared")
