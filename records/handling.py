"""What people do with an investigation: who has it, and what they found it worth."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from middlewatch.records.base import Identifier, Record, UtcDatetime

LONGEST_NOTE = 4000
LONGEST_CAUSE = 500


class Verdict(StrEnum):
    """Whether the answer was right, by somebody who knows by now."""

    RIGHT = "right"
    PARTLY = "partly"
    WRONG = "wrong"


class Feedback(Record):
    """One person's word on the answer. A later one of the same person takes its place."""

    by: Identifier
    at: UtcDatetime
    verdict: Verdict
    cause: str = Field(default="", max_length=LONGEST_CAUSE, description="what the cause was, as they typed it")
    digest: str = Field(default="", description="of that text, as the audit log has it; empty where there was none")
    face: str = Field(default="", description="where it was given: cli, web, slack, mcp, api")


class Handover(Record):
    """Somebody gave an investigation to somebody, or took it."""

    by: Identifier
    to: Identifier
    at: UtcDatetime
    note: str = Field(default="", max_length=LONGEST_NOTE, description="what they want the other to know, as they typed it")
    digest: str = Field(default="", description="of that text, as the audit log has it; empty where there was none")


class Handling(Record):
    """All that people said about having an investigation."""

    acknowledged_by: Identifier | None = None
    acknowledged_at: UtcDatetime | None = None
    handovers: tuple[Handover, ...] = Field(default=(), description="oldest first; the last one says who has it")
    feedback: tuple[Feedback, ...] = Field(default=(), description="one of each person, oldest first")

    @property
    def assignee(self) -> str | None:
        """Id of the principal who has it; None where nobody does."""
        return self.handovers[-1].to if self.handovers else None
