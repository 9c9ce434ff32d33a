"""What comes in: an alert about a symptom."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from middlewatch.records.base import Identifier, Record, Sentence, Tenant, UtcDatetime, Window, digest_of


class Symptom(Record):
    """What somebody noticed: a service, and the metric that alarmed where it is known."""

    service: str = Field(min_length=1, max_length=256)
    metric: str | None = Field(default=None, max_length=512)


class Alert(Record):
    """The start of an investigation. ``window_end`` is a wall: nothing at or after it is ever read."""

    tenant: Tenant
    source: str = Field(description="where the alert came from, such as 'recording' or 'command line'", max_length=64)
    source_id: str = Field(description="the alert's own id at its source", max_length=256)
    title: str = Field(max_length=1024)
    detected_at: UtcDatetime
    window_end: UtcDatetime
    symptom: Symptom | None = None
    earlier_incidents: tuple[Window, ...] = Field(
        default=(), description="known incidents that ended before detection; left out of baselines"
    )
    follows: Identifier | None = Field(default=None, description="the investigation of the time before, where the alert came back")
    since: tuple[Sentence, ...] = Field(default=(), description="what was found then and what changed since, in words")

    @model_validator(mode="after")
    def _window_is_not_empty(self) -> Self:
        if self.window_end <= self.detected_at:
            message = "the window is empty: window_end must be after detected_at"
            raise ValueError(message)
        return self

    @property
    def digest(self) -> str:
        """The same occurrence has the same digest; a recurrence at another time has another."""
        return digest_of(self.tenant, self.source, self.source_id, self.detected_at, self.window_end)
