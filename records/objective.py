"""Service level objectives: what is promised, how it is measured, and how much of the error budget is left."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from middlewatch.records.approval import BudgetState
from middlewatch.records.base import Identifier, Record, UtcDatetime


class ObjectiveKind(StrEnum):
    """What is promised of each request, or of each thing that is counted."""

    AVAILABILITY = "availability"
    """It is answered without an error."""
    LATENCY = "latency"
    """It is answered within `threshold_ms`."""
    CORRECTNESS = "correctness"
    """It is right: a pair of counters, good ones of all."""


class Objective(Record):
    """One promise. ``target`` is the share of good ones; the error budget is the rest, over `days`."""

    name: Identifier
    services: tuple[str, ...] = Field(
        min_length=1, description="whose requests count: one service, or the entry services of a journey"
    )
    journey: str = Field(
        default="", max_length=120, description="the user journey that it stands for, in words; empty for a service's own"
    )
    operations: tuple[str, ...] = Field(
        default=(), description="names of the root or server spans that count; empty for all of them"
    )
    kind: ObjectiveKind
    target: float = Field(gt=0.0, lt=1.0)
    days: float = Field(default=30.0, gt=0.0, le=90.0)
    threshold_ms: float | None = Field(default=None, gt=0.0, description="of a latency objective")
    good_metric: str = Field(default="", max_length=512, description="of a correctness objective: the counter of good ones")
    total_metric: str = Field(default="", max_length=512, description="of a correctness objective: the counter of all")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.kind is ObjectiveKind.LATENCY) != (self.threshold_ms is not None):
            message = "threshold_ms belongs to a latency objective, and to no other"
            raise ValueError(message)
        if (self.kind is ObjectiveKind.CORRECTNESS) != bool(self.good_metric and self.total_metric):
            message = "good_metric and total_metric belong to a correctness objective, and to no other"
            raise ValueError(message)
        return self


class Burn(Record):
    """How fast the budget is spent in a window: 1 would spend exactly all of it in the objective's days."""

    window_seconds: float
    good: float
    total: float
    rate: float | None = Field(description="null where nothing was counted")


class BudgetStanding(Record):
    """How one objective stands."""

    objective: Objective
    at: UtcDatetime
    covered_days: float = Field(description="how much of the objective's days there is telemetry for; the rest is taken as good")
    left: float | None = Field(
        description="the share of the error budget that is left; negative where it is overdrawn; null for unknown"
    )
    state: BudgetState | None = Field(description="null for unknown: nothing, or too little to call it free, was counted")
    burns: tuple[Burn, ...] = ()
    firing: str = Field(default="", description="the burn-rate alert that fires, in words; empty where none does")
