"""The shop's own alert: when what its owner promised is not kept for a while."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from middlewatch.evals.lab.changes import FIRST_VERSIONS
from middlewatch.evals.lab.measurements import (
    MEMORY,
    OLDEST_MAIL,
    REFUSED_RATIO,
    SERVER_ERROR_RATIO,
    SERVER_P99,
    Measurement,
)

MEMORY_LIMIT_BYTES = 384 * 1024 * 1024
"""What a container may use; one that uses more is ended and started again, as container runtimes do."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric of a service that should not be over a limit."""

    service: str
    metric: str
    limit: float

    @property
    def missed(self) -> str:
        """In words, that it was."""
        return f"{self.service}: {self.metric} over {self.limit:g}"


CUSTOMERS_OBJECTIVES = (
    Objective("gateway", SERVER_P99, 0.25),
    Objective("gateway", SERVER_ERROR_RATIO, 0.05),
    Objective("gateway", REFUSED_RATIO, 0.5),
    Objective("notifications", OLDEST_MAIL, 8.0),
)
"""What a small shop might promise itself: 99 % of requests within a quarter of a second, 95 % without an error, most orders
accepted, and no mail that waits for long.
"""

OBJECTIVES = (*CUSTOMERS_OBJECTIVES, *(Objective(service, MEMORY, 0.6 * MEMORY_LIMIT_BYTES) for service in FIRST_VERSIONS))
"""And that no service uses up the memory that it is given."""


@dataclass(frozen=True, slots=True)
class Detection:
    """The moment at which the alert fired, and the objective that was missed."""

    at: datetime
    objective: Objective


@dataclass(frozen=True, slots=True)
class AlertRule:
    """Fires when an objective has been missed for ``hold_seconds``, by most samples of that time, of all instances."""

    objectives: tuple[Objective, ...] = OBJECTIVES
    hold_seconds: float = 8.0
    missed_share: float = 0.6
    """How many of the samples have to miss it; 1 for all of them. Where few requests come, one sample in between may have none
    of those that fail."""

    def first(self, rows: Iterable[Measurement]) -> Detection | None:
        """When the alert fires for the first time; None where it never does. The rows may come in any order."""
        ordered = sorted(rows, key=lambda row: row.time)
        fired = [
            Detection(at, objective)
            for objective in self.objectives
            if (at := self._held([row for row in ordered if _concerns(row, objective)], objective.limit)) is not None
        ]
        return min(fired, key=lambda detection: detection.at, default=None)

    def _held(self, rows: list[Measurement], limit: float) -> datetime | None:
        """A window begins with a miss, lasts for the time to hold at least, and ends with a miss."""
        window: deque[Measurement] = deque()
        held = timedelta(seconds=self.hold_seconds)
        for row in rows:
            window.append(row)
            while len(window) > 1 and row.time - window[1].time >= held:
                window.popleft()
            while window and window[0].value <= limit:
                window.popleft()
            missed = sum(each.value > limit for each in window)
            lasted = bool(window) and row.time - window[0].time >= held
            if lasted and row.value > limit and missed >= self.missed_share * len(window):
                return row.time
        return None


def _concerns(row: Measurement, objective: Objective) -> bool:
    return (row.service, row.metric) == (objective.service, objective.metric)
