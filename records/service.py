"""What a team declares of its services: how much hangs on each, what it is called elsewhere, and who owns it."""

from __future__ import annotations

from pydantic import Field

from middlewatch.records.base import Record

USUAL_TIER = 3


class ServiceEntry(Record):
    """One declared service; those that nobody declared are of `USUAL_TIER`."""

    tier: int = Field(default=USUAL_TIER, ge=1, le=4, description="1: money, and everybody notices; 4: nobody does for a day")
    aliases: tuple[str, ...] = Field(default=(), description="what alerts, deploys and clusters call it")
    owner: str = Field(default="", max_length=120)
