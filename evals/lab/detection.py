"""The shop's own alert: when what its owner promised is not kept for a while."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from middlewatch.evals.lab.measurements import OLDEST_ORDER, REFUSED_RATIO, SERVER_ERROR_RATIO, SERVER_P99, Measurement


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


OBJECTIVES = (
    Objective("storefront", SERVER_P99, 0.2),
    Objective("storefront", SERVER_ERROR_RATIO, 0.05),
    Objective("storefront", REFUSED_RATIO, 0.5),
    Objective("shipping", OLDEST_ORDER, 20.0),
)
"""What a small shop might promise itself: 99 % of requests within a fifth of a second, 95 % without an error, most orders
accepted, and no parcel that waits for long.
"""


@dataclass(frozen=True, slots=True)
class Detection:
    """The moment at which the alert fired, and the objective that was missed."""

    at: datetime
    objective: Objective


@dataclass(frozen=True, slots=True)
class AlertRule:
    """Fires when an objective has been missed in every sample for ``hold_seconds``."""

    objectives: tuple[Objective, ...] = OBJECTIVES
    hold_seconds: float = 30.0

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
        since: datetime | None = None
        for row in rows:
            if row.value <= limit:
                since = None
            elif since is None:
                since = row.time
            if since is not None and row.time - since >= timedelta(seconds=self.hold_seconds):
                return row.time
        return None


def _concerns(row: Measurement, objective: Objective) -> bool:
    return (row.service, row.metric) == (objective.service, objective.metric)
