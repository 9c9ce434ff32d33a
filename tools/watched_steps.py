"""A service in short steps, as deploy watch compares it: its requests, error lines, resources, and signs of life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from middlewatch.records import UtcDatetime, Window
from middlewatch.tools.baseline import Floats

STEP_SECONDS: Final = 10
PER_OCTAVE: Final = 8
"""Buckets of durations, as the source counts them."""


class Measure(StrEnum):
    """What is compared."""

    ERRORS = "errors"
    SLOW = "slow"
    MEDIAN = "median"
    SILENCE = "silence"
    LOG_ERRORS = "log_errors"
    CPU = "cpu"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """One service, in steps of `STEP_SECONDS` from `start`. Arrays have the shape (steps,), but `durations` (steps, buckets)."""

    start: UtcDatetime
    requests: Floats
    errors: Floats
    """Its own: no service that it called failed."""
    durations: Floats
    """Requests by the bucket of their own time, `PER_OCTAVE` to each doubling of 1 + microseconds."""
    log_errors: Floats
    alive: Floats
    """Log lines and samples of metrics: what a process gives that is not asked for anything."""
    gauges: Mapping[Measure, Floats] = field(default_factory=dict)
    """CPU and memory; NaN without a sample."""

    @property
    def size(self) -> int:
        return int(self.requests.size)

    def time(self, step: int) -> UtcDatetime:
        return self.start + timedelta(seconds=step * STEP_SECONDS)

    def without(self, hidden: Sequence[Window]) -> Steps:
        """The same without the steps that lie in these times; what is left is put together."""
        begins = np.arange(self.size) * float(STEP_SECONDS)
        usual = np.ones(self.size, dtype=np.bool_)
        for window in hidden:
            low, high = ((moment - self.start).total_seconds() for moment in (window.start, window.end))
            usual &= (begins >= high) | (begins + STEP_SECONDS <= low)
        return self._only(usual)

    def part(self, first: int) -> Steps:
        """The same from a step on."""
        return replace(self._only(np.arange(self.size) >= first), start=self.time(first))

    def _only(self, which: NDArray[np.bool_]) -> Steps:
        return Steps(
            self.start,
            self.requests[which],
            self.errors[which],
            self.durations[which],
            self.log_errors[which],
            self.alive[which],
            {measure: values[which] for measure, values in self.gauges.items()},
        )

    def then(self, after: Steps) -> Steps:
        """Both, put together."""
        gauges = {}
        for measure in self.gauges.keys() | after.gauges.keys():
            both = (part.gauges.get(measure, np.full(part.size, np.nan)) for part in (self, after))
            gauges[measure] = np.concatenate(list(both))
        return Steps(
            self.start,
            np.concatenate([self.requests, after.requests]),
            np.concatenate([self.errors, after.errors]),
            np.concatenate([self.durations, after.durations]),
            np.concatenate([self.log_errors, after.log_errors]),
            np.concatenate([self.alive, after.alive]),
            gauges,
        )
