"""How severe an investigation is held to be, why, and by whom."""

from __future__ import annotations

from pydantic import Field

from middlewatch.records.base import Identifier, Record, Sentence, UtcDatetime
from middlewatch.records.severity import Severity


class Impact(Record):
    """What users notice, by the requests that the entry services answered since the detection."""

    services: tuple[str, ...] = Field(description="the entry services that were looked at")
    requests: float
    failing: float = Field(ge=0, le=1, description="share of them that failed")
    slow: float = Field(ge=0, le=1, description="share of them that did not fail, and took longer than all but the slowest before")


class Rating(Record):
    """The severity of an investigation. It stands until facts change it, or a person sets it: then it stays."""

    severity: Severity
    reasons: tuple[Sentence, ...] = Field(description="in words, the weightiest first")
    since: UtcDatetime = Field(description="from when the time for a response counts")
    rated_at: UtcDatetime
    set_by: Identifier | None = Field(default=None, description="the principal who set it; null where it follows from facts")
    escalated_at: UtcDatetime | None = Field(default=None, description="when it was told that nobody had acknowledged it in time")

    @property
    def respond_by(self) -> UtcDatetime:
        """Until when somebody must have acknowledged it."""
        return self.since + self.severity.response
