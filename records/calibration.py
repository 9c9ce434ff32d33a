"""What a stated confidence is worth, on recorded outcomes."""

from __future__ import annotations

from pydantic import Field

from middlewatch.records.base import Record, Sentence


class Calibration(Record):
    """What outcomes say about confidence: its ln-odds, shifted and stretched."""

    outcomes: int = Field(ge=0, description="findings of which people said whether they were right")
    right: int = Field(default=0, ge=0, description="of those, the ones that were")
    shift: float = Field(default=0.0, description="nats")
    stretch: float = Field(default=1.0, gt=0.0)
    stated_brier: float | None = Field(default=None, description="of confidence as the votes state it; null below enough outcomes")
    calibrated_brier: float | None = Field(default=None, description="calibrated on all other outcomes, each left out in turn")
    applied: bool = Field(default=False, description="whether it is used")
    why: Sentence = Field(default="", description="why it is used, or is not")


class Calibrated(Record):
    """What was done to the confidence of a report."""

    stated: float = Field(ge=0.0, le=1.0, description="as the votes state it")
    outcomes: int = Field(ge=1, description="on which it was calibrated since")
