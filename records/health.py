"""How a service does: its golden signals, and what of it will be full before long."""

from __future__ import annotations

from pydantic import Field

from middlewatch.records.base import Record, Sentence, UtcDatetime
from middlewatch.records.objective import BudgetStanding


class Usage(Record):
    """How much of a limited resource is used."""

    service: str = Field(max_length=256)
    instance: str = Field(default="", max_length=512)
    resource: str = Field(max_length=80, description="in words, such as disk or connections")
    what: str = Field(default="", max_length=300, description="which one of several: a mount point, a pool; text of the telemetry")
    metric: str = Field(max_length=512)
    share: float = Field(ge=0.0, description="of the limit; more than 1 where the limit is a soft one")


class Exhaustion(Record):
    """Something that fills steadily, and when it is full at this rate."""

    usage: Usage
    at: UtcDatetime = Field(description="of the last sample")
    observed_hours: float = Field(gt=0.0, description="how long it was seen to rise")
    share_per_hour: float = Field(gt=0.0)
    hours: float = Field(ge=0.0, description="until it is full, at the rate of the middle")
    earliest_hours: float = Field(ge=0.0)
    latest_hours: float = Field(ge=0.0, description="both ends of the rate's interval of 95 %")

    @property
    def in_words(self) -> Sentence:
        """When it is full, with its interval."""
        middle, first, last = (_few_digits(hours) for hours in (self.hours, self.earliest_hours, self.latest_hours))
        return f"{100.0 * self.usage.share:.0f} % used, full in {middle} h at this rate ({first} to {last} h)"


class Course(Record):
    """A quantity over the last time, evenly spaced; null where nothing was measured."""

    step_seconds: float
    values: tuple[float | None, ...]


class ServiceHealth(Record):
    """The golden signals of one service, and what was promised of it. Null is unknown: nothing was reported."""

    service: str
    tier: int
    owner: str = ""
    journeys: tuple[str, ...] = ()
    at: UtcDatetime
    window_seconds: float = Field(description="over which rate, errors and latency are taken")
    per_second: float | None = None
    error_share: float | None = None
    p99_ms: float | None = None
    rates: Course
    errors: Course
    saturation: Usage | None = Field(default=None, description="the fullest of its limited resources")
    exhaustions: tuple[Exhaustion, ...] = ()
    budgets: tuple[BudgetStanding, ...] = ()
    maintenance: str = ""


def _few_digits(hours: float) -> str:
    return f"{hours:.1f}" if hours < 10.0 else f"{hours:.0f}"  # noqa: PLR2004  two digits
